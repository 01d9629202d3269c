//! Tests of the orchestrator: what it plans and concludes, and what is measured of it.

use tempfile::TempDir;

use super::*;
use crate::demo::config::Config;
use crate::demo::database::Database;
use crate::demo::inject::Inject;

fn request(agents: usize, roles: &[&str], domains: &[&str]) -> Request {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Request {
        session: 1,
        task: "Check the retries".into(),
        agents,
        roles: owned(roles),
        domains: owned(domains),
    }
}

fn library() -> Library {
    Library::open(&Config::default().definitions).unwrap()
}

fn report(agent: usize, lines: &[&str]) -> Report {
    Report {
        agent,
        role: "tester".into(),
        domain: "payments".into(),
        seq: 1,
        digest: String::new(),
        terms: 0,
        findings: lines
            .iter()
            .map(|&line| Finding {
                line: line.into(),
                score: 1.0,
            })
            .collect(),
    }
}

#[test]
fn agents_take_roles_in_turn_and_then_the_next_domain() {
    let planned = plan(
        &request(5, &["tester", "planner"], &["storage", "search"]),
        &library(),
    )
    .unwrap();
    let names: Vec<_> = planned
        .iter()
        .map(|a| (a.agent, a.pairing.role.as_str(), a.pairing.domain.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            (1, "tester", "storage"),
            (2, "planner", "storage"),
            (3, "tester", "search"),
            (4, "planner", "search"),
            (5, "tester", "storage"),
        ]
    );
}

#[test]
fn a_hundred_agents_may_work_and_neither_none_nor_one_more() {
    let planned = plan(&request(100, &[], &[]), &library()).unwrap();
    assert_eq!(planned.len(), 100);
    for agents in [0, 101, usize::MAX] {
        let error = plan(&request(agents, &[], &[]), &library()).unwrap_err();
        assert!(error.to_string().contains("between 1 and 100"));
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let error = plan(&request(1, &["poet"], &[]), &library())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no role poet") && error.contains("planner, researcher"),
        "{error}"
    );
    let error = plan(&request(1, &[], &["chess"]), &library())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no domain chess") && error.contains("storage"),
        "{error}"
    );
}

#[test]
fn a_line_that_many_agents_rank_high_leads_the_summary() {
    let summary = aggregate(&[
        report(1, &["rare", "common"]),
        report(2, &["common"]),
        report(3, &["other", "common"]),
    ]);
    assert_eq!((summary[0].line.as_str(), summary[0].votes), ("common", 3));
    assert_eq!(summary.len(), 3);
}

fn orchestrator() -> (TempDir, Orchestrator) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("demo.sqlite"), 2).unwrap();
    let sessions = SessionStore::new(database.clone(), Inject::None);
    let composer = Arc::new(Composer::open(&Config::default()).unwrap());
    let results = ResultStore::new(database);
    (dir, Orchestrator::new(sessions, results, composer, 8, 1))
}

/// Goal: nothing that an orchestration does escapes measurement, on whichever thread it is done. Method:
/// a capture around it, whose context has to reach the tasks and the threads that block.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_measured_across_tasks_and_blocking_threads() {
    let (_dir, orchestrator) = orchestrator();
    let session = orchestrator
        .sessions
        .create("s".into(), Vec::new())
        .await
        .unwrap();
    let request = Request {
        session,
        ..request(5, &["tester"], &["storage"])
    };
    let (stored, captured) =
        khive_perf::testing::capture_async(orchestrator.orchestrate(request)).await;
    stored.unwrap();
    let ok = |name| captured.callsite(name).map_or(0, |stats| stats.ok());
    for once in [
        "orchestrate",
        "load",
        "load_history",
        "plan",
        "run_agents",
        "aggregate",
        "save",
    ] {
        assert_eq!(ok(once), 1, "{once}");
    }
    for each in [
        "run_agent",
        "compose",
        "score",
        "rank",
        "digest",
        "append",
        "append_history",
    ] {
        assert_eq!(ok(each), 5, "{each}");
    }
    // Agents that start at once may miss the same composition, and each makes it then.
    assert!((1..=5).contains(&ok("load_role")));
    assert_eq!(ok("load_role"), ok("load_domain"));
}

#[tokio::test]
async fn a_failure_is_measured_as_an_error_on_its_whole_path() {
    let (_dir, orchestrator) = orchestrator();
    let (failed, captured) =
        khive_perf::testing::capture_async(orchestrator.orchestrate(request(1, &[], &[]))).await;
    assert!(failed.unwrap_err().is_not_found());
    for name in ["orchestrate", "session::load"] {
        assert_eq!(captured.callsite(name).unwrap().errors(), 1, "{name}");
    }
    assert!(captured.callsite("run_agents").is_none());
}

#[tokio::test]
async fn an_orchestration_beyond_the_limit_is_refused_at_once() {
    let (_dir, orchestrator) = orchestrator();
    let running = Arc::clone(&orchestrator.orchestrations)
        .try_acquire_owned()
        .unwrap();
    let refused = orchestrator
        .orchestrate(request(1, &[], &[]))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("too many orchestrations"));
    drop(running);
    let missing = orchestrator
        .orchestrate(request(1, &[], &[]))
        .await
        .unwrap_err();
    assert!(missing.is_not_found());
}
