//! Reports of runs and the pages for browsers: what they show, and that nothing in a name or from elsewhere gets in.

use std::path::Path;
use std::process::{Command, Output};

use khive_perf_analysis::pages;
use khive_perf_analysis::receiver::{Config, Receiver};
use khive_perf_analysis::store::{Ending, NewRun, Status, Store, Target};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, metric};

use crate::support::{
    Answer, CUMULATIVE, PROTOBUF, SECOND, START, calls, db_in, exp_histogram, exp_point, http,
    metric as named, raw, request, sum, sum_point,
};

/// A name that breaks what does not escape it.
const HOSTILE: &str = "a<script>alert(1)</script>&\"'|`*\n\u{1b}[2J";
const SHOWN: &str = "a&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;'|`*";

/// Runs called `before` and `after`, three each; in those after, the slow function takes `factor` as long, and one leaks.
fn fill(db: &Path) -> Store {
    let store = Store::open(db).expect("a new database");
    for number in 0..6u64 {
        let is_after = number % 2 == 1;
        let started = START + number * 100 * SECOND;
        let run = store
            .create_run(&NewRun {
                name: if is_after { "after" } else { "before" }.to_owned(),
                command: vec!["demo".to_owned(), "<b>".to_owned()],
                started_unix_ns: started,
            })
            .expect("a run");
        // Buckets of scale 5 around 1 ms (-319) and 2 ms (-287).
        let slow = if is_after { -287 } else { -319 };
        let seconds = if is_after { 0.2 } else { 0.1 };
        let points = vec![
            exp_point(&ok("shop::pay"), 5, slow, &[50, 50], seconds),
            exp_point(&ok(HOSTILE), 5, -319, &[100], 0.1),
        ];
        let duration = exp_histogram(CUMULATIVE, points);
        let total = |name: &str, value| sum_point(&ok(name), START, START + SECOND, value);
        let finished = sum(
            CUMULATIVE,
            vec![total("shop::pay", 100), total(HOSTILE, 100)],
        );
        let mut metrics = vec![
            named("khive.perf.function.duration", "s", duration),
            named("khive.perf.function.calls", "{call}", finished),
        ];
        if is_after {
            let place = ("khive.perf.name", "shop::remember");
            let told = |verdict, at, value| {
                let leak = [place, ("khive.perf.leak.verdict", verdict)];
                sum_point(&leak, START, at, value)
            };
            // It was a suspect before, and is none any more.
            let data_points = vec![
                told("leaking", START + SECOND, 3 << 20),
                told("suspect", START + SECOND / 2, 1 << 20),
            ];
            let gauge = metric::Data::Gauge(Gauge { data_points });
            metrics.push(named("khive.perf.leak.rate", "By/h", gauge));
        }
        append(&store, run, &request("shop", "1", metrics));
        let ending = Ending {
            ended_unix_ns: started + 10 * SECOND,
            exit_code: Some(0),
            status: Status::Complete,
        };
        store.finish_run(run, ending).expect("an end");
    }
    store
}

/// The attributes of calls that ended well.
fn ok(name: &str) -> [(&str, &str); 2] {
    [("code.function.name", name), ("khive.perf.outcome", "ok")]
}

/// Takes a request in as the receiver does.
fn append(
    store: &Store,
    run: i64,
    request: &opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest,
) {
    use prost::Message;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let receiver = Receiver::start(Config::on_free_ports(), store.clone(), Target::Run(run))
            .await
            .expect("free ports");
        let headers = [("content-type", PROTOBUF)];
        let body = request.encode_to_vec();
        let answer = http(receiver.http_addr(), "POST", "/v1/metrics", &headers, &body).await;
        assert_eq!(answer.response().partial_success, None);
        receiver.shutdown().await.expect("a clean end");
    });
}

fn khive_perf(db: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_khive-perf"))
        .arg("--db")
        .arg(db)
        .args(arguments)
        .output()
        .expect("khive-perf")
}

