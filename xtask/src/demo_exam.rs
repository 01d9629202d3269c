//! `cargo xtask demo-exam`: the demo service with each of its faults, and without any, judged as a user would.
//!
//! A fault must be found, with the function to blame first and nothing that it cannot reach; a service against itself must
//! pass, each of twenty times.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run;

/// How often the service is compared with itself.
const SAME: u32 = 20;
/// What a tour with a fault takes: enough runs to find it, and as short as one can be.
const TOUR: [&str; 4] = ["--runs", "6", "--seconds", "1.5"];
/// What one without takes: to say that nothing changed, all noise must be small, and not only smaller than a fault.
const TOUR_OF_SAME: [&str; 6] = ["--runs", "12", "--seconds", "1", "--rate", "100"];

/// A fault of the demo service, and what must be found of it.
struct Fault {
    name: &'static str,
    /// The function that does the work of the fault.
    guilty: &'static str,
    /// What may be found beside it: what calls it, or waits for it.
    reached: &'static [&'static str],
}

const FAULTS: [Fault; 4] = [
    Fault {
        name: "slow-session",
        guilty: "session::load_history",
        reached: &[
            "session::load",
            "orchestration::orchestrate",
            "http::create_orchestration",
            "http::read_session",
            "POST /orchestrations",
            "GET /sessions/{id}",
        ],
    },
    Fault {
        name: "cache-thrash",
        guilty: "composition::compose",
        reached: &[
            "orchestration::run_agent",
            "orchestration::run_agents",
            "orchestration::orchestrate",
            "http::create_orchestration",
            "POST /orchestrations",
        ],
    },
    Fault {
        name: "leak",
        guilty: "session::load",
        reached: &[],
    },
    Fault {
        name: "blocking",
        guilty: "composition::compose",
        // Whatever waits for one of the threads that it blocks, or is on one of them while all processors are taken.
        reached: &[
            "orchestration::*",
            "http::*",
            "POST *",
            "GET *",
            "result::*",
            "session::*",
            "score::*",
            "composition::*",
        ],
    },
];

/// What is to be tried.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    faults: Vec<&'static str>,
    /// How often without a fault.
    same: u32,
}

/// What `check` said of one tour.
struct Judged {
    code: Option<i32>,
    /// Callsites that got worse, the worst first, with how.
    worse: Vec<(String, String)>,
    /// What leaks, and did not in the base.
    leaks: Vec<String>,
    /// Callsites of which nothing could be said, the slower one first, with how they look.
    unclear: Vec<(String, String)>,
}

/// Builds the demo, and tries each fault and none.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    let mut build = run::cargo();
    build.args(["build", "--release", "--package", "khive-perf-analysis"]);
    build.args(["--bins", "--package", "khive-perf-examples"]);
    build.args(["--example", "tour"]);
    if !run::succeeds(&mut build, root)? {
        bail!("the programs cannot be built");
    }
    let scratch = root.join("target/demo-exam");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let mut failed = 0;
    let mut tell = |name: &str, found: Result<String, String>| match found {
        Ok(said) => run::say(&format!("ok      {name}: {said}")),
        Err(wrong) => {
            failed += 1;
            run::say(&format!("FAILED  {name}: {wrong}"));
        }
    };
    for name in &options.faults {
        let fault = FAULTS.iter().find(|fault| fault.name == *name);
        let fault = fault.context("only faults of the table are read")?;
        tell(name, fault.blamed(&judge(root, &scratch, name)?));
    }
    for number in 1..=options.same {
        let judged = judge(root, &scratch, "none")?;
        tell(
            &format!("none {number} of {}", options.same),
            judged.passed(),
        );
    }
    let all = options.faults.len() + options.same as usize;
    run::say(&format!("demo-exam: {} ok, {failed} failed", all - failed));
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Runs a tour with a fault, and asks `check` what it found.
fn judge(root: &Path, scratch: &Path, fault: &str) -> Result<Judged> {
    let database = scratch.join(format!("{fault}.sqlite"));
    for ending in ["", "-wal", "-shm"] {
        // Runs of an earlier exam would be compared as well; what is not there need not go.
        let _ = fs::remove_file(scratch.join(format!("{fault}.sqlite{ending}")));
    }
    let log = scratch.join(format!("{fault}.log"));
    let said = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut tour = Command::new(root.join("target/release/examples/tour"));
    let how = if fault == "none" {
        &TOUR_OF_SAME[..]
    } else {
        &TOUR
    };
    tour.args(["--inject", fault]).args(how);
    tour.arg("--db").arg(&database);
    tour.stdout(said.try_clone()?).stderr(said);
    if !run::succeeds(&mut tour, root)? {
        bail!(
            "the tour with --inject {fault} failed; {} says why",
            log.display()
        );
    }
    let mut check = Command::new(root.join("target/release/khive-perf"));
    check.args(["check", "baseline", "candidate", "--format", "json", "--db"]);
    // The verdicts of the exam are by the defaults, whatever lies about.
    check.arg(&database).current_dir(scratch);
    check.env_remove("KHIVE_PERF_ENVIRONMENT");
    let output = check.output().context("cannot start khive-perf")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`check` wrote no comparison: {said}"))?;
    Ok(Judged::of(output.status.code(), &answer, &said))
}

