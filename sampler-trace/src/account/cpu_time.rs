// SPDX-License-Identifier: MIT OR Apache-2.0

//! CPU time as the kernel counts it, and a check whether the samples agree with it.

use std::fmt;
use std::time::Duration;

/// How long a thread, or several together, ran on a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode and in the kernel together.
    pub all: Duration,
    /// The part in user mode; the rest was in the kernel.
    pub user: Duration,
}

impl CpuTime {
    /// Divides `all` into user mode and kernel in the ratio of `user` to `system`. The
    /// kernel derives its own figures in the same way: it counts time in nanoseconds, but
    /// the mode only at ticks (`cputime_adjust`, kernel/sched/cputime.c).
    #[must_use]
    pub fn divided(all: Duration, user: u64, system: u64) -> Self {
        let whole = u128::from(user) + u128::from(system);
        let part = all.as_nanos() * u128::from(user);
        let user = part.checked_div(whole).map_or(all, |nanoseconds| {
            Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
        });
        Self { all, user }
    }

    /// The part in the kernel.
    #[must_use]
    pub fn system(&self) -> Duration {
        self.all.saturating_sub(self.user)
    }

    /// How much it has grown since `before`.
    #[must_use]
    pub fn since(&self, before: Self) -> Self {
        let all = self.all.saturating_sub(before.all);
        Self {
            all,
            // Both times were divided anew, so the user part alone can shrink.
            user: all.saturating_sub(self.system().saturating_sub(before.system())),
        }
    }

    /// Adds the time of another thread.
    pub fn add(&mut self, other: Self) {
        self.all += other.all;
        self.user += other.user;
    }
}

/// The CPU time that the kernel counted, next to the time that the samples stand for.
///
/// Displayed as `12.40 s of CPU, 12.30 s seen`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuCheck {
    /// What the kernel counted; zero where it is not known.
    pub counted: Duration,
    /// The time that all ticks stand for, whether their samples are shown or not.
    pub ticked: Duration,
    /// The time that the shown samples stand for.
    pub seen: Duration,
    /// The time between two ticks of a CPU.
    pub period: Duration,
}

/// How far samples and kernel may differ, in standard deviations, for a process that runs
/// throughout the recording. One recording in about ten thousand is that far off by chance.
const DEVIATIONS: f64 = 4.0;
/// A further allowed difference, as a fraction of the larger time: the kernel of a
/// virtual machine counts time that the host did not give it, and no tick falls into that time.
const INEXACT: f64 = 0.05;
/// And one in seconds: the kernel is asked shortly before the first tick and shortly
/// after the last one.
const MARGIN: f64 = 0.1;

impl CpuCheck {
    /// Returns the check with `number` more ticks, whose samples did not arrive.
    #[must_use]
    pub fn with_ticks(self, number: u64) -> Self {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let ticked = self
            .ticked
            .saturating_add(self.period.saturating_mul(number));
        Self { ticked, ..self }
    }

    /// Whether there is a figure of the kernel to compare with.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.counted.is_zero()
    }

    /// Whether ticks and kernel differ by more than chance allows. A tick hits a thread
    /// with the probability with which the thread runs, independently of other ticks.
    #[must_use]
    pub fn differs(&self) -> bool {
        let [counted, ticked, period] =
            [self.counted, self.ticked, self.period].map(|time| time.as_secs_f64());
        let most = counted.max(ticked);
        let deviation = (most * period).sqrt();
        let allowed = DEVIATIONS * deviation + INEXACT * most + MARGIN + period;
        self.is_known() && (counted - ticked).abs() > allowed
    }
}

impl CpuCheck {
    /// A warning that they differ, and what may be wrong; `None` if chance explains it.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let [counted, ticked] = [self.counted, self.ticked].map(|time| time.as_secs_f64());
        let why = if ticked < counted {
            "a CPU was not sampled, or a virtual machine gets less time than it counts"
        } else {
            "it may run in step with the samples: record once more at another --hz"
        };
        self.differs().then(|| {
            format!(
                "its samples stand for {ticked:.2} s where the kernel counted {counted:.2} s, \
                 more than chance explains: {why}"
            )
        })
    }
}

impl fmt::Display for CpuCheck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [counted, seen] = [self.counted, self.seen].map(|time| time.as_secs_f64());
        write!(out, "{counted:.2} s of CPU, {seen:.2} s seen")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_divided_as_the_ticks_were() {
        let all = Duration::from_millis(90);
        let time = CpuTime::divided(all, 2, 1);
        assert_eq!((time.user.as_millis(), time.system().as_millis()), (60, 30));
        assert_eq!(CpuTime::divided(all, 0, 0).user, all);
        assert_eq!(CpuTime::divided(all, u64::MAX, u64::MAX).user, all / 2);
        let later = CpuTime::divided(2 * all, 1, 1);
        let grown = later.since(time);
        assert_eq!(
            (grown.all.as_millis(), grown.system().as_millis()),
            (90, 60)
        );
        assert_eq!(time.since(later).all, Duration::ZERO);
    }

    #[test]
    fn only_what_chance_does_not_explain_differs() {
        let check = |counted, ticked, hz: u32| CpuCheck {
            counted: Duration::from_millis(counted),
            ticked: Duration::from_millis(ticked),
            seen: Duration::from_millis(ticked),
            period: Duration::from_secs(1) / hz,
        };
        for (counted, ticked, hz) in [
            (9370, 9500, 10),
            (0, 5000, 10),
            (100, 300, 10),
            (10_000, 9000, 49),
            (10_000, 10_600, 1000),
        ] {
            assert!(!check(counted, ticked, hz).differs(), "{counted} {ticked}");
        }
        for (counted, ticked, hz) in [
            (9370, 17_910, 10),
            (3000, 0, 10),
            (10_000, 11_500, 1000),
            (10_000, 8500, 1000),
        ] {
            assert!(check(counted, ticked, hz).differs(), "{counted} {ticked}");
        }
        let text = check(12_400, 12_300, 10).to_string();
        assert_eq!(text, "12.40 s of CPU, 12.30 s seen");
    }
}
