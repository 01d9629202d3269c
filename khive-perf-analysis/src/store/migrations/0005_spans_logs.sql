CREATE TABLE operation (
    id INTEGER PRIMARY KEY,
    resource_id INTEGER NOT NULL REFERENCES resource (id) ON DELETE CASCADE,
    scope_name TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('unspecified', 'internal', 'server', 'client', 'producer', 'consumer')),
    attributes TEXT NOT NULL,
    UNIQUE (resource_id, name, kind, scope_name, attributes)
) STRICT;

CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    operation_id INTEGER NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    parent_span_id BLOB,
    start_unix_ns INTEGER NOT NULL,
    duration_ns INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('unset', 'ok', 'error')),
    attributes TEXT NOT NULL,
    UNIQUE (operation_id, trace_id, span_id)
) STRICT;

CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    resource_id INTEGER NOT NULL REFERENCES resource (id) ON DELETE CASCADE,
    fingerprint INTEGER NOT NULL,
    time_unix_ns INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    UNIQUE (resource_id, fingerprint)
) STRICT;
