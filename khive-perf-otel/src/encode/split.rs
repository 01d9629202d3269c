//! Split: metrics, spans and log records as requests that no receiver finds too large.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// What goes around the metrics of every request.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) resource: Resource,
    pub(crate) scope: InstrumentationScope,
}

/// Requests, encoded, with their number of data points.
#[derive(Debug, Default)]
pub(crate) struct Split {
    pub(crate) requests: Vec<(Bytes, u64)>,
    /// Data points that are too large for any request.
    pub(crate) oversize: u64,
}

/// A field's tag and the length of what is in it.
const FIELD_LEN: usize = 6;
/// The fields around a list of points or metrics, at their longest.
const NESTING_LEN: usize = 4 * FIELD_LEN;

/// Packs metrics into requests of at most `bytes_max`, before compression. None is empty.
pub(crate) fn split(metrics: Vec<Metric>, envelope: &Envelope, bytes_max: usize) -> Split {
    let mut packer = Packer {
        envelope,
        bytes_max,
        empty_len: envelope.request(Vec::new()).encoded_len() + NESTING_LEN,
        len: 0,
        metrics: Vec::new(),
        points: 0,
        split: Split::default(),
    };
    packer.len = packer.empty_len;
    for metric in metrics {
        packer.add(metric);
    }
    packer.close();
    packer.split
}

/// The same of items that stand one beside the other, as spans and log records do.
pub(super) fn pack<M: Message, R: Message>(
    items: Vec<M>,
    bytes_max: usize,
    request: impl Fn(Vec<M>) -> R,
) -> Split {
    let empty_len = request(Vec::new()).encoded_len() + NESTING_LEN;
    let mut split = Split::default();
    let mut open = Vec::new();
    let mut len = empty_len;
    let close = |open: Vec<M>, split: &mut Split| {
        let count = open.len() as u64;
        let body = request(open).encode_to_vec();
        split.requests.push((body.into(), count));
    };
    for item in items {
        let item_len = item.encoded_len() + FIELD_LEN;
        if empty_len + item_len > bytes_max {
            split.oversize += 1;
            continue;
        }
        if len + item_len > bytes_max {
            close(std::mem::take(&mut open), &mut split);
            len = empty_len;
        }
        len += item_len;
        open.push(item);
    }
    if !open.is_empty() {
        close(open, &mut split);
    }
    split
}

struct Packer<'a> {
    envelope: &'a Envelope,
    bytes_max: usize,
    empty_len: usize,
    len: usize,
    metrics: Vec<Metric>,
    points: u64,
    split: Split,
}

impl Packer<'_> {
    fn add(&mut self, mut metric: Metric) {
        match metric.data.take() {
            Some(metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic,
            })) => self.pack(&metric, data_points, |data_points| {
                metric::Data::Sum(Sum {
                    data_points,
                    aggregation_temporality,
                    is_monotonic,
                })
            }),
            Some(metric::Data::Gauge(Gauge { data_points })) => {
                self.pack(&metric, data_points, |data_points| {
                    metric::Data::Gauge(Gauge { data_points })
                });
            }
            Some(metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points,
                aggregation_temporality,
            })) => self.pack(&metric, data_points, |data_points| {
                metric::Data::ExponentialHistogram(ExponentialHistogram {
                    data_points,
                    aggregation_temporality,
                })
            }),
            Some(metric::Data::Histogram(Histogram {
                data_points,
                aggregation_temporality,
            })) => self.pack(&metric, data_points, |data_points| {
                metric::Data::Histogram(Histogram {
                    data_points,
                    aggregation_temporality,
                })
            }),
            // `encode::metrics` makes no others.
            Some(metric::Data::Summary(_)) | None => {}
        }
    }

    /// Adds the points of a metric whose data was taken out, over as many requests as it takes.
    fn pack<P: Message>(
        &mut self,
        header: &Metric,
        points: Vec<P>,
        data: impl Fn(Vec<P>) -> metric::Data,
    ) {
        let header_len = header.encoded_len() + NESTING_LEN;
        let mut open: Vec<P> = Vec::new();
        for point in points {
            let len = point.encoded_len() + FIELD_LEN;
            if self.empty_len + header_len + len > self.bytes_max {
                self.split.oversize += 1;
                continue;
            }
            let header_len = if open.is_empty() { header_len } else { 0 };
            if self.len + header_len + len > self.bytes_max {
                self.push(header, std::mem::take(&mut open), &data);
                self.close();
            }
            if open.is_empty() {
                self.len += header.encoded_len() + NESTING_LEN;
            }
            self.len += len;
            self.points += 1;
            open.push(point);
        }
        self.push(header, open, &data);
    }

    fn push<P>(&mut self, header: &Metric, points: Vec<P>, data: &impl Fn(Vec<P>) -> metric::Data) {
        if !points.is_empty() {
            let mut metric = header.clone();
            metric.data = Some(data(points));
            self.metrics.push(metric);
        }
    }

    fn close(&mut self) {
        if self.metrics.is_empty() {
            return;
        }
        let request = self.envelope.request(std::mem::take(&mut self.metrics));
        let body = request.encode_to_vec();
        debug_assert!(
            body.len() <= self.bytes_max,
            "the estimate is an upper bound"
        );
        debug_assert_eq!(request_points(&request), self.points);
        let points = std::mem::take(&mut self.points);
        self.split.requests.push((Bytes::from(body), points));
        self.len = self.empty_len;
    }
}