// === impl Judged ===

impl Judged {
    fn of(code: Option<i32>, answer: &Value, said: &str) -> Self {
        let all = answer["callsites"].as_array().into_iter().flatten();
        let (worse, other): (Vec<&Value>, Vec<&Value>) =
            all.partition(|callsite| callsite["verdict"] == "regressed");
        let unclear = other
            .into_iter()
            .filter(|callsite| callsite["verdict"] == "inconclusive");
        let told = |callsite: &Value| {
            let text = |key: &str| callsite[key].as_str().unwrap_or_default().to_owned();
            let factor = callsite["measures"][0]["factor"].as_f64();
            let factor = factor.map_or_else(String::new, |factor| format!("x{factor:.2}"));
            (text("name"), format!("{factor} {}", text("severity")))
        };
        // `leaks, and did not in the base: NAME (FILE:LINE): ..`
        let leaks = said.lines().filter_map(|line| {
            let leak = line.split_once("did not in the base: ")?.1;
            Some(
                leak.split_once([' ', '('])?
                    .0
                    .trim_end_matches(':')
                    .to_owned(),
            )
        });
        Self {
            code,
            worse: worse.into_iter().map(told).collect(),
            unclear: unclear.map(told).collect(),
            leaks: leaks.collect(),
        }
    }

    /// Whether a service against itself is one that did not change.
    fn passed(&self) -> Result<String, String> {
        match (self.code, &self.worse[..], &self.leaks[..]) {
            (Some(0), [], []) => Ok("nothing found".to_owned()),
            _ => Err(self.in_words()),
        }
    }

    fn in_words(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        let mut words = vec![format!("exit code {code}")];
        let worse = self.worse.iter();
        words.extend(worse.map(|(name, how)| format!("{name} {how}")));
        words.extend(self.leaks.iter().map(|name| format!("{name} leaks")));
        if let (Some(3), [(name, how), ..]) = (self.code, &self.unclear[..]) {
            let unclear = self.unclear.len();
            words.push(format!(
                "{unclear} callsites unclear, first {name} {}",
                how.trim_end()
            ));
        }
        words.join(", ")
    }
}

// === impl Fault ===

impl Fault {
    /// Whether the fault was found, its function first, and nothing that it cannot reach.
    fn blamed(&self, judged: &Judged) -> Result<String, String> {
        let worse = judged.worse.iter().map(|(name, _)| name.as_str());
        let found: Vec<&str> = judged
            .leaks
            .iter()
            .map(String::as_str)
            .chain(worse)
            .collect();
        if judged.code != Some(1) || found.first() != Some(&self.guilty) {
            let guilty = self.guilty;
            return Err(format!(
                "{guilty} is not blamed first: {}",
                judged.in_words()
            ));
        }
        let unrelated: BTreeSet<&str> = (found.iter().copied())
            .filter(|name| *name != self.guilty && !self.reaches(name))
            .collect();
        if !unrelated.is_empty() {
            let unrelated: Vec<&str> = unrelated.into_iter().collect();
            let unrelated = unrelated.join(" and ");
            return Err(format!(
                "{unrelated} cannot be reached by it: {}",
                judged.in_words()
            ));
        }
        Ok(judged.in_words())
    }

