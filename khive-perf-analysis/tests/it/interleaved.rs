//! `khive-perf run --interleave`: two commands in turn, and when that ends.

use std::path::Path;
use std::process::{Command, Stdio};

use khive_perf_analysis::store::Store;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;

use crate::support::{CUMULATIVE, db_in, exp_histogram, exp_point, metric, request};

/// Tells the test below that it is a child of another, and what a call takes.
const SECONDS: &str = "KHIVE_PERF_TEST_CHILD_TAKES";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const CHILD: &str = "interleaved::a_slower_candidate_is_shown_before_all_pairs_are_run";

async fn send(endpoint: String, seconds: f64) {
    const CALLS: u64 = 1_000;
    let mut client = MetricsServiceClient::connect(endpoint)
        .await
        .expect("a listening receiver");
    let process = std::process::id();
    // A percent from run to run.
    let seconds = seconds * (1.0 + f64::from(process * 7 % 5) / 500.0);
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
    let index = (seconds.log2() * 32.0).ceil() as i32 - 1;
    let pairs = [
        ("code.function.name", "app::work"),
        ("khive.perf.outcome", "ok"),
    ];
    let point = exp_point(&pairs, 5, index, &[CALLS], seconds * CALLS as f64);
    let duration = exp_histogram(CUMULATIVE, vec![point]);
    let duration = metric("khive.perf.function.duration", "s", duration);
    client
        .export(request("shop", &process.to_string(), vec![duration]))
        .await
        .expect("stored");
}

/// Exit code, answer and remarks of `base` against `candidate` seconds a call.
fn interleaved(db: &Path, base: &str, candidate: &str, pairs: &str) -> (i32, String, String) {
    let test = std::env::current_exe().expect("this binary");
    let test = test.to_str().expect("a path");
    let base = format!("env {SECONDS}={base} '{test}' --exact {CHILD}");
    let output = Command::new(env!("CARGO_BIN_EXE_khive-perf"))
        .args(["run", "--name", "after", "--base-name", "before"])
        .args(["--runs", pairs, "--interleave", &base, "--"])
        .args([
            "env",
            &format!("{SECONDS}={candidate}"),
            test,
            "--exact",
            CHILD,
        ])
        .env("KHIVE_PERF_DB", db)
        .stdin(Stdio::null())
        .output()
        .expect("our binary");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slower_candidate_is_shown_before_all_pairs_are_run() {
    if let (Ok(seconds), Ok(endpoint)) = (std::env::var(SECONDS), std::env::var(ENDPOINT)) {
        send(endpoint, seconds.parse().expect("a number")).await;
        std::process::exit(0);
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let (code, answer, said) = interleaved(&db, "0.01", "0.02", "12");
    assert_eq!(code, 1, "{answer}{said}");
    assert!(
        answer.contains("app::work") && answer.contains("regressed"),
        "{answer}"
    );
    assert!(said.contains("every verdict is clear after"), "{said}");
    assert!(said.contains("pair 3 of 12 done; at most "), "{said}");
    let runs = Store::open(&db)
        .expect("the database")
        .runs()
        .expect("runs");
    let of = |name: &str| runs.iter().filter(|run| run.name == name).count();
    assert_eq!(of("before"), of("after"));
    assert!(of("after") < 12, "{said}");
}

#[cfg(unix)]
#[test]
fn a_program_against_itself_passes_and_one_that_fails_ends_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let (code, answer, said) = interleaved(&db, "0.01", "0.01", "5");
    assert_eq!(code, 0, "{answer}{said}");
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_khive-perf"))
            .args(["run", "--name", "x", "--interleave"])
            .args(arguments)
            .env("KHIVE_PERF_DB", &db)
            .stdin(Stdio::null())
            .output()
            .expect("our binary")
    };
    let failed = run(&["sh -c 'exit 7'", "--", "sh", "-c", "exit 7"]);
    assert_eq!(failed.status.code(), Some(7));
    let unclosed = run(&["sh -c 'exit", "--", "true"]);
    let said = String::from_utf8_lossy(&unclosed.stderr).into_owned();
    assert_eq!(unclosed.status.code(), Some(2));
    assert!(said.contains("not closed"), "{said}");
}
