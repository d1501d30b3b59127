// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keeps the eBPF program's process table up to date, through forks, new programs and
//! ends: which processes are in it, and with which configuration.

mod compare;
mod improve;
mod lifecycle;
mod looks;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use sampler_common::account::KernelAccount;
use sampler_common::lifecycle::ProgramId;
use sampler_common::process::ProcessKey;
use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::process::descendants::descendants;

use crate::capture::bpf::non_python_executables::PlainProgramTable;
use crate::capture::bpf::processes::{ProcessTable, ProcessTableError};
use crate::capture::scout::Scout;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::lives::Lives;
use crate::capture::targets::pending::Pending;
use crate::capture::targets::programs::Programs;
use crate::capture::targets::selection::Selection;
use crate::capture::targets::skipped::SkippedProcesses;
use crate::capture::targets::sweep::Sweep;

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

/// Why a process that was asked for cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot be sampled.
    #[error("{0}")]
    Inspect(#[from] InspectError),
    /// The eBPF program's table has no room for it.
    #[error(transparent)]
    Table(#[from] ProcessTableError),
}

/// The processes that are followed, and what is needed to follow them.
pub struct Targets {
    selection: Selection,
    table: ProcessTable,
    scout: Scout,
    lives: Lives,
    pending: Pending,
    programs: Programs,
    sweep: Sweep,
    /// Entries of the table, or processes without one, that the last sweep did not
    /// expect. A record that explains them may just have been on its way.
    suspects: HashSet<(u32, ProcessKey)>,
    attempts: HashMap<ProcessKey, u32>,
    /// How many samples hit threads without Python, by process with Python.
    without_python: HashMap<ProcessKey, u32>,
    skipped: SkippedProcesses,
    /// Lives with an account that no record has announced, as of the last look.
    unknown: HashSet<ProcessKey>,
}

impl Targets {
    /// Creates the table; nothing is followed yet.
    pub fn new(selection: Selection, table: ProcessTable, programs: PlainProgramTable) -> Self {
        let every = match selection {
            Selection::Host | Selection::Chosen { .. } => SWEEP_HOST,
            Selection::Processes { .. } => SWEEP_FEW,
        };
        let sweep = Sweep::new(Instant::now() + every);
        Self {
            selection,
            table,
            scout: Scout::default(),
            lives: Lives::default(),
            pending: Pending::default(),
            programs: Programs::new(programs),
            sweep,
            suspects: HashSet::new(),
            attempts: HashMap::new(),
            without_python: HashMap::new(),
            skipped: SkippedProcesses::default(),
            unknown: HashSet::new(),
        }
    }

    /// Returns the scout that looks into processes, to be shared with others.
    pub fn scout(&self) -> &Scout {
        &self.scout
    }

    /// Looks at every process that is selected and running. Returns why some of those
    /// asked for by process id cannot be sampled. A process without Python is not among
    /// these yet, because it may be about to start its program.
    pub fn find_running(&mut self) -> Vec<TargetError> {
        match self.selection.clone() {
            Selection::Host => {
                self.find_all();
                Vec::new()
            }
            Selection::Chosen { with_children, .. } => {
                self.find_all();
                if with_children {
                    let chosen = self.lives.tgids();
                    self.follow_descendants(&chosen);
                }
                Vec::new()
            }
            Selection::Processes {
                tgids,
                with_children,
            } => {
                let refused = tgids
                    .iter()
                    .filter_map(|tgid| self.follow_asked_for(*tgid).err())
                    .collect();
                if with_children {
                    self.follow_descendants(&tgids);
                }
                refused
            }
        }
    }

    /// Follows the process `tgid`, which has no interpreter yet, such as a command that
    /// is about to start.
    ///
    /// # Errors
    /// When the eBPF program's table has no room for it.
    pub fn follow_command(&mut self, tgid: u32) -> Result<(), ProcessTableError> {
        let key = random_key();
        self.table
            .set(tgid, &FollowedProcess::unsampled_config(key))?;
        let mut process = FollowedProcess::new(key, tgid);
        process.identify(&self.scout);
        self.lives.begin(process);
        Ok(())
    }

    fn follow_asked_for(&mut self, tgid: u32) -> Result<(), TargetError> {
        match self.follow(tgid) {
            Err(TargetError::Inspect(InspectError::NotPython { .. })) => {
                self.follow_command(tgid)?;
                if let Some(key) = self.lives.current(tgid) {
                    self.pending.add(key, ProgramId::UNKNOWN, Instant::now());
                }
                Ok(())
            }
            other => other,
        }
    }

    /// Follows the running descendants of `tgids`. A child can fork before it is
    /// followed, which no record reports, so this searches until it finds no new process.
    fn follow_descendants(&mut self, tgids: &[u32]) {
        let mut seen = HashSet::new();
        for _ in 0..ROUNDS {
            let mut found = descendants(tgids);
            found.retain(|child| seen.insert(*child));
            if found.is_empty() {
                return;
            }
            for child in found {
                self.follow_child(child);
            }
        }
    }

    /// Follows a child that was started earlier. One without Python may still start some.
    fn follow_child(&mut self, tgid: u32) {
        let is_ours = tgid == std::process::id() || self.lives.current(tgid).is_some();
        if !is_ours {
            let result = self.follow_asked_for(tgid);
            self.note_skipped(tgid, result);
            let key = self.lives.current(tgid);
            if let Some(process) = key.and_then(|key| self.lives.get_mut(key)) {
                process.is_kin = true;
            }
        }
    }

    /// Looks at all processes, and at those that were forked in the meantime by a process
    /// that was not followed yet.
    fn find_all(&mut self) {
        for _ in 0..ROUNDS {
            let code = self.scout.mapped_code(None);
            let changed = self.sweep.changed(&code);
            if changed.is_empty() {
                return;
            }
            for tgid in changed {
                if self.lives.current(tgid).is_none() {
                    self.find_one_if_wanted(tgid);
                }
            }
        }
    }

    pub(super) fn find_one_if_wanted(&mut self, tgid: u32) {
        if tgid != std::process::id() && self.selection.wants(tgid, &self.scout) {
            self.find_one(tgid);
        }
    }

    pub(super) fn find_one(&mut self, tgid: u32) {
        let result = self.follow(tgid);
        self.note_skipped(tgid, result);
    }

    fn note_skipped(&mut self, tgid: u32, result: Result<(), TargetError>) {
        match result {
            Ok(())
            | Err(TargetError::Inspect(
                InspectError::NotPython { .. } | InspectError::Gone { .. },
            )) => {}
            Err(TargetError::Inspect(InspectError::Permission { .. })) => {
                self.skipped.hide(tgid);
            }
            Err(TargetError::Inspect(error)) => self.skipped.add(tgid, error),
            Err(TargetError::Table(_)) => self.skipped.leave_out(tgid),
        }
    }

    /// Follows a process. The eBPF program does so before the process is looked at, so
    /// that its forks and new programs in the meantime are reported.
    fn follow(&mut self, tgid: u32) -> Result<(), TargetError> {
        if self.entry_of(tgid).is_some() {
            // The child of a process that was followed a moment ago: the record of its
            // fork is on its way.
            return Ok(());
        }
        let gone = || TargetError::from(InspectError::Gone { pid: tgid });
        let started = self.scout.start_time(tgid).ok_or_else(gone)?;
        let key = random_key();
        self.table
            .set(tgid, &FollowedProcess::unsampled_config(key))?;
        let mut instance = match self.scout.inspect(tgid) {
            Ok(instance) => instance,
            Err(error) => {
                self.forget_entry(tgid, key);
                return Err(error.into());
            }
        };
        // A scan may look at all its threads before there is a sample to learn from.
        self.scout.learn(tgid, &mut instance);
        let mut process = FollowedProcess::new(key, tgid);
        process.identify(&self.scout);
        let others = InspectError::of_others(tgid, &instance);
        let config = process.found(instance, &self.scout);
        match self.entry_of(tgid) {
            Some(now) if now == key => self.table.set(tgid, &config)?,
            // Another life has begun, and its record is on its way.
            Some(_) => return Ok(()),
            None => return Err(gone()),
        }
        if let Some(others) = others {
            self.skipped.add(tgid, others);
        }
        if !self.is_still(tgid, started) {
            return Err(gone());
        }
        self.lives.begin(process);
        Ok(())
    }

    /// Stops following a life that has no samples.
    pub(super) fn forget_entry(&mut self, tgid: u32, key: ProcessKey) {
        self.remove_stale(tgid, key);
        self.table.close_account(key);
    }

    /// Whether the process is still the one that was looked at. If it ended before its
    /// entry was written, its id may be another process's, so the entry is removed.
    fn is_still(&mut self, tgid: u32, started: u64) -> bool {
        let is_still = self.scout.start_time(tgid) == Some(started);
        if !is_still {
            self.table.remove(tgid);
        }
        is_still
    }

    /// Returns the process that a sample belongs to. A fork whose record was lost is
    /// discovered here.
    pub fn of_sample(&mut self, key: ProcessKey, tgid: u32) -> Option<&FollowedProcess> {
        if self.lives.get(key).is_none() {
            let known = self.table.get(tgid).filter(|config| config.key == key)?;
            let instance = self.scout.inspect(tgid).ok()?;
            let mut process = FollowedProcess::new(known.key, tgid);
            process.found(instance, &self.scout);
            self.lives.begin(process);
            self.correct_entry(key);
        }
        let process = self.lives.get_mut(key)?;
        process.identify(&self.scout);
        Some(process)
    }

    /// Returns the ids of the processes whose threads are sampled now.
    pub fn sampled(&self) -> impl Iterator<Item = u32> {
        let alive = self.lives.going_on();
        alive.filter(|it| it.python.is_some()).map(|it| it.tgid)
    }

    /// Returns the processes that have not ended.
    pub fn going_on(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.lives.going_on()
    }

    /// Returns all processes that were followed, including those that have ended.
    pub fn processes(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.lives.all()
    }

    /// Whether nothing is left to sample of the processes asked for by process id, and of
    /// what they started.
    pub fn all_ended(&self) -> bool {
        let is_hopeless = |process: &FollowedProcess| {
            process.python.is_none() && self.skipped.is_skipped(process.tgid)
        };
        matches!(self.selection, Selection::Processes { .. })
            && self.lives.going_on().all(is_hopeless)
    }

    /// Returns the processes that have Python, or might have it, but cannot be sampled.
    pub fn skipped(&self) -> &SkippedProcesses {
        &self.skipped
    }

    /// Returns the lives that are over and were not taken out.
    pub fn ended(&self) -> impl Iterator<Item = ProcessKey> {
        self.lives.ended().map(|it| it.key)
    }

    /// Returns what the eBPF program has counted of a life so far.
    pub fn account(&self, key: ProcessKey) -> KernelAccount {
        self.table.account(key)
    }

    /// Closes the account of a life that has been over for long, and returns what was
    /// counted.
    pub fn close_account(&mut self, key: ProcessKey) -> KernelAccount {
        self.table.close_account(key)
    }

    /// Takes out those ended processes for which `is_over` holds. All their samples must
    /// have been read.
    pub fn take_ended(&mut self, is_over: impl Fn(ProcessKey) -> bool) -> Vec<FollowedProcess> {
        let ended = self.lives.take_ended(is_over);
        for process in &ended {
            self.attempts.remove(&process.key);
            self.without_python.remove(&process.key);
        }
        ended
    }
}

/// Returns a key that no process has.
fn random_key() -> ProcessKey {
    ProcessKey(RandomState::new().build_hasher().finish() | 1)
}
