// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells when a condition of `--mark` begins to hold for a process, from what the process
//! uses about once a second.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sampler_common::process::ProcessKey;
use sampler_cpython::process::proc_stat::Usage;

use crate::cli::values::condition::{Condition, Limit};

/// How many points of a process's CPU time are kept at most, over the time of a condition.
const POINTS: u32 = 60;

/// The conditions, and what is known of each process.
#[derive(Debug)]
pub(super) struct Conditions(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    condition: Condition,
    processes: HashMap<ProcessKey, History>,
}

/// What a condition has to know of a process.
#[derive(Debug, Default)]
struct History {
    /// Moments and the CPU time that had been used by then. The first one is at least the
    /// time of the condition ago, once that has passed.
    points: VecDeque<(Instant, Duration)>,
    /// Since when the process exceeds the limit without a break.
    since: Option<Instant>,
    /// Whether the condition held the last time.
    holds: bool,
}

/// A condition that began to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Met {
    /// For which process.
    pub(super) process: ProcessKey,
    /// Which condition.
    pub(super) condition: Condition,
    /// What it was met with: as the limit, but the value.
    value: Limit,
}

impl Met {
    /// Describes what was seen of the process, which is called `name`.
    pub(super) fn details(&self, name: &str) -> String {
        let time = humantime::format_duration(self.condition.time);
        let found = match self.value {
            Limit::Cpu(share) => {
                format!("used {:.0} % of a CPU over the last {time}", 100.0 * share)
            }
            Limit::Threads(number) => format!("has {number} threads"),
            Limit::Resident(bytes) => format!("has {} MiB of resident memory", bytes >> 20),
        };
        format!("{name} {found} ({})", self.condition)
    }
}

