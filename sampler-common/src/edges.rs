// SPDX-License-Identifier: MIT OR Apache-2.0

//! The moments at which waiting threads are sampled where their returns to a CPU report
//! them: one edge in each period, at a place in it that changes from period to period, so
//! that nothing can be in step with them.
//!
//! An edge is a pure function of its number, the same on all CPUs. What a thread did at an
//! edge is thus known when it comes back: it waited if the edge lies within its absence.
//! The number of edges in any stretch of time is that of its periods, give or take less
//! than two.

use crate::hash::mix;

/// Any number: it only makes the edges differ from other uses of the hash.
const SEED: u64 = 0x6564_6765;

/// Returns the number of edges up to `time`, inclusively, which is also the number of the
/// next one. Both are in nanoseconds; there is no edge without a period.
#[inline(always)]
#[must_use]
pub fn edges_until(time: u64, period: u64) -> u64 {
    if period == 0 {
        return 0;
    }
    let number = time / period;
    let into_period = time - number * period;
    let has_come = into_period >= place_in_period(number, period);
    number.wrapping_add(u64::from(has_come))
}

/// Returns the time for which the edges after `from` up to `until` stand, in nanoseconds.
#[inline(always)]
#[must_use]
pub fn time_of_edges((from, until): (u64, u64), period: u64) -> u64 {
    let edges = edges_until(until, period).saturating_sub(edges_until(from, period));
    edges.wrapping_mul(period)
}

/// Returns how long after the beginning of its period an edge comes.
#[inline(always)]
fn place_in_period(number: u64, period: u64) -> u64 {
    let hash = mix(mix(SEED, number), number);
    // Of a hash by multiplication, the upper bits are the better ones.
    (hash >> 16) % period
}

/// What edges that came while a thread ran represent more than the ticks that hit it, in
/// nanoseconds; negative if it is less.
///
/// Ticks represent the time for which a thread runs, and edges that for which it is away.
/// Either is right on average, but both are left to chance, so that their sum would stray
/// ever further from the life of a thread. Up to a period of the difference is left alone:
/// a thread that lives shortly is right on average then. What goes beyond that is added to
/// absences, or subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct EdgeBalance(i64);

