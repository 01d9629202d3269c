CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('run', 'serve')),
    status TEXT NOT NULL CHECK (status IN ('open', 'complete', 'failed')),
    started_unix_ns INTEGER NOT NULL,
    ended_unix_ns INTEGER,
    command TEXT,
    exit_code INTEGER,
    service_name TEXT,
    service_instance_id TEXT
) STRICT;

CREATE INDEX run_by_name ON run (name, started_unix_ns);

CREATE UNIQUE INDEX run_by_instance ON run (service_name, service_instance_id)
    WHERE source = 'serve';

CREATE TABLE resource (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    attributes TEXT NOT NULL,
    UNIQUE (run_id, attributes)
) STRICT;

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    resource_id INTEGER NOT NULL REFERENCES resource (id) ON DELETE CASCADE,
    scope_name TEXT NOT NULL,
    scope_version TEXT NOT NULL,
    scope_attributes TEXT NOT NULL,
    metric TEXT NOT NULL,
    unit TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('gauge', 'sum', 'histogram', 'exponential_histogram')),
    temporality TEXT NOT NULL CHECK (temporality IN ('instant', 'delta', 'cumulative')),
    monotonic INTEGER NOT NULL CHECK (monotonic IN (0, 1)),
    attributes TEXT NOT NULL,
    UNIQUE (
        resource_id, metric, attributes, scope_name, scope_version, scope_attributes,
        unit, kind, temporality, monotonic
    )
) STRICT;

CREATE TABLE point (
    id INTEGER PRIMARY KEY,
    series_id INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
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
    buckets BLOB,
    UNIQUE (series_id, start_unix_ns, time_unix_ns)
) STRICT;