impl Conditions {
    pub(super) fn new(conditions: &[Condition]) -> Self {
        let watched = |condition: &Condition| Watched {
            condition: condition.clone(),
            processes: HashMap::new(),
        };
        Self(conditions.iter().map(watched).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a condition is about memory, which takes another file to read.
    pub(super) fn need_memory(&self) -> bool {
        let is_of_memory = |it: &Watched| matches!(it.condition.limit, Limit::Resident(_));
        self.0.iter().any(is_of_memory)
    }

    /// Takes in what every process uses `now`, and forgets those that are not among them.
    /// Returns the conditions that hold and did not hold before.
    pub(super) fn look(&mut self, now: Instant, usages: &[(ProcessKey, Usage)]) -> Vec<Met> {
        let mut met = Vec::new();
        for Watched {
            condition,
            processes,
        } in &mut self.0
        {
            let mut before = std::mem::take(processes);
            for (process, usage) in usages {
                let mut history = before.remove(process).unwrap_or_default();
                let found = history.look(condition, now, usage);
                if let Some(value) = found.filter(|_| !history.holds) {
                    met.push(Met {
                        process: *process,
                        condition: condition.clone(),
                        value,
                    });
                }
                history.holds = found.is_some();
                processes.insert(*process, history);
            }
        }
        met
    }
}

impl History {
    /// Returns what the condition is met with, if it is.
    fn look(&mut self, condition: &Condition, now: Instant, usage: &Usage) -> Option<Limit> {
        let time = condition.time;
        let lasts = |exceeds: bool, since: &mut Option<Instant>| {
            if !exceeds {
                *since = None;
                return false;
            }
            now.duration_since(*since.get_or_insert(now)) >= time
        };
        match condition.limit {
            Limit::Cpu(limit) => {
                let share = self.share(time, now, usage.cpu)?;
                (share > limit).then_some(Limit::Cpu(share))
            }
            Limit::Threads(limit) => {
                let holds = lasts(usage.threads > limit, &mut self.since);
                holds.then_some(Limit::Threads(usage.threads))
            }
            Limit::Resident(limit) => {
                let holds = lasts(usage.resident > limit, &mut self.since);
                holds.then_some(Limit::Resident(usage.resident))
            }
        }
    }

    /// Returns the share of a CPU that was used over the last `time`, once that much is
    /// known; `used` is the CPU time by `now`.
    fn share(&mut self, time: Duration, now: Instant, used: Duration) -> Option<f64> {
        let points = &mut self.points;
        let is_due = |(last, _): &(Instant, Duration)| now.duration_since(*last) >= time / POINTS;
        if points.back().is_none_or(is_due) {
            points.push_back((now, used));
        }
        let is_old = |at: Instant| now.duration_since(at) >= time;
        while points.get(1).is_some_and(|(at, _)| is_old(*at)) {
            points.pop_front();
        }
        let (from, before) = points.front().filter(|(at, _)| is_old(*at))?;
        let elapsed = now.duration_since(*from).as_secs_f64();
        Some(used.saturating_sub(*before).as_secs_f64() / elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::values::condition::condition;

    const KEY: ProcessKey = ProcessKey(7);
    /// In none of the seconds.
    const NONE: [u64; 0] = [];

    /// Conditions and a clock.
    struct Clock {
        conditions: Conditions,
        now: Instant,
        usage: Usage,
    }

    impl Clock {
        fn of(texts: &[&str]) -> Self {
            let conditions: Vec<_> = texts
                .iter()
                .map(|text| condition(text).expect("it is valid"))
                .collect();
            Self {
                conditions: Conditions::new(&conditions),
                now: Instant::now(),
                usage: Usage::default(),
            }
        }

        /// Goes on for so many seconds, in each of which so many percent of a CPU are used.
        /// Returns in which of them a condition was met.
        fn run(&mut self, seconds: u64, percent: u64) -> Vec<u64> {
            let mut met = Vec::new();
            for second in 1..=seconds {
                self.now += Duration::from_secs(1);
                self.usage.cpu += Duration::from_millis(10 * percent);
                let found = self.conditions.look(self.now, &[(KEY, self.usage)]);
                met.extend(found.iter().map(|_| second));
            }
            met
        }
    }

    #[test]
    fn the_mean_share_of_the_time_counts_and_fires_once() {
        let mut clock = Clock::of(&["cpu>80% for 10s"]);
        // Nothing is known of the time before the first look.
        assert_eq!(clock.run(30, 90), [11]);
        assert_eq!(clock.run(30, 10), NONE);
        // 10 % of a second each are enough to be at 81 % with the ninth second at 90.
        assert_eq!(clock.run(30, 90), [9]);
        // Above and below in turn, with a mean below.
        clock.run(20, 0);
        for _ in 0..30 {
            assert_eq!(clock.run(1, 100), NONE);
            assert_eq!(clock.run(1, 50), NONE);
        }
    }

    #[test]
    fn a_long_time_needs_few_points() {
        let mut clock = Clock::of(&["cpu>150% for 1h"]);
        assert_eq!(clock.run(3600, 160), NONE);
        assert_eq!(clock.run(61, 160), [1]);
        let points = clock.conditions.0[0].processes[&KEY].points.len();
        assert!(points <= 62, "{points}");
    }

    #[test]
    fn threads_and_memory_have_to_exceed_at_every_moment() {
        let mut clock = Clock::of(&["threads>5 for 3s", "rss>1M for 3s"]);
        assert!(clock.conditions.need_memory());
        clock.usage.threads = 6;
        assert_eq!(clock.run(3, 0), NONE);
        clock.usage.threads = 5;
        assert_eq!(clock.run(1, 0), NONE);
        clock.usage.threads = 6;
        assert_eq!(clock.run(9, 0), [4]);
        clock.usage.resident = (1 << 20) + 1;
        assert_eq!(clock.run(9, 0), [4]);
    }

    #[test]
    fn a_process_that_ends_is_forgotten() {
        let mut clock = Clock::of(&["threads>0 for 1s"]);
        clock.usage.threads = 1;
        assert_eq!(clock.run(2, 0), [2]);
        assert_eq!(clock.conditions.look(clock.now, &[]), []);
        assert!(clock.conditions.0[0].processes.is_empty());
    }

    #[test]
    fn what_was_seen_is_said() {
        let said = |text: &str, value| {
            let condition = condition(text).expect("it is valid");
            let process = KEY;
            Met {
                process,
                condition,
                value,
            }
            .details("app.py")
        };
        assert_eq!(
            said("cpu>80%", Limit::Cpu(0.934)),
            "app.py used 93 % of a CPU over the last 10s (cpu>80%)"
        );
        assert_eq!(
            said("rss>1M", Limit::Resident(5 << 20)),
            "app.py has 5 MiB of resident memory (rss>1M)"
        );
    }
}
