//! Heap snapshots in files: a line for each site, and for each step that led there, in order.
//!
//! ```text
//! khive-perf heap 2
//! snapshot  time_unix_ns  mean  untracked  own_bytes  stacks_cut  process
//! module    start  end  offset  file
//! site      bytes  variance  seen  mean  blocks  samples  allocated  freed  peak  oldest_ns
//! call      name  function  group (with `=` before it, empty for none)  file  line
//! frame     address
//! symbol    function  file  line
//! ```
//!
//! Fields are parted by tabs; in texts a tab, a line's end and `\` are written `\t`, `\n`, `\r` and `\\`. Numbers are written so
//! that they come back the same to the bit.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::alloc::modules::HeapModule;
use crate::alloc::snapshot::{HeapCall, HeapFrame, HeapSite, HeapSnapshot, HeapSymbol};
use crate::clock::saturating_ns;
use crate::stats::estimate::Estimate;

const HEADER: &str = "khive-perf heap 2";

/// Why a file is no heap snapshot.
#[derive(Debug)]
#[non_exhaustive]
pub enum HeapError {
    /// It cannot be read.
    Io(io::Error),
    /// A line of it is wrong.
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Malformed { line, what } => write!(f, "line {line}: {what}"),
        }
    }
}

impl Error for HeapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Malformed { .. } => None,
        }
    }
}

impl HeapSnapshot {
    /// Writes it to a file, over what is there.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, self.to_text())
    }

    /// Reads one that was [saved](Self::save): it is the same.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is none; with the line that is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, HeapError> {
        Self::from_text(&fs::read_to_string(path).map_err(HeapError::Io)?)
    }

    fn to_text(&self) -> String {
        let mut out = format!(
            "{HEADER}\nsnapshot\t{}\t{:?}\t{}\t{}\t{}\t{}\n",
            self.time_unix_ns,
            self.mean,
            self.untracked,
            self.own_bytes,
            self.stacks_cut,
            self.process
        );
        for module in &self.modules {
            // Writing to a `String` cannot fail, here and below.
            let _ = writeln!(
                out,
                "module\t{}\t{}\t{}\t{}",
                module.start,
                module.end,
                module.offset,
                escaped(&module.file)
            );
        }
        for site in &self.sites {
            let live = &site.live;
            let _ = writeln!(
                out,
                "site\t{:?}\t{:?}\t{:?}\t{:?}\t{:?}\t{}\t{}\t{}\t{}\t{}",
                live.bytes,
                live.variance,
                live.seen,
                live.mean,
                site.blocks,
                site.samples,
                site.allocated,
                site.freed,
                site.peak,
                saturating_ns(site.oldest)
            );
            for call in &site.path {
                let group = call
                    .group
                    .as_ref()
                    .map(|group| format!("={}", escaped(group)));
                let _ = writeln!(
                    out,
                    "call\t{}\t{}\t{}\t{}\t{}",
                    escaped(&call.name),
                    escaped(&call.function),
                    group.unwrap_or_default(),
                    escaped(&call.file),
                    call.line
                );
            }
            for frame in &site.stack {
                let _ = writeln!(out, "frame\t{}", frame.address);
                for symbol in &frame.symbols {
                    let (function, file) = (escaped(&symbol.function), escaped(&symbol.file));
                    let _ = writeln!(out, "symbol\t{function}\t{file}\t{}", symbol.line);
                }
            }
        }
        out
    }

    fn from_text(text: &str) -> Result<Self, HeapError> {
        let mut snapshot = None;
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what| HeapError::Malformed { line: number, what };
            if number == 1 {
                if line != HEADER {
                    return Err(wrong("not a heap snapshot, or one of a newer khive-perf"));
                }
                continue;
            }
            let mut fields = Fields(line.split('\t'));
            let read = match (fields.0.next(), &mut snapshot) {
                (Some("snapshot"), none @ None) => {
                    *none = fields.snapshot();
                    none.is_some()
                }
                (Some("module"), Some(found)) if found.sites.is_empty() => {
                    found.modules.extend_checked(fields.module())
                }
                (Some("site"), Some(found)) => found.sites.extend_checked(fields.site()),
                (Some(step), Some(found)) => {
                    let site = found.sites.last_mut();
                    site.is_some_and(|site| site.read_step(step, &mut fields))
                }
                _ => false,
            };
            if !read || fields.0.next().is_some() {
                return Err(wrong("not a line of a heap snapshot; the file is damaged"));
            }
        }
        snapshot.ok_or_else(|| HeapError::Malformed {
            line: text.lines().count() + 1,
            what: "it ends too early",
        })
    }
}

trait ExtendChecked<T> {
    /// Takes one in; says whether there was one.
    fn extend_checked(&mut self, one: Option<T>) -> bool;
}

impl<T> ExtendChecked<T> for Vec<T> {
    fn extend_checked(&mut self, one: Option<T>) -> bool {
        let before = self.len();
        self.extend(one);
        self.len() > before
    }
}

