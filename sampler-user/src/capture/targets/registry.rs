// SPDX-License-Identifier: MIT OR Apache-2.0

//! The targets of a recording: connects what is followed with what finds processes, acts
//! on records of the eBPF program, and compares both sides.

use std::time::Instant;

use sampler_common::account::KernelAccount;
use sampler_common::process::ProcessKey;

use crate::capture::bpf::events::RawLifecycle;
use crate::capture::bpf::processes::{ProcessMap, ProcessTableError};
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::discovery::ProcessDiscovery;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::followed_set::{FollowedSet, TargetError};
use crate::capture::targets::learning::Learning;
use crate::capture::targets::lifecycle::LifecycleEvents;
use crate::capture::targets::programs::NonPythonTable;
use crate::capture::targets::reconciler::Reconciler;
use crate::capture::targets::skipped::SkippedProcesses;
use crate::capture::targets::target_scope::TargetScope;

/// The processes that are followed, and what is needed to follow them.
pub struct Targets {
    followed: FollowedSet,
    discovery: ProcessDiscovery,
    reconciler: Reconciler,
    learning: Learning,
}

impl Targets {
    /// Creates the targets; nothing is followed yet. `map` and `programs` are tables of
    /// the eBPF program.
    pub fn new(
        scope: TargetScope,
        map: Box<dyn ProcessMap>,
        programs: Box<dyn NonPythonTable>,
    ) -> Self {
        Self {
            followed: FollowedSet::new(map),
            discovery: ProcessDiscovery::new(scope, programs, Instant::now()),
            reconciler: Reconciler::default(),
            learning: Learning::default(),
        }
    }

    /// Returns the inspector that reads processes, to be shared with others.
    pub fn inspector(&self) -> &ProcessInspector {
        &self.followed.inspector
    }

    /// Looks for every process that is selected and running. Returns why some of those
    /// asked for by process id cannot be sampled. A process without Python is not among
    /// these yet, because it may be about to start its program.
    pub fn find_running(&mut self) -> Vec<TargetError> {
        self.discovery.find_running(&mut self.followed)
    }

    /// Follows the process `tgid`, which has no interpreter yet, such as a command that
    /// is about to start.
    ///
    /// # Errors
    /// When the eBPF program's table has no room for it.
    pub fn follow_command(&mut self, tgid: u32) -> Result<(), ProcessTableError> {
        self.followed.follow_without_python(tgid).map(drop)
    }

    /// Acts on a lifecycle record of the eBPF program.
    pub fn on_lifecycle(&mut self, lifecycle: &RawLifecycle, now: Instant) {
        LifecycleEvents {
            followed: &mut self.followed,
            discovery: &mut self.discovery,
        }
        .take(lifecycle, now);
    }

    /// Probes the processes that are due, and sweeps if a sweep is due.
    pub fn probe_pending(&mut self, now: Instant) {
        let Self {
            followed,
            discovery,
            reconciler,
            ..
        } = self;
        discovery.probe_due(followed, now);
        if discovery.is_sweep_due(now) {
            discovery.find_late(followed);
            reconciler.compare(followed, discovery);
            discovery.end_sweep(followed, now);
        }
    }

    /// Whether [`Self::probe_pending`] has something to do.
    pub fn is_probe_due(&self, now: Instant) -> bool {
        let next = self.next_probe();
        self.discovery.is_sweep_due(now) || next.is_some_and(|probe| probe <= now)
    }

    /// Returns when a process must be probed next. Sweeps are left out: they wake nobody
    /// up, and are done when something else does.
    pub fn next_probe(&self) -> Option<Instant> {
        self.discovery.next_probe()
    }

    /// Finds out which processes have ended, after records of forks and ends were lost,
    /// and drops the accounts of those that came and went unnoticed. Every record must
    /// have been taken.
    pub fn reconcile(&mut self) {
        self.reconciler
            .reconcile(&mut self.followed, &mut self.discovery);
    }

    /// Returns the process that a sample belongs to. A fork whose record was lost is
    /// discovered here.
    pub fn of_sample(&mut self, key: ProcessKey, tgid: u32) -> Option<&FollowedProcess> {
        self.followed.of_sample(key, tgid)
    }

    /// Notes that a thread without Python was sampled, and checks now and then whether
    /// another interpreter runs in the process by now, to which the thread may belong.
    pub fn look_for_others(&mut self, key: ProcessKey) {
        self.learning.look_for_others(&mut self.followed, key);
    }

    /// Learns what makes samples of a process cheaper and what only a running interpreter
    /// shows.
    pub fn improve(&mut self, key: ProcessKey) {
        self.learning.improve(&mut self.followed, key);
    }

    /// Returns the ids of the processes whose threads are sampled now.
    pub fn sampled(&self) -> impl Iterator<Item = u32> {
        let alive = self.going_on();
        alive.filter(|it| it.python.is_some()).map(|it| it.tgid)
    }

    /// Returns the processes that have not ended.
    pub fn going_on(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.followed.generations.going_on()
    }

    /// Returns all processes that were followed, including those that have ended.
    pub fn processes(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.followed.generations.all()
    }

    /// Whether nothing is left to sample of the processes asked for by process id, and of
    /// what they started.
    pub fn all_ended(&self) -> bool {
        let is_hopeless = |process: &FollowedProcess| {
            process.python.is_none() && self.followed.skipped.is_skipped(process.tgid)
        };
        self.discovery.is_by_process_id() && self.going_on().all(is_hopeless)
    }

    /// Returns the processes that have Python, or might have it, but cannot be sampled.
    pub fn skipped(&self) -> &SkippedProcesses {
        &self.followed.skipped
    }

    /// Returns the lives that are over and were not taken out.
    pub fn ended(&self) -> impl Iterator<Item = ProcessKey> {
        self.followed.generations.ended().map(|it| it.key)
    }

    /// Returns what the eBPF program has counted of a life so far.
    pub fn account(&self, key: ProcessKey) -> KernelAccount {
        self.followed.table.account(key)
    }

    /// Closes the account of a life that has been over for long, and returns what was
    /// counted.
    pub fn close_account(&mut self, key: ProcessKey) -> KernelAccount {
        self.followed.table.close_account(key)
    }

    /// Takes out those ended processes for which `is_over` holds. All their samples must
    /// have been read.
    pub fn take_ended(&mut self, is_over: impl Fn(ProcessKey) -> bool) -> Vec<FollowedProcess> {
        let ended = self.followed.generations.take_ended(is_over);
        for process in &ended {
            self.learning.forget(process.key);
        }
        ended
    }
}
