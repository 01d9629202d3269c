//! Config: every limit and default of the demo service, and its command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::demo::inject::Inject;

/// Agents that one orchestration may ask for.
pub(crate) const AGENTS_MAX: usize = 100;
/// Characters of a session's title.
pub(crate) const TITLE_LEN_MAX: usize = 200;
/// Characters of a task.
pub(crate) const TASK_LEN_MAX: usize = 10_000;
/// Entries of a transcript that a new session may bring along.
pub(crate) const TRANSCRIPT_LEN_MAX: usize = 2_000;
/// Entries that `GET /sessions/{id}` returns at most.
pub(crate) const TAIL_LEN_MAX: usize = 500;
/// Entries that are loaded where the request does not say.
pub(crate) const TAIL_LEN_DEFAULT: usize = 32;
/// Bytes of a request body.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the service is started with.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub addr: SocketAddr,

    /// SQLite file for sessions and results; without it a temporary one that is removed at the end.
    #[arg(long)]
    pub db: Option<PathBuf>,

    /// Directory with `roles/*.yaml` and `domains/*.yaml`.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/demo"))]
    pub definitions: PathBuf,

    /// Fault to switch on.
    #[arg(long, value_enum, default_value_t)]
    pub inject: Inject,

    /// Compositions that the cache holds.
    #[arg(long, default_value_t = 40)]
    pub cache_capacity: usize, // 1..

    /// Agents that run at once, over all orchestrations.
    #[arg(long, default_value_t = 8)]
    pub agents_in_flight: usize, // 1..

    /// Orchestrations that run at once; further ones are refused with 503.
    #[arg(long, default_value_t = 64)]
    pub orchestrations_in_flight: usize, // 1..

    /// SQLite connections for reading sessions, and as many for results; there is always one for writing.
    #[arg(long, default_value_t = 2)]
    pub readers: usize, // 1..
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            db: None,
            definitions: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/demo")),
            inject: Inject::None,
            cache_capacity: 40,
            agents_in_flight: 8,
            orchestrations_in_flight: 64,
            readers: 2,
        }
    }
}

impl Config {
    /// Capacity of the cache after the fault has been applied.
    pub(crate) fn effective_cache_capacity(&self) -> usize {
        match self.inject {
            Inject::CacheThrash => 1,
            _ => self.cache_capacity.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn an_empty_command_line_gives_the_default_configuration() {
        let parsed = Line::parse_from(["service"]).config;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn cache_thrash_leaves_room_for_one_composition() {
        let config = Config {
            inject: Inject::CacheThrash,
            ..Config::default()
        };
        assert_eq!(config.effective_cache_capacity(), 1);
    }
}
