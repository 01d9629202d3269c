//! An agent-orchestration service that is measured by khive-perf: real HTTP, real SQLite, real work.
//!
//! ```text
//!  http::create_orchestration
//!    orchestration::orchestrate
//!      ├─ session::load ── session::load_history                     (reader threads)
//!      ├─ orchestration::plan
//!      ├─ orchestration::run_agents ── run_agent × 1..=100, at most `agents_in_flight` at once
//!      │    ├─ composition::compose ── cache::get, load_role, load_domain, merge, cache::insert
//!      │    ├─ score::score ── tokenize, rank, digest
//!      │    └─ session::append ── session::append_history             (writer thread)
//!      ├─ orchestration::aggregate
//!      └─ result::save
//!  http::read_session ── session::load ── session::load_history
//! ```
//!
//! Every measured function has a name of its own, shorter than its path: what was recorded stays comparable
//! when a function moves.
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
