ALTER TABLE run ADD COLUMN summarised INTEGER NOT NULL DEFAULT 0 CHECK (summarised IN (0, 1));

CREATE TABLE callsite (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    callsite_group TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (service, callsite_group, name)
) STRICT;

CREATE TABLE summary (
    callsite_id INTEGER NOT NULL REFERENCES callsite (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    typical REAL,
    mean REAL,
    p50 REAL,
    p99 REAL,
    self_time REAL,
    busy_time REAL,
    throughput REAL,
    error_rate REAL,
    allocated REAL,
    allocations REAL,
    polls REAL,
    longest_poll REAL,
    PRIMARY KEY (callsite_id, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX summary_by_run ON summary (run_id);

CREATE INDEX run_unsummarised ON run (id) WHERE summarised = 0;

CREATE TABLE step (
    id TEXT PRIMARY KEY NOT NULL,
    callsite_id INTEGER NOT NULL REFERENCES callsite (id) ON DELETE CASCADE,
    metric TEXT NOT NULL,
    scope TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    rises INTEGER NOT NULL CHECK (rises IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'went away'))
) STRICT;

CREATE INDEX step_by_series ON step (callsite_id, metric, scope);

CREATE TABLE baseline (
    run_id INTEGER PRIMARY KEY NOT NULL REFERENCES run (id) ON DELETE CASCADE
) STRICT;
