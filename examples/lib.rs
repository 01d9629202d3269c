//! Programs, one per question; see README.md for the index.
