//! The arguments of `cargo xtask bench`.

use anyhow::{Result, bail};

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) quick: bool,
    pub(super) parts: Vec<Part>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Ruler,
    Sdk,
    Peers,
    Service,
}

const PARTS: [(&str, Part); 4] = [
    ("ruler", Part::Ruler),
    ("sdk", Part::Sdk),
    ("peers", Part::Peers),
    ("service", Part::Service),
];

impl Options {
    /// Reads `[ruler] [sdk] [peers] [service] [--quick]`; without names, all of them.
    ///
    /// # Errors
    ///
    /// When an argument is not known.
    pub(super) fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            quick: false,
            parts: Vec::new(),
        };
        for argument in arguments {
            if argument == "--quick" {
                options.quick = true;
            } else if let Some((_, part)) = PARTS.iter().find(|(name, _)| name == argument) {
                options.parts.push(*part);
            } else {
                bail!(
                    "`bench` knows no `{argument}`; there are ruler, sdk, peers, service and --quick"
                );
            }
        }
        if options.parts.is_empty() {
            options.parts = PARTS.map(|(_, part)| part).to_vec();
        }
        Ok(options)
    }

    pub(super) fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Whether the results are such that they may be kept.
    pub(super) fn is_whole(&self) -> bool {
        !self.quick && PARTS.iter().all(|(_, part)| self.wants(*part))
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
    fn only_a_whole_run_is_kept() {
        assert!(read("").expect("valid").is_whole());
        assert!(!read("--quick").expect("valid").is_whole());
        let some = read("sdk peers").expect("valid");
        assert!(!some.is_whole() && some.wants(Part::Peers) && !some.wants(Part::Service));
        assert!(read("pears").is_err());
    }
}
