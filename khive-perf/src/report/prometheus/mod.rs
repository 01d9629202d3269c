//! Prometheus: a snapshot in the form that a scraper asks for.

mod accept;
mod families;
mod protobuf;
mod text;

use crate::report::prometheus::accept::Form;
use crate::snapshot::Snapshot;

/// The `Content-Type` of what [`prometheus()`] writes.
pub const PROMETHEUS_CONTENT_TYPE: &str = Form::OpenMetrics.content_type();

/// A snapshot as OpenMetrics text, version 1.0, which Prometheus and its kin scrape.
///
/// | metric | type | labels beside the function's |
/// | --- | --- | --- |
/// | `khive_perf_function_duration_seconds` | histogram of wall time, with exemplars | `outcome`, `le` |
/// | `khive_perf_function_calls_total` | counter, exact | `outcome` |
/// | `khive_perf_function_self_time_seconds_total` | counter | |
/// | `khive_perf_function_busy_time_seconds_total` | counter | |
/// | `khive_perf_function_idle_time_seconds_total` | counter, of what is resumed | |
/// | `khive_perf_function_polls_total` | counter, of what is resumed | |
/// | `khive_perf_function_in_flight` | gauge | |
/// | `khive_perf_function_retained_bytes` | gauge, where an allocator is tracked | |
///
/// Labels of a function are `function`, `name`, `group`, and the fields of its series as `field_..`. Serve the process's
/// [`snapshot`](crate::snapshot()), not a difference: counters must not fall.
///
/// Its histograms have 14 buckets, each four times as wide as the one before. Those that were recorded, 2.2 % wide, go to
/// who asks for them: see [`prometheus_for`].
///
/// # Overhead
///
/// That of the snapshot, and about 3 KiB of text for a callsite: 14 buckets for each outcome that has occurred.
///
/// # Examples
///
/// ```
/// use khive_perf::report::{PROMETHEUS_CONTENT_TYPE, prometheus};
///
/// # #[khive_perf::measure]
/// # fn work() {}
/// # work();
/// // In the handler of `GET /metrics`:
/// let (header, body) = (PROMETHEUS_CONTENT_TYPE, prometheus(&khive_perf::snapshot()));
/// assert!(body.ends_with("# EOF\n"));
/// ```
#[must_use]
pub fn prometheus(snapshot: &Snapshot) -> String {
    text::write(&families::of(snapshot), Form::OpenMetrics)
}

/// A snapshot in the best form that a scraper takes, by the `Accept` header of its request: the `Content-Type` of the
/// answer, and its body.
///
/// | what is accepted | what is written |
/// | --- | --- |
/// | `application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited` | that, with native histograms: each bucket as recorded, and [exemplars](crate::trace::Exemplar) |
/// | `application/openmetrics-text` | what [`prometheus()`] writes |
/// | `text/plain` | text of version 0.0.4, without exemplars |
///
/// Of several, the one that is preferred; of those that are preferred alike, the first of the table. An empty header, and one
/// with nothing of these, gets OpenMetrics text.
///
/// Prometheus asks for protobuf where native histograms are scraped: `scrape_native_histograms: true` in the configuration
/// of the job, or `--enable-feature=native-histograms` before version 3.8; exemplars are kept with
/// `--enable-feature=exemplar-storage`. Then `histogram_quantile(0.95, rate(khive_perf_function_duration_seconds[5m]))` is
/// right within the width of a bucket, 2.2 %.
///
/// # Overhead
///
/// That of the snapshot, and as protobuf about 1 KiB for each callsite and outcome.
///
/// # Examples
///
/// ```
/// use khive_perf::report::prometheus_for;
///
/// # #[khive_perf::measure]
/// # fn work() {}
/// # work();
/// // In the handler of `GET /metrics`:
/// let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
///               text/plain;q=0.2,*/*;q=0.1";
/// let (content_type, body) = prometheus_for(accept, &khive_perf::snapshot());
/// assert!(content_type.starts_with("application/vnd.google.protobuf;"));
/// # assert!(!body.is_empty());
/// ```
#[must_use]
pub fn prometheus_for(accept: &str, snapshot: &Snapshot) -> (&'static str, Vec<u8>) {
    let families = families::of(snapshot);
    let form = Form::preferred(accept);
    let body = match form {
        Form::Protobuf => protobuf::write(&families),
        Form::OpenMetrics | Form::Plain => text::write(&families, form).into_bytes(),
    };
    (form.content_type(), body)
}