fn answer(db: &Path, arguments: &[&str]) -> String {
    let output = khive_perf(db, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let again = khive_perf(db, arguments);
    assert_eq!(output.stdout, again.stdout, "{arguments:?} twice");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_report_shows_every_callsite_in_every_format() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    fill(&db);
    let text = answer(&db, &["report", "after"]);
    assert!(text.starts_with("run #6 `after`: complete, "), "{text}");
    let pay = text.lines().find(|line| line.ends_with("shop::pay"));
    let words: Vec<&str> = pay.expect("a line").split_whitespace().collect();
    assert_eq!(words[3..7], ["100", "0", "2.00", "ms"], "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(
        text.contains("shop::remember is leaking: 3.0 MiB an hour"),
        "{text}"
    );

    let json: serde_json::Value =
        serde_json::from_str(&answer(&db, &["report", "#6", "--format", "json"])).expect("JSON");
    assert_eq!(json["run"]["id"], 6);
    assert_eq!(json["callsites"][0]["name"], "shop::pay");
    assert_eq!(json["callsites"][0]["calls"]["ok"], 100);
    assert_eq!(json["leaks"][0]["bytes_per_hour"], 3_145_728.0);
    assert_eq!(json["findings"][0]["rule"], "leak");

    let html = answer(&db, &["report", "after", "--format", "html"]);
    assert!(html.contains("shop::pay") && html.contains(SHOWN), "{html}");
    check_page(&html);
    assert!(
        !html.contains("href"),
        "a page in a file leads nowhere: {html}"
    );

    let markdown = answer(&db, &["report", "after", "--format", "markdown"]);
    assert!(markdown.contains("| shop::pay |"), "{markdown}");
    assert!(!markdown.contains("<script>"), "{markdown}");
}

#[test]
fn leaks_are_told_and_fail_a_check() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    fill(&db);
    let text = answer(&db, &["leaks", "after"]);
    let words: Vec<&str> = text
        .lines()
        .nth(1)
        .expect("a leak")
        .split_whitespace()
        .collect();
    assert_eq!(words[..3], ["leaking", "3.0", "MiB"], "{text}");
    assert!(answer(&db, &["leaks", "before"]).contains("nothing leaks"));
    for (name, code) in [("after", 1), ("before", 0)] {
        let output = khive_perf(&db, &["leaks", name, "--check"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    // What leaks in the candidate and not in the base fails a gate, whatever is slower.
    let arguments = ["check", "before", "after", "--min-effect", "900"];
    let output = khive_perf(&db, &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said.contains("did not in the base: shop::remember"),
        "{said}"
    );
    let output = khive_perf(&db, &["leaks", "elsewhere"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn top_looks_once_where_nobody_watches() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    fill(&db);
    let text = answer(&db, &["top", "--sort", "total", "--lines", "1"]);
    assert!(text.contains("since it began: 200 calls"), "{text}");
    assert!(
        text.lines().nth(3).expect("a line").ends_with("shop::pay"),
        "{text}"
    );
    assert!(text.ends_with("and 1 more callsites\n"), "{text}");
}

/// Loads nothing, runs nothing, and is whole.
fn check_page(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"));
    for banned in [
        "<script", "src=", "<link", "<iframe", "@import", "url(", "\u{1b}",
    ] {
        assert!(!html.contains(banned), "`{banned}` in {html}");
    }
    let lead = html.matches("href=\"").count();
    assert_eq!(lead, html.matches("href=\"/").count(), "{html}");
}

async fn get(receiver: &Receiver, path: &str) -> Answer {
    http(receiver.http_addr(), "GET", path, &[], b"").await
}

#[test]
fn a_page_compares_runs_of_two_machines_only_where_that_is_asked_for_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    for (name, host) in [
        ("base", Some("a<b>")),
        ("new", Some("b")),
        ("again", Some("a<b>")),
        ("mute", None),
    ] {
        for _ in 0..3 {
            let run = store.create_run(&NewRun {
                name: name.to_owned(),
                ..NewRun::default()
            });
            let run = run.expect("a run");
            let mut of = crate::traces::spans_of("shop", &[("work", 1, None, 10)]);
            if let Some(host) = host {
                of.resource.insert("host.name".to_owned(), host.into());
            }
            store.append_spans(Target::Run(run), &[of]).expect("stored");
            let ending = Ending {
                ended_unix_ns: SECOND,
                exit_code: Some(0),
                status: Status::Complete,
            };
            store.finish_run(run, ending).expect("an end");
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let pages = pages::router(store.clone());
        let config = Config::on_free_ports();
        let receiver = Receiver::start_with(config, store, Target::PerInstance, pages)
            .await
            .expect("free ports");
        let page = async |path: &str| {
            let answer = get(&receiver, path).await;
            let html = String::from_utf8(answer.body).expect("UTF-8");
            check_page(&html);
            (answer.status, html)
        };
        let different = "`base` is from a&lt;b&gt;, and `new` from b: another machine is no change of the program";
        let (status, html) = page("/compare?base=base&candidate=new").await;
        assert_eq!(status, 409, "{html}");
        assert!(html.contains(different) && !html.contains("<table"), "{html}");
        let anyway = "/compare?base=base&candidate=new&across_machines=true";
        assert!(html.contains(&anyway.replace('&', "&amp;")), "{html}");
        let (status, html) = page(anyway).await;
        assert_eq!(status, 200, "{html}");
        assert!(html.contains(different) && html.contains("<table"), "{html}");
        let (status, html) = page("/compare?base=base&candidate=again").await;
        assert!(status == 200 && !html.contains("machine"), "{html}");
        let (status, html) = page("/compare?base=base&candidate=mute").await;
        assert!(status == 200 && html.contains("one side does not say which machine"), "{html}");
    });
}

#[test]
fn browsers_find_pages_beside_the_receiver() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = fill(&db_in(&dir));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let pages = pages::router(store.clone());
        let config = Config::on_free_ports();
        let receiver = Receiver::start_with(config, store, Target::PerInstance, pages)
            .await
            .expect("free ports");
        for (path, shows) in [
            ("/", &["#6 after", "#1 before", "demo &lt;b&gt;"][..]),
            ("/runs/6", &["shop::pay", SHOWN, "leaking", "2.00 ms"]),
            (
                "/compare?base=before&candidate=after",
                &["shop::pay", "regressed"],
            ),
            ("/trend", &["shop::pay", SHOWN]),
            (
                "/trend?callsite=shop%3A%3Apay&metric=mean",
                &["<svg", "<circle", "#6"],
            ),
            ("/leaks", &["shop::remember", "3.0 MiB"]),
            ("/recommendations", &["<b>leak</b>"]),
        ] {
            let answer = get(&receiver, path).await;
            let html = String::from_utf8(answer.body.clone()).expect("UTF-8");
            assert_eq!(answer.status, 200, "{path}: {html}");
            for shown in shows {
                assert!(html.contains(shown), "{path} without {shown}: {html}");
            }
            check_page(&html);
            let policy = answer.header("content-security-policy").expect("a policy");
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
        }
        for path in [
            "/runs/99",
            "/compare?base=no&candidate=after",
            "/trend?metric=no",
        ] {
            let answer = get(&receiver, path).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
        // A name made to point here is somebody else's page.
        let addr = receiver.http_addr();
        let foreign = b"GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
        assert_eq!(raw(addr, foreign).await.status, 403);
        // And the receiver is where it was.
        assert_eq!(get(&receiver, "/v1/metrics").await.status, 405);
        use prost::Message;
        let body = calls("shop", "2", "app::work", 7).encode_to_vec();
        let headers = [("content-type", PROTOBUF)];
        let answer = http(addr, "POST", "/v1/metrics", &headers, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}
