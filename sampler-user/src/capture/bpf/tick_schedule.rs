// SPDX-License-Identifier: MIT OR Apache-2.0

//! When the clocks of a CPU tick: two clocks of different periods, which together tick
//! once per period on average.
//!
//! A program that is in step with a single clock of a fixed period is seen always, or
//! never. No eBPF program can set a clock, and setting it from user space at each tick
//! would cost more than all samples. Two clocks cause as many interrupts as one, and at
//! most one of them can be in step with anything. Their start is random, and distributed
//! so evenly that a tick is equally likely at every moment: counts of ticks are right on
//! average.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The number of clocks of a CPU.
pub const PARTS: usize = 2;

/// Bounds on how much the rates of the two clocks differ from half of the whole rate.
/// With less, they would move too slowly against a program that is in step with the
/// period; with more, one of them would count for too much.
const LEAST_DIFFERENCE: f64 = 0.06;
const MOST_DIFFERENCE: f64 = 0.16;

/// One of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Time from the start to the first tick, in nanoseconds; less than `period`.
    pub first: u64,
    /// Time between two ticks, in nanoseconds.
    pub period: u64,
}

/// The clocks of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPeriods {
    /// The mean time between two ticks, in nanoseconds, which is the time that a sample
    /// accounts for.
    pub period: u64,
    /// Each of the clocks.
    pub parts: [Part; PARTS],
}

impl ClockPeriods {
    /// Creates random periods with one tick per `period` on average.
    #[must_use]
    pub fn random(period: Duration) -> Self {
        let random = RandomState::new();
        // The upper 53 bits, which a floating-point number holds exactly, scaled to 0 to
        // 1.
        let number = |of: u8| (random.hash_one(of) >> 11) as f64 / (1_u64 << 53) as f64;
        Self::new(period, number(0), number(1))
    }

    /// Creates periods from two random numbers from 0 to 1.
    fn new(period: Duration, difference: f64, phase: f64) -> Self {
        let difference =
            LEAST_DIFFERENCE + (MOST_DIFFERENCE - LEAST_DIFFERENCE) * difference.clamp(0.0, 1.0);
        let mean = period.as_nanos().clamp(1, u128::from(u64::MAX >> 3)) as u64;
        // The random phase decides which of the two is ahead.
        let part = |half: f64, rate: f64| {
            let period = PARTS as f64 * mean as f64 / rate;
            Part {
                first: ((phase + half).fract() * period) as u64,
                period: (period as u64).max(1),
            }
        };
        Self {
            period: mean,
            parts: [part(0.0, 1.0 - difference), part(0.5, 1.0 + difference)],
        }
    }
}

/// When ticks come, by the kernel's `CLOCK_MONOTONIC` in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickSchedule {
    /// The mean time between two ticks.
    pub period: u64,
    /// The ticks of each clock.
    pub parts: Vec<ClockSchedule>,
}

/// The ticks of one clock on all CPUs, which are set one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSchedule {
    /// One of its ticks, on the first CPU.
    pub first: u64,
    /// The same tick on the last CPU.
    pub last: u64,
    /// Time between two ticks.
    pub period: u64,
}

/// One tick on all CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The tick comes on no CPU before this.
    pub first: u64,
    /// The tick has come on every CPU by then.
    pub last: u64,
}

impl ClockSchedule {
    /// Returns how many ticks were over at `time`, counted from the one that is given.
    fn number(&self, time: u64) -> u64 {
        match time.checked_sub(self.last) {
            Some(since) => since / self.period.max(1) + 1,
            None => 0,
        }
    }

    /// Returns when the next tick after `time` is over.
    pub(super) fn next(&self, time: u64) -> u64 {
        self.tick(self.number(time)).last
    }

    /// Returns the tick after `number` others.
    fn tick(&self, number: u64) -> Tick {
        let after = number.saturating_mul(self.period.max(1));
        Tick {
            first: self.first.saturating_add(after),
            last: self.last.saturating_add(after),
        }
    }
}

impl TickSchedule {
    /// Returns the first tick that is over after `time`; `None` without a clock.
    #[must_use]
    pub fn after(&self, time: u64) -> Option<Tick> {
        let parts = self.parts.iter();
        let next = parts.map(|part| part.tick(part.number(time)));
        next.min_by_key(|tick| tick.last)
    }

    /// Returns the last tick that is over at `time`, if there was one.
    #[must_use]
    pub fn until(&self, time: u64) -> Option<Tick> {
        let parts = self.parts.iter();
        let last = parts.filter_map(|part| Some(part.tick(part.number(time).checked_sub(1)?)));
        last.max_by_key(|tick| tick.last)
    }

