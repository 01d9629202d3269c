//! A program under measurement, in the library and as `khive-perf run`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use khive_perf_analysis::run::Recording;
use khive_perf_analysis::store::{Status, Store};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;

use crate::support::{CUMULATIVE, START, calls, db_in, metric, request, sum, sum_point};

/// Tells the test below that it is a child of another, and how to end.
const AS_CHILD: &str = "KHIVE_PERF_TEST_CHILD_EXITS_WITH";

/// Tells the test of that name that it is a child of another.
const MEASURES_NOTHING: &str = "KHIVE_PERF_TEST_CHILD_MEASURES_NOTHING";

/// Set by `Recording::env`.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";

async fn send_to(endpoint: String, value: i64) {
    let mut client = MetricsServiceClient::connect(endpoint)
        .await
        .expect("a listening receiver");
    let instance = std::process::id().to_string();
    client
        .export(calls("shop", &instance, "app::work", value))
        .await
        .expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_stores_what_is_sent_to_its_environment() {
    if let (Ok(code), Ok(endpoint)) = (std::env::var(AS_CHILD), std::env::var(ENDPOINT)) {
        send_to(endpoint, 7).await;
        std::process::exit(code.parse().expect("an exit code"));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    let recording = Recording::start(&store, "base", &[]).expect("free ports");
    let env = recording.env();
    let value = |name| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.clone())
    };
    assert_eq!(
        value("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL").as_deref(),
        Some("grpc")
    );
    send_to(value(ENDPOINT).expect("an endpoint"), 5).await;
    assert_eq!(store.runs().expect("runs")[0].status, Status::Open);
    let finished = recording.finish(None).expect("a clean end");
    assert_eq!(
        (finished.callsites, finished.calls, finished.received.points),
        (1, 5, 1)
    );
    let run = &store.runs_named("base").expect("runs")[0];
    assert_eq!((run.id, run.status), (finished.run, Status::Complete));
}

#[test]
fn a_recording_to_which_nothing_is_sent_has_failed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    let finished = Recording::start(&store, "base", &[])
        .expect("free ports")
        .finish(Some(0));
    assert_eq!(finished.expect("a clean end").received.points, 0);
    assert_eq!(store.runs().expect("runs")[0].status, Status::Failed);
}

#[test]
fn a_recording_that_is_dropped_stops_listening_and_leaves_the_run_open() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    let recording = Recording::start(&store, "base", &[]).expect("free ports");
    let endpoint = recording.http_endpoint();
    let addr = endpoint.strip_prefix("http://").expect("a URL").to_owned();
    std::net::TcpStream::connect(&addr).expect("it listens");
    drop(recording);
    assert!(std::net::TcpStream::connect(&addr).is_err());
    assert_eq!(store.runs().expect("runs")[0].status, Status::Open);
}

fn khive_perf(db: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_khive-perf"));
    command.env("KHIVE_PERF_DB", db).stdin(Stdio::null());
    command
}

/// `khive-perf run` of the first test above as a child that exits with `code`.
fn run_child(db: &Path, code: &str, arguments: &[&str]) -> Output {
    khive_perf(db)
        .args(["run", "--name", "base"])
        .args(arguments)
        .arg("--")
        .arg(std::env::current_exe().expect("this binary"))
        .args([
            "--exact",
            "measured_run::a_recording_stores_what_is_sent_to_its_environment",
        ])
        .env(AS_CHILD, code)
        .output()
        .expect("our binary")
}

