//! The binary as a user meets it: answers, messages, exit codes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use prost::Message;

use crate::kill::Serving;
use crate::support::{
    CUMULATIVE, PROTOBUF, START, calls, db_in, exp_histogram, exp_point, http, metric, request,
};

pub(crate) fn khive_perf(db: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_khive-perf"))
        .args(arguments)
        .env("KHIVE_PERF_DB", db)
        .stdin(Stdio::null())
        .output()
        .expect("our binary");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("an exit code"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_is_listed_and_exported_exactly() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let mut serving = Serving::start(&db);
    let pairs = [
        ("code.function.name", "app::work"),
        ("khive.perf.outcome", "ok"),
    ];
    // A sum that takes all seventeen digits.
    let point = exp_point(&pairs, 5, -160, &[3, 0, 5], 0.300_000_000_000_000_04);
    let duration = metric(
        "khive.perf.function.duration",
        "s",
        exp_histogram(CUMULATIVE, vec![point]),
    );
    for request in [
        request("shop", "1", vec![duration]),
        calls("shop", "1", "app::work", 8),
    ] {
        let body = request.encode_to_vec();
        let headers = [("content-type", PROTOBUF)];
        assert_eq!(
            http(serving.http, "POST", "/v1/metrics", &headers, &body)
                .await
                .status,
            200
        );
    }
    terminate(&serving);
    assert_eq!(serving.child.wait().expect("it ends").code(), Some(0));

    check_listing(&db);
    let (code, exported, said) = khive_perf(&db, &["export", "sh*", "--format", "json"]);
    assert_eq!((code, said.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&exported).expect("JSON");
    let run = &json["runs"][0];
    assert_eq!(
        (&run["name"], &run["started_unix_ns"]),
        (&"shop".into(), &START.into())
    );
    assert_eq!(
        run["callsites"][0],
        serde_json::json!({
            "service": "shop", "group": "", "name": "app::work",
            "calls": { "ok": 8, "error": 0, "panic": 0, "cancelled": 0 },
            "duration_s": {
                "scale": 5, "count": 8, "sum": 0.300_000_000_000_000_04, "min": null, "max": null,
                "zero_count": 0, "buckets": [[-160, 3], [-158, 5]],
            },
            "self_time_s": 0.0, "busy_time_s": 0.0, "idle_time_s": 0.0, "polls": 0,
        })
    );
    assert!(
        exported.contains("0.30000000000000004"),
        "the sum has all its digits"
    );
    assert_eq!(run["series"][1]["metric"], "khive.perf.function.duration");
    assert_eq!(
        run["series"][1]["value"]["buckets"],
        serde_json::json!([[-160, 3], [-158, 5]])
    );
    let (_, again, _) = khive_perf(&db, &["export", "shop", "--format", "json"]);
    assert_eq!(exported, again, "the same store gives the same bytes");

    let (code, text, _) = khive_perf(&db, &["export", "shop"]);
    assert!(code == 0 && text.contains("app::work"), "{text}");
}

fn check_listing(db: &Path) {
    let (code, listed, said) = khive_perf(db, &["runs"]);
    assert_eq!((code, said.as_str()), (0, ""));
    let mut lines = listed.lines();
    assert_eq!(
        lines.next(),
        Some("id  name  status    started (UTC)        seconds  series  command")
    );
    assert_eq!(
        lines.next(),
        Some("1   shop  complete  2026-11-23 06:00:00  1.0      2")
    );
    assert_eq!(lines.next(), None);
}

#[cfg(unix)]
fn terminate(serving: &Serving) {
    let id = i32::try_from(serving.child.id()).expect("an id");
    let id = rustix::process::Pid::from_raw(id).expect("an id");
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it lives");
}

#[test]
fn mistakes_are_named_with_their_remedy_and_exit_2() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let check = |db: &Path, arguments: &[&str], says: &str| {
        let (code, answer, said) = khive_perf(db, arguments);
        assert_eq!((code, answer.as_str()), (2, ""), "{said}");
        assert!(said.contains(says), "`{said}` does not say `{says}`");
    };
    check(&db, &["runs"], "there is no database at");
    check(&db, &["export", "x"], "record a run first");
    assert!(!db.exists(), "asking creates nothing");
    check(&db, &["run", "--name", "x"], "required");
    check(
        &db,
        &["run", "--name", "x", "--runs", "0", "--", "true"],
        "invalid value '0'",
    );
    check(
        &db,
        &["serve", "--grpc", "nowhere"],
        "invalid value 'nowhere'",
    );
    check(
        &db,
        &["serve", "--grpc", "192.0.2.1:1"],
        "cannot listen for OTLP/gRPC on 192.0.2.1:1",
    );
    check(&db, &["export", "x"], "no run called `x`");
    let notes = dir.path().join("notes.txt");
    std::fs::write(&notes, "no database").expect("a file");
    check(&notes, &["runs"], "is not a khive-perf database");
    check(
        &notes,
        &["run", "--name", "x", "--", "true"],
        "is not a khive-perf database",
    );
    assert_eq!(std::fs::read(&notes).expect("the file"), b"no database");
    check(
        Path::new("/no/such/dir.sqlite"),
        &["serve"],
        "/no/such/dir.sqlite",
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("an address").to_string();
    let (code, _, said) = khive_perf(
        &db_in(&dir),
        &["serve", "--grpc", "127.0.0.1:0", "--http", &addr],
    );
    assert_eq!(code, 2);
    assert!(
        said.contains(&format!("cannot listen for OTLP/HTTP on {addr}")),
        "{said}"
    );
    assert!(said.contains("Address already in use"), "{said}");
}

#[test]
fn an_empty_database_has_no_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    drop(khive_perf_analysis::store::Store::open(&db).expect("a new database"));
    let (code, answer, said) = khive_perf(&db, &["runs"]);
    assert_eq!((code, answer.as_str()), (0, ""));
    assert!(said.contains("there are no such runs"), "{said}");
    let (_, answer, _) = khive_perf(&db, &["runs", "--format", "json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")["runs"],
        serde_json::json!([])
    );
}
