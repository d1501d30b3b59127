// SPDX-License-Identifier: MIT OR Apache-2.0

//! Statistics of repetitions: an interval for the median, a sign test that tells an
//! effect from none, and a straight line through points. The interval and the test
//! assume no distribution.

/// Resamples of the bootstrap. With this many, the ends of the interval vary by about a
/// hundredth of its width.
const RESAMPLES: usize = 4000;

/// The fewest repetitions that have an interval: a 95 % interval for the median of five
/// reaches beyond their minimum and maximum.
pub(super) const FEWEST: usize = 6;

/// A small random number generator (xorshift64*). Its seeds are fixed, so a document
/// gives the same intervals whenever it is written.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// Creates a generator; the seed may be any number.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Returns a random number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        ((u128::from(mixed) * end as u128) >> 64) as usize
    }

    /// Shuffles a list.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// Returns the median of sorted values; `None` if there are none.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.5)
}

/// Returns the value below which this share (0 to 1) of sorted values lies,
/// interpolated linearly between neighbours; `None` if there are no values.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)?) as f64;
    let (lower, upper) = (*sorted.get(place as usize)?, sorted.get(place as usize + 1));
    Some(upper.map_or(lower, |upper| lower + (upper - lower) * place.fract()))
}

/// Returns the 95 % interval of the median, by the percentile bootstrap; `None` below
/// [`FEWEST`] values.
pub(super) fn interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < FEWEST {
        return None;
    }
    let mut rng = Rng::new(values.len() as u64);
    let mut medians: Vec<f64> = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let draw = |_| values[rng.below(values.len())];
        let mut drawn: Vec<f64> = (0..values.len()).map(draw).collect();
        drawn.sort_by(f64::total_cmp);
        medians.extend(median(&drawn));
    }
    medians.sort_by(f64::total_cmp);
    Some((quantile(&medians, 0.025)?, quantile(&medians, 0.975)?))
}

/// Returns the p-value of the two-sided sign test: the probability that values fall at
/// least this unevenly on both sides of `nothing` if they are as likely above as below.
/// Values equal to `nothing` are left out; `None` if no others remain.
pub(super) fn sign_test(values: &[f64], nothing: f64) -> Option<f64> {
    let above = values.iter().filter(|value| **value > nothing).count();
    let below = values.iter().filter(|value| **value < nothing).count();
    let count = above + below;
    if count == 0 {
        return None;
    }
    let mut ways = 1.0;
    let mut tail = 0.0;
    for taken in 0..=above.min(below) {
        tail += ways;
        ways *= (count - taken) as f64 / (taken + 1) as f64;
    }
    Some((2.0 * tail / 2f64.powi(count as i32)).min(1.0))
}

/// A straight line fitted to points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Its value at zero.
    pub(super) start: f64,
    /// Its increase per unit.
    pub(super) slope: f64,
    /// The share of the values' variance that it explains, 0 to 1.
    pub(super) explained: f64,
}

/// Fits a line by least squares of relative distances, so that a point at 8 counts as
/// much as one at 1024, where values and their errors are a hundred times greater.
/// `None` below three points, or if all have the same x.
pub(super) fn line(points: &[(f64, f64)]) -> Option<Line> {
    let weight = |y: f64| 1.0 / (y * y).max(f64::MIN_POSITIVE);
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|(x, y)| weight(*y) * term(*x, *y)).sum()
    };
    let all = sum(&|_, _| 1.0);
    let (mean_x, mean_y) = (sum(&|x, _| x) / all, sum(&|_, y| y) / all);
    let across = sum(&|x, _| (x - mean_x).powi(2));
    if points.len() < 3 || across <= 0.0 {
        return None;
    }
    let slope = sum(&|x, y| (x - mean_x) * (y - mean_y)) / across;
    let start = mean_y - slope * mean_x;
    let left = sum(&|x, y| (y - start - slope * x).powi(2));
    let explained = 1.0 - left / sum(&|_, y| (y - mean_y).powi(2)).max(f64::MIN_POSITIVE);
    Some(Line {
        start,
        slope,
        explained,
    })
}

#[cfg(test)]
mod tests {
    use super::{Rng, interval, line, quantile, sign_test};

    #[test]
    fn an_interval_holds_the_median_and_shrinks_with_more_values() {
        let values = |count: usize| -> Vec<f64> {
            let mut rng = Rng::new(7);
            (0..count).map(|_| rng.below(1000) as f64).collect()
        };
        let few = interval(&values(10)).expect("enough values");
        let many = interval(&values(1000)).expect("enough values");
        assert!(few.0 < 500.0 && 500.0 < few.1, "{few:?}");
        assert!(many.1 - many.0 < few.1 - few.0, "{many:?} {few:?}");
        assert_eq!(interval(&values(5)), None);
    }

    #[test]
    fn the_sign_test_is_that_of_the_tables() {
        // 2 (1 + 10) / 2^10.
        let nine_of_ten = [1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 0.9];
        let chance = sign_test(&nine_of_ten, 1.0).expect("ten values");
        assert!((chance - 22.0 / 1024.0).abs() < 1e-12);
        assert_eq!(sign_test(&[0.9, 1.1], 1.0), Some(1.0));
        assert_eq!(sign_test(&[1.0], 1.0), None);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.25), Some(1.5));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_line_is_found_and_a_curve_is_not_one() {
        let points = |of: fn(f64) -> f64| [1.0, 10.0, 100.0, 1000.0].map(|x| (x, of(x)));
        let straight = line(&points(|x| 2.0 + 0.5 * x)).expect("four points");
        assert!((straight.start - 2.0).abs() < 1e-9 && (straight.slope - 0.5).abs() < 1e-9);
        assert!(straight.explained > 0.999_999);
        let curved = line(&points(|x| x * x)).expect("four points");
        assert!(curved.explained < 0.9, "{curved:?}");
    }
}
