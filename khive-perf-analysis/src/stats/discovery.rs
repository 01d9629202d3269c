//! Benjamini-Hochberg: which of many p-values are discoveries.
//!
//! Source: Benjamini & Hochberg, "Controlling the False Discovery Rate", J. R. Stat. Soc. B 57 (1995).
//! The adjusted value of the i-th smallest of m is `min over j >= i of p_j m / j`; accepting those at most `q`
//! keeps the expected share of false ones among the accepted at most `q`.
//! It needs independence or positive dependence; functions that call each other are of the second kind.

/// Adjusted p-values, in the order of `p`.
pub fn adjust(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    let count = p.len() as f64;
    let mut adjusted = vec![1.0; p.len()];
    let mut smallest = 1.0f64;
    for (&index, rank) in order.iter().zip((1..=p.len()).rev()) {
        smallest = smallest.min(p[index] * count / rank as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

/// One question whose answer only counts where the effect is large enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Its p-value; 1 where the effect is below its floor.
    pub p: f64,
    /// Chance that noise alone gets above the floor: to one side, and to the other.
    pub reach: [f64; 2],
    /// Which share of the error is spent on each of the sides.
    pub share: [f64; 2],
}

impl Question {
    /// A p-value that spends `share` of the error on rises, from a two-sided one.
    ///
    /// A gate is asked about rises; both together are as rare as with equal shares.
    pub fn p_of(two_sided: f64, rises: bool, share: f64) -> f64 {
        let spent = if rises { share } else { 1.0 - share };
        (0.5 * two_sided / spent).min(1.0)
    }

    /// Chance that noise alone makes its p-value `p` or less.
    fn by_chance(&self, p: f64) -> f64 {
        let sides = self.reach.iter().zip(self.share);
        sides.map(|(reach, share)| (p * share).min(*reach)).sum()
    }
}

/// Adjusted p-values of questions with floors, in their order.
///
/// A callsite whose noise cannot reach its floor cannot raise a false alarm, and need not be paid for: of all questions,
/// noise alone puts `Σ min(p · share, reach)` at or below `p`, where Benjamini and Hochberg count `m p`. Where every question can
/// reach its floor, the two are the same.
/// Sources: Heyse, "A False Discovery Rate Procedure for Categorical Data" (2011); Döhler, Durand & Roquain, Electron. J.
/// Stat. 12 (2018) 1867, for discrete p-values, of which these are the simplest kind.
pub fn adjust_above_floor(questions: &[Question]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by(|&a, &b| questions[b].p.total_cmp(&questions[a].p));
    let mut adjusted = vec![1.0; questions.len()];
    let mut smallest = 1.0f64;
    for (&index, rank) in order.iter().zip((1..=questions.len()).rev()) {
        let p = questions[index].p;
        let by_chance: f64 = questions.iter().map(|other| other.by_chance(p)).sum();
        // A question cannot be surer than it is alone.
        smallest = smallest.min((by_chance / rank as f64).max(p));
        adjusted[index] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjusted_values_are_those_worked_by_hand() {
        // 0.01*4/1 = 0.04; 0.02*4/2 = 0.04; 0.03*4/3 = 0.04; 0.5*4/4 = 0.5
        let got = adjust(&[0.5, 0.01, 0.03, 0.02]);
        for (got, want) in got.iter().zip([0.5, 0.04, 0.04, 0.04]) {
            assert!((got - want).abs() < 1e-12);
        }
        // A larger p never gets a smaller adjusted value.
        let got = adjust(&[0.001, 0.2, 0.04]);
        for (got, want) in got.iter().zip([0.003, 0.2, 0.06]) {
            assert!((got - want).abs() < 1e-12);
        }
    }

    fn question(p: f64, reach: f64) -> Question {
        Question {
            p,
            reach: [reach, reach],
            share: [0.8, 0.2],
        }
    }

    #[test]
    fn the_error_is_spent_on_both_sides_by_their_shares() {
        // Of two-sided p-values even over 0..1, half of them rises, 1 % are at 1 % or below: 0.8 and 0.2 of them.
        let count = 100_000;
        let below = |rises: bool| {
            let p = (0..count).map(|i| Question::p_of(f64::from(i) / f64::from(count), rises, 0.8));
            0.5 * p.filter(|p| *p < 0.01).count() as f64 / f64::from(count)
        };
        assert!((below(true) - 0.008).abs() < 1e-4 && (below(false) - 0.002).abs() < 1e-4);
    }

    #[test]
    fn questions_that_all_reach_their_floor_are_adjusted_as_without() {
        let p = [0.5, 0.01, 0.03, 0.02, 1.0];
        let questions = p.map(|p| question(p, 1.0));
        for (got, want) in adjust_above_floor(&questions).iter().zip(adjust(&p)) {
            assert!((got - want).abs() < 1e-12, "{got} is not {want}");
        }
    }

    #[test]
    fn questions_that_noise_cannot_answer_cost_nothing() {
        let quiet = question(1.0, 1e-9);
        let mut questions = vec![quiet; 58];
        questions.extend([0.01, 0.02].map(|p| question(p, 0.5)));
        let got = adjust_above_floor(&questions);
        // (0.02 + 0.02) / 2 for both, not 0.02 · 60 / 2.
        assert!(
            (got[58] - 0.02).abs() < 1e-6 && (got[59] - 0.02).abs() < 1e-6,
            "{got:?}"
        );
        assert!((got[0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_stays_nothing_and_ones_stay_ones() {
        assert!(adjust(&[]).is_empty());
        assert!(adjust(&[1.0, 1.0]).iter().all(|p| (p - 1.0).abs() < 1e-12));
    }
}