    fn reaches(&self, name: &str) -> bool {
        self.reached
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *known,
            })
    }
}

// === impl Options ===

impl Options {
    /// Reads `[FAULT..] [--same N]`; with neither, all faults and [`SAME`].
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            faults: Vec::new(),
            same: 0,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--same" {
                let value = rest.next().context("`--same` needs a number")?;
                let number = value.parse();
                options.same = number.with_context(|| format!("`--same {value}`"))?;
                continue;
            }
            let Some(fault) = FAULTS.iter().find(|fault| fault.name == argument) else {
                let known = FAULTS.map(|fault| fault.name).join(", ");
                bail!("`demo-exam` knows no fault `{argument}`, only {known}, and `--same N`");
            };
            options.faults.push(fault.name);
        }
        if arguments.is_empty() {
            options.faults = FAULTS.iter().map(|fault| fault.name).collect();
            options.same = SAME;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words)
    }

    #[test]
    fn without_arguments_everything_is_tried() {
        let all = read("").expect("valid");
        assert_eq!((all.faults.len(), all.same), (FAULTS.len(), SAME));
        let some = read("leak --same 2").expect("valid");
        assert_eq!((&some.faults[..], some.same), (&["leak"][..], 2));
        assert_eq!(read("leak").expect("valid").same, 0);
        for wrong in ["leaks", "--same", "--same few", "none"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    fn judged(code: i32, worse: &[&str], said: &str) -> Judged {
        let callsite = |name: &&str| {
            serde_json::json!({
                "name": name, "verdict": "regressed", "severity": "minor", "measures": [{"factor": 1.3}],
            })
        };
        let mut callsites: Vec<Value> = worse.iter().map(callsite).collect();
        callsites.push(serde_json::json!({"name": "cache::insert", "verdict": "unchanged"}));
        let answer = serde_json::json!({ "callsites": callsites });
        Judged::of(Some(code), &answer, said)
    }

    #[test]
    fn a_fault_is_found_where_its_function_comes_first_and_nothing_foreign_with_it() {
        let [slow, _, leak, blocking] = FAULTS;
        let (guilty, caller) = (slow.guilty, "session::load");
        let said = slow
            .blamed(&judged(1, &[guilty, caller], ""))
            .expect("found");
        assert_eq!(
            said,
            "exit code 1, session::load_history x1.30 minor, session::load x1.30 minor"
        );
        for (code, worse) in [
            (1, &[caller, guilty][..]),
            (1, &[]),
            (0, &[guilty]),
            (1, &[guilty, "cache::get"]),
        ] {
            let wrong = slow.blamed(&judged(code, worse, ""));
            assert!(wrong.is_err(), "{worse:?}: {wrong:?}");
        }
        let all = [blocking.guilty, "http::read_session"];
        assert!(blocking.blamed(&judged(1, &all, "")).is_ok());
        let said = format!(
            "leaks, and did not in the base: {} (a.rs:7): 9 bytes",
            leak.guilty
        );
        assert!(leak.blamed(&judged(1, &[], &said)).is_ok());
        assert!(leak.blamed(&judged(1, &["cache::get"], &said)).is_err());
    }

    #[test]
    fn what_is_unclear_is_named_where_that_is_why_it_did_not_pass() {
        let answer = serde_json::json!({"callsites": [
            {"name": "a", "verdict": "inconclusive", "measures": [{"factor": 1.5}]},
            {"name": "b", "verdict": "unchanged", "measures": [{"factor": 1.0}]},
        ]});
        let said = Judged::of(Some(3), &answer, "").passed();
        assert_eq!(
            said,
            Err("exit code 3, 1 callsites unclear, first a x1.50".to_owned())
        );
        assert!(Judged::of(Some(0), &answer, "").passed().is_ok());
    }

    #[test]
    fn a_service_against_itself_passes_where_nothing_at_all_is_found() {
        assert!(judged(0, &[], "").passed().is_ok());
        for wrong in [
            judged(3, &[], ""),
            judged(0, &["cache::get"], ""),
            judged(1, &[], "leaks, and did not in the base: a (b:1): 2"),
        ] {
            assert!(wrong.passed().is_err());
        }
    }
}
