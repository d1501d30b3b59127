// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the processes to follow: those that run, those that start a program, and later
//! those that have loaded code. Probes each until its interpreter is found or there
//! clearly is none.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::ProcessKey;
use sampler_cpython::cpython::discovery::ProbeResult;
use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::process::descendants::descendants;
use tracing::debug;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::followed_set::{FollowedSet, TargetError};
use crate::capture::targets::pending::{Pending, PendingProbe};
use crate::capture::targets::programs::{NonPythonTable, Programs};
use crate::capture::targets::sweep::Sweep;
use crate::capture::targets::target_scope::TargetScope;

/// How often processes are searched for one that has loaded Python since its start: those
/// of the whole host, or those that were asked for, while some of these have none.
const SWEEP_HOST: Duration = Duration::from_secs(5);
const SWEEP_FEW: Duration = Duration::from_millis(500);
/// The same when there is nothing to search for: what is left is to notice that the
/// record of an end was lost.
const SWEEP_SETTLED: Duration = Duration::from_secs(2);

/// How often processes are listed at the start, at most, until there is no new one. A
/// host that keeps starting processes always has a new one; the sweeps find those.
const ROUNDS: usize = 8;

/// Which processes are wanted, and which of them are to be probed when.
pub(super) struct ProcessDiscovery {
    scope: TargetScope,
    pending: Pending,
    programs: Programs,
    sweep: Sweep,
}

impl ProcessDiscovery {
    pub(super) fn new(scope: TargetScope, programs: Box<dyn NonPythonTable>, now: Instant) -> Self {
        let every = match scope {
            TargetScope::Host | TargetScope::Filtered { .. } => SWEEP_HOST,
            TargetScope::Processes { .. } => SWEEP_FEW,
        };
        Self {
            scope,
            pending: Pending::default(),
            programs: Programs::new(programs),
            sweep: Sweep::new(now + every),
        }
    }

    /// Whether processes were asked for by their ids.
    pub(super) fn is_by_process_id(&self) -> bool {
        matches!(self.scope, TargetScope::Processes { .. })
    }

    /// Whether to follow a process that was not followed so far, if it has Python in it.
    pub(super) fn wants(&self, tgid: u32, inspector: &ProcessInspector) -> bool {
        self.scope.wants(tgid, inspector)
    }

    /// Whether no process that ran `program` had Python in it.
    pub(super) fn is_non_python(&self, program: ProgramId) -> bool {
        self.programs.is_non_python(program)
    }

    /// Schedules probes of a process that began to run `program` at `started`.
    pub(super) fn expect(&mut self, key: ProcessKey, program: ProgramId, started: Instant) {
        self.pending.add(key, program, started);
    }

    /// Follows every process that is selected and running. Returns why some of those
    /// asked for by process id cannot be sampled. A process without Python is not among
    /// these yet, because it may be about to start its program.
    pub(super) fn find_running(&mut self, followed: &mut FollowedSet) -> Vec<TargetError> {
        match self.scope.clone() {
            TargetScope::Host => {
                self.find_all(followed);
                Vec::new()
            }
            TargetScope::Filtered { with_children, .. } => {
                self.find_all(followed);
                if with_children {
                    let chosen = followed.generations.tgids();
                    self.follow_descendants(followed, &chosen);
                }
                Vec::new()
            }
            TargetScope::Processes {
                tgids,
                with_children,
            } => {
                let refused = tgids
                    .iter()
                    .filter_map(|tgid| self.follow_asked_for(followed, *tgid).err())
                    .collect();
                if with_children {
                    self.follow_descendants(followed, &tgids);
                }
                refused
            }
        }
    }

    fn follow_asked_for(
        &mut self,
        followed: &mut FollowedSet,
        tgid: u32,
    ) -> Result<(), TargetError> {
        match followed.follow(tgid) {
            Err(TargetError::Inspect(InspectError::NotPython { .. })) => {
                let key = followed.follow_without_python(tgid)?;
                self.expect(key, ProgramId::UNKNOWN, Instant::now());
                Ok(())
            }
            other => other,
        }
    }

    /// Follows the running descendants of `tgids`. A child can fork before it is
    /// followed, which no record reports, so this searches until it finds no new process.
    fn follow_descendants(&mut self, followed: &mut FollowedSet, tgids: &[u32]) {
        let mut seen = HashSet::new();
        for _ in 0..ROUNDS {
            let mut found = descendants(tgids);
            found.retain(|child| seen.insert(*child));
            if found.is_empty() {
                return;
            }
            for child in found {
                self.follow_child(followed, child);
            }
        }
    }

    /// Follows a child that was started earlier. One without Python may still start some.
    fn follow_child(&mut self, followed: &mut FollowedSet, tgid: u32) {
        let is_ours = tgid == std::process::id() || followed.generations.current(tgid).is_some();
        if !is_ours {
            let result = self.follow_asked_for(followed, tgid);
            followed.note_skipped(tgid, result);
            let generations = &mut followed.generations;
            let key = generations.current(tgid);
            if let Some(process) = key.and_then(|key| generations.get_mut(key)) {
                process.followed_by_inheritance = true;
            }
        }
    }