    /// Returns how many ticks were over at `until` and not at `since`.
    #[must_use]
    pub fn between(&self, since: u64, until: u64) -> u64 {
        let number = |part: &ClockSchedule| part.number(until).saturating_sub(part.number(since));
        self.parts.iter().map(number).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from 0 to 1, spread evenly.
    fn lots(number: u32) -> impl Iterator<Item = f64> + Clone {
        (0..number).map(move |lot| (f64::from(lot) + 0.5) / f64::from(number))
    }

    fn ticks(periods: &ClockPeriods, until: u64) -> Vec<u64> {
        let parts = periods.parts.iter();
        let ticks = parts.flat_map(|part| {
            let after = |number| part.first + number * part.period;
            (0..).map(after).take_while(|tick| *tick < until)
        });
        let mut ticks: Vec<_> = ticks.collect();
        ticks.sort_unstable();
        ticks
    }

    const PERIOD: Duration = Duration::from_millis(100);
    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn there_is_a_tick_each_period_on_average_and_none_is_two_periods_late() {
        for difference in lots(20) {
            for phase in lots(20) {
                let periods = ClockPeriods::new(PERIOD, difference, phase);
                let ticks = ticks(&periods, 1000 * SECOND);
                assert!((9998..=10_002).contains(&ticks.len()), "{}", ticks.len());
                let late = ticks.windows(2).map(|pair| pair[1] - pair[0]).max();
                assert!(late < Some(SECOND / 5), "{late:?}");
            }
        }
    }

    #[test]
    fn a_tick_is_as_likely_at_any_time_from_the_start_on() {
        let mut counts = [0_u32; 40];
        for difference in lots(20) {
            for phase in lots(500) {
                for tick in ticks(&ClockPeriods::new(PERIOD, difference, phase), SECOND) {
                    counts[(tick / (SECOND / 40)) as usize] += 1;
                }
            }
        }
        // 10,000 recordings; each of the 40 places is a quarter of a period.
        let is_even = counts.iter().all(|count| (2400..2600).contains(count));
        assert!(is_even, "{counts:?}");
    }

    #[test]
    fn a_program_in_step_is_seen_for_its_share() {
        for (loop_ms, busy_ms) in [(100, 20), (50, 10), (200, 100), (300, 60), (1000, 50)] {
            let (every, busy) = (loop_ms * 1_000_000, busy_ms * 1_000_000);
            for (seconds, most) in [(2, 2.0), (10, 1.6), (60, 1.6)] {
                let wanted = busy as f64 / every as f64 * (seconds * 10) as f64;
                let mut square = 0.0;
                let mut sum = 0.0;
                let runs =
                    lots(12).flat_map(|difference| lots(31).map(move |lot| (difference, lot)));
                for (number, (difference, phase)) in runs.clone().enumerate() {
                    let offset = number as u64 * 7_919_993 % every;
                    let ticks = ticks(
                        &ClockPeriods::new(PERIOD, difference, phase),
                        seconds * SECOND,
                    );
                    let hits = ticks.iter().filter(|tick| (*tick + offset) % every < busy);
                    let error = hits.count() as f64 - wanted;
                    sum += error;
                    square += error * error;
                }
                let runs = runs.count() as f64;
                let by_chance = (wanted * (1.0 - busy as f64 / every as f64)).sqrt();
                let name = format!("{busy_ms} of {loop_ms} ms, {seconds} s");
                let deviation = (square / runs).sqrt() / by_chance;
                assert!(deviation < most, "{name}: {deviation}");
                assert!(
                    (sum / runs).abs() < 0.3 * by_chance,
                    "{name}: {}",
                    sum / runs
                );
            }
        }
    }

    #[test]
    fn no_two_draws_are_equal() {
        assert_ne!(ClockPeriods::random(PERIOD), ClockPeriods::random(PERIOD));
        let longest = ClockPeriods::random(Duration::MAX);
        assert!(longest.parts.iter().all(|part| part.first < part.period));
        assert!(ClockPeriods::random(Duration::ZERO).parts[0].period > 0);
    }

    #[test]
    fn ticks_are_found_by_time() {
        let schedule = TickSchedule {
            period: 50,
            parts: vec![
                ClockSchedule {
                    first: 1000,
                    last: 1003,
                    period: 90,
                },
                ClockSchedule {
                    first: 1040,
                    last: 1040,
                    period: 110,
                },
            ],
        };
        assert_eq!(schedule.until(1002), None);
        let tick = |first, last| Some(Tick { first, last });
        assert_eq!(schedule.after(0), tick(1000, 1003));
        assert_eq!(schedule.after(1003), tick(1040, 1040));
        assert_eq!(schedule.after(1040), tick(1090, 1093));
        assert_eq!(schedule.until(1149), tick(1090, 1093));
        assert_eq!(schedule.until(1150), tick(1150, 1150));
        assert_eq!(schedule.between(1003, 1150), 3);
        assert_eq!(schedule.between(1150, 1150), 0);
        assert_eq!(TickSchedule::default().after(7), None);
    }
}
