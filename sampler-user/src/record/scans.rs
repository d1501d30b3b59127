// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chooses how waiting threads are sampled: by their returns to a CPU or, on a kernel that
//! does not tell of them, by scans with the kernel's task iterator or, on a kernel without
//! it, by scans from user space.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sampler_common::counter::CounterValues;
use sampler_common::sample::{RawFrame, SampleHeader};
use sampler_common::scan_order::ScanOrder;
use sampler_cpython::remote::scan::{RemoteScan, ScanAccounts, ScanTarget, ScanTargets};
use tracing::debug;

use crate::capture::bpf::events::{DecodeError, RawRecord};
use crate::capture::bpf::kernel::{Kernel, KernelError};
use crate::capture::bpf::task_iter::TaskIter;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::registry::Targets;
use crate::platform::privileges::role::Role;
use crate::record::clock::monotonic_now;
use crate::record::error::RecordError;
use crate::record::record_queue::RecordQueue;
use crate::record::report::scan_counts::ScanCounts;
use crate::record::scan_clock::{Pace, Scan, ScanClock};
use crate::record::tick_clock::ScheduleSource;

/// An environment variable: with the value `user`, scans are made from user space on
/// every kernel, and with `kernel` by the kernel at each tick.
const CHOICE: &str = "PYEBPF_PASSES";

/// How waiting threads are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitSampling {
    /// By their returns to a CPU where the kernel tells of them, otherwise by scans.
    Best,
    /// By scans of the kernel.
    KernelScans,
    /// By scans from user space.
    UserScans,
}

impl WaitSampling {
    /// Returns what the environment asks for.
    pub(super) fn from_environment() -> Self {
        match std::env::var(CHOICE).as_deref() {
            Ok("user") => Self::UserScans,
            Ok("kernel") => Self::KernelScans,
            _ => Self::Best,
        }
    }
}

/// How long the end of a recording waits for a scan that is under way.
const PATIENCE: Duration = Duration::from_secs(2);

/// A record as it is taken, or why it is none.
pub(super) type TakenRecord = Result<RawRecord, DecodeError>;

/// The way in which scans will be made.
pub(super) enum PreparedScans {
    /// With the task iterator; the pace says whether that is all.
    Kernel(TaskIter, Pace),
    /// From user space, for this reason.
    UserSpace(String),
}

impl PreparedScans {
    /// Loads the task iterator, if this kernel has it.
    ///
    /// # Errors
    /// [`KernelError`] when loading fails although the kernel could have it.
    pub(super) fn prepare(kernel: &mut Kernel) -> Result<Self, KernelError> {
        let wanted = WaitSampling::from_environment();
        if wanted == WaitSampling::UserScans {
            return Ok(Self::UserSpace(format!("{CHOICE} says so")));
        }
        match kernel.prepare_scans() {
            Ok(scans) if wanted == WaitSampling::Best => {
                let reason = kernel.follow_returns()?;
                debug!(
                    reason,
                    "whether returns of threads to their CPUs are followed"
                );
                let pace = reason.map_or(Pace::Returns, |_| Pace::Ticks);
                Ok(Self::Kernel(scans, pace))
            }
            Ok(scans) => Ok(Self::Kernel(scans, Pace::Ticks)),
            Err(error) if error.is_about_a_feature() => Ok(Self::UserSpace(no_iterator(&error))),
            Err(error) => Err(error),
        }
    }

    /// Starts scans of the threads of the sampled processes.
    pub(super) fn start(
        self,
        schedule: ScheduleSource,
        targets: &Targets,
    ) -> Result<RunningScans, RecordError> {
        let tgids = targets.sampled().collect();
        if let Self::UserSpace(reason) = &self {
            debug!(reason, "waiting threads are scanned from user space");
        }
        let started = match self {
            Self::Kernel(scans, pace) => ScanClock::start(scans, schedule, tgids, pace)
                .map(|clock| RunningScans { clock, user: None }),
            Self::UserSpace(reason) => {
                let followed = ScanTargets::default();
                let queue = RecordQueue::default();
                let sending = queue.clone();
                let clock = || monotonic_now().0;
                let scan = RemoteScan::new(
                    followed.clone(),
                    clock,
                    move |header: &SampleHeader, frames: &[RawFrame]| sending.push(header, frames),
                );
                let user = UserSpace {
                    followed,
                    queue,
                    counters: scan.counters(),
                    accounts: scan.accounts(),
                    reason,
                };
                user.follow(targets);
                ScanClock::start(scan, schedule, tgids, Pace::Ticks).map(|clock| RunningScans {
                    clock,
                    user: Some(user),
                })
            }
        };
        started.map_err(|source| RecordError::System {
            doing: "start the scans of waiting threads",
            source,
        })
    }
}