impl HeapSite {
    fn read_step(&mut self, step: &str, fields: &mut Fields<'_>) -> bool {
        match step {
            "call" => fields.call().map(|call| self.path.push(call)).is_some(),
            "frame" => {
                let frame = fields.number().map(|address| HeapFrame {
                    address,
                    symbols: Vec::new(),
                });
                frame.map(|frame| self.stack.push(frame)).is_some()
            }
            "symbol" => {
                let frame = self.stack.last_mut().zip(fields.symbol());
                frame
                    .map(|(frame, symbol)| frame.symbols.push(symbol))
                    .is_some()
            }
            _ => false,
        }
    }
}

/// The fields of a line that are left.
struct Fields<'a>(std::str::Split<'a, char>);

impl Fields<'_> {
    fn number<T: FromStr>(&mut self) -> Option<T> {
        self.0.next()?.parse().ok()
    }

    /// One that is finite and not below zero.
    fn amount(&mut self) -> Option<f64> {
        self.number()
            .filter(|value: &f64| value.is_finite() && *value >= 0.0)
    }

    fn text(&mut self) -> Option<String> {
        unescaped(self.0.next()?)
    }

    fn snapshot(&mut self) -> Option<HeapSnapshot> {
        Some(HeapSnapshot {
            time_unix_ns: self.number()?,
            mean: self.amount()?,
            untracked: self.number()?,
            own_bytes: self.number()?,
            stacks_cut: self.number()?,
            process: self.number()?,
            modules: Vec::new(),
            sites: Vec::new(),
        })
    }

    fn module(&mut self) -> Option<HeapModule> {
        Some(HeapModule {
            start: self.number()?,
            end: self.number()?,
            offset: self.number()?,
            file: self.text()?,
        })
    }

    fn site(&mut self) -> Option<HeapSite> {
        Some(HeapSite {
            path: Vec::new(),
            stack: Vec::new(),
            live: Estimate {
                bytes: self.amount()?,
                variance: self.amount()?,
                seen: self.amount()?,
                mean: self.amount()?,
            },
            blocks: self.amount()?,
            samples: self.number()?,
            allocated: self.number()?,
            freed: self.number()?,
            peak: self.number()?,
            oldest: Duration::from_nanos(self.number()?),
        })
    }

    fn call(&mut self) -> Option<HeapCall> {
        Some(HeapCall {
            name: self.text()?,
            function: self.text()?,
            group: match self.0.next()?.strip_prefix('=') {
                Some(group) => Some(unescaped(group)?),
                None => None,
            },
            file: self.text()?,
            line: self.number()?,
        })
    }

    fn symbol(&mut self) -> Option<HeapSymbol> {
        Some(HeapSymbol {
            function: self.text()?,
            file: self.text()?,
            line: self.number()?,
        })
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> HeapSnapshot {
        let call = |name: &str, group: Option<&str>| HeapCall {
            name: name.to_owned(),
            function: format!("krate::{name}"),
            group: group.map(str::to_owned),
            file: "src/a\tb.rs".to_owned(),
            line: 7,
        };
        let site = |bytes: f64, path: Vec<HeapCall>| HeapSite {
            path,
            stack: vec![HeapFrame {
                address: 0x5555_0000_1234,
                symbols: vec![HeapSymbol {
                    function: "alloc\n::vec".to_owned(),
                    file: String::new(),
                    line: 0,
                }],
            }],
            live: Estimate {
                bytes,
                variance: bytes * 0.1,
                seen: 3.0,
                mean: 524_288.0,
            },
            blocks: 1.0 / 3.0,
            samples: 2,
            allocated: 10,
            freed: 4,
            peak: 9,
            oldest: Duration::from_nanos(77),
        };
        HeapSnapshot {
            time_unix_ns: 1_764_000_000_000_000_001,
            mean: 524_288.0,
            untracked: 1,
            own_bytes: 2,
            stacks_cut: 3,
            process: u64::MAX,
            modules: vec![HeapModule {
                start: 0x1000,
                end: 0x3000,
                offset: 0x200,
                file: "/opt/a\tb".to_owned(),
            }],
            sites: vec![
                site(
                    1e9 / 3.0,
                    vec![call("outer", None), call("inner", Some(""))],
                ),
                site(0.0, Vec::new()),
            ],
        }
    }

    #[test]
    fn what_is_saved_comes_back_the_same() {
        let snapshot = snapshot();
        let read = HeapSnapshot::from_text(&snapshot.to_text()).unwrap();
        assert_eq!(read, snapshot);
    }

    #[test]
    fn a_damaged_file_is_told_by_its_line() {
        let text = snapshot().to_text();
        let lines: Vec<&str> = text.lines().collect();
        for wrong in 0..lines.len() {
            for damage in [
                "nonsense",
                "site\t1",
                "call\ta",
                "snapshot\t1\t2\t3\t4\t5\t6\t7",
                "module\t1\t2\t3",
                "",
            ] {
                let mut lines = lines.clone();
                lines[wrong] = damage;
                let error = HeapSnapshot::from_text(&(lines.join("\n") + "\n")).unwrap_err();
                let HeapError::Malformed { line, .. } = error else {
                    panic!("{error}");
                };
                assert!(line == wrong + 1, "{line} {wrong} {damage}");
            }
        }
        assert!(HeapSnapshot::from_text("").is_err());
        assert!(HeapSnapshot::from_text("khive-perf heap 1\n").is_err());
    }
}