impl EdgeBalance {
    /// Returns the time that an absence represents whose edges are `away`, after edges of
    /// `present` and ticks of `by_ticks` since the absence before. All times are in
    /// nanoseconds.
    #[inline(always)]
    pub fn share(&mut self, away: u64, (present, by_ticks): (u64, u64), period: u64) -> u64 {
        let period = period as i64;
        let balance = self
            .0
            .wrapping_add(present as i64)
            .wrapping_sub(by_ticks as i64);
        let shared = if balance > period {
            (away as i64).wrapping_add(balance.wrapping_sub(period))
        } else if balance < period.wrapping_neg() {
            (away as i64).wrapping_add(balance.wrapping_add(period))
        } else {
            away as i64
        };
        let shared = if shared < 0 { 0 } else { shared };
        self.0 = balance.wrapping_add(away as i64).wrapping_sub(shared);
        shared as u64
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const PERIOD: u64 = 10_000_000;

    /// The edges among the first `periods`.
    fn edges(periods: u64, period: u64) -> Vec<u64> {
        let edge = |number| number * period + place_in_period(number, period);
        (0..periods).map(edge).collect()
    }

    #[test]
    fn each_edge_counts_from_its_own_moment_on() {
        for (number, edge) in (0..).zip(edges(1000, PERIOD)) {
            assert_eq!(edges_until(edge, PERIOD), number + 1);
            if edge > 0 {
                assert_eq!(edges_until(edge - 1, PERIOD), number);
            }
        }
    }

    #[test]
    fn there_are_about_as_many_edges_as_periods() {
        for from in (0..50 * PERIOD).step_by(777_777) {
            for length in [0, 1, PERIOD / 3, PERIOD, 7 * PERIOD + 1, 100 * PERIOD] {
                let time = time_of_edges((from, from + length), PERIOD);
                assert!(
                    time.abs_diff(length) < 2 * PERIOD,
                    "{from} {length}: {time}"
                );
                assert_eq!(time % PERIOD, 0);
            }
        }
    }

    /// A wait of a tenth of a period that begins anywhere has an edge in one of ten cases,
    /// even if it always begins at the same place of a period.
    #[test]
    fn nothing_is_in_step_with_the_edges() {
        const PERIODS: u64 = 10_000;
        for place in [0, PERIOD / 4, PERIOD / 2, PERIOD - PERIOD / 10] {
            let hit = |number: &u64| {
                let from = number * PERIOD + place;
                time_of_edges((from, from + PERIOD / 10), PERIOD) != 0
            };
            let hits = (0..PERIODS).filter(hit).count();
            assert!((900..1100).contains(&hits), "{place}: {hits}");
        }
        // Nor does one edge tell when the next one comes.
        let edges = edges(PERIODS, PERIOD);
        let gaps = edges.windows(2).map(|two| two[1] - two[0]);
        let short = gaps.filter(|gap| *gap < PERIOD).count();
        assert!((4700..5300).contains(&short), "{short}");
    }

    /// Numbers by chance.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    /// Lets a thread live from `start` on, which runs and is away in turns, `rounds` times.
    /// Returns the times that ticks and absences represent, and its life.
    fn live(
        random: &mut Random,
        start: u64,
        rounds: u64,
        (runs, waits): (u64, u64),
    ) -> (u64, u64, u64) {
        let (mut balance, mut accounted) = (EdgeBalance::default(), start);
        let (mut time, mut ticked, mut pending, mut shared) = (start, 0, 0, 0);
        for _ in 0..rounds {
            // The ticks of a CPU know nothing of the edges.
            let ticks = u64::from(random.below(PERIOD) < runs) * PERIOD;
            ticked += ticks;
            pending += ticks;
            time += runs;
            let left = time;
            time += waits;
            let away = time_of_edges((left, time), PERIOD);
            if away != 0 {
                let present = time_of_edges((accounted, left), PERIOD);
                shared += balance.share(away, (present, pending), PERIOD);
                (pending, accounted) = (0, time);
            }
        }
        (ticked, shared, time - start)
    }

    #[test]
    fn ticks_and_edges_together_are_a_life() {
        let mut random = Random(1);
        for (runs, waits) in [
            (PERIOD / 2, PERIOD / 2),
            (PERIOD / 10, PERIOD / 3),
            (PERIOD - 1, PERIOD / 5),
            (0, PERIOD / 3),
            (PERIOD / 9, 7 * PERIOD),
        ] {
            for rounds in [1000, 10_000] {
                let (ticked, shared, life) = live(&mut random, 0, rounds, (runs, waits));
                let off = (ticked + shared).abs_diff(life);
                // Since the last absence with an edge, ticks may have hit or missed it.
                assert!(off <= 20 * PERIOD, "{runs} {waits}: {off} of {life}");
            }
        }
    }

    #[test]
    fn short_lives_are_right_on_average() {
        const LIVES: u64 = 200_000;
        let mut random = Random(2);
        for (runs, waits) in [
            (PERIOD / 4, PERIOD / 4),
            (PERIOD * 3 / 10, PERIOD * 7 / 10),
            (PERIOD / 10, PERIOD / 20),
            (PERIOD, PERIOD),
        ] {
            let (mut ticked, mut shared) = (0, 0);
            for life in 0..LIVES {
                let start = life * 3 * PERIOD + random.below(PERIOD);
                let (ticks, absences, _) = live(&mut random, start, 1, (runs, waits));
                ticked += ticks;
                shared += absences;
            }
            let most = LIVES * PERIOD / 200;
            let case = (runs, waits, ticked / LIVES, shared / LIVES);
            assert!(ticked.abs_diff(LIVES * runs) < most, "{case:?}");
            assert!(shared.abs_diff(LIVES * waits) < most, "{case:?}");
        }
    }

    #[test]
    fn any_numbers_can_be_asked_for() {
        let mut balance = EdgeBalance::default();
        for away in [0, 1, u64::MAX, u64::MAX / 2] {
            for present in [0, u64::MAX, u64::MAX / 2] {
                let _ = balance.share(away, (present, !away), present);
            }
        }
        for period in [0, 1, 2, PERIOD, u64::MAX] {
            for time in [0, 1, PERIOD, u64::MAX] {
                let _ = edges_until(time, period);
                let _ = time_of_edges((time, 0), period);
            }
        }
        assert_eq!(time_of_edges((0, PERIOD), 0), 0);
        assert_eq!(time_of_edges((PERIOD, 0), PERIOD), 0);
    }
}
