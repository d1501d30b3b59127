// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keeps what a recording costs below a share of a CPU, by lowering the rate of its
//! samples. The caller passes in what was spent, and applies the period that comes back.

use std::collections::VecDeque;
use std::time::Duration;

/// How often the caller passes in what was spent.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How many of the latest intervals must exceed the limit together before the rate is
/// lowered. A single one is no measure: names are learnt, a segment is written.
const INTERVALS: usize = 3;
/// Consecutive intervals with room for twice the rate before the rate doubles, at first.
const CALM_INTERVALS: u32 = 10;
/// The most such intervals, which raising the rate in vain leads to.
const MOST_CALM_INTERVALS: u32 = 300;
/// How much of the limit, in percent, twice the rate may use before the rate is raised.
const ROOM_PERCENT: u32 = 75;
/// The longest period that the limiter sets.
const LONGEST: Duration = Duration::from_secs(10);

/// CPU time spent in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// Length of the interval, in wall-clock time.
    pub(super) elapsed: Duration,
    /// CPU time that depends on the number of samples.
    pub(super) on_samples: Duration,
    /// CPU time that does not, such as inspecting new processes.
    pub(super) on_processes: Duration,
}

/// A change of the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decision {
    /// The time between two samples from now on.
    pub(super) period: Duration,
    /// The share of one CPU that the recording used at the old rate.
    pub(super) share: f64,
}

/// Decides when the rate changes.
pub(super) struct RateLimiter {
    /// The share of one CPU that the recording may use.
    limit: f64,
    asked: Duration,
    period: Duration,
    /// The latest intervals since the last change, oldest first.
    intervals: VecDeque<Spent>,
    /// Consecutive intervals with room for twice the rate.
    calm: u32,
    /// How many of these raise the rate.
    calm_needed: u32,
    /// Whether the last change raised the rate.
    has_raised: bool,
}

impl RateLimiter {
    /// Creates a limiter that keeps to `limit`, a share of one CPU, and to at most one
    /// sample per `asked`.
    pub(super) fn new(limit: f64, asked: Duration) -> Self {
        Self {
            limit,
            asked,
            period: asked,
            intervals: VecDeque::new(),
            calm: 0,
            calm_needed: CALM_INTERVALS,
            has_raised: false,
        }
    }

    /// Returns the period if it is longer than the one that was asked for.
    pub(super) fn lowered(&self) -> Option<Duration> {
        (self.period != self.asked).then_some(self.period)
    }

    /// Takes in what was spent since the last call. Returns a decision if the period
    /// should change.
    pub(super) fn decide(&mut self, spent: Spent) -> Option<Decision> {
        self.intervals.push_back(spent);
        if self.intervals.len() > INTERVALS {
            self.intervals.pop_front();
        }
        let shares = |of: &Spent| {
            let all = of.elapsed.as_secs_f64().max(1e-9);
            let samples = of.on_samples.as_secs_f64() / all;
            (samples, of.on_processes.as_secs_f64() / all)
        };
        let sum = |intervals: &VecDeque<Spent>| {
            let mut sum = Spent::default();
            for interval in intervals {
                sum.elapsed += interval.elapsed;
                sum.on_samples += interval.on_samples;
                sum.on_processes += interval.on_processes;
            }
            sum
        };
        // Processes are inspected at any rate. Half of the limit is reserved for
        // samples.
        let room = |processes: f64| (self.limit - processes).max(self.limit / 2.0);
        let (samples, processes) = shares(&spent);
        let factor = 2.0 * 100.0 / f64::from(ROOM_PERCENT);
        if samples * factor <= room(processes) {
            self.calm += 1;
        } else {
            self.calm = 0;
        }
        let (samples, processes) = shares(&sum(&self.intervals));
        if self.intervals.len() == INTERVALS && samples > room(processes) {
            let period = self.slower(samples / room(processes))?;
            if self.has_raised {
                self.calm_needed = (self.calm_needed * 2).min(MOST_CALM_INTERVALS);
            }
            return Some(self.change(period, samples + processes, false));
        }
        if self.period > self.asked && self.calm >= self.calm_needed {
            let period = (self.period / 2).max(self.asked);
            return Some(self.change(period, samples + processes, true));
        }
        None
    }

    /// Doubles the current period until samples cost only one part in `factor`, or the
    /// period is the longest; `None` if it is that already.
    fn slower(&self, factor: f64) -> Option<Duration> {
        let enough = self.period.as_secs_f64() * factor;
        let mut period = self.period;
        while period.as_secs_f64() < enough && period < LONGEST {
            period = (period * 2).min(LONGEST);
        }
        (period > self.period).then_some(period)
    }

