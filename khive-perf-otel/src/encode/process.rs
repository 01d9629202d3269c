//! What the operating system has counted of the process, by OpenTelemetry's conventions.

use khive_perf::process::{Network, Resources};
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};

use crate::encode::{Description, NumberKind, Shape, count, number, seconds, text};

/// The metrics of the process: those that the operating system tells. All are cumulative.
pub(crate) fn process(resources: &Resources, shape: &Shape) -> Vec<Metric> {
    let uptime = resources.uptime().unwrap_or_default();
    let uptime_ns = u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX);
    let shape = Shape {
        is_delta: false,
        start_unix_ns: shape.time_unix_ns.saturating_sub(uptime_ns),
        ..*shape
    };
    let one = |describe: &Description, value: Option<number_data_point::Value>| {
        let point = value.map(|value| number(Vec::new(), shape.start_unix_ns, &shape, value));
        describe.number(point.into_iter().collect(), &shape)
    };
    let split = |describe: &Description, key: &str, parts: Option<[Part; 2]>| {
        let parts = parts.into_iter().flatten();
        let points = parts.map(|(word, value)| of(key, word, &shape, value));
        describe.number(points.collect(), &shape)
    };
    let cpu = resources.cpu();
    let disk = resources.disk();
    let switches = resources.switches();
    let faults = resources.faults();
    let memory = resources.memory();
    [
        split(
            &CPU_TIME,
            "cpu.mode",
            cpu.map(|cpu| [("user", seconds(cpu.user)), ("system", seconds(cpu.system))]),
        ),
        one(&MEMORY, memory.map(|memory| count(memory.resident))),
        one(&VIRTUAL, memory.map(|memory| count(memory.virtual_size))),
        split(
            &DISK,
            "disk.io.direction",
            disk.map(|disk| [("read", count(disk.read)), ("write", count(disk.written))]),
        ),
        split(
            &NETWORK,
            "network.io.direction",
            resources.network().map(network_parts),
        ),
        one(&THREADS, resources.threads().map(count)),
        one(&FILES, resources.file_descriptors().map(count)),
        split(
            &SWITCHES,
            "process.context_switch.type",
            switches.map(|switches| {
                [
                    ("voluntary", count(switches.voluntary)),
                    ("involuntary", count(switches.involuntary)),
                ]
            }),
        ),
        split(
            &FAULTS,
            "system.paging.fault.type",
            faults.map(|faults| {
                [
                    ("major", count(faults.major)),
                    ("minor", count(faults.minor)),
                ]
            }),
        ),
        one(&UPTIME, resources.uptime().map(seconds)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Part = (&'static str, number_data_point::Value);

fn network_parts(network: Network) -> [Part; 2] {
    [
        ("receive", count(network.received)),
        ("transmit", count(network.sent)),
    ]
}

fn of(key: &str, word: &str, shape: &Shape, value: number_data_point::Value) -> NumberDataPoint {
    number(vec![text(key, word)], shape.start_unix_ns, shape, value)
}

const CPU_TIME: Description = Description {
    name: "process.cpu.time",
    unit: "s",
    text: "Processor time.",
    kind: NumberKind::Counter,
};
const MEMORY: Description = Description {
    name: "process.memory.usage",
    unit: "By",
    text: "Physical memory in use.",
    kind: NumberKind::UpDown,
};
const VIRTUAL: Description = Description {
    name: "process.memory.virtual",
    unit: "By",
    text: "Address space.",
    kind: NumberKind::UpDown,
};
const DISK: Description = Description {
    name: "process.disk.io",
    unit: "By",
    text: "Bytes from and to storage.",
    kind: NumberKind::Counter,
};
const NETWORK: Description = Description {
    name: "process.network.io",
    unit: "By",
    text: "Bytes from and to the network, of all processes in the same network namespace.",
    kind: NumberKind::Counter,
};
const THREADS: Description = Description {
    name: "process.thread.count",
    unit: "{thread}",
    text: "Threads.",
    kind: NumberKind::UpDown,
};
const FILES: Description = Description {
    name: "process.unix.file_descriptor.count",
    unit: "{file_descriptor}",
    text: "Open file descriptors.",
    kind: NumberKind::UpDown,
};
const SWITCHES: Description = Description {
    name: "process.context_switches",
    unit: "{context_switch}",
    text: "Context switches.",
    kind: NumberKind::Counter,
};
const FAULTS: Description = Description {
    name: "process.paging.faults",
    unit: "{fault}",
    text: "Page faults.",
    kind: NumberKind::Counter,
};
const UPTIME: Description = Description {
    name: "process.uptime",
    unit: "s",
    text: "Time since the process started.",
    kind: NumberKind::Gauge,
};

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn each_metric_has_the_points_that_its_convention_asks_for() {
        let shape = Shape {
            is_delta: true,
            start_unix_ns: 5,
            process_start_unix_ns: 4,
            time_unix_ns: u64::MAX / 2,
        };
        let metrics = process(&Resources::now(), &shape);
        let points = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == name);
            match metric.unwrap_or_else(|| panic!("no {name}")).data.as_ref() {
                Some(Data::Sum(sum)) => {
                    // Cumulative.
                    assert_eq!(sum.aggregation_temporality, 2, "{name}");
                    sum.data_points.clone()
                }
                Some(Data::Gauge(gauge)) => gauge.data_points.clone(),
                other => panic!("{name} is {other:?}"),
            }
        };
        let key = |point: &NumberDataPoint| point.attributes[0].key.clone();
        let cpu = points("process.cpu.time");
        assert_eq!((cpu.len(), key(&cpu[0]).as_str()), (2, "cpu.mode"));
        assert_eq!(
            key(&points("process.network.io")[0]),
            "network.io.direction"
        );
        let faults = points("process.paging.faults");
        assert_eq!(key(&faults[0]), "system.paging.fault.type");
        for name in [
            "process.memory.usage",
            "process.uptime",
            "process.thread.count",
        ] {
            assert_eq!(points(name).len(), 1);
        }
        assert!(cpu[0].start_time_unix_nano < cpu[0].time_unix_nano);
    }
}
