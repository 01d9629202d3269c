//! The ruler, the hot path, and the peers beside it.
