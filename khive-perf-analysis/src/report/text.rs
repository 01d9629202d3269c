//! A comparison as a table of at most 120 columns, the worst callsite first.
