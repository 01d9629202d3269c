//! pytest-benchmark's `--benchmark-json`: rounds in seconds, with the commit that they are of.

use serde_json::Value as Json;

use crate::importers::samples::Samples;
use crate::importers::{Node, Wrong, times};

pub(super) fn read(json: &Json) -> Result<Samples, Wrong> {
    let root = Node::root(json);
    let mut samples = Samples::default();
    for (of, key, attribute) in [
        ("commit_info", "id", "vcs.ref.head.revision"),
        ("commit_info", "branch", "vcs.ref.head.name"),
        ("machine_info", "node", "host.name"),
        ("machine_info", "machine", "host.arch"),
    ] {
        let value = root.get(of).and_then(|of| of.get(key));
        if let Some(value) = value.filter(|value| value.json.is_string()) {
            let attribute = attribute.to_owned();
            samples.resource.insert(attribute, value.json.clone());
        }
    }
    for benchmark in root.need("benchmarks")?.items()? {
        let name = match benchmark.get("fullname") {
            Some(name) => name,
            None => benchmark.need("name")?,
        };
        let name = name.text()?;
        let group = match benchmark.get("group") {
            Some(group) => group.text()?,
            None => "",
        };
        let stats = benchmark.need("stats")?;
        match stats.get("data") {
            Some(data) => samples.add(group, name, &times(&data, 1.0)?),
            None => samples.add_mean(group, name, stats.need("mean")?.number()?),
        }
    }
    Ok(samples)
}
