//! Bench: rows of cases that take turns.

use std::future::Future;
use std::hint::black_box;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;

use crate::clock::now;
use crate::exporter::Attached;
use crate::figures::{Figures, Median};
use crate::settings::Settings;

/// What a case is to the others of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The same work, not measured: costs are told as differences to it.
    Base,
    /// The least that timing takes: costs are told as multiples of its cost.
    Floor,
    /// The least that timing and keeping takes.
    Ideal,
    /// What is asked.
    Subject,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Floor => "floor",
            Self::Ideal => "ideal",
            Self::Subject => "subject",
        }
    }
}

/// Something to be called over and over.
pub struct Case {
    name: String,
    role: Role,
    run: Box<dyn FnMut(u32) -> Duration>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A case that makes so many calls and says how long they took.
pub fn timed(name: &str, role: Role, run: impl FnMut(u32) -> Duration + 'static) -> Case {
    Case {
        name: name.to_owned(),
        role,
        run: Box::new(run),
    }
}

fn calling<R>(name: &str, role: Role, mut f: impl FnMut() -> R + 'static) -> Case {
    timed(name, role, move |calls| {
        let start = now();
        for _ in 0..calls {
            black_box(f());
        }
        start.elapsed()
    })
}

/// The same work, not measured. `f` should be `#[inline(never)]`, or use `black_box`, as in all cases.
pub fn base<R>(f: impl FnMut() -> R + 'static) -> Case {
    calling("plain", Role::Base, f)
}

/// The least that timing takes.
pub fn floor<R>(f: impl FnMut() -> R + 'static) -> Case {
    calling("clock pair", Role::Floor, f)
}

/// The least that timing and keeping takes.
pub fn ideal<R>(f: impl FnMut() -> R + 'static) -> Case {
    calling("ideal", Role::Ideal, f)
}

/// A case that calls `f` once per iteration.
pub fn case<R>(name: &str, f: impl FnMut() -> R + 'static) -> Case {
    calling(name, Role::Subject, f)
}

/// A case that makes a future, and awaits it on a runtime, `tasks` at once.
pub fn async_case<F, M>(
    runtime: &Rc<Runtime>,
    tasks: usize,
    name: &str,
    role: Role,
    make: M,
) -> Case
where
    F: Future + Send + 'static,
    M: Fn() -> F + Copy + Send + 'static,
{
    let runtime = Rc::clone(runtime);
    let one_after_the_other = move |calls| async move {
        for _ in 0..calls {
            black_box(make().await);
        }
    };
    timed(name, role, move |calls| {
        let start = now();
        if tasks == 1 {
            runtime.block_on(one_after_the_other(calls));
        } else {
            let tasks: Vec<_> = (0..tasks)
                .map(|_| runtime.spawn(one_after_the_other(calls)))
                .collect();
            runtime.block_on(async {
                for task in tasks {
                    // One that panicked has said so.
                    drop(task.await);
                }
            });
        }
        start.elapsed()
    })
}

/// A program that measures rows.
#[derive(Debug)]
pub struct Bench {
    name: &'static str,
    settings: Settings,
    /// Holds the configuration.
    _attached: Option<Attached>,
}

impl Bench {
    /// Configures the process as the command line says. Ends it, with 2, if that cannot be done.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let settings =
            Settings::read(std::env::args().skip(1)).unwrap_or_else(|error| refuse(&error));
        let attached = settings
            .configuration
            .apply()
            .unwrap_or_else(|error| refuse(&error));
        Self {
            name,
            settings,
            _attached: attached,
        }
    }

    /// What the command line says.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a row of this title is asked for: before its cases are made, where that is costly.
    #[must_use]
    pub fn wants(&self, title: &str) -> bool {
        self.settings.wants(title)
    }

    /// Runs the cases in turns, of so many calls each, and prints what they cost.
    pub fn compare(&self, title: &str, calls: u32, cases: Vec<Case>) {
        self.compare_for(title, self.settings.rounds, calls, cases);
    }

    /// As [`compare`](Self::compare), where fewer but longer rounds tell more.
    pub fn compare_for(&self, title: &str, rounds: usize, calls: u32, mut cases: Vec<Case>) {
        if !self.wants(title) {
            return;
        }
        let calls = (calls / self.settings.shortened).max(1);
        let rounds = rounds.min(self.settings.rounds);
        warm_up(&mut cases, &self.settings, calls);
        let times = take_turns(&mut cases, rounds, calls);
        let base = cases
            .iter()
            .position(|case| case.role == Role::Base)
            .unwrap_or(0);
        let figures: Vec<_> = times
            .iter()
            .map(|case| Figures::of(case, &times[base]))
            .collect();
        self.tell(title, (rounds, calls), &cases, &figures);
    }

    /// Runs cases each beside a base of its own, and prints what they cost in one table, with the first base.
    ///
    /// What comes between the turns of a pair, and how long ago its memory was in the caches, is the same for all, however
    /// many cases there are and however long some of them take.
    pub fn compare_pairs(&self, title: &str, rounds: usize, calls: u32, pairs: Vec<[Case; 2]>) {
        if !self.wants(title) {
            return;
        }
        let calls = (calls / self.settings.shortened).max(1);
        let rounds = rounds.min(self.settings.rounds);
        let (mut cases, mut figures) = (Vec::new(), Vec::new());
        for mut pair in pairs {
            warm_up(&mut pair, &self.settings, calls);
            let times = take_turns(&mut pair, rounds, calls);
            let told = pair.into_iter().zip(&times);
            for (case, of_case) in told.skip(usize::from(!cases.is_empty())) {
                cases.push(case);
                figures.push(Figures::of(of_case, &times[0]));
            }
        }
        self.tell(title, (rounds, calls), &cases, &figures);
    }

