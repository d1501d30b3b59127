// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rate of a recording's samples: compares its measured cost with the limit, and
//! words the message about a lower rate.

use std::time::{Duration, Instant};

use sampler_trace::container::info::RateChange;
use sampler_trace::model::identifiers::KernelTime;

use crate::record::cost::{Clocks, Costs};
use crate::record::rate_limiter::{CHECK_EVERY, Decision, RateLimiter};
use crate::record::report::summary_text::percent_text;

/// How often samples are taken, what that costs, and what it may cost.
pub(super) struct RatePolicy {
    period: Duration,
    costs: Costs,
    /// The share of one CPU that the recording may use, if there is a limit.
    limit: Option<f64>,
    rate_limiter: Option<RateLimiter>,
    next_check: Instant,
    /// Whether the user was informed that the rate is lower than was asked for.
    is_told: bool,
}

impl RatePolicy {
    /// Creates the policy of a recording that takes a sample each `period` from `now` on.
    pub(super) fn new(period: Duration, limit: Option<f64>, costs: Costs, now: Instant) -> Self {
        Self {
            period,
            costs,
            limit,
            rate_limiter: limit.map(|limit| RateLimiter::new(limit, period)),
            next_check: now + CHECK_EVERY,
            is_told: false,
        }
    }

    /// Whether it is time for [`Self::check`].
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_check
    }

    /// Takes in what was spent since the last check. Returns a decision if the rate should
    /// change.
    pub(super) fn check(&mut self, clocks: Clocks, now: Instant) -> Option<Decision> {
        self.next_check = now + CHECK_EVERY;
        let spent = self.costs.measure(clocks, now);
        self.rate_limiter.as_mut()?.decide(spent)
    }

    /// Returns all CPU time that was spent, up to `now`.
    pub(super) fn total_cost(&mut self, clocks: Clocks, now: Instant) -> Duration {
        self.costs.measure(clocks, now);
        self.costs.total()
    }

    /// Returns the costs, to count work that no sample has caused.
    pub(super) fn costs(&mut self) -> &mut Costs {
        &mut self.costs
    }

    /// Adopts the rate that was decided at `time`. Returns a message for the user the
    /// first time that the rate is lowered.
    pub(super) fn change(&mut self, decision: Decision, time: KernelTime) -> Option<String> {
        let before = std::mem::replace(&mut self.period, decision.period);
        if decision.period <= before || self.is_told {
            return None;
        }
        self.is_told = true;
        Some(self.lowered_message(before, decision, time))
    }

    /// Returns the time between two samples now.
    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// Takes a sample each `period` from now on, or as often as the limit allows.
    pub(super) fn ask(&mut self, period: Duration) {
        self.period = period;
        self.rate_limiter = self.limit.map(|limit| RateLimiter::new(limit, period));
        self.is_told = false;
    }

    /// Returns the period if it is longer than the one that was asked for.
    pub(super) fn lowered(&self) -> Option<Duration> {
        self.rate_limiter.as_ref().and_then(RateLimiter::lowered)
    }

    fn lowered_message(&self, before: Duration, decision: Decision, time: KernelTime) -> String {
        let now = RateChange {
            time,
            period: before,
        };
        let then = RateChange {
            time,
            period: decision.period,
        };
        let percent = 100.0 * decision.share;
        format!(
            "sampling at {} Hz takes {percent:.0} % of a CPU, and may take {}: from now on {} Hz, \
             or what fits (--max-cpu {:.0}% would keep the rate)",
            now.hz_text(),
            percent_text(self.limit.unwrap_or_default()),
            then.hz_text(),
            (percent * 1.3).ceil(),
        )
    }
}
