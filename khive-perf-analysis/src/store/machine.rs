//! Machine: on which one a run was, and whether the runs of two sides were on the same.

use std::collections::BTreeSet;

use crate::store::RunInfo;

/// What the runs of two sides say of their machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machines {
    /// The same, or nobody says.
    Same,
    /// Only one side says.
    HalfKnown,
    /// Other ones: those of the base, and those of the candidate, as they name themselves.
    Different([String; 2]),
}

impl Machines {
    /// Looks at the runs of both sides; of a side, it is enough that some say.
    #[must_use]
    pub fn of(base: &[RunInfo], candidate: &[RunInfo]) -> Self {
        let [base, candidate] = [base, candidate].map(|runs| {
            runs.iter()
                .filter_map(RunInfo::machine)
                .collect::<BTreeSet<_>>()
        });
        if base == candidate {
            return Self::Same;
        }
        if base.is_empty() || candidate.is_empty() {
            return Self::HalfKnown;
        }
        let list =
            |machines: BTreeSet<String>| machines.into_iter().collect::<Vec<_>>().join(" and ");
        Self::Different([list(base), list(candidate)])
    }
}

impl RunInfo {
    /// Its machine, where its resource names one, with its processor.
    #[must_use]
    pub fn machine(&self) -> Option<String> {
        let named = |attribute: &str| {
            let all = self.resources.iter();
            let mut found = all.filter_map(|resource| resource.get(attribute)?.as_str());
            found.next()
        };
        let host = named("host.id").or_else(|| named("host.name"))?;
        Some(match named("host.cpu.model.name") {
            Some(model) => format!("{host} ({model})"),
            None => host.to_owned(),
        })
    }
}