#[test]
fn run_stores_each_run_and_says_how_much_arrived() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let output = run_child(&db, "0", &["--runs", "2"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in [
        "run `base` 1/2 is #1: 1 callsites, 7 calls, 1 points",
        "run `base` 2/2 is #2:",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let store = Store::open_existing(&db).expect("the database");
    let runs = store.runs_named("base").expect("runs");
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!((run.status, run.exit_code), (Status::Complete, Some(0)));
        assert!(run.ended_unix_ns >= Some(run.started_unix_ns));
        assert_eq!(run.command[1], "--exact");
        let loaded = store.load(run.id).expect("the run");
        assert_eq!(
            loaded.callsites.values().next().expect("one").calls,
            [7, 0, 0, 0]
        );
    }
}

#[test]
fn run_passes_on_how_the_command_ended_and_keeps_what_it_sent() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let output = run_child(&db, "42", &["--runs", "3"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(42), "{said}");
    assert!(
        said.contains("the command exited with 42, so the run counts as failed"),
        "{said}"
    );
    let store = Store::open_existing(&db).expect("the database");
    let runs = store.runs().expect("runs");
    assert_eq!(runs.len(), 1, "no further run after a failure");
    assert_eq!(
        (runs[0].status, runs[0].exit_code),
        (Status::Failed, Some(42))
    );
    assert_eq!(store.load(1).expect("the run").callsites.len(), 1);
}

#[test]
fn run_is_loud_where_nothing_arrives() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let output = khive_perf(&db_in(&dir))
        .args(["run", "--name", "x", "--", "true"])
        .output();
    let output = output.expect("our binary");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("error: no metrics arrived from `true`"),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn run_is_loud_where_what_arrives_is_of_no_callsite() {
    if let (Ok(_), Ok(endpoint)) = (std::env::var(MEASURES_NOTHING), std::env::var(ENDPOINT)) {
        let mut client = MetricsServiceClient::connect(endpoint)
            .await
            .expect("a listening receiver");
        let point = sum_point(&[], START, START + 1, 3);
        let threads = metric(
            "process.thread.count",
            "{thread}",
            sum(CUMULATIVE, vec![point]),
        );
        let request = request("shop", "1", vec![threads]);
        client.export(request).await.expect("stored");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let test = std::env::current_exe().expect("this binary");
    let test = test.to_str().expect("a path");
    let child = "measured_run::run_is_loud_where_what_arrives_is_of_no_callsite";
    let base = format!("'{test}' --exact {child}");
    for more in [&["--runs", "2"][..], &["--interleave", &base]] {
        let output = khive_perf(&db)
            .args(["run", "--name", "x"])
            .args(more)
            .args(["--", test, "--exact", child])
            .env(MEASURES_NOTHING, "1")
            .output()
            .expect("our binary");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {said}");
        assert!(
            said.contains("error: nothing was measured: 1 points and spans arrived")
                && said.contains("#[khive_perf::measure]"),
            "{more:?}: {said}"
        );
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(!answer.contains("regress"), "{more:?}: {answer}");
    }
    // One run of each, and none that a later comparison takes for a good one.
    let runs = Store::open(&db).expect("opened").runs().expect("runs");
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run.status == Status::Failed));
}

#[test]
fn run_of_no_program_says_which() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let output = khive_perf(&db)
        .args(["run", "--name", "x", "--", "no-such-program"])
        .output();
    let output = output.expect("our binary");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("cannot run `no-such-program`: No such file"),
        "{said}"
    );
    assert_eq!(
        Store::open(&db).expect("opened").runs().expect("runs")[0].status,
        Status::Failed
    );
}

#[cfg(unix)]
#[test]
fn run_passes_signals_on_and_ends_the_run() {
    use std::io::{BufRead, BufReader};

    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    // The shell says when its trap is set, so that the signal cannot come before it.
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = khive_perf(&db)
        .args(["run", "--name", "x", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("our binary");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a line of the shell");
    assert_eq!(line, "ready\n");
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).expect("an id"));
    rustix::process::kill_process(id.expect("an id"), rustix::process::Signal::TERM)
        .expect("it lives");
    assert_eq!(child.wait().expect("it ends").code(), Some(9));
    let run = &Store::open(&db).expect("opened").runs().expect("runs")[0];
    assert_eq!((run.status, run.exit_code), (Status::Failed, Some(9)));
}
