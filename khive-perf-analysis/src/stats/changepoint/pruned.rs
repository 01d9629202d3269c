//! Functional pruning: the best cost of every prefix of a series as a function of its last level.
//!
//! `Q_t(μ)` is the least cost of the first `t` points with the last segment at level `μ`. It follows
//!
//! ```text
//!   Q_t(μ) = min( Q_{t-1}(μ), min Q_{t-1} + penalty ) + min( (y_t - μ)², K² )
//! ```
//!
//! and is kept as pieces of parabolas over intervals of `μ`, each with the change that it starts from. Pieces that
//! are nowhere the least are gone for good, which is the pruning; what stays are some dozens, however long the series.
//! Source: Fearnhead & Rigaill, "Changepoint Detection in the Presence of Outliers", JASA 114 (2019) 169.

/// One parabola, `a μ² + b μ + c`, from `left` to where the next one begins.
#[derive(Clone, Copy, Debug)]
struct Piece {
    left: f64,
    a: f64,
    b: f64,
    c: f64,
    /// Where the segment of this piece begins.
    begins: usize,
}

impl Piece {
    fn at(&self, level: f64) -> f64 {
        (self.a * level + self.b) * level + self.c
    }

    fn least(&self, right: f64) -> f64 {
        if self.a <= 0.0 {
            return self.c.min(self.at(right));
        }
        self.at((-self.b / (2.0 * self.a)).clamp(self.left, right))
    }

    /// The interval where it is below `bound`, as far as it reaches to both sides.
    fn below(&self, bound: f64) -> Option<(f64, f64)> {
        if self.a <= 0.0 {
            return (self.c <= bound).then_some((f64::NEG_INFINITY, f64::INFINITY));
        }
        let middle = -self.b / (2.0 * self.a);
        let room = bound - self.at(middle);
        (room >= 0.0).then(|| {
            let half = (room / self.a).sqrt();
            (middle - half, middle + half)
        })
    }
}

/// Beginnings of all segments but the first that make the cost least, in order.
///
/// `values` are in units of their noise; `limit` is K, in the same; `penalty` is what a change costs.
pub(super) fn changes(values: &[f64], limit: f64, penalty: f64) -> Vec<usize> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low >= high || !low.is_finite() || !high.is_finite() {
        return Vec::new();
    }
    let mut pieces = vec![Piece {
        left: low,
        a: 0.0,
        b: 0.0,
        c: 0.0,
        begins: 0,
    }];
    let mut next = Vec::new();
    let mut begins = Vec::with_capacity(values.len());
    let mut least = f64::INFINITY;
    for (index, &value) in values.iter().enumerate() {
        let mut step = Step {
            out: &mut next,
            bound: least + penalty,
            index,
            value,
            limit,
        };
        for (position, piece) in pieces.iter().enumerate() {
            let right = pieces.get(position + 1).map_or(high, |next| next.left);
            step.piece(piece, right);
        }
        std::mem::swap(&mut pieces, &mut next);
        next.clear();
        let mut best = 0;
        least = f64::INFINITY;
        for (position, piece) in pieces.iter().enumerate() {
            let right = pieces.get(position + 1).map_or(high, |next| next.left);
            let cost = piece.least(right);
            if cost < least {
                (least, best) = (cost, piece.begins);
            }
        }
        begins.push(best);
    }
    let mut changes = Vec::new();
    let mut end = values.len();
    while let Some(&begin) = end.checked_sub(1).and_then(|last| begins.get(last)) {
        if begin == 0 {
            break;
        }
        changes.push(begin);
        end = begin;
    }
    changes.reverse();
    changes
}

/// One point on its way into every piece.
struct Step<'a> {
    out: &'a mut Vec<Piece>,
    /// Cost of beginning a new segment here.
    bound: f64,
    index: usize,
    value: f64,
    limit: f64,
}

impl Step<'_> {
    /// The piece where it is cheaper than a new segment, and the new segment where it is not.
    fn piece(&mut self, piece: &Piece, right: f64) {
        let new = Piece {
            a: 0.0,
            b: 0.0,
            c: self.bound,
            begins: self.index,
            ..*piece
        };
        let Some((from, to)) = piece.below(self.bound) else {
            return self.add(new, right);
        };
        let (from, to) = (from.max(piece.left), to.min(right));
        if from >= to {
            return self.add(new, right);
        }
        if from > piece.left {
            self.add(new, from);
        }
        self.add(
            Piece {
                left: from,
                ..*piece
            },
            to,
        );
        if to < right {
            self.add(Piece { left: to, ..new }, right);
        }
    }

    /// Adds the point's own cost, which has three parts.
    fn add(&mut self, piece: Piece, right: f64) {
        let (from, to) = (self.value - self.limit, self.value + self.limit);
        let far = self.limit * self.limit;
        let mut left = piece.left;
        for (end, is_near) in [(from, false), (to, true), (f64::INFINITY, false)] {
            let end = end.min(right);
            if end <= left {
                continue;
            }
            let mut part = Piece { left, ..piece };
            if is_near {
                part.a += 1.0;
                part.b -= 2.0 * self.value;
                part.c += self.value * self.value;
            } else {
                part.c += far;
            }
            self.push(part);
            left = end;
        }
    }

    /// Joins what two neighbours say alike.
    fn push(&mut self, piece: Piece) {
        let joins = self.out.last().is_some_and(|last| {
            last.begins == piece.begins
                && last.a.total_cmp(&piece.a).is_eq()
                && last.b.total_cmp(&piece.b).is_eq()
                && last.c.total_cmp(&piece.c).is_eq()
        });
        if !joins {
            self.out.push(piece);
        }
    }
}
