//! Median and median absolute deviation: a middle and a spread that a minority of outliers cannot move.
//!
//! Source: Rousseeuw & Croux, "Alternatives to the Median Absolute Deviation", JASA 88 (1993), for the
//! factor that makes the deviation estimate a normal sample's standard deviation.

/// Makes the median absolute deviation of a normal sample an estimate of its standard deviation.
const MAD_TO_SD: f64 = 1.482_6;

/// The median; of an even number of values, the mean of the two in the middle. `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(high);
    }
    let low = sorted[middle - 1];
    Some(low + 0.5 * (high - low))
}

/// The median absolute deviation from `centre`, scaled to the standard deviation of a normal sample.
pub fn deviation(values: &[f64], centre: f64) -> Option<f64> {
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    median(&distances).map(|distance| distance * MAD_TO_SD)
}

/// Arithmetic mean; `None` of none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_moves_neither_middle_nor_spread_much() {
        let calm = [1.0, 2.0, 3.0, 4.0, 5.0];
        let wild = [1.0, 2.0, 3.0, 4.0, 5e9];
        assert_eq!(median(&calm), median(&wild));
        assert_eq!(deviation(&calm, 3.0), deviation(&wild, 3.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(mean(&[]), None);
    }
}
