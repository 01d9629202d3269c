//! `cargo xtask workflow`: runs the steps of the performance workflow, as they are written, on a small history.
//!
//! What is foreign is stood in for: `cargo` hands out programs that were built once, the demo service with or without a
//! fault; `gh` notes what it is asked. Everything else, from git to `khive-perf`, is the real thing.

mod scene;
mod steps;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run;
use crate::workflow::scene::{Scene, Side};
use crate::workflow::steps::Workflow;

/// GitHub takes comments of so many characters.
const COMMENT_CHARS: usize = 65_536;
const MARKER: &str = "<!-- khive-perf: comparison -->";

/// What is tried, and what must come of it.
struct Case {
    name: &'static str,
    event: &'static str,
    base: Side,
    head: Side,
    /// The step that ends the job, and with which code; none where all must be well.
    ends: Option<(&'static str, i32)>,
    /// What the comment must say.
    says: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "a change that makes a function slower",
        event: "pull_request",
        base: Side::Well,
        head: Side::Slow,
        ends: Some(("Judge", 1)),
        says: &["Performance: regressed", "session::load\\_history"],
    },
    Case {
        name: "a change that makes none slower",
        event: "pull_request",
        base: Side::Well,
        head: Side::Well,
        ends: None,
        says: &["### Performance: "],
    },
    Case {
        name: "a service that sends nothing",
        event: "pull_request",
        base: Side::Well,
        head: Side::Silent,
        // What the operating system counts of the process is sent all the same, and is nothing that was measured.
        ends: Some(("Measure both, in turns", 2)),
        says: &["nothing was measured; the log says why (exit code 2)"],
    },
    Case {
        name: "a base without khive-perf",
        event: "push",
        base: Side::Unmeasured,
        head: Side::Well,
        ends: Some(("Build both", 1)),
        says: &["no baseline"],
    },
    Case {
        name: "the first commit",
        event: "push",
        base: Side::Missing,
        head: Side::Well,
        ends: Some(("Check out what it is based on", 1)),
        says: &["no baseline"],
    },
    Case {
        name: "runs of two machines",
        event: "pull_request",
        base: Side::Elsewhere,
        head: Side::Well,
        ends: Some(("Judge", 2)),
        says: &["nothing was judged", "another machine"],
    },
    Case {
        name: "the day before",
        event: "schedule",
        base: Side::Well,
        head: Side::Well,
        ends: None,
        says: &["### Performance: "],
    },
];

/// Builds once, and runs each case.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    if let Some(argument) = arguments.first() {
        bail!("`workflow` takes no arguments, and got `{argument}`");
    }
    let mut build = run::cargo();
    build.args([
        "build",
        "--release",
        "--package",
        "khive-perf-analysis",
        "--bins",
    ]);
    build.args([
        "--package",
        "khive-perf-examples",
        "--example",
        "demo_service",
    ]);
    build.args(["--example", "demo_load"]);
    if !run::succeeds(&mut build, root)? {
        bail!("the programs cannot be built");
    }
    let gate = Workflow::read(&root.join(".github/workflows/performance.yml"))?;
    let triggers = ["pull_request", "push", "schedule"];
    gate.must_run_on(&triggers)?;
    let mut failed = 0;
    for case in CASES {
        match tried(root, &gate, case) {
            Ok(()) => run::say(&format!("ok      {}", case.name)),
            Err(error) => {
                failed += 1;
                run::say(&format!("FAILED  {}: {error:#}", case.name));
            }
        }
    }
    let comment = Workflow::read(&root.join(".github/workflows/performance-comment.yml"))?;
    for (name, before) in [("a first comment", None), ("a later comment", Some("4711"))] {
        match commented(root, &comment, before) {
            Ok(()) => run::say(&format!("ok      {name}")),
            Err(error) => {
                failed += 1;
                run::say(&format!("FAILED  {name}: {error:#}"));
            }
        }
    }
    let all = CASES.len() + 2;
    run::say(&format!("workflow: {} ok, {failed} failed", all - failed));
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn tried(root: &Path, gate: &Workflow, case: &Case) -> Result<()> {
    let scene = Scene::set(root, case.base, case.head)?;
    let variables = scene.variables(case.event)?;
    let mut ended: Option<(String, i32)> = None;
    for step in gate.steps("gate")? {
        // GitHub goes on after a failure with what says `always()` only.
        if ended.is_some() && !step.is_always {
            continue;
        }
        if step.is_of_changes && case.event != "pull_request" {
            continue;
        }
        let code = scene.run(&step.script, &variables)?;
        if code != 0 && ended.is_none() {
            ended = Some((step.name.clone(), code));
        }
    }
    let wanted = case.ends.map(|(name, code)| (name.to_owned(), code));
    if ended != wanted {
        bail!(
            "it ended with {ended:?}, and should with {wanted:?}; {}",
            scene.log()?
        );
    }
    let file = match case.event {
        "pull_request" => "comment/comment.md",
        _ => "comment.md",
    };
    let comment = scene.read(file)?;
    for said in case.says {
        if !comment.contains(said) {
            bail!("the comment does not say `{said}`: {comment}");
        }
    }
    if comment.chars().count() > COMMENT_CHARS {
        bail!("the comment has {} characters", comment.chars().count());
    }
    if case.event == "pull_request" {
        let markers = comment.matches(MARKER).count();
        if markers != 1 || !comment.starts_with(MARKER) {
            bail!("the comment has {markers} markers, and one must begin it: {comment}");
        }
        let number = scene.read("comment/number")?;
        if number.trim() != "7" {
            bail!("the number of the change is `{number}`");
        }
    }
    Ok(())
}

/// The second workflow writes one comment, and later writes over it.
fn commented(root: &Path, workflow: &Workflow, before: Option<&str>) -> Result<()> {
    let scene = Scene::set(root, Side::Missing, Side::Well)?;
    scene.write("comment/number", "7\n")?;
    scene.write(
        "comment/comment.md",
        &format!("{MARKER}\n### Performance\n"),
    )?;
    scene.write("before", before.unwrap_or_default())?;
    let variables = scene.variables("workflow_run")?;
    for step in workflow.steps("comment")? {
        let code = scene.run(&step.script, &variables)?;
        if code != 0 {
            bail!("`{}` exited with {code}; {}", step.name, scene.log()?);
        }
    }
    let asked = scene.read("asked")?;
    let last = asked.lines().last().context("nothing was asked of gh")?;
    let wanted = match before {
        Some(id) => format!("--method PATCH repos/owner/name/issues/comments/{id} "),
        None => "--method POST repos/owner/name/issues/7/comments ".to_owned(),
    };
    if !last.contains(&wanted) || !last.contains("body=@comment/comment.md") {
        bail!("gh was asked `{last}`, and not `{wanted}`");
    }
    Ok(())
}
