//! What the project promises, each beside what was measured.

use crate::bench::figure::{Figure, Figures, Of};
use crate::bench::service::Effect;
use crate::bench::table::{Table, nanoseconds};

/// What a call costs at the most, and what it cost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Promise {
    says: String,
    limit: f64,
    /// What the numbers are.
    unit: Unit,
    measured: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanoseconds,
    Instructions,
    /// Multiples of something.
    Times,
    /// Parts of a hundred that are lost.
    Percent,
}

impl Promise {
    /// Whether it is kept; unknown where nothing was measured.
    pub(super) fn is_kept(&self) -> Option<bool> {
        self.measured.map(|measured| measured <= self.limit)
    }

    fn tell(&self, value: f64) -> String {
        match self.unit {
            Unit::Nanoseconds => format!("{} ns", nanoseconds(value)).replace("s ns", "s"),
            Unit::Instructions => format!("{value:.0} instructions"),
            Unit::Times => format!("{value:.3} ×"),
            Unit::Percent => format!("{value:.1} %"),
        }
    }
}

/// All promises, with what the figures, the counts and the whole programs say of them.
pub(super) fn all(figures: &Figures, counts: &str, effects: &[Effect]) -> Vec<Promise> {
    let mut promises = of_calls(figures, counts);
    promises.extend(of_scale(figures));
    promises.extend(of_peers(figures));
    promises.extend(effects.iter().filter_map(|effect| {
        let says = format!("{}, measured: lost of {}", effect.program, effect.what);
        Some(promise(
            &says,
            Unit::Percent,
            effect.limit?,
            Some(effect.lost.value),
        ))
    }));
    promises
}

fn sdk<'a>(configuration: &'a str, row: &'a str) -> Of<'a> {
    Of {
        bench: "sdk",
        configuration,
        peer: "",
        row,
    }
}

fn promise(says: &str, unit: Unit, limit: f64, measured: Option<f64>) -> Promise {
    Promise {
        says: says.to_owned(),
        limit,
        unit,
        measured,
    }
}

fn of_calls(figures: &Figures, counts: &str) -> Vec<Promise> {
    use Unit::{Instructions, Nanoseconds, Times};
    let cost =
        |configuration, row| Some(figures.case(sdk(configuration, row), "measure")?.cost.value);
    let ratio = |configuration, row| {
        Some(
            figures
                .case(sdk(configuration, row), "measure")?
                .ratio
                .value,
        )
    };
    let times = |configuration, row, role| figures.times(sdk(configuration, row), "measure", role);
    let (empty, long) = ("empty function", "1 µs function");
    let future = "future, one yield, current-thread runtime";
    vec![
        promise(
            "empty function, every call timed, to the clock pair",
            Times,
            1.10,
            times("every-call", empty, "floor"),
        ),
        promise(
            "the same, counted",
            Instructions,
            70.0,
            counted(counts, "every-call/measure"),
        ),
        promise(
            "empty function, default budget",
            Nanoseconds,
            2.0,
            cost("default", empty),
        ),
        promise(
            "the same, counted",
            Instructions,
            20.0,
            counted(counts, "default/measure"),
        ),
        promise(
            "1 µs function, every call timed, to the plain one",
            Times,
            1.01,
            ratio("every-call", long),
        ),
        promise(
            "1 µs function, default budget, to the plain one",
            Times,
            1.01,
            ratio("default", long),
        ),
        promise(
            "future with one yield, every call timed, to the ideal",
            Times,
            1.10,
            times("every-call", future, "ideal"),
        ),
        promise(
            "future with one yield, default budget, to the ideal",
            Times,
            1.10,
            times("default", future, "ideal"),
        ),
        promise(
            "empty function, switched off at run time",
            Nanoseconds,
            1.5,
            cost("off", empty),
        ),
    ]
}

fn of_scale(figures: &Figures) -> Vec<Promise> {
    use Unit::{Nanoseconds, Times};
    let case = |configuration, row, case| figures.case(sdk(configuration, row), case);
    let ratio = |figure: &Figure| figure.ratio.value;
    let cost = |figure: &Figure| figure.cost.value;
    let many = "16,384 callsites at random";
    vec![
        promise(
            "2 threads, a call of each to that of one",
            Times,
            1.05,
            case("every-call", "2 threads: measure", "2 threads").map(ratio),
        ),
        promise(
            "64 threads, a call of each to that of one",
            Times,
            1.05,
            case("every-call", "64 threads: measure", "64 threads").map(ratio),
        ),
        promise(
            "16,384 callsites at random, every call timed",
            Nanoseconds,
            25.0,
            case("every-call", many, "measure").map(cost),
        ),
        promise(
            "16,384 callsites at random, default budget",
            Nanoseconds,
            25.0,
            case("default", many, "measure").map(cost),
        ),
        promise(
            "snapshot of 2,000 callsites on 16 threads",
            Nanoseconds,
            2e6,
            case(
                "default",
                "snapshot of 2,000 callsites on 16 threads",
                "snapshot()",
            )
            .map(cost),
        ),
        // That the interval reaches down to no difference is what "not measurable" means.
        promise(
            "writing while a snapshot is taken every 100 ms, lower end of the interval",
            Times,
            1.0,
            case(
                "every-call",
                "writing while another thread reads",
                "a snapshot every 100 ms",
            )
            .map(|figure| figure.ratio.low),
        ),
    ]
}

