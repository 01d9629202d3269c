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

    #[test]
    fn nothing_stays_nothing_and_ones_stay_ones() {
        assert!(adjust(&[]).is_empty());
        assert!(adjust(&[1.0, 1.0]).iter().all(|p| (p - 1.0).abs() < 1e-12));
    }
}
