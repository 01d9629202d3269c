//! Clumps: whether things come one by one or by the dozen, so that what is one event is not taken for many.
//!
//! The time between two censuses is divided into parts, and the index of dispersion of births over the parts is
//! averaged over all censuses: 1 for things that come independently of each other, about `n` where they come by
//! `n` at a time.

use std::time::Duration;

const PARTS: usize = 64;

/// How clumped births are, of one origin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clumps {
    squares: f64,
    expected: f64,
}

impl Clumps {
    /// Takes in the births between two censuses.
    pub(super) fn observe(&mut self, from: Duration, to: Duration, births: &[Duration]) {
        let length = to.saturating_sub(from).as_secs_f64();
        if births.len() < 2 || length <= 0.0 {
            return;
        }
        let mut parts = [0.0_f64; PARTS];
        for born in births {
            let moment = born.saturating_sub(from).as_secs_f64() / length;
            let part = (moment * PARTS as f64) as usize;
            if let Some(part) = parts.get_mut(part.min(PARTS - 1)) {
                *part += 1.0;
            }
        }
        let mean = births.len() as f64 / PARTS as f64;
        self.squares += parts.iter().map(|part| (part - mean).powi(2)).sum::<f64>();
        self.expected += mean * (PARTS as f64 - 1.0);
    }

    /// How many things make one event; at least 1.
    pub(super) fn size(&self) -> f64 {
        if self.expected > 0.0 {
            (self.squares / self.expected).max(1.0)
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(births: impl Fn(u64) -> Vec<u64>) -> f64 {
        let mut clumps = Clumps::default();
        for minute in 0..50 {
            let from = Duration::from_secs(60 * minute);
            let births = births(minute).into_iter();
            let births: Vec<Duration> = births
                .map(|ms| from + Duration::from_millis(ms % 60_000))
                .collect();
            clumps.observe(from, from + Duration::from_secs(60), &births);
        }
        clumps.size()
    }

    /// Splitmix64.
    fn mixed(number: u64) -> u64 {
        let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn what_comes_one_by_one_is_no_clump() {
        let scattered = |minute: u64| (0..20).map(|n| mixed(minute * 20 + n)).collect();
        assert!(size(scattered) < 1.5, "{}", size(scattered));
    }

    #[test]
    fn what_comes_by_the_dozen_is_a_clump_of_a_dozen() {
        let dozens = |minute: u64| {
            let starts = [minute * 7_919 % 60_000, minute * 15_731 % 60_000];
            starts.into_iter().flat_map(|start| [start; 12]).collect()
        };
        assert!((9.0..16.0).contains(&size(dozens)), "{}", size(dozens));
    }
}
