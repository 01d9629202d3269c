//! Tempo: how many things of one origin had been made by when, so that time can be told by them.

use std::time::Duration;

/// Points that are kept; every other one goes when there are more.
const POINTS: usize = 128;

/// A number that only grows, over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Tempo {
    points: Vec<(Duration, f64)>,
}

impl Tempo {
    pub(super) fn observe(&mut self, at: Duration, made: f64) {
        let made = self.points.last().map_or(made, |(_, last)| made.max(*last));
        if self.points.len() == POINTS {
            let mut odd = false;
            self.points.retain(|_| {
                odd = !odd;
                odd
            });
        }
        self.points.push((at, made));
    }

    /// How many had been made by then.
    pub(super) fn made_by(&self, at: Duration) -> f64 {
        let next = self.points.partition_point(|(point, _)| *point <= at);
        let before = next.checked_sub(1).and_then(|last| self.points.get(last));
        match (before, self.points.get(next)) {
            (Some((from, low)), Some((to, high))) => {
                let length = to.saturating_sub(*from).as_secs_f64();
                let share = at.saturating_sub(*from).as_secs_f64() / length;
                low + (high - low) * share
            }
            (Some((_, made)), None) => *made,
            (None, Some((_, made))) => *made,
            (None, None) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_points_things_are_made_evenly() {
        let mut tempo = Tempo::default();
        let at = Duration::from_secs;
        for second in 0..1_000 {
            tempo.observe(at(second), (second * 3) as f64);
        }
        assert!(tempo.points.len() <= POINTS);
        assert!((tempo.made_by(at(500)) - 1_500.0).abs() < 1e-6);
        assert!((tempo.made_by(at(2_000)) - 2_997.0).abs() < 1e-6);
    }
}
