//! Black-box tests that can share a process.

mod accounting;
mod capturing;
mod fields;
mod futures;
mod reports;
mod snapshots;
mod threads;
