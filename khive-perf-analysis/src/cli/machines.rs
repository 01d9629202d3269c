//! Machines: runs of different ones are not compared without being told.

use std::collections::BTreeSet;

use khive_perf_analysis::store::RunInfo;

use crate::cli::compare::Side;
use crate::cli::{Failure, output};

/// Refuses sides of which all say where they are from, and not the same.
pub(crate) fn check(names: [&str; 2], sides: [&Side; 2]) -> Result<(), Failure> {
    let [base, candidate] = sides.map(|side| side.infos.iter().map(machine).collect::<Vec<_>>());
    let known = |all: &[Option<String>]| all.iter().flatten().cloned().collect::<BTreeSet<_>>();
    let (of_base, of_candidate) = (known(&base), known(&candidate));
    if of_base.is_empty() || of_candidate.is_empty() {
        if of_base.len() + of_candidate.len() > 0 {
            output::say(
                "warning: one side does not say which machine it is from; if it is another, the comparison says nothing",
            );
        }
        return Ok(());
    }
    if of_base == of_candidate {
        return Ok(());
    }
    let list = |machines: &BTreeSet<String>| {
        let all: Vec<String> = machines.iter().map(|of| output::clean(of)).collect();
        all.join(" and ")
    };
    let [base, candidate] = names;
    Err(format!(
        "`{base}` is from {}, and `{candidate}` from {}: another machine is no change of the program; \
         --across-machines compares them all the same",
        list(&of_base),
        list(&of_candidate)
    )
    .into())
}

/// The machine of a run, where its resource names one, with its processor.
pub(crate) fn machine(info: &RunInfo) -> Option<String> {
    let named = |attribute: &str| {
        let all = info.resources.iter();
        let mut found = all.filter_map(|resource| resource.get(attribute)?.as_str());
        found.next()
    };
    let host = named("host.id").or_else(|| named("host.name"))?;
    Some(match named("host.cpu.model.name") {
        Some(model) => format!("{host} ({model})"),
        None => host.to_owned(),
    })
}
