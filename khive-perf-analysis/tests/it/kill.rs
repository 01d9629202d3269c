//! A receiver that is killed in the middle of its work has everything it said yes to.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use prost::Message;
use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::support::{PATIENCE, PROTOBUF, SECOND, START, db_in, http, one_call};

/// A `khive-perf serve` of its own; it is killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Serving {
    pub(crate) fn start(db: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_khive-perf"))
            .args([
                "serve",
                "--grpc",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--db",
            ])
            .arg(db)
            .stderr(Stdio::piped())
            .spawn()
            .expect("our binary");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a first line");
        let addr = |protocol: &str| {
            let (_, rest) = line
                .split_once(protocol)
                .unwrap_or_else(|| panic!("said `{line}`"));
            rest.split(',')
                .next()
                .expect("an address")
                .parse()
                .expect("an address")
        };
        let (grpc, http) = (addr("OTLP/gRPC on "), addr("OTLP/HTTP on "));
        child.stderr = Some(stderr.into_inner());
        Self { child, grpc, http }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `cargo xtask kills` asks for a hundred, after as many different numbers of requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_request_that_got_an_ok_is_in_the_database_after_kill_9() {
    let kills =
        std::env::var("KHIVE_PERF_KILLS").map_or(1, |kills| kills.parse().expect("a number"));
    for kill in 0..kills {
        kill_after(300 - kill * 37 % 300).await;
    }
    println!("killed {kills} times, nothing acknowledged was lost");
}

/// Kills a receiver once `wanted` requests were answered.
async fn kill_after(wanted: usize) {
    const SENDERS: usize = 4;

    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let mut serving = Serving::start(&db);
    let next = Arc::new(AtomicU64::new(0));
    let (ok, mut oks) = mpsc::unbounded_channel();
    for sender in 0..SENDERS {
        let (next, ok, grpc, http_addr) =
            (Arc::clone(&next), ok.clone(), serving.grpc, serving.http);
        // Half of the senders speak gRPC and half HTTP; each ends with its first failure.
        tokio::spawn(async move {
            let mut client = match sender % 2 {
                0 => MetricsServiceClient::connect(format!("http://{grpc}"))
                    .await
                    .ok(),
                _ => None,
            };
            loop {
                let sequence = next.fetch_add(1, Ordering::Relaxed);
                let request = one_call("shop", sequence);
                let stored = match &mut client {
                    Some(client) => client.export(request).await.is_ok(),
                    None => post_until_dead(http_addr, &request.encode_to_vec()).await,
                };
                if !stored || ok.send(sequence).is_err() {
                    return;
                }
            }
        });
    }
    drop(ok);
    let mut acknowledged = BTreeSet::new();
    let collect = async {
        while let Some(sequence) = oks.recv().await {
            acknowledged.insert(sequence);
            if acknowledged.len() == wanted {
                // SIGKILL, with requests of every sender on their way.
                serving.child.kill().expect("it lives");
            }
        }
    };
    tokio::time::timeout(PATIENCE, collect)
        .await
        .expect("the senders end with the receiver");
    serving.child.wait().expect("it ended");
    assert!(acknowledged.len() >= wanted);

    // Opening it as the next process would repairs what there is to repair.
    khive_perf_analysis::store::Store::open(&db).expect("a sound database");
    let connection = Connection::open(&db).expect("a database");
    let mut statement = connection
        .prepare("SELECT start_unix_ns FROM point")
        .expect("points");
    let stored: BTreeSet<u64> = statement
        .query_map([], |row| row.get::<_, i64>(0))
        .expect("points")
        .map(|start| (start.expect("a start").unsigned_abs() - START) / SECOND)
        .collect();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let unanswered = stored.difference(&acknowledged).count();
    assert!(
        unanswered <= SENDERS,
        "{unanswered} stored without an answer"
    );
}

/// Whether the request was stored; a connection that breaks says no.
async fn post_until_dead(addr: SocketAddr, body: &[u8]) -> bool {
    let body = body.to_vec();
    let request = async move {
        http(
            addr,
            "POST",
            "/v1/metrics",
            &[("content-type", PROTOBUF)],
            &body,
        )
        .await
        .status
            == 200
    };
    // Without an answer the client's own checks fail, and its task with them.
    tokio::spawn(request).await.unwrap_or(false)
}
