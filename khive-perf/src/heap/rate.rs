//! Rate: how many bytes go by between two that are picked, and what a block that was picked stands for.
//!
//! Bytes are picked as by a Poisson process, and a block is sampled where one of its bytes is. So a block of `s` bytes is
//! sampled with the probability `p = 1 - exp(-s / mean)`, whatever came before it, and stands for `1 / p` blocks like it:
//! each block is unbiased by its own size, and then they are added up.

/// Blocks are counted in parts of this many, so that weights are whole numbers and can be taken back without a rest.
pub(crate) const WHOLE_BLOCK: u64 = 1 << 16;

/// Bytes until a thread that samples nothing asks again whether it should.
const UNTIL_ASKED: i64 = 16 << 20;

/// How many bytes lie between two that are picked, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// No block is sampled.
    Off,
    /// Each block is.
    Every,
    /// Two to this power.
    Mean(u8),
}

impl Rate {
    /// Largest power: 2^40 bytes.
    const POWER_MAX: u8 = 40;

    /// The rate whose mean is next to `bytes`, by their ratio; 0 is off, 1 is every block.
    pub(crate) fn of(bytes: u64) -> Self {
        match bytes {
            0 => Self::Off,
            1 => Self::Every,
            _ => {
                let below = bytes.ilog2() as u8;
                let up = bytes as f64 > 2_f64.powi(i32::from(below)) * std::f64::consts::SQRT_2;
                Self::Mean((below + u8::from(up)).clamp(1, Self::POWER_MAX))
            }
        }
    }

    /// As a number of eight bits.
    pub(super) const fn to_code(self) -> u8 {
        match self {
            Self::Off => u8::MAX,
            Self::Every => 0,
            Self::Mean(power) => power,
        }
    }

    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Every,
            Self::OFF_CODE => Self::Off,
            power => Self::Mean(power),
        }
    }

    const OFF_CODE: u8 = Self::Off.to_code();

    /// Bytes between two that are picked, on average; 0 where each block is sampled, or none.
    pub(crate) fn mean(self) -> f64 {
        match self {
            Self::Off | Self::Every => 0.0,
            Self::Mean(power) => 2_f64.powi(i32::from(power)),
        }
    }

    /// How likely a block of `size` bytes is sampled.
    pub(crate) fn probability(self, size: usize) -> f64 {
        match self {
            Self::Off => 0.0,
            Self::Every => 1.0,
            Self::Mean(_) => -(-(size as f64) / self.mean()).exp_m1(),
        }
    }

    /// What a block of `size` bytes that is sampled stands for, in parts of [`WHOLE_BLOCK`].
    pub(crate) fn weight(self, size: usize) -> u64 {
        let blocks = match self {
            Self::Off => return 0,
            Self::Every => 1.0,
            Self::Mean(_) => {
                let share = size.max(1) as f64 / self.mean();
                if share < 1.0 / 16.0 {
                    // 1 / (1 - exp(-x)) as a series of powers of x, of which what is left out is below 1e-9 of it.
                    1.0 / share + 0.5 + share / 12.0 - share.powi(3) / 720.0
                } else {
                    1.0 / self.probability(size)
                }
            }
        };
        (WHOLE_BLOCK as f64 * blocks).round() as u64
    }

    /// Bytes until the next that is picked, after which the count falls below zero.
    pub(crate) fn draw(self, random: &mut Random) -> i64 {
        match self {
            Self::Off => UNTIL_ASKED,
            Self::Every => 0,
            // Rounded down, so that a block of `s` bytes is passed over with the probability of a gap of `s` or more.
            Self::Mean(_) => (-random.unit().ln() * self.mean()) as i64,
        }
    }
}

/// Numbers that nobody can be in step with; xorshift64*.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Not seeded yet.
    pub(crate) const UNSEEDED: Self = Self(0);

    pub(crate) const fn is_seeded(self) -> bool {
        self.0 != 0
    }

    pub(crate) const fn seeded(seed: u64) -> Self {
        // Mixed (splitmix64), so that seeds next to each other are not alike; and never zero.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Above 0 and up to 1, each of 2^53 values as likely.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_the_power_of_two_next_to_it() {
        let of = |bytes| Rate::of(bytes);
        assert_eq!((of(0), of(1)), (Rate::Off, Rate::Every));
        assert_eq!((of(2), of(512 << 10)), (Rate::Mean(1), Rate::Mean(19)));
        assert_eq!((of(700_000), of(800_000)), (Rate::Mean(19), Rate::Mean(20)));
        assert_eq!(of(u64::MAX), Rate::Mean(40));
    }

    #[test]
    fn gaps_are_as_long_as_said_and_have_no_memory() {
        let (rate, mut random) = (Rate::Mean(10), Random::seeded(7));
        let gaps: Vec<i64> = (0..200_000).map(|_| rate.draw(&mut random)).collect();
        let share = |above: i64| {
            gaps.iter().filter(|gap| **gap >= above).count() as f64 / gaps.len() as f64
        };
        // Five standard errors.
        for bytes in [1, 64, 1_000, 4_096] {
            let expected = 1.0 - rate.probability(usize::try_from(bytes).unwrap());
            let error = (expected * (1.0 - expected) / gaps.len() as f64).sqrt();
            assert!((share(bytes) - expected).abs() < 5.0 * error, "{bytes}");
        }
        assert_eq!(Rate::Every.draw(&mut random), 0);
    }

    #[test]
    fn a_weight_is_what_the_probability_asks_for() {
        assert_eq!(Rate::Every.weight(3), WHOLE_BLOCK);
        assert_eq!(Rate::Off.weight(3), 0);
        let weight = Rate::Mean(19).weight(64) as f64 / WHOLE_BLOCK as f64;
        assert!((weight - 8_192.5).abs() < 0.01, "{weight}");
        assert_eq!(Rate::Mean(10).weight(1 << 20), WHOLE_BLOCK);
        for size in (0..24).map(|power| 1_usize << power) {
            let exactly = WHOLE_BLOCK as f64 / Rate::Mean(19).probability(size);
            let weight = Rate::Mean(19).weight(size) as f64;
            assert!((weight - exactly).abs() <= 0.5 + 1e-9 * exactly, "{size}");
        }
    }

    #[test]
    fn codes_give_their_rates_back() {
        for rate in [Rate::Off, Rate::Every, Rate::Mean(1), Rate::Mean(40)] {
            assert_eq!(Rate::from_code(rate.to_code()), rate);
        }
    }
}
