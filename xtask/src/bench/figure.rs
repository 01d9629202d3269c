//! Figure: one line of what the benches print with `--json`.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A median, and the ends of the interval that holds it in 95 of 100 repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Median {
    /// By order statistics, as the benches do it: from rank n/2 - 0.98 √n to rank n/2 + 0.98 √n. Zeros for no values.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "ranks: small, and clamped to the values there are"
    )]
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        let at = |rank: f64| {
            values
                .get((rank.max(0.0) as usize).min(last))
                .copied()
                .unwrap_or_default()
        };
        let middle = values.len() as f64 / 2.0 - 0.5;
        let reach = 0.98 * (values.len() as f64).sqrt();
        Self {
            value: f64::midpoint(at(middle.floor()), at(middle.ceil())),
            low: at((middle - reach).floor()),
            high: at((middle + reach).ceil()),
        }
    }
}

/// What one case of a row took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figure {
    pub(crate) bench: String,
    pub(crate) configuration: String,
    /// Empty where no other library stands beside ours.
    pub(crate) peer: String,
    pub(crate) row: String,
    pub(crate) case: String,
    pub(crate) role: String,
    /// Nanoseconds per call.
    pub(crate) time: Median,
    /// Nanoseconds per call beyond those of the base.
    pub(crate) cost: Median,
    /// The time as a multiple of the base's.
    pub(crate) ratio: Median,
}

/// Reads what a bench printed.
pub(crate) fn read(lines: &str) -> Result<Vec<Figure>> {
    let lines = lines.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| figure(line).with_context(|| format!("a bench printed `{line}`")))
        .collect()
}

fn figure(line: &str) -> Result<Figure> {
    let line: Value = serde_json::from_str(line)?;
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let median = |name: &str| {
        let number = |at: usize| line[name][at].as_f64();
        let numbers = number(0).zip(number(1)).zip(number(2));
        let ((value, low), high) = numbers.with_context(|| format!("no three numbers `{name}`"))?;
        anyhow::Ok(Median { value, low, high })
    };
    Ok(Figure {
        bench: text("bench"),
        configuration: text("configuration"),
        peer: text("peer"),
        row: text("row"),
        case: text("case"),
        role: text("role"),
        time: median("time")?,
        cost: median("cost")?,
        ratio: median("ratio")?,
    })
}

/// Which case of which run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) bench: &'a str,
    pub(crate) configuration: &'a str,
    pub(crate) peer: &'a str,
    pub(crate) row: &'a str,
}

/// All that was measured, in the order in which it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<Figure>);

impl Figures {
    fn of<'a>(&'a self, of: Of<'a>) -> impl Iterator<Item = &'a Figure> {
        self.0.iter().filter(move |figure| {
            figure.bench == of.bench
                && figure.configuration == of.configuration
                && figure.peer == of.peer
                && figure.row == of.row
        })
    }

    pub(crate) fn case<'a>(&'a self, of: Of<'a>, case: &str) -> Option<&'a Figure> {
        self.of(of).find(|figure| figure.case == case)
    }

    /// The cost of a case as a multiple of that of the case with another role, in the same run of the same row.
    pub(crate) fn times(&self, of: Of<'_>, case: &str, role: &str) -> Option<f64> {
        let measure = self.of(of).find(|figure| figure.role == role)?.cost.value;
        Some(self.case(of, case)?.cost.value / measure).filter(|times| times.is_finite())
    }

    /// Rows and cases of a bench that are not its rulers, each once, in the order of their first appearance.
    pub(crate) fn subjects(&self, bench: &str) -> Vec<(&str, &str)> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for figure in &self.0 {
            let of = (figure.row.as_str(), figure.case.as_str());
            if figure.bench == bench && figure.role == "subject" && !found.contains(&of) {
                found.push(of);
            }
        }
        found
    }

    /// The other libraries, in the order in which they were measured.
    pub(crate) fn peers(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for figure in &self.0 {
            if !figure.peer.is_empty() && !found.contains(&figure.peer.as_str()) {
                found.push(&figure.peer);
            }
        }
        found
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a bench prints for a case with this role and cost, over a base of 10 ns.
    pub(crate) fn line(
        configuration: &str,
        peer: &str,
        row: &str,
        of: (&str, &str),
        cost: f64,
    ) -> String {
        let bench = if peer.is_empty() { "sdk" } else { "peers" };
        let (case, role) = of;
        let (time, ratio) = (cost + 10.0, (cost + 10.0) / 10.0);
        format!(
            r#"{{"bench":"{bench}","configuration":"{configuration}","peer":"{peer}","row":"{row}","case":"{case}","role":"{role}","time":[{time},{time},{time}],"cost":[{cost},{cost},{cost}],"ratio":[{ratio},{ratio},{ratio}]}}"#
        )
    }

    #[test]
    fn costs_are_compared_within_one_run() {
        let lines = [
            "tables are no lines".to_owned(),
            line("off", "", "empty", ("clock pair", "floor"), 100.0),
            line("default", "", "empty", ("clock pair", "floor"), 20.0),
            line("default", "", "empty", ("measure", "subject"), 25.0),
        ];
        let figures = Figures(read(&lines.join("\n")).expect("our own"));
        let of = Of {
            bench: "sdk",
            configuration: "default",
            peer: "",
            row: "empty",
        };
        assert_eq!(figures.times(of, "measure", "floor"), Some(1.25));
        assert_eq!(figures.times(of, "measure", "ideal"), None);
        assert_eq!(figures.subjects("sdk"), [("empty", "measure")]);
    }

    #[test]
    fn a_median_has_the_interval_that_the_benches_give_it() {
        let median = Median::of((0..201).rev().map(f64::from).collect());
        assert_eq!(
            median,
            Median {
                value: 100.0,
                low: 86.0,
                high: 114.0
            }
        );
        assert_eq!(Median::of(Vec::new()), Median::default());
    }

    #[test]
    fn a_line_without_its_numbers_is_refused() {
        let error = read(r#"{"bench":"sdk","time":[1,2]}"#).expect_err("two numbers");
        assert!(format!("{error:#}").contains("`time`"), "{error:#}");
    }
}
