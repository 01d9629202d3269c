//! What tokio counts of a runtime, as metrics.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};

use crate::encode::{Description, NumberKind, Shape, count, key_value, number, seconds, text};

/// What is counted of one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) name: String,
    pub(crate) workers: u64,
    pub(crate) tasks: u64,
    pub(crate) queue_len: u64,
    /// Of each worker; none where that is not counted.
    pub(crate) each: Vec<RuntimeWorker>,
}

/// What is counted of one worker of a runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeWorker {
    pub(crate) busy: Duration,
    pub(crate) parks: u64,
}

/// The metrics of all runtimes. All are cumulative.
pub(crate) fn runtimes(runtimes: &[Runtime], shape: &Shape) -> Vec<Metric> {
    let shape = Shape {
        is_delta: false,
        start_unix_ns: shape.process_start_unix_ns,
        ..*shape
    };
    let of_each = |description: &Description, value: fn(&Runtime) -> u64| {
        let points = runtimes.iter().map(|runtime| {
            let attributes = vec![runtime.named()];
            point(attributes, &shape, count(value(runtime)))
        });
        description.number(points.collect(), &shape)
    };
    type Value = fn(&RuntimeWorker) -> number_data_point::Value;
    let of_each_worker = |description: &Description, value: Value| {
        let points = runtimes.iter().flat_map(|runtime| {
            (0..).zip(&runtime.each).map(|(number, worker)| {
                let number = key_value("tokio.worker.id", any_value::Value::IntValue(number));
                point(vec![runtime.named(), number], &shape, value(worker))
            })
        });
        description.number(points.collect(), &shape)
    };
    [
        of_each(&WORKERS, |runtime| runtime.workers),
        of_each(&TASKS, |runtime| runtime.tasks),
        of_each(&QUEUE, |runtime| runtime.queue_len),
        of_each_worker(&BUSY, |worker| seconds(worker.busy)),
        of_each_worker(&PARKS, |worker| count(worker.parks)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Runtime {
    fn named(&self) -> KeyValue {
        text("tokio.runtime.name", &self.name)
    }
}

fn point(
    attributes: Vec<KeyValue>,
    shape: &Shape,
    value: number_data_point::Value,
) -> NumberDataPoint {
    number(attributes, shape.start_unix_ns, shape, value)
}

const WORKERS: Description = Description {
    name: "tokio.worker.count",
    unit: "{worker}",
    text: "Threads that poll tasks.",
    kind: NumberKind::UpDown,
};
const TASKS: Description = Description {
    name: "tokio.task.count",
    unit: "{task}",
    text: "Tasks that have been spawned and have not ended.",
    kind: NumberKind::UpDown,
};
const QUEUE: Description = Description {
    name: "tokio.global_queue.length",
    unit: "{task}",
    text: "Tasks that wait for any worker.",
    kind: NumberKind::UpDown,
};
const BUSY: Description = Description {
    name: "tokio.worker.busy_time",
    unit: "s",
    text: "Time in which a worker was not parked.",
    kind: NumberKind::Counter,
};
const PARKS: Description = Description {
    name: "tokio.worker.parks",
    unit: "{park}",
    text: "How often a worker had nothing to do and waited.",
    kind: NumberKind::Counter,
};

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;

    use super::*;

    #[test]
    fn each_runtime_and_each_of_its_workers_has_points() {
        let worker = |parks| RuntimeWorker {
            busy: Duration::from_millis(1500),
            parks,
        };
        let named = |name: &str| Runtime {
            name: name.to_owned(),
            workers: 2,
            tasks: 7,
            queue_len: 3,
            each: vec![worker(4), worker(5)],
        };
        let shape = Shape {
            is_delta: true,
            start_unix_ns: 5,
            process_start_unix_ns: 4,
            time_unix_ns: 9,
        };
        let metrics = runtimes(&[named("a"), named("b")], &shape);
        let points = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == name);
            match metric.unwrap_or_else(|| panic!("no {name}")).data.as_ref() {
                Some(Data::Sum(sum)) => {
                    assert_eq!(sum.aggregation_temporality, 2, "{name} is cumulative");
                    sum.data_points.clone()
                }
                other => panic!("{name} is {other:?}"),
            }
        };
        for (name, value) in [
            ("tokio.worker.count", 2),
            ("tokio.task.count", 7),
            ("tokio.global_queue.length", 3),
        ] {
            let points = points(name);
            assert_eq!(points.len(), 2, "{name}");
            assert!(points.iter().all(|point| point.value == Some(count(value))));
            assert_ne!(points[0].attributes, points[1].attributes);
        }
        let (busy, parks) = (
            points("tokio.worker.busy_time"),
            points("tokio.worker.parks"),
        );
        assert_eq!((busy.len(), parks.len()), (4, 4));
        assert_eq!(busy[0].value, Some(seconds(Duration::from_millis(1500))));
        assert_eq!(
            (parks[0].value, parks[1].value),
            (Some(count(4)), Some(count(5)))
        );
        assert_eq!(parks[1].attributes[1].key, "tokio.worker.id");
        assert_eq!(parks[1].start_time_unix_nano, 4);
        assert_eq!(runtimes(&[], &shape), []);
    }
}
