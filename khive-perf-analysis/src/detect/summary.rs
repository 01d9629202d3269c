//! What one run says of one callsite, in one number per metric.

use crate::detect::measure::{self, Measure};
use crate::model::{CallsiteRun, Metric, Summary};

/// Every metric of a callsite in a run of `seconds`, where that is known.
pub fn summary(callsite: &CallsiteRun, seconds: Option<f64>) -> Summary {
    let calls = measure::finished(callsite);
    let per_call = |total: f64| (calls > 0).then(|| total / calls as f64);
    let failed = callsite.calls[1].saturating_add(callsite.calls[2]);
    let seconds = seconds.filter(|seconds| *seconds > 0.0);
    let of = |metric: Metric| {
        let value = match metric {
            Metric::Typical => Measure::Typical.of(callsite, seconds),
            Metric::Mean => Measure::Mean.of(callsite, seconds),
            Metric::P50 => Measure::P50.of(callsite, seconds),
            Metric::P99 => Measure::P99.of(callsite, seconds),
            Metric::SelfTime => Measure::SelfTime.of(callsite, seconds),
            Metric::BusyTime => Measure::BusyTime.of(callsite, seconds),
            Metric::Throughput => seconds.map(|seconds| calls as f64 / seconds),
            Metric::ErrorRate => per_call(failed as f64),
            // Nothing at all means that it was not counted.
            Metric::Allocated if callsite.allocations > 0 => {
                per_call(callsite.allocated_bytes as f64)
            }
            Metric::Allocations if callsite.allocations > 0 => {
                per_call(callsite.allocations as f64)
            }
            Metric::Polls if callsite.polls > 0 => per_call(callsite.polls as f64),
            Metric::LongestPoll if callsite.polls > 0 => Some(callsite.longest_poll_s),
            _ => None,
        };
        value.filter(|value| value.is_finite())
    };
    Summary(Metric::ALL.map(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_counted_is_left_out() {
        let callsite = CallsiteRun {
            calls: [8, 1, 1, 0],
            allocated_bytes: 640,
            allocations: 20,
            ..CallsiteRun::default()
        };
        let Summary(values) = summary(&callsite, Some(5.0));
        let of = |metric: Metric| {
            let position = Metric::ALL.iter().position(|other| *other == metric);
            values[position.unwrap()]
        };
        assert_eq!(of(Metric::Throughput), Some(2.0));
        assert_eq!(of(Metric::ErrorRate), Some(0.2));
        assert_eq!(of(Metric::Allocated), Some(64.0));
        assert_eq!(of(Metric::Allocations), Some(2.0));
        assert_eq!(of(Metric::Polls), None);
        assert_eq!(of(Metric::Typical), None);
    }
}