    fn change(&mut self, period: Duration, share: f64, raises: bool) -> Decision {
        self.period = period;
        self.has_raised = raises;
        self.intervals.clear();
        self.calm = 0;
        Decision { period, share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A recording in which each sample costs `cost`.
    struct Simulation {
        rate_limiter: RateLimiter,
        period: Duration,
        cost: Duration,
        on_processes: Duration,
    }

    impl Simulation {
        fn new(hz: u32, microseconds: u64) -> Self {
            let period = SECOND / hz;
            Self {
                rate_limiter: RateLimiter::new(0.05, period),
                period,
                cost: Duration::from_micros(microseconds),
                on_processes: Duration::ZERO,
            }
        }

        fn second(&mut self) -> Option<Decision> {
            let samples = SECOND.as_secs_f64() / self.period.as_secs_f64();
            let decision = self.rate_limiter.decide(Spent {
                elapsed: SECOND,
                on_samples: self.cost.mul_f64(samples),
                on_processes: self.on_processes,
            })?;
            self.period = decision.period;
            Some(decision)
        }

        fn seconds(&mut self, number: u32) -> Vec<(u32, Duration)> {
            let seconds = 1..=number;
            seconds
                .filter_map(|second| Some((second, self.second()?.period)))
                .collect()
        }
    }

    #[test]
    fn what_is_within_the_limit_is_left_alone() {
        let mut recording = Simulation::new(10, 4000);
        assert_eq!(recording.seconds(1000), []);
        assert_eq!(recording.rate_limiter.lowered(), None);
    }

    #[test]
    fn after_three_seconds_the_rate_is_what_fits() {
        // 30 % of a CPU; an eighth of that is below 5 %.
        let mut recording = Simulation::new(10_000, 30);
        assert!(recording.second().is_none() && recording.second().is_none());
        let decision = recording.second().expect("it is too much");
        assert_eq!(decision.period, Duration::from_micros(800));
        assert!((decision.share - 0.3).abs() < 1e-6);
        assert_eq!(recording.seconds(1000), [], "and stays so");
        assert_eq!(recording.rate_limiter.lowered(), Some(decision.period));
    }

    #[test]
    fn one_busy_moment_is_no_reason() {
        let mut recording = Simulation::new(100, 10);
        for _ in 0..20 {
            recording.cost = Duration::from_micros(1200);
            assert!(recording.second().is_none());
            recording.cost = Duration::from_micros(10);
            assert!(recording.second().is_none());
            assert!(recording.second().is_none());
        }
    }

    #[test]
    fn it_is_raised_again_step_by_step_when_there_is_room() {
        let mut recording = Simulation::new(1000, 300);
        assert_eq!(recording.seconds(3), [(3, Duration::from_millis(8))]);
        recording.cost = Duration::from_micros(30);
        let steps: Vec<_> = recording.seconds(100).into_iter().collect();
        let periods: Vec<_> = steps.iter().map(|step| step.1.as_millis()).collect();
        assert_eq!(periods, [4, 2, 1]);
        assert_eq!(steps[0].0, CALM_INTERVALS);
        assert_eq!(recording.rate_limiter.lowered(), None);
    }

    #[test]
    fn raising_in_vain_is_tried_ever_more_rarely() {
        let mut recording = Simulation::new(1000, 300);
        recording.seconds(3);
        let mut raised = Vec::new();
        for second in 1..=4000 {
            // It seems cheap as long as the rate is low.
            let is_low = recording.period >= Duration::from_millis(8);
            recording.cost = Duration::from_micros(if is_low { 100 } else { 1000 });
            let before = recording.period;
            if recording.second().is_some_and(|it| it.period < before) {
                raised.push(second);
            }
        }
        assert!((5..30).contains(&raised.len()), "{raised:?}");
    }

    #[test]
    fn processes_that_start_do_not_take_the_samples_rate() {
        let mut recording = Simulation::new(100, 10);
        recording.on_processes = Duration::from_millis(200);
        assert_eq!(recording.seconds(100), []);
    }

    #[test]
    fn it_goes_to_ten_seconds_and_no_further() {
        let mut recording = Simulation::new(1, 100_000_000);
        let steps = recording.seconds(100);
        assert_eq!(steps, [(3, LONGEST)]);
    }
}
