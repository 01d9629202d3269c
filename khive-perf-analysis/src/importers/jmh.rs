//! The Java Microbenchmark Harness' `-rf json`: iterations of each fork, as time per operation or as operations per time.

use serde_json::Value as Json;

use crate::importers::samples::Samples;
use crate::importers::{Node, Wrong};

pub(super) fn read(json: &Json) -> Result<Samples, Wrong> {
    let mut samples = Samples::default();
    for benchmark in Node::root(json).items()? {
        let name = name(&benchmark)?;
        let metric = benchmark.need("primaryMetric")?;
        let unit = metric.need("scoreUnit")?;
        let scale = scale(&unit)?;
        let Some(raw) = metric.get("rawData") else {
            match metric.get("rawDataHistogram") {
                Some(histogram) => add_histogram(&mut samples, &name, &histogram, scale)?,
                None => samples.add_mean("", &name, scale.seconds(&metric.need("score")?)?),
            }
            continue;
        };
        for fork in raw.items()? {
            for iteration in fork.items()? {
                samples.add("", &name, &[scale.seconds(&iteration)?]);
            }
        }
    }
    Ok(samples)
}

/// The benchmark with its parameters, sorted: `Bench.run:size=8`.
fn name(benchmark: &Node<'_>) -> Result<String, Wrong> {
    let mut name = benchmark.need("benchmark")?.text()?.to_owned();
    let params = benchmark.get("params");
    let params = params.as_ref().and_then(|params| params.json.as_object());
    let mut params: Vec<String> = params
        .into_iter()
        .flatten()
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!("{key}={text}"),
            None => format!("{key}={value}"),
        })
        .collect();
    params.sort_unstable();
    if !params.is_empty() {
        name = format!("{name}:{}", params.join(","));
    }
    Ok(name)
}

/// Forks of iterations of `[value, how often]`.
fn add_histogram(
    samples: &mut Samples,
    name: &str,
    histogram: &Node<'_>,
    scale: Scale,
) -> Result<(), Wrong> {
    /// Samples of one value that are kept; there may be millions.
    const SAME_MAX: usize = 10_000;
    for fork in histogram.items()? {
        for iteration in fork.items()? {
            for pair in iteration.items()? {
                let pair = pair.items()?;
                let [value, count] = pair.as_slice() else {
                    return Err(Wrong::at(&iteration.path, "has an entry that is no pair"));
                };
                #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
                #[expect(clippy::cast_sign_loss, reason = "no count is below 0")]
                let count = (count.number()? as usize).min(SAME_MAX);
                samples.add("", name, &vec![scale.seconds(value)?; count]);
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Scale {
    per_second: f64,
    is_rate: bool,
}

impl Scale {
    fn seconds(self, value: &Node<'_>) -> Result<f64, Wrong> {
        let number = value.number()?;
        if !self.is_rate {
            return Ok(number / self.per_second);
        }
        if number > 0.0 {
            return Ok(1.0 / (number * self.per_second));
        }
        let problem = "is a rate of 0, of which there is no time of one operation";
        Err(Wrong::at(&value.path, problem))
    }
}

fn scale(unit: &Node<'_>) -> Result<Scale, Wrong> {
    let text = unit.text()?;
    let (time, is_rate) = match (text.strip_suffix("/op"), text.strip_prefix("ops/")) {
        (Some(time), _) => (time, false),
        (_, Some(time)) => (time, true),
        _ => ("", false),
    };
    let per_second = match time {
        "ns" => 1e9,
        "us" => 1e6,
        "ms" => 1e3,
        "s" => 1.0,
        "min" => 1.0 / 60.0,
        _ => {
            let problem = format!("is `{text}`, and no time per operation nor a rate of them");
            return Err(Wrong::at(&unit.path, problem));
        }
    };
    Ok(Scale {
        per_second,
        is_rate,
    })
}
