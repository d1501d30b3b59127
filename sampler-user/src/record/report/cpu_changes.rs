// SPDX-License-Identifier: MIT OR Apache-2.0

//! CPUs that came online or went offline during a recording, and what was not sampled of
//! them.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

/// The most CPUs that get a line each; the others are counted.
const MOST: usize = 16;
/// The shortest time without samples that is reported of a CPU.
const NOTICED: Duration = Duration::from_millis(1);

/// The CPUs that came online or went offline during a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuChanges {
    cpus: BTreeMap<u32, CpuHistory>,
    /// Why CPUs may have come online unnoticed, if that is possible.
    pub unheard: Option<String>,
}

/// The history of one CPU. Times are since the start of the recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CpuHistory {
    /// When it last went offline.
    went: Option<Duration>,
    /// When it last came online; `None` while it is offline.
    came: Option<Duration>,
    /// How often it went offline or came online.
    times: u32,
    /// How long it was online and not sampled, without the time since `came` if it is
    /// `refused`.
    missing: Duration,
    /// Why it has not been sampled since it came online, if that is so.
    refused: Option<String>,
}

impl CpuChanges {
    /// Records that a CPU went offline.
    pub fn went(&mut self, cpu: u32, after: Duration) {
        let history = self.cpus.entry(cpu).or_default();
        history.end_refusal(after);
        history.times += 1;
        (history.went, history.came) = (Some(after), None);
    }

    /// Records that a CPU came online. It was first sampled `missing` later, or is not
    /// sampled, for the reason `refused`.
    pub fn came(&mut self, cpu: u32, after: Duration, missing: Duration, refused: Option<String>) {
        let history = self.cpus.entry(cpu).or_default();
        history.end_refusal(after);
        history.times += 1;
        history.came = Some(after);
        match refused {
            Some(reason) => history.refused = Some(reason),
            None => history.missing += missing,
        }
    }

    /// Returns how long CPUs were online and not sampled, in a recording that took
    /// `elapsed`.
    #[must_use]
    pub fn missing(&self, elapsed: Duration) -> Duration {
        self.cpus.values().map(|cpu| cpu.missing(elapsed)).sum()
    }

    /// The number of CPUs that came online or went offline.
    #[must_use]
    pub fn number(&self) -> usize {
        self.cpus.len()
    }

    /// Returns a line for each CPU, of a recording that took `elapsed`.
    #[must_use]
    pub fn describe(&self, elapsed: Duration) -> Vec<String> {
        let cpus = self.cpus.iter().take(MOST);
        let mut lines: Vec<_> = cpus
            .map(|(cpu, history)| format!("CPU {cpu} {}", history.describe(elapsed)))
            .collect();
        let others = self.cpus.len().saturating_sub(MOST);
        if others > 0 {
            lines.push(format!("{others} other CPUs came or went"));
        }
        if let Some(reason) = &self.unheard {
            lines.push(format!(
                "CPUs that came online later may not have been sampled: {reason}"
            ));
        }
        lines
    }
}

impl CpuHistory {
    fn end_refusal(&mut self, after: Duration) {
        self.missing = self.missing(after);
        self.refused = None;
    }

    fn missing(&self, until: Duration) -> Duration {
        let since = self.came.filter(|_| self.refused.is_some());
        self.missing + since.map_or(Duration::ZERO, |came| until.saturating_sub(came))
    }

    fn describe(&self, elapsed: Duration) -> String {
        let mut words = match (self.went, self.came) {
            _ if self.times > 2 => format!("went offline or came online {} times", self.times),
            (None, None) => "was there".to_owned(),
            (Some(went), None) => format!("went offline after {}", Seconds(went)),
            (None, Some(came)) => format!("came online after {}", Seconds(came)),
            (Some(went), Some(came)) => {
                format!("was offline from {} to {}", Seconds(went), Seconds(came))
            }
        };
        let missing = self.missing(elapsed);
        if missing >= NOTICED {
            words += &format!(
                "; {} of what it did then were not sampled",
                Seconds(missing)
            );
        }
        if let Some(reason) = &self.refused {
            words += &format!(": {reason}");
        }
        words
    }
}

struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 0.1 {
            return write!(out, "{:.0} ms", seconds * 1e3);
        }
        write!(out, "{seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_cpu_that_came_back_at_once_lacks_nothing() {
        let mut changes = CpuChanges::default();
        changes.went(1, SECOND * 8);
        assert_eq!(
            changes.describe(SECOND * 30),
            ["CPU 1 went offline after 8.0 s"]
        );
        changes.came(1, SECOND * 14, Duration::from_micros(90), None);
        assert_eq!(
            changes.describe(SECOND * 30),
            ["CPU 1 was offline from 8.0 s to 14.0 s"]
        );
        assert!(changes.missing(SECOND * 30) < NOTICED);
    }

    #[test]
    fn a_cpu_that_cannot_be_sampled_lacks_all_from_then_on() {
        let mut changes = CpuChanges::default();
        changes.came(3, SECOND * 4, Duration::ZERO, Some("no".into()));
        let line = "CPU 3 came online after 4.0 s; 6.0 s of what it did then were not sampled: no";
        assert_eq!(changes.describe(SECOND * 10), [line]);
        changes.went(3, SECOND * 5);
        changes.came(3, SECOND * 6, Duration::from_millis(20), None);
        assert_eq!(
            changes.missing(SECOND * 10),
            SECOND + Duration::from_millis(20)
        );
        let line =
            "CPU 3 went offline or came online 3 times; 1.0 s of what it did then were not sampled";
        assert_eq!(changes.describe(SECOND * 10), [line]);
    }

    #[test]
    fn many_cpus_are_counted() {
        let mut changes = CpuChanges::default();
        for cpu in 0..20 {
            changes.went(cpu, SECOND);
        }
        changes.unheard = Some("no socket".into());
        let lines = changes.describe(SECOND * 2);
        assert_eq!(lines.len(), MOST + 2);
        assert_eq!(lines[MOST], "4 other CPUs came or went");
        assert_eq!(changes.number(), 20);
    }
}
