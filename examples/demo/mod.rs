//! An agent-orchestration service that is measured by khive-perf: real HTTP, real SQLite, real work.
//!
//! ```text
//!  POST /orchestrations
//!    orchestrate ─┬─ SessionStore::load ── load_history            (reader connections)
//!                 ├─ plan
//!                 ├─ run_agents ── run_agent × 1..=100, at most `agents_in_flight` at once
//!                 │                  ├─ Composer::compose ── cache, role and domain files
//!                 │                  ├─ score ── tokenize, rank, digest
//!                 │                  └─ SessionStore::append ── append_history  (writer connection)
//!                 ├─ aggregate
//!                 └─ ResultStore::save
//! ```
//!
//! [`Inject`] switches on one known fault at a time, so that an analysis can be judged by whether it
//! names that fault and nothing else.

mod cache;
mod composition;
mod config;
mod database;
mod error;
mod http;
mod inject;
mod orchestration;
mod program;
mod result;
mod score;
mod service;
mod session;

pub use cache::{CacheStats, Lru};
pub use composition::{Composer, Composition, Library, Pairing};
pub use config::Config;
pub use error::{Error, Result};
pub use inject::Inject;
pub use program::{Args, run};
pub use score::{Finding, Scored, score, tokenize};
pub use service::Service;