/// Peers that record nothing as they are set up: they are matched by the calls that the budget does not time.
const IDLE: [&str; 2] = ["tracing, no subscriber", "fastrace, no parent"];

/// Ours, in the same run, to the cheapest peer that records, and to those that do not.
fn of_peers(figures: &Figures) -> Vec<Promise> {
    let rows = [
        "empty function",
        "1 µs function",
        "future, one yield, current-thread runtime",
    ];
    let mut promises = Vec::new();
    for row in rows {
        let to = |configuration, peer| {
            let of = Of {
                bench: "peers",
                configuration,
                peer,
                row,
            };
            let theirs = figures.case(of, "peer")?.cost.value;
            Some(figures.case(of, "measure")?.cost.value / theirs)
        };
        let peers = figures.peers();
        let recording = peers.iter().filter(|peer| !IDLE.contains(*peer));
        let worst = recording
            .filter_map(|peer| Some((to("every-call", peer)?, *peer)))
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let name = worst.map_or_else(String::new, |(_, peer)| format!(", {peer}"));
        let says = format!("{row}, every call timed, to the cheapest library that records{name}");
        promises.push(promise(
            &says,
            Unit::Times,
            1.0,
            worst.map(|(times, _)| times),
        ));
        for peer in IDLE {
            let says = format!("{row}, default budget, to {peer}");
            promises.push(promise(&says, Unit::Times, 1.05, to("default", peer)));
        }
    }
    promises
}

/// From the lines `name,count` of `benches/icount.csv`.
fn counted(counts: &str, name: &str) -> Option<f64> {
    let mut lines = counts.lines().filter_map(|line| line.split_once(','));
    lines.find(|(known, _)| *known == name)?.1.parse().ok()
}

pub(super) fn table(promises: &[Promise]) -> Table {
    let mut table = Table::new(["promise", "at most", "measured", "kept"]);
    for promise in promises {
        let kept = match promise.is_kept() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        let measured = promise
            .measured
            .map_or_else(|| "-".into(), |value| promise.tell(value));
        table.line(vec![
            promise.says.clone(),
            promise.tell(promise.limit),
            measured,
            kept.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::read;
    use crate::bench::figure::tests::line;

    fn kept(promises: &[Promise], says: &str) -> Option<bool> {
        let found = promises
            .iter()
            .find(|promise| promise.says.starts_with(says));
        found.expect("it is promised").is_kept()
    }

    #[test]
    fn a_promise_is_kept_broken_or_not_measured() {
        let lines = [
            line(
                "every-call",
                "",
                "empty function",
                ("clock pair", "floor"),
                20.0,
            ),
            line(
                "every-call",
                "",
                "empty function",
                ("measure", "subject"),
                23.0,
            ),
            line("default", "", "empty function", ("measure", "subject"), 1.9),
        ];
        let figures = Figures(read(&lines.join("\n")).expect("our own"));
        let promises = all(
            &figures,
            "# rustc\noperation,instructions\ndefault/measure,20.4\n",
            &[],
        );
        assert_eq!(
            kept(&promises, "empty function, every call timed, to the clock"),
            Some(false)
        );
        assert_eq!(
            kept(&promises, "empty function, default budget"),
            Some(true)
        );
        assert_eq!(kept(&promises, "empty function, switched off"), None);
        let text = table(&promises).text();
        assert!(
            text.contains("1.150 ×") && text.contains("20 instructions") && text.contains("2.0 ms"),
            "{text}"
        );
    }

    #[test]
    fn ours_is_compared_with_the_cheapest_that_records() {
        let mut lines = Vec::new();
        for (peer, theirs) in [
            ("tracing, no subscriber", 0.5),
            ("cheap", 20.0),
            ("dear", 900.0),
        ] {
            for configuration in ["every-call", "default"] {
                let ours = if configuration == "default" {
                    0.5
                } else {
                    21.0
                };
                lines.push(line(
                    configuration,
                    peer,
                    "empty function",
                    ("measure", "subject"),
                    ours,
                ));
                lines.push(line(
                    configuration,
                    peer,
                    "empty function",
                    ("peer", "subject"),
                    theirs,
                ));
            }
        }
        let figures = Figures(read(&lines.join("\n")).expect("our own"));
        let promises = all(&figures, "", &[]);
        assert_eq!(
            kept(
                &promises,
                "empty function, every call timed, to the cheapest library that records, cheap"
            ),
            Some(false)
        );
        assert_eq!(
            kept(&promises, "empty function, default budget, to tracing"),
            Some(true)
        );
        assert_eq!(
            kept(&promises, "empty function, default budget, to fastrace"),
            None
        );
    }
}
