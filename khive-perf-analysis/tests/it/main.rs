//! Black-box tests of the analysis stage: real sockets, real files, real processes.
#![forbid(unsafe_code)]

mod callsites;
mod cli;
mod config;
mod deciding;
mod grpc;
mod histories;
mod hostile;
mod http;
mod importing;
mod interleaved;
mod kill;
mod measured_run;
mod pages;
mod recommending;
mod schema;
mod seeds;
mod store;
mod support;
mod traces;
mod verdicts;