    fn tell(&self, title: &str, extent: (usize, u32), cases: &[Case], figures: &[Figures]) {
        if self.settings.json {
            self.print_lines(title, extent, cases, figures);
        } else {
            let (rounds, calls) = extent;
            let title = format!("{title}  (median of {rounds} rounds of {calls} calls in turns)");
            print(&table(&title, cases, figures));
        }
    }

    fn print_lines(&self, title: &str, extent: (usize, u32), cases: &[Case], figures: &[Figures]) {
        let interval = |median: Median| json!([median.value, median.low, median.high]);
        for (case, figures) in cases.iter().zip(figures) {
            let line = json!({
                "bench": self.name,
                "configuration": self.settings.configuration.name(),
                "peer": self.settings.peer,
                "row": title,
                "case": case.name,
                "role": case.role.name(),
                "rounds": extent.0,
                "calls": extent.1,
                "time": interval(figures.time),
                "cost": interval(figures.cost),
                "ratio": interval(figures.ratio),
            });
            print(&line.to_string());
        }
    }
}

/// Has the cases take turns until caches, predictors and budgets have settled.
fn warm_up(cases: &mut [Case], settings: &Settings, calls: u32) {
    let start = now();
    loop {
        take_turns(cases, 2, calls);
        if start.elapsed() >= settings.warm_up {
            return;
        }
    }
}

/// Nanoseconds per call, by case and round. Every other round goes backwards, so that no case has always the same
/// one before it.
fn take_turns(cases: &mut [Case], rounds: usize, calls: u32) -> Vec<Vec<f64>> {
    let mut times: Vec<Vec<f64>> = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let at = if round % 2 == 0 {
                turn
            } else {
                cases.len() - 1 - turn
            };
            let time = (cases[at].run)(calls).as_secs_f64() * 1e9 / f64::from(calls);
            times[at].push(time);
        }
    }
    times
}

fn table(title: &str, cases: &[Case], figures: &[Figures]) -> String {
    let cost_of = |role| {
        let at = cases.iter().position(|case| case.role == role)?;
        Some(figures[at].cost.value)
    };
    let (floor, ideal) = (cost_of(Role::Floor), cost_of(Role::Ideal));
    let mut text = format!(
        "\n{title}\n  {:>9} {:>9} {:>19} {:>8} {:>8} {:>7}  case\n",
        "ns/call", "over base", "in 95 of 100", "x floor", "x ideal", "x base"
    );
    for (case, figures) in cases.iter().zip(figures) {
        let times = |of: Option<f64>| {
            of.filter(|_| case.role != Role::Base)
                .map_or_else(String::new, |of| format!("{:.2}", figures.cost.value / of))
        };
        let interval = format!("{:.2}..{:.2}", figures.cost.low, figures.cost.high);
        text.push_str(&format!(
            "  {:>9.2} {:>9.2} {interval:>19} {:>8} {:>8} {:>7.3}  {}\n",
            figures.time.value,
            figures.cost.value,
            times(floor),
            times(ideal),
            figures.ratio.value,
            case.name
        ));
    }
    text
}

/// Prints at once, so that who waits sees it. A closed pipe is no reason to stop.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    let _ = out.flush();
}

#[expect(clippy::print_stderr, reason = "says why it does nothing")]
fn refuse(error: &dyn std::fmt::Display) -> ! {
    eprintln!("error: {error}");
    std::process::exit(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_turn_in_every_round_and_the_order_alternates() {
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let noting = |name: &'static str| {
            let order = Rc::clone(&order);
            timed(name, Role::Subject, move |calls| {
                order.borrow_mut().push(name);
                Duration::from_nanos(u64::from(calls) * 3)
            })
        };
        let mut cases = vec![noting("a"), noting("b")];
        let times = take_turns(&mut cases, 2, 7);
        assert_eq!(times, [[3.0, 3.0], [3.0, 3.0]]);
        assert_eq!(order.borrow().join(""), "abba");
    }

    #[test]
    fn a_table_tells_costs_as_multiples_of_the_floor_and_of_the_ideal() {
        let lasting = |role, ns: u64| {
            timed("x", role, move |calls| {
                Duration::from_nanos(ns * u64::from(calls))
            })
        };
        let mut cases = vec![
            lasting(Role::Base, 10),
            lasting(Role::Floor, 20),
            lasting(Role::Ideal, 30),
            lasting(Role::Subject, 35),
        ];
        let times = take_turns(&mut cases, 3, 1);
        let figures: Vec<_> = times
            .iter()
            .map(|case| Figures::of(case, &times[0]))
            .collect();
        let table = table("row", &cases, &figures);
        let last = table.lines().last().unwrap_or_default();
        let words: Vec<_> = last.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "35.00",
                "25.00",
                "25.00..25.00",
                "2.50",
                "1.25",
                "3.500",
                "x"
            ]
        );
    }
}
