// SPDX-License-Identifier: MIT OR Apache-2.0

//! Logs why stacks are cut or missing, with the place in the target's memory: a few of
//! each reason a second, since at worst every sample has one.

use std::collections::BTreeMap;
use std::fmt;

use sampler_common::stop::StopReason;
use sampler_trace::account::drop_reason::{DropReason, PartialReason, Severity};
use tracing::{Level, debug, enabled, trace};

use crate::capture::bpf::events::RawSample;

/// How many events of one reason are logged a second, by the times of the samples.
const PER_SECOND: u32 = 5;
const SECOND: u64 = 1_000_000_000;

/// The samples whose stacks are not whole. Costs nothing unless events of this module are
/// asked for.
#[derive(Debug, Default)]
pub(super) struct StopLog {
    by_reason: BTreeMap<&'static str, Quota>,
}

/// How many events of a reason were logged, and how many were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quota {
    /// When the current second began.
    since: u64,
    /// How many were logged in it.
    logged: u32,
    /// How many were left out since the last one that was logged.
    left_out: u64,
}

impl Quota {
    /// Whether an event at `time` is logged; if so, how many were left out before it.
    fn take(&mut self, time: u64) -> Option<u64> {
        if time.saturating_sub(self.since) >= SECOND {
            (self.since, self.logged) = (time, 0);
        }
        if self.logged >= PER_SECOND {
            self.left_out += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl StopLog {
    /// Logs a sample that is shown for a stack that ends at `stop`, if that is only a part
    /// of it.
    #[inline]
    pub(super) fn shown(&mut self, sample: &RawSample, stop: StopReason) {
        if stop != StopReason::Complete && enabled!(Level::DEBUG) {
            let reason = PartialReason::of_walk(stop).map_or("unknown", PartialReason::name);
            self.cut(sample, reason);
        }
    }

    /// Logs a sample that is shown with a frame whose name is not known.
    #[inline]
    pub(super) fn without_name(&mut self, sample: &RawSample) {
        if enabled!(Level::DEBUG) {
            self.cut(sample, PartialReason::NoName.name());
        }
    }

    /// Logs a sample that is not shown.
    #[inline]
    pub(super) fn dropped(&mut self, sample: &RawSample, reason: impl Into<DropReason>) {
        if enabled!(Level::DEBUG) {
            self.missing(sample, reason.into());
        }
    }

    /// Logs how many events were left out since the last ones.
    pub(super) fn close(&mut self) {
        for (reason, quota) in &mut self.by_reason {
            let left_out = std::mem::take(&mut quota.left_out);
            if left_out > 0 {
                debug!(reason, left_out, "more stacks were cut or missing");
            }
        }
    }

    #[cold]
    fn cut(&mut self, sample: &RawSample, reason: &'static str) {
        let Some(left_out) = self.quota(sample, reason) else {
            return;
        };
        let header = &sample.header;
        debug!(
            pid = header.tgid,
            tid = header.tid,
            comm = sample.comm(),
            reason,
            address = %Address(header.stop_address),
            frames = sample.frames.len(),
            thread_state = %Address(header.thread_state),
            cpu = header.cpu,
            left_out,
            "stack is not whole"
        );
    }

    #[cold]
    fn missing(&mut self, sample: &RawSample, reason: DropReason) {
        let header = &sample.header;
        let address = Address(header.stop_address);
        let thread_state = Address(header.thread_state);
        // Most threads without Python have none by design.
        if reason.severity() == Severity::NoPython {
            if enabled!(Level::TRACE)
                && let Some(left_out) = self.quota(sample, reason.name())
            {
                trace!(
                    pid = header.tgid,
                    tid = header.tid,
                    comm = sample.comm(),
                    reason = reason.name(),
                    %address,
                    %thread_state,
                    cpu = header.cpu,
                    left_out,
                    "no Python stack"
                );
            }
        } else if let Some(left_out) = self.quota(sample, reason.name()) {
            debug!(
                pid = header.tgid,
                tid = header.tid,
                comm = sample.comm(),
                reason = reason.name(),
                %address,
                %thread_state,
                cpu = header.cpu,
                left_out,
                "sample is not shown"
            );
        }
    }

    fn quota(&mut self, sample: &RawSample, reason: &'static str) -> Option<u64> {
        let quota = self.by_reason.entry(reason).or_default();
        quota.take(sample.header.time)
    }
}

/// An address in a target; 0 where none is known.
#[derive(Clone, Copy)]
struct Address(u64);

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use sampler_common::sample::SampleHeader;
    use sampler_common::wait::Origin;

    use super::*;
    use crate::platform::log::logged;

    fn sample(milliseconds: u64) -> RawSample {
        RawSample {
            header: SampleHeader {
                time: 1_000_000_000_000 + milliseconds * 1_000_000,
                tgid: 12,
                tid: 34,
                stop_address: 0x7f00_1000,
                comm: *b"e\x1b[2J\0\0\0\0\0\0\0\0\0\0\0",
                ..SampleHeader::zeroed()
            },
            stop: StopReason::Fault,
            origin: Origin::OnCpu,
            frames: Vec::new(),
        }
    }

    #[test]
    fn says_where_and_in_which_thread() {
        let text = logged(Level::DEBUG, || {
            let mut log = StopLog::default();
            log.shown(&sample(0), StopReason::Fault);
            log.shown(&sample(0), StopReason::Complete);
            log.dropped(&sample(0), StopReason::FrameNotLinked);
            log.without_name(&sample(0));
        });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, reason) in lines
            .iter()
            .zip(["cut_by_fault", "unlinked", "unknown_code"])
        {
            assert!(line.contains("pid=12 tid=34"), "{line}");
            assert!(line.contains(&format!("reason=\"{reason}\"")), "{line}");
            assert!(line.contains("address=0x7f001000"), "{line}");
        }
    }

    #[test]
    fn threads_without_python_are_logged_only_with_everything() {
        let run = || StopLog::default().dropped(&sample(0), StopReason::NoThreadState);
        assert_eq!(logged(Level::DEBUG, run), "");
        assert!(logged(Level::TRACE, run).contains("reason=\"no_thread_state\""));
    }

    #[test]
    fn a_flood_is_cut_down_and_what_is_left_out_is_counted() {
        let text = logged(Level::DEBUG, || {
            let mut log = StopLog::default();
            for milliseconds in 0..1500 {
                log.shown(&sample(milliseconds), StopReason::Fault);
            }
            log.dropped(&sample(1500), StopReason::BrokenChain);
            log.close();
            log.close();
        });
        let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
        assert_eq!(count("cut_by_fault"), 11, "{text}");
        assert_eq!(count(" left_out=0"), 10, "{text}");
        assert_eq!(count(" left_out=995 "), 0, "{text}");
        assert_eq!(count("address=0x7f001000 frames=0"), 10, "{text}");
        assert_eq!(count("left_out=995"), 1, "{text}");
        assert_eq!(count("left_out=495"), 1, "{text}");
        assert_eq!(count("broken_chain"), 1, "{text}");
    }

    #[test]
    fn both_sides_have_the_same_names() {
        for stop in StopReason::ALL {
            assert_eq!(DropReason::from(stop).name(), stop.name());
        }
    }

    #[test]
    fn nothing_is_counted_unless_it_is_asked_for() {
        let mut log = StopLog::default();
        for milliseconds in 0..100 {
            log.shown(&sample(milliseconds), StopReason::Fault);
            log.dropped(&sample(milliseconds), StopReason::Fault);
        }
        assert!(log.by_reason.is_empty());
    }
}
