//! Service: the demo service on a socket, from start to orderly end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::demo::composition::Composer;
use crate::demo::config::Config;
use crate::demo::database::Database;
use crate::demo::error::{Error, Result};
use crate::demo::http::{App, router};
use crate::demo::orchestration::Orchestrator;
use crate::demo::result::ResultStore;
use crate::demo::session::SessionStore;

/// A running service.
#[derive(Debug)]
#[must_use = "a service ends when it is dropped; call stop to let its requests finish"]
pub struct Service {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
    _temporary: Option<TempDir>,
}

// === impl Service ===

impl Service {
    /// Opens the database and the definitions, binds the address, and begins to serve.
    ///
    /// # Errors
    ///
    /// The database, the definitions or the address cannot be used; the message names which.
    pub async fn start(config: Config) -> Result<Self> {
        let (path, temporary) = database_path(config.db.clone())?;
        let database = Database::open(&path, config.readers)?;
        let app = App {
            orchestrator: Orchestrator::new(
                SessionStore::new(database.clone(), config.inject),
                ResultStore::new(database),
                Arc::new(Composer::open(&config)?),
                config.agents_in_flight,
                config.orchestrations_in_flight,
            ),
            inject: config.inject,
        };
        let context = |error| Error::internal(format!("cannot listen on {}", config.addr), error);
        let listener = TcpListener::bind(config.addr).await.map_err(context)?;
        let addr = listener.local_addr().map_err(context)?;
        let (stop, stopped) = oneshot::channel();
        let server = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
            let _ = stopped.await; // a service that was dropped ends as well
        });
        Ok(Self {
            addr,
            stop,
            server: tokio::spawn(server.into_future()),
            _temporary: temporary,
        })
    }

    /// The address that was bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no new connection and waits at most `deadline` for the requests under way.
    ///
    /// # Errors
    ///
    /// Requests were still running at the deadline, and were cut off; or the listener had failed.
    pub async fn stop(self, deadline: Duration) -> Result<()> {
        let _ = self.stop.send(()); // an error says that the server has ended already
        let mut server = self.server;
        match tokio::time::timeout(deadline, &mut server).await {
            Ok(ended) => ended?.map_err(|error| Error::internal("the listener failed", error)),
            Err(elapsed) => {
                server.abort();
                Err(Error::internal("requests were cut off at the end", elapsed))
            }
        }
    }
}

fn database_path(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(path) = wanted {
        return Ok((path, None));
    }
    let directory = tempfile::Builder::new()
        .prefix("khive-demo-")
        .tempdir()
        .map_err(|error| Error::internal("cannot make a temporary directory", error))?;
    Ok((directory.path().join("demo.sqlite"), Some(directory)))
}