    /// Looks for Python in all processes, and in those that were forked in the meantime by
    /// a process that was not followed yet.
    fn find_all(&mut self, followed: &mut FollowedSet) {
        for _ in 0..ROUNDS {
            let code = followed.inspector.mapped_code(None);
            let changed = self.sweep.changed(&code);
            if changed.is_empty() {
                return;
            }
            for tgid in changed {
                if followed.generations.current(tgid).is_none() {
                    self.find_if_wanted(followed, tgid);
                }
            }
        }
    }

    /// Follows a process if it is selected and has an interpreter.
    pub(super) fn find_if_wanted(&self, followed: &mut FollowedSet, tgid: u32) {
        if tgid != std::process::id() && self.wants(tgid, &followed.inspector) {
            followed.follow_if_python(tgid);
        }
    }

    /// Makes the probes that are due.
    pub(super) fn probe_due(&mut self, followed: &mut FollowedSet, now: Instant) {
        while let Some(probe) = self.pending.take_due(now) {
            self.probe(followed, probe);
        }
    }

    fn probe(&mut self, followed: &mut FollowedSet, mut probe: PendingProbe) {
        let Some(process) = followed.generations.get(probe.key) else {
            return;
        };
        if process.has_ended {
            return self.had_no_python(&probe);
        }
        if process.python.is_some() {
            return;
        }
        let tgid = process.tgid;
        let Some(started) = followed.inspector.start_time(tgid) else {
            self.had_no_python(&probe);
            return self.give_up(followed, probe.key);
        };
        let ProbeResult {
            found,
            is_non_python,
        } = followed.inspector.probe(tgid);
        probe.is_non_python = is_non_python;
        match found {
            Ok(instance) => {
                self.programs.had_python(probe.program);
                followed.start_sampling(probe.key, instance, started);
            }
            Err(InspectError::NotPython { .. }) => {
                // On a busy machine the loader may not have mapped the library with
                // Python yet.
                if probe.is_settled() && probe.is_non_python || probe.is_last() {
                    self.programs.had_none(probe.program, Instant::now());
                }
                if probe.is_last() {
                    self.give_up(followed, probe.key);
                } else {
                    self.pending.again(probe);
                }
            }
            Err(InspectError::Gone { .. }) => {
                self.had_no_python(&probe);
                self.give_up(followed, probe.key);
            }
            Err(error) => {
                followed.skipped.add(tgid, error);
                self.give_up(followed, probe.key);
            }
        }
    }

    /// Notes that a process has ended without Python, as far as it was probed.
    fn had_no_python(&mut self, probe: &PendingProbe) {
        if probe.is_non_python {
            self.programs.had_none(probe.program, Instant::now());
        }
    }

    /// Gives up on a program without an interpreter: forgets it if nobody asked for it,
    /// and otherwise goes on following it for its children's sake.
    fn give_up(&self, followed: &mut FollowedSet, key: ProcessKey) {
        let process = followed.generations.get(key);
        if let Some(process) = process {
            debug!(pid = process.tgid, "no Python found; no longer inspected");
            followed.table.mark_non_python(process);
        }
        let is_inherited = process.is_some_and(|process| process.followed_by_inheritance);
        match &self.scope {
            TargetScope::Processes { tgids, .. } => {
                let tgid = process.map(|process| process.tgid);
                if let Some(pid) = tgid.filter(|tgid| tgids.contains(tgid)) {
                    followed.skipped.add(pid, InspectError::NotPython { pid });
                }
            }
            TargetScope::Filtered { .. } if is_inherited => {}
            TargetScope::Filtered { .. } | TargetScope::Host => followed.forget(key),
        }
    }

    /// Whether it is time for [`Self::find_late`].
    pub(super) fn is_sweep_due(&self, now: Instant) -> bool {
        self.sweep.is_due(now)
    }

    /// Looks for Python in processes that have loaded code since the last sweep and,
    /// where processes of the whole host are followed, in those whose start went
    /// unnoticed.
    pub(super) fn find_late(&mut self, followed: &mut FollowedSet) {
        let wanted = match self.scope {
            TargetScope::Host | TargetScope::Filtered { .. } => None,
            TargetScope::Processes { .. } => {
                let alive = followed.generations.going_on();
                let without = alive.filter(|it| it.python.is_none());
                Some(without.map(|it| it.tgid).collect::<Vec<_>>())
            }
        };
        if wanted.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let code = followed.inspector.mapped_code(wanted);
        for tgid in self.sweep.changed(&code) {
            let Some(key) = followed.generations.current(tgid) else {
                self.find_if_wanted(followed, tgid);
                continue;
            };
            let has_python = |it: &FollowedProcess| it.python.is_some();
            if followed.generations.get(key).is_some_and(has_python) {
                continue;
            }
            if let Some(started) = followed.inspector.start_time(tgid)
                && let Ok(instance) = followed.inspector.inspect(tgid)
            {
                followed.start_sampling(key, instance, started);
            }
        }
    }

    /// Ends a sweep that began at `now`, and plans the next one.
    pub(super) fn end_sweep(&mut self, followed: &FollowedSet, now: Instant) {
        self.programs.expire(now);
        let every = match self.scope {
            TargetScope::Host | TargetScope::Filtered { .. } => SWEEP_HOST,
            TargetScope::Processes { .. } => {
                let mut alive = followed.generations.going_on();
                if alive.any(|it| it.python.is_none()) {
                    SWEEP_FEW
                } else {
                    SWEEP_SETTLED
                }
            }
        };
        self.sweep.done(now, Instant::now(), every);
    }

    /// Returns when a process must be probed next.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.pending.next()
    }
}
