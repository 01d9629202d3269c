ALTER TABLE run ADD COLUMN totalled INTEGER NOT NULL DEFAULT 0 CHECK (totalled IN (0, 1));

CREATE TABLE total (
    series_id INTEGER PRIMARY KEY NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    start_unix_ns INTEGER NOT NULL,
    time_unix_ns INTEGER NOT NULL,
    value_int INTEGER,
    value_double REAL,
    count INTEGER,
    sum REAL,
    min REAL,
    max REAL,
    scale INTEGER,
    zero_count INTEGER,
    zero_threshold REAL,
    bounds BLOB,
    buckets BLOB
) STRICT;
