//! Google Benchmark's `--benchmark_format=json`: repetitions, each the mean of its iterations, in the unit that it states.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::importers::samples::Samples;
use crate::importers::{Node, Wrong};

pub(super) fn read(json: &Json) -> Result<Samples, Wrong> {
    let root = Node::root(json);
    let mut samples = Samples::default();
    if let Some(host) = root
        .get("context")
        .and_then(|context| context.get("host_name"))
    {
        samples
            .resource
            .insert("host.name".to_owned(), json!(host.text()?));
    }
    let benchmarks = root.need("benchmarks")?.items()?;
    let is_aggregate = |benchmark: &Node<'_>| {
        benchmark
            .get("run_type")
            .is_some_and(|kind| kind.json == "aggregate")
    };
    let mut measured = BTreeSet::new();
    for benchmark in benchmarks.iter().filter(|one| !is_aggregate(one)) {
        let name = name(benchmark)?;
        measured.insert(name.clone());
        if benchmark
            .get("error_occurred")
            .is_some_and(|failed| failed.json == &json!(true))
        {
            samples.fail("", &name, 1);
        } else {
            samples.add("", &name, &[seconds(benchmark)?]);
        }
    }
    // With `--benchmark_report_aggregates_only` there is nothing else.
    for benchmark in benchmarks.iter().filter(|one| is_aggregate(one)) {
        let name = name(benchmark)?;
        let is_mean = benchmark
            .get("aggregate_name")
            .is_some_and(|of| of.json == "mean");
        if is_mean && !measured.contains(&name) {
            samples.add_mean("", &name, seconds(benchmark)?);
        }
    }
    Ok(samples)
}

/// The name without what tells repetitions apart.
fn name(benchmark: &Node<'_>) -> Result<String, Wrong> {
    let name = match benchmark.get("run_name") {
        Some(name) => name,
        None => benchmark.need("name")?,
    };
    Ok(name.text()?.to_owned())
}

fn seconds(benchmark: &Node<'_>) -> Result<f64, Wrong> {
    let time = benchmark.need("real_time")?.number()?;
    let unit = match benchmark.get("time_unit") {
        Some(unit) => unit.text()?,
        None => "ns",
    };
    let per_second = match unit {
        "ns" => 1e9,
        "us" => 1e6,
        "ms" => 1e3,
        "s" => 1.0,
        other => {
            let place = format!("{}.time_unit", benchmark.path);
            return Err(Wrong::at(
                place,
                format!("is `{other}`, and none of ns, us, ms, s"),
            ));
        }
    };
    Ok(time / per_second)
}
