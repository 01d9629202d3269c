//! Sampler: whether a trace is kept, decided when it begins, as OpenTelemetry defines it.

use crate::ids::TraceId;

/// Whether a trace is kept, decided when it begins.
///
/// A trace that is not may still turn out worth keeping, see
/// [`TraceConfig::keep_slow`](crate::trace::TraceConfig::keep_slow) and
/// [`keep_failed`](crate::trace::TraceConfig::keep_failed).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sampler {
    /// Each.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share of the traces, `0.0..=1.0`, by their ids: whoever goes by ids, too, decides alike.
    Ratio(f64),
    /// As the caller has decided; this share of those without caller.
    ParentBased(f64),
}

impl Default for Sampler {
    /// As the caller has decided, and each without caller: OpenTelemetry's `parentbased_always_on`.
    fn default() -> Self {
        Self::ParentBased(1.0)
    }
}

impl Sampler {
    /// Whether to keep a trace; `caller` is what its caller decided, if there is one.
    pub(crate) fn samples(self, id: TraceId, caller: Option<bool>) -> bool {
        match self {
            Self::AlwaysOn => true,
            Self::AlwaysOff => false,
            Self::Ratio(share) => is_in(share, id),
            Self::ParentBased(share) => caller.unwrap_or_else(|| is_in(share, id)),
        }
    }
}

/// Whether an id is among this share of all ids. Compares the 63 bits that OpenTelemetry's SDKs compare.
fn is_in(share: f64, id: TraceId) -> bool {
    /// Number of ids that are told apart.
    const ALL: f64 = (1_u64 << 63) as f64;
    // A share that is no number, or below zero, becomes none.
    share >= 1.0 || id.low() >> 1 < (share * ALL) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_keeps_its_share_and_the_smaller_one_is_part_of_the_larger() {
        let ids: Vec<TraceId> = (0..20_000).map(|_| TraceId::random()).collect();
        let kept = |share| {
            let sampler = Sampler::Ratio(share);
            let kept = ids.iter().filter(move |id| sampler.samples(**id, None));
            kept.copied().collect::<Vec<_>>()
        };
        let (tenth, half) = (kept(0.1), kept(0.5));
        // Five standard deviations.
        assert!((1_788..2_212).contains(&tenth.len()), "{}", tenth.len());
        assert!((9_646..10_354).contains(&half.len()), "{}", half.len());
        assert!(tenth.iter().all(|id| half.contains(id)));
        assert_eq!(
            (kept(0.0).len(), kept(1.0).len(), kept(f64::NAN).len()),
            (0, 20_000, 0)
        );
    }

    #[test]
    fn the_caller_decides_where_there_is_one() {
        let id = TraceId::random();
        assert!(Sampler::ParentBased(0.0).samples(id, Some(true)));
        assert!(!Sampler::ParentBased(1.0).samples(id, Some(false)));
        assert!(Sampler::default().samples(id, None));
        assert!(Sampler::AlwaysOn.samples(id, Some(false)));
        assert!(!Sampler::AlwaysOff.samples(id, Some(true)));
    }
}
