CREATE TABLE acknowledged (
    finding TEXT PRIMARY KEY NOT NULL,
    because TEXT NOT NULL,
    time_unix_ns INTEGER NOT NULL
) STRICT;
