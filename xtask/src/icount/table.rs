//! The counts that are kept: a line per operation, in the order of the bench.

use anyhow::{Context as _, Result};

/// How much a count may rise.
const RISE_MAX: f64 = 1.03;
/// Instructions that are noise: how many calls are timed of those that are sampled is left to chance.
const NOISE: f64 = 2.0;

const HEADER: &str = "operation,instructions";
const TOOLCHAIN: &str = "# counted with ";

/// `benches/icount.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) toolchain: String,
    counts: Vec<(String, f64)>,
}

/// What became of a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    None,
    Fell(f64),
    Rose(f64),
    New,
}

impl Table {
    /// # Errors
    ///
    /// If a line is not a name and a number.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut table = Self::default();
        for (at, line) in text.lines().enumerate() {
            if let Some(toolchain) = line.strip_prefix(TOOLCHAIN) {
                toolchain.clone_into(&mut table.toolchain);
            } else if line != HEADER && !line.is_empty() {
                let count = line
                    .split_once(',')
                    .and_then(|(name, count)| Some((name, count.parse().ok()?)));
                let (name, count) = count
                    .with_context(|| format!("line {}: `{line}` is not `name,number`", at + 1))?;
                table.counts.push((name.to_owned(), count));
            }
        }
        Ok(table)
    }

    pub(super) fn text(&self) -> String {
        let lines = self
            .counts
            .iter()
            .map(|(name, count)| format!("{name},{count:.1}\n"));
        format!(
            "{TOOLCHAIN}{}\n{HEADER}\n{}",
            self.toolchain,
            lines.collect::<String>()
        )
    }

    /// Takes new counts for those it has, and appends the rest.
    pub(super) fn take(&mut self, counts: Vec<(String, f64)>) {
        for (name, count) in counts {
            match self.counts.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = count,
                None => self.counts.push((name, count)),
            }
        }
    }

    pub(super) fn change(&self, name: &str, now: f64) -> Change {
        let Some((_, before)) = self.counts.iter().find(|(known, _)| known == name) else {
            return Change::New;
        };
        if now > before * RISE_MAX + NOISE {
            Change::Rose(*before)
        } else if now * RISE_MAX + NOISE < *before {
            Change::Fell(*before)
        } else {
            Change::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::read("# counted with rustc 1\noperation,instructions\na,100.0\nb,2.0\n")
            .expect("valid")
    }

    #[test]
    fn more_than_three_in_a_hundred_is_a_rise() {
        assert_eq!(table().change("a", 103.0), Change::None);
        assert_eq!(table().change("a", 105.5), Change::Rose(100.0));
        assert_eq!(table().change("a", 90.0), Change::Fell(100.0));
        assert_eq!(table().change("b", 5.0), Change::Rose(2.0));
        assert_eq!(table().change("c", 1.0), Change::New);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut table = table();
        table.take(vec![("b".to_owned(), 4.0), ("c".to_owned(), 7.25)]);
        let again = Table::read(&table.text()).expect("our own");
        assert_eq!(again.toolchain, "rustc 1");
        assert_eq!(again.change("b", 4.0), Change::None);
        assert_eq!(again.change("c", 7.2), Change::None);
        assert_eq!(again.text(), table.text());
    }

    #[test]
    fn a_line_that_is_no_count_is_named() {
        let error = Table::read("operation,instructions\na;3\n").expect_err("a semicolon");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
