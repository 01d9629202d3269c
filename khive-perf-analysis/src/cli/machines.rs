//! Machines: runs of different ones are not compared without being told.

use khive_perf_analysis::store::Machines;

use crate::cli::compare::Side;
use crate::cli::{Failure, output};

/// Refuses sides of which all say where they are from, and not the same.
pub(crate) fn check(names: [&str; 2], sides: [&Side; 2]) -> Result<(), Failure> {
    let ([base, candidate], [base_side, candidate_side]) = (names, sides);
    match Machines::of(&base_side.infos, &candidate_side.infos) {
        Machines::Same => Ok(()),
        Machines::HalfKnown => {
            output::say(
                "warning: one side does not say which machine it is from; if it is another, the comparison says nothing",
            );
            Ok(())
        }
        Machines::Different([of_base, of_candidate]) => Err(format!(
            "`{base}` is from {}, and `{candidate}` from {}: another machine is no change of the program; \
             --across-machines compares them all the same",
            output::clean(&of_base),
            output::clean(&of_candidate)
        )
        .into()),
    }
}
