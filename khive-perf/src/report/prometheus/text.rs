//! Text: the families as OpenMetrics, and as the older text of version 0.0.4.

use std::fmt::Write as _;

use crate::exemplars::Exemplar;
use crate::report::prometheus::accept::Form;
use crate::report::prometheus::families::{self, Bucket, Family, Kind, Labels, Sample, Value};

pub(super) fn write(families: &[Family<'_>], form: Form) -> String {
    let mut out = String::new();
    for family in families {
        head(&mut out, family, form);
        for sample in &family.samples {
            write_sample(&mut out, family, sample, form);
        }
    }
    if form == Form::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

// Writing to a `String` cannot fail, here and below.

fn head(out: &mut String, family: &Family<'_>, form: Form) {
    let Family {
        name, kind, help, ..
    } = family;
    // The older text has no other name for a counter than its sample's.
    let suffix = match (form, kind) {
        (Form::Plain, Kind::Counter) => "_total",
        _ => "",
    };
    let _ = writeln!(out, "# TYPE {name}{suffix} {}", kind.as_str());
    if let (Some(unit), Form::OpenMetrics) = (family.unit, form) {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    let _ = writeln!(out, "# HELP {name}{suffix} {help}");
}

fn write_sample(out: &mut String, family: &Family<'_>, sample: &Sample<'_>, form: Form) {
    let (name, labels) = (family.name, shown(&sample.labels));
    let suffix = match family.kind {
        Kind::Counter => "_total",
        Kind::Gauge | Kind::Histogram => "",
    };
    match &sample.value {
        Value::Count(value) => {
            let _ = writeln!(out, "{name}{suffix}{{{labels}}} {value}");
        }
        Value::Number(value) => {
            let _ = writeln!(out, "{name}{suffix}{{{labels}}} {value:?}");
        }
        Value::Distribution(histogram, exemplars) => {
            for bucket in families::buckets(histogram, exemplars) {
                write_bucket(out, name, &labels, &bucket, form);
            }
            let (count, sum) = (histogram.count(), histogram.sum().as_secs_f64());
            let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
            let _ = writeln!(out, "{name}_sum{{{labels}}} {sum:?}");
        }
    }
}

fn write_bucket(out: &mut String, name: &str, labels: &str, bucket: &Bucket, form: Form) {
    let bound = bucket
        .bound
        .map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
    let count = bucket.count;
    let _ = write!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
    if let (Some(exemplar), Form::OpenMetrics) = (bucket.exemplar, form) {
        let Exemplar {
            trace_id, span_id, ..
        } = exemplar;
        let value = exemplar.value.as_secs_f64();
        let (seconds, ns) = (exemplar.time_unix_ns / NS, exemplar.time_unix_ns % NS);
        let ids = format!("trace_id=\"{trace_id}\",span_id=\"{span_id}\"");
        let _ = write!(out, " # {{{ids}}} {value:?} {seconds}.{ns:09}");
    }
    out.push('\n');
}

const NS: u64 = 1_000_000_000;

fn shown(labels: &Labels) -> String {
    let labels = labels.iter();
    let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    labels.collect::<Vec<_>>().join(",")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
