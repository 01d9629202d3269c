//! Protobuf: the families as `io.prometheus.client.MetricFamily`, each with its length before it, and native histograms.
//!
//! Written by hand, because it is one message of few fields, and a library would be the only dependency.

use crate::exemplars::Exemplar;
use crate::report::prometheus::families::{self, Bucket, Family, Kind, Sample, Value};
use crate::stats::Histogram;

pub(super) fn write(families: &[Family<'_>]) -> Vec<u8> {
    let mut out = Message::default();
    // One without samples is no family to this format's readers.
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let written = write_family(family);
        out.varint(written.0.len() as u64);
        out.0.extend(written.0);
    }
    out.0
}

fn write_family(family: &Family<'_>) -> Message {
    let (suffix, kind) = match family.kind {
        Kind::Counter => ("_total", 0),
        Kind::Gauge => ("", 1),
        Kind::Histogram => ("", 4),
    };
    let mut message = Message::default();
    message.text(1, &format!("{}{suffix}", family.name));
    message.text(2, family.help);
    message.uint(3, kind);
    for sample in &family.samples {
        message.message(4, &write_metric(sample, family));
    }
    if let Some(unit) = family.unit {
        message.text(5, unit);
    }
    message
}

fn write_metric(sample: &Sample<'_>, family: &Family<'_>) -> Message {
    let mut message = Message::default();
    for (name, value) in &sample.labels {
        message.message(1, &label(name, value));
    }
    let number = match &sample.value {
        Value::Distribution(histogram, exemplars) => {
            let histogram = write_histogram(histogram, exemplars, family.start_unix_ns);
            message.message(7, &histogram);
            return message;
        }
        Value::Count(count) => *count as f64,
        Value::Number(number) => *number,
    };
    let mut value = Message::default();
    value.double(1, number);
    if family.kind == Kind::Counter {
        value.message(3, &timestamp(family.start_unix_ns));
        message.message(3, &value);
    } else {
        message.message(2, &value);
    }
    message
}

/// What is closer to zero than this counts as zero; the number that other libraries write.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// With native buckets, and with those that text has, for who takes protobuf for another reason.
fn write_histogram(histogram: &Histogram, exemplars: &[Exemplar], start_unix_ns: u64) -> Message {
    let mut message = Message::default();
    message.uint(1, histogram.count());
    message.double(2, histogram.sum().as_secs_f64());
    for bucket in families::buckets(histogram, exemplars) {
        message.message(3, &write_bucket(&bucket));
    }
    message.sint(5, i64::from(Histogram::SCALE));
    message.double(6, ZERO_THRESHOLD);
    message.uint(7, histogram.zero_count());
    let (spans, deltas) = native(histogram);
    for (offset, len) in spans {
        let mut span = Message::default();
        span.sint(1, i64::from(offset));
        span.uint(2, len);
        message.message(12, &span);
    }
    let mut packed = Message::default();
    for delta in deltas {
        packed.varint(zigzag(delta));
    }
    message.message(13, &packed);
    message.message(15, &timestamp(start_unix_ns));
    for exemplar in exemplars {
        message.message(16, &write_exemplar(exemplar));
    }
    message
}

fn write_bucket(bucket: &Bucket) -> Message {
    let mut message = Message::default();
    message.uint(1, bucket.count);
    message.double(2, bucket.bound.unwrap_or(f64::INFINITY));
    if let Some(exemplar) = &bucket.exemplar {
        message.message(3, &write_exemplar(exemplar));
    }
    message
}

fn write_exemplar(exemplar: &Exemplar) -> Message {
    let mut message = Message::default();
    message.message(1, &label("trace_id", &exemplar.trace_id.to_string()));
    message.message(1, &label("span_id", &exemplar.span_id.to_string()));
    message.double(2, exemplar.value.as_secs_f64());
    message.message(3, &timestamp(exemplar.time_unix_ns));
    message
}

/// Runs of neighbouring buckets, each as the gap before it and its length; and each bucket's count, less that of the one
/// before.
fn native(histogram: &Histogram) -> (Vec<(i32, u64)>, Vec<i64>) {
    let mut spans: Vec<(i32, u64)> = Vec::new();
    let mut deltas = Vec::new();
    let mut count_before = 0;
    let mut next = 0;
    for (index, count) in histogram.buckets() {
        // Prometheus numbers a bucket by its upper bound, OpenTelemetry by its lower one.
        let index = index + 1;
        match spans.last_mut() {
            Some((_, len)) if index == next => *len += 1,
            _ => spans.push((index - next, 1)),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - count_before);
        (count_before, next) = (count, index + 1);
    }
    (spans, deltas)
}

fn label(name: &str, value: &str) -> Message {
    let mut message = Message::default();
    message.text(1, name);
    message.text(2, value);
    message
}

fn timestamp(unix_ns: u64) -> Message {
    const NS: u64 = 1_000_000_000;
    let mut message = Message::default();
    message.uint(1, unix_ns / NS);
    message.uint(2, unix_ns % NS);
    message
}

/// Small numbers of either sign as small numbers.
const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// A message as it is built: fields, each with its number and how it is written before it.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    const VARINT: u64 = 0;
    const FIXED_64: u64 = 1;
    const LENGTH: u64 = 2;

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, how: u64) {
        self.varint(field << 3 | how);
    }

    fn uint(&mut self, field: u64, value: u64) {
        self.key(field, Self::VARINT);
        self.varint(value);
    }

    fn sint(&mut self, field: u64, value: i64) {
        self.uint(field, zigzag(value));
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, Self::FIXED_64);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, Self::LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }
}