/// Explains why the kernel makes no scans.
fn no_iterator(error: &KernelError) -> String {
    let error = error.in_one_line();
    format!(
        "the kernel has no task iterator with bpf_copy_from_user_task, which came with 5.18 ({error})"
    )
}

/// Running scans, by the kernel or from user space.
pub(super) struct RunningScans {
    clock: ScanClock,
    user: Option<UserSpace>,
}

struct UserSpace {
    followed: ScanTargets,
    queue: RecordQueue,
    counters: Arc<Mutex<CounterValues>>,
    accounts: ScanAccounts,
    reason: String,
}

impl UserSpace {
    fn follow(&self, targets: &Targets) {
        let target = |process: &FollowedProcess| {
            Some(ScanTarget {
                key: process.key,
                tgid: process.tgid,
                instance: process.python.as_ref()?.instance.clone(),
            })
        };
        let alive = targets.processes().filter(|process| !process.has_ended);
        self.followed.set(alive.filter_map(target));
    }
}

impl RunningScans {
    /// Scans the processes that are sampled now.
    pub(super) fn follow(&self, targets: &Targets) {
        if let Some(user) = &self.user {
            user.follow(targets);
        }
        self.clock.follow(targets.sampled().collect());
    }

    /// Hands over the samples from user space up to `time`, that of a record of the eBPF
    /// program: rows are made in the order of time.
    pub(super) fn take_until(&self, time: u64, take: impl FnMut(TakenRecord)) {
        if let Some(user) = &self.user {
            user.take(time, take);
        }
    }

    /// Hands over all samples from user space.
    pub(super) fn take_all(&self, take: impl FnMut(TakenRecord)) {
        self.take_until(u64::MAX, take);
    }

    /// Begins no other scan. Returns whether none is under way any more: one may still be
    /// blocked on a target's memory.
    pub(super) fn stop(&self) -> bool {
        self.clock.stop(PATIENCE)
    }

    /// Returns the CPU time that scans have used.
    pub(super) fn cpu_time(&self) -> Duration {
        self.clock.cpu_time()
    }

    /// Whether waiting threads sample themselves when they return to a CPU.
    pub(super) fn follow_returns(&self) -> bool {
        self.clock.pace() == Pace::Returns
    }

    /// Whether scans are made from user space, where they cannot see ticks.
    pub(super) fn are_from_user_space(&self) -> bool {
        self.user.is_some()
    }

    /// Returns what scans from user space count of each process; nothing where the
    /// kernel makes them.
    pub(super) fn accounts(&self) -> ScanAccounts {
        let user = self.user.as_ref();
        user.map(|user| user.accounts.clone()).unwrap_or_default()
    }

    /// Returns what was counted so far.
    pub(super) fn counts(&self) -> ScanCounts {
        ScanCounts {
            from_user_space: self.user.as_ref().map(|user| user.reason.clone()),
            ..self.clock.counts()
        }
    }

    /// Adds what scans from user space have counted of samples.
    pub(super) fn add_to(&self, counters: &mut CounterValues) {
        if let Some(user) = &self.user {
            let counted = user.counters.lock().unwrap_or_else(PoisonError::into_inner);
            counters.add_all(&counted);
        }
    }
}

impl UserSpace {
    fn take(&self, until: u64, mut take: impl FnMut(TakenRecord)) {
        while let Some(sample) = self.queue.pop_until(until) {
            take(
                sample
                    .map(RawRecord::Sample)
                    .map_err(|problem| DecodeError {
                        was_sample: true,
                        problem,
                    }),
            );
        }
    }
}

impl Scan for TaskIter {
    const ROLE: Role = Role::Scans;

    fn run(&mut self, order: ScanOrder, tgids: &[u32]) -> io::Result<()> {
        TaskIter::run(self, order, tgids)
    }
}

impl<Clock, Sink> Scan for RemoteScan<Clock, Sink>
where
    Clock: FnMut() -> u64 + Send + 'static,
    Sink: FnMut(&SampleHeader, &[RawFrame]) -> bool + Send + 'static,
{
    const ROLE: Role = Role::Inspector;

    fn run(&mut self, order: ScanOrder, tgids: &[u32]) -> io::Result<()> {
        RemoteScan::run(self, order, tgids);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_one_line() {
        let error = KernelError::Rejected {
            program: "off_cpu".into(),
            source: io::Error::from_raw_os_error(libc::EINVAL),
            log: "unknown func bpf_copy_from_user_task#191\nand more".into(),
        };
        assert!(error.is_about_a_feature());
        let reason = no_iterator(&error);
        assert!(
            reason.contains("5.18") && !reason.contains('\n'),
            "{reason}"
        );
        let forbidden = KernelError::NotPermitted { doing: "load it" };
        assert!(!forbidden.is_about_a_feature());
    }
}