impl Envelope {
    fn request(&self, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(self.scope.clone()),
                    metrics,
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        }
    }
}

/// Number of data points in a request.
pub(super) fn request_points(request: &ExportMetricsServiceRequest) -> u64 {
    let metrics = request
        .resource_metrics
        .iter()
        .flat_map(|resource| &resource.scope_metrics)
        .flat_map(|scope| &scope.metrics);
    let points = metrics.map(|metric| match &metric.data {
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(metric::Data::Sum(sum)) => sum.data_points.len(),
        Some(metric::Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::Summary(_)) | None => 0,
    });
    points.map(|len| len as u64).sum()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
    use proptest::prelude::*;

    use super::*;

    fn gauge(name: &str, key_lens: &[usize]) -> Metric {
        let data_points = key_lens
            .iter()
            .enumerate()
            .map(|(at, len)| NumberDataPoint {
                time_unix_nano: at as u64 + 1,
                attributes: vec![KeyValue {
                    key: "k".repeat(*len),
                    ..KeyValue::default()
                }],
                ..NumberDataPoint::default()
            });
        Metric {
            name: name.to_owned(),
            data: Some(metric::Data::Gauge(Gauge {
                data_points: data_points.collect(),
            })),
            ..Metric::default()
        }
    }

    fn envelope() -> Envelope {
        Envelope {
            resource: Resource::default(),
            scope: InstrumentationScope::default(),
        }
    }

    /// All points in order, as `(metric, time)`.
    fn points(split: &Split) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        for (body, _) in &split.requests {
            let request = ExportMetricsServiceRequest::decode(body.clone()).unwrap();
            for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
                let Some(metric::Data::Gauge(gauge)) = &metric.data else {
                    panic!("no gauge");
                };
                assert!(!gauge.data_points.is_empty(), "an empty metric");
                let times = gauge.data_points.iter().map(|point| point.time_unix_nano);
                all.extend(times.map(|time| (metric.name.clone(), time)));
            }
        }
        all
    }

    #[test]
    fn nothing_makes_no_request() {
        let split = split(vec![gauge("a", &[])], &envelope(), 1000);
        assert!(split.requests.is_empty());
    }

    #[test]
    fn a_point_that_fits_nowhere_is_counted() {
        let split = split(vec![gauge("a", &[10, 2000, 10])], &envelope(), 1000);
        assert_eq!((split.requests.len(), split.oversize), (1, 1));
        assert_eq!(points(&split), [("a".to_owned(), 1), ("a".to_owned(), 3)]);
    }

    proptest! {
        // Every point that fits a request arrives once, in order; no request is too large or empty.
        #[test]
        fn requests_are_small_and_complete(
            metrics in proptest::collection::vec(
                proptest::collection::vec(0_usize..400, 0..30), 0..8),
            bytes_max in 700_usize..4000,
        ) {
            let mut expected = Vec::new();
            let metrics: Vec<Metric> = metrics
                .iter()
                .enumerate()
                .map(|(at, lens)| {
                    let name = format!("metric{at}");
                    expected.extend((1..=lens.len() as u64).map(|time| (name.clone(), time)));
                    gauge(&name, lens)
                })
                .collect();
            let split = split(metrics, &envelope(), bytes_max);
            prop_assert_eq!(split.oversize, 0);
            prop_assert_eq!(points(&split), expected);
            for (body, count) in &split.requests {
                prop_assert!(body.len() <= bytes_max && *count > 0);
            }
            // Packed, not one by one: two neighbours never fit into one.
            for pair in split.requests.windows(2) {
                prop_assert!(pair[0].0.len() + pair[1].0.len() > bytes_max / 4);
            }
        }
    }
}
