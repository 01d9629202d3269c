//! Split: metrics into requests that no receiver finds too large.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Metric, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
};
use prost::Message as _;

use crate::encode::metrics::{Encoder, points_of};

/// A request with at least one point.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) request: ExportMetricsServiceRequest,
    pub(crate) points: u64,
}

impl Encoder {
    /// Requests of at most `bytes_max` bytes before compression; one point that is larger goes alone.
    pub(crate) fn batches(&self, metrics: Vec<Metric>, bytes_max: usize) -> Vec<Batch> {
        let envelope = self.request(Vec::new()).encoded_len() + 16;
        let room = bytes_max.saturating_sub(envelope).max(1);
        let mut batches = Vec::new();
        let mut open = Vec::new();
        let mut filled = 0;
        let mut waiting: Vec<Metric> = metrics.into_iter().rev().collect();
        while let Some(metric) = waiting.pop() {
            let len = metric.encoded_len() + 8;
            if filled + len <= room {
                filled += len;
                open.push(metric);
            } else if len > room && points_of(&metric) > 1 {
                let (first, second) = halves(metric);
                waiting.push(second);
                waiting.push(first);
            } else {
                batches.extend(self.batch(std::mem::take(&mut open)));
                filled = len;
                open.push(metric);
            }
        }
        batches.extend(self.batch(open));
        batches
    }

    fn batch(&self, metrics: Vec<Metric>) -> Option<Batch> {
        let points = metrics.iter().map(|metric| points_of(metric) as u64).sum();
        (points > 0).then(|| Batch {
            request: self.request(metrics),
            points,
        })
    }

    fn request(&self, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
        let scope = ScopeMetrics {
            scope: Some(self.scope.clone()),
            metrics,
            ..ScopeMetrics::default()
        };
        let resource = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![resource],
        }
    }
}

fn halves(metric: Metric) -> (Metric, Metric) {
    fn half<T>(points: &mut Vec<T>) -> Vec<T> {
        points.split_off(points.len() / 2)
    }
    let mut first = metric;
    let second = match &mut first.data {
        Some(Data::Sum(sum)) => {
            let data_points = half(&mut sum.data_points);
            Some(Data::Sum(Sum {
                data_points,
                ..*sum
            }))
        }
        Some(Data::Gauge(gauge)) => Some(Data::Gauge(Gauge {
            data_points: half(&mut gauge.data_points),
        })),
        Some(Data::ExponentialHistogram(histogram)) => {
            let data_points = half(&mut histogram.data_points);
            Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points,
                ..*histogram
            }))
        }
        _ => None,
    };
    let (name, unit) = (first.name.clone(), first.unit.clone());
    let description = first.description.clone();
    (
        first,
        Metric {
            name,
            unit,
            description,
            data: second,
            ..Metric::default()
        },
    )
}
