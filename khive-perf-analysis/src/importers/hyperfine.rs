//! hyperfine's `--export-json`: each command's times in seconds, and how it ended.

use serde_json::Value as Json;

use crate::importers::samples::Samples;
use crate::importers::{Node, Wrong, times};

pub(super) fn read(json: &Json) -> Result<Samples, Wrong> {
    let mut samples = Samples::default();
    for result in Node::root(json).need("results")?.items()? {
        let name = result.need("command")?.text()?;
        let Some(list) = result.get("times") else {
            samples.add_mean("", name, result.need("mean")?.number()?);
            continue;
        };
        let seconds = times(&list, 1.0)?;
        let codes = match result.get("exit_codes") {
            Some(codes) => codes.items()?,
            None => Vec::new(),
        };
        // With `--ignore-failure` some may have failed; their times are none of those that ended well.
        let failed = |at: usize| {
            codes
                .get(at)
                .is_some_and(|code| code.json != &Json::from(0))
        };
        let well = seconds.iter().enumerate().filter(|(at, _)| !failed(*at));
        let well: Vec<f64> = well.map(|(_, seconds)| *seconds).collect();
        samples.add("", name, &well);
        samples.fail("", name, (seconds.len() - well.len()) as u64);
    }
    Ok(samples)
}
