//! Snapshots to OTLP.
