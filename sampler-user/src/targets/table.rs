//! Keeps the kernel side's table of processes true: who is in it, with which
//! layout, through forks, new programs and ends. It refuses to decide when to
//! look: it is called.

mod compare;
mod looks;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sampler_common::account::KernelAccount;
use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord};
use sampler_common::process::ProcessKey;

use super::choice::Choice;
use super::followed::FollowedProcess;
use super::pending::Pending;
use super::programs::{Programs, UNKNOWN_PROGRAM};
use super::refusals::Refusals;
use super::sweep::Sweep;
use crate::bpf::events::RawLifecycle;
use crate::bpf::plain_programs::PlainProgramTable;
use crate::bpf::processes::{ProcessTable, ProcessTableError};
use crate::cpython::refusal::Refusal;
use crate::process::descendants::descendants;
use crate::scout::Scout;

/// Attempts, as a power of two, to find what samples are cheaper with: threads
/// must exist, and with one thread two places can look alike.
const ATTEMPTS: u32 = 8;
/// How often processes are looked through for one that has loaded Python since its
/// start: those of the whole host, or those that were asked for.
const SWEEP_HOST: Duration = Duration::from_secs(5);
const SWEEP_FEW: Duration = Duration::from_millis(500);

/// Which processes to follow.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Every one with Python in it.
    Host,
    /// Those of them that are chosen, and what they start as far as the kernel side
    /// follows it.
    Chosen {
        /// Looked at when a program starts.
        choice: Choice,
        /// Also what they have started before and is still there.
        with_children: bool,
    },
    /// These, and what they start as far as the kernel side follows it.
    Processes {
        /// Thread group ids.
        tgids: Vec<u32>,
        /// Also what they have started before and is still there.
        with_children: bool,
    },
}

impl Selection {
    /// Whether a process that was not followed so far is, if it has Python in it.
    fn wants(&self, tgid: u32, scout: &Scout) -> bool {
        match self {
            Self::Chosen { choice, .. } => choice.wants(tgid, scout),
            Self::Host | Self::Processes { .. } => true,
        }
    }
}

/// Why a process that was asked for cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot be sampled.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The kernel side has no room for it.
    #[error(transparent)]
    Table(#[from] ProcessTableError),
}

/// The processes that are followed.
pub struct Targets {
    selection: Selection,
    table: ProcessTable,
    scout: Scout,
    processes: FxHashMap<ProcessKey, FollowedProcess>,
    current: HashMap<u32, ProcessKey>,
    pending: Pending,
    programs: Programs,
    sweep: Sweep,
    /// Entries of the table, or processes without one, that the last sweep did not
    /// expect. What explains them may just have been on its way.
    suspects: HashSet<(u32, ProcessKey)>,
    attempts: HashMap<ProcessKey, u32>,
    refusals: Refusals,
    hidden: HashSet<u32>,
    /// Lives with an account of which there were no news, at the last look.
    unknown: HashSet<ProcessKey>,
}

impl Targets {
    /// Follows nothing yet.
    pub fn new(selection: Selection, table: ProcessTable, programs: PlainProgramTable) -> Self {
        let every = match selection {
            Selection::Host | Selection::Chosen { .. } => SWEEP_HOST,
            Selection::Processes { .. } => SWEEP_FEW,
        };
        Self {
            selection,
            table,
            scout: Scout::default(),
            processes: FxHashMap::default(),
            current: HashMap::new(),
            pending: Pending::default(),
            programs: Programs::new(programs),
            sweep: Sweep::new(every, Instant::now()),
            suspects: HashSet::new(),
            attempts: HashMap::new(),
            refusals: Refusals::default(),
            hidden: HashSet::new(),
            unknown: HashSet::new(),
        }
    }

    /// Who looks into processes for us, and does so for others.
    pub fn scout(&self) -> &Scout {
        &self.scout
    }

    /// Looks at every process that is selected and running. Why some of those
    /// asked for by number cannot be sampled; one that has no Python in it is
    /// not among them yet, since it may be about to start its program.
    pub fn find_running(&mut self) -> Vec<TargetError> {
        match self.selection.clone() {
            Selection::Host => {
                self.find_all();
                Vec::new()
            }
            Selection::Chosen { with_children, .. } => {
                self.find_all();
                if with_children {
                    let chosen: Vec<u32> = self.current.keys().copied().collect();
                    for child in descendants(&chosen) {
                        self.follow_child(child);
                    }
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
                    for child in descendants(&tgids) {
                        self.follow_child(child);
                    }
                }
                refused
            }
        }
    }

    /// Follows the process `tgid`, which has no interpreter yet: a command that
    /// is about to start.
    ///
    /// # Errors
    /// When the kernel side has no room for it.
    pub fn follow_command(&mut self, tgid: u32) -> Result<(), ProcessTableError> {
        let key = random_key();
        self.table
            .set(tgid, &FollowedProcess::unsampled_config(key))?;
        let mut process = FollowedProcess::new(key, tgid);
        process.identify(&self.scout);
        self.insert(process);
        Ok(())
    }

    fn follow_asked_for(&mut self, tgid: u32) -> Result<(), TargetError> {
        match self.follow(tgid) {
            Err(TargetError::Refused(Refusal::NotPython { .. })) => {
                self.follow_command(tgid)?;
                if let Some(key) = self.current.get(&tgid) {
                    self.pending.add(*key, UNKNOWN_PROGRAM, Instant::now());
                }
                Ok(())
            }
            other => other,
        }
    }

    /// A child that was there before; one without Python may start some yet.
    fn follow_child(&mut self, tgid: u32) {
        let is_ours = tgid == std::process::id() || self.current.contains_key(&tgid);
        if !is_ours {
            let result = self.follow_asked_for(tgid);
            self.keep_refusal(tgid, result);
            let process = self.current.get(&tgid);
            if let Some(process) = process.and_then(|key| self.processes.get_mut(key)) {
                process.is_kin = true;
            }
        }
    }

    fn find_all(&mut self) {
        let code = self.scout.mapped_code(None);
        for tgid in self.sweep.changed(&code) {
            self.find_one_if_wanted(tgid);
        }
    }

    fn find_one_if_wanted(&mut self, tgid: u32) {
        if tgid != std::process::id() && self.selection.wants(tgid, &self.scout) {
            self.find_one(tgid);
        }
    }

    fn find_one(&mut self, tgid: u32) {
        let result = self.follow(tgid);
        self.keep_refusal(tgid, result);
    }

    fn keep_refusal(&mut self, tgid: u32, result: Result<(), TargetError>) {
        match result {
            Ok(())
            | Err(TargetError::Refused(Refusal::NotPython { .. } | Refusal::Gone { .. })) => {}
            Err(TargetError::Refused(Refusal::Permission { .. })) => {
                self.hidden.insert(tgid);
            }
            Err(TargetError::Refused(refusal)) => self.refusals.add(tgid, refusal),
            // The kernel side counts them too; the summary tells.
            Err(TargetError::Table(_)) => {}
        }
    }

    fn follow(&mut self, tgid: u32) -> Result<(), TargetError> {
        let gone = Refusal::Gone { pid: tgid };
        let started = self.scout.start_time(tgid).ok_or(gone.clone())?;
        let mut instance = self.scout.inspect(tgid)?;
        // All threads of it may be looked at before there is a sample to learn by.
        self.scout.learn(tgid, &mut instance);
        let mut process = FollowedProcess::new(random_key(), tgid);
        process.identify(&self.scout);
        let config = process.found(instance, &self.scout);
        self.table.set(tgid, &config)?;
        if !self.is_still(tgid, started) {
            return Err(gone.into());
        }
        self.insert(process);
        Ok(())
    }

    /// Between looking at a process and writing its entry, it may have ended and
    /// its number may be another's: then the entry goes.
    fn is_still(&mut self, tgid: u32, started: u64) -> bool {
        let is_still = self.scout.start_time(tgid) == Some(started);
        if !is_still {
            self.table.remove(tgid);
        }
        is_still
    }

    fn insert(&mut self, process: FollowedProcess) {
        if let Some(before) = self.current.insert(process.tgid, process.key)
            && before != process.key
            && let Some(before) = self.processes.get_mut(&before)
        {
            before.has_ended = true;
        }
        self.processes.insert(process.key, process);
    }

    /// Acts on an event of the kernel side.
    pub fn on_lifecycle(&mut self, lifecycle: &RawLifecycle, now: Instant) {
        let record = &lifecycle.record;
        match lifecycle.event {
            LifecycleKind::Fork => {
                let child = match self.processes.get(&record.parent_key) {
                    Some(parent) => parent.forked(record.key, record.tgid),
                    None => FollowedProcess::new(record.key, record.tgid),
                };
                if child.python.is_none() && !self.programs.is_plain(child.program) {
                    self.pending.add(record.key, child.program, now);
                }
                self.insert(child);
            }
            LifecycleKind::Exec => self.on_exec(record, now),
            LifecycleKind::Exit => {
                self.end(record.key);
                self.remove_stale(record.tgid, record.key);
            }
            // Its process goes on.
            LifecycleKind::ThreadExit => {}
        }
    }

    fn on_exec(&mut self, record: &LifecycleRecord, now: Instant) {
        if record.tgid == std::process::id() {
            return;
        }
        let was_followed = record.key != ProcessKey(0);
        let key = if was_followed {
            record.key
        } else {
            random_key()
        };
        // What was written of the life before may have come after this one began.
        if was_followed {
            if self.entry_of(record.tgid) == Some(record.parent_key) {
                let config = FollowedProcess::unsampled_config(key);
                // It may have ended; then there is nothing to mend.
                let _ = self.table.update(record.tgid, &config);
            }
        } else if let Some(before) = self.current.get(&record.tgid).copied() {
            self.remove_stale(record.tgid, before);
        }
        if !was_followed && !self.selection.wants(record.tgid, &self.scout) {
            return;
        }
        self.end(record.parent_key);
        self.insert(FollowedProcess {
            is_kin: was_followed,
            program: record.program,
            ..FollowedProcess::new(key, record.tgid)
        });
        if record.is_plain == 0 {
            self.pending.add(key, record.program, now);
        }
    }

    /// Which life of the process `tgid` the kernel side follows.
    fn entry_of(&self, tgid: u32) -> Option<ProcessKey> {
        self.table.get(tgid).map(|config| config.key)
    }

    /// Removes the entry of a life that is over.
    fn remove_stale(&mut self, tgid: u32, key: ProcessKey) {
        if self.entry_of(tgid) == Some(key) {
            self.table.remove(tgid);
        }
    }

    fn end(&mut self, key: ProcessKey) {
        if let Some(process) = self.processes.get_mut(&key) {
            process.has_ended = true;
            if self.current.get(&process.tgid) == Some(&key) {
                self.current.remove(&process.tgid);
            }
        }
    }

    /// The process that a sample is of. A fork whose record was lost is found
    /// out here.
    pub fn of_sample(&mut self, key: ProcessKey, tgid: u32) -> Option<&FollowedProcess> {
        if !self.processes.contains_key(&key) {
            let known = self.table.get(tgid).filter(|config| config.key == key)?;
            let instance = self.scout.inspect(tgid).ok()?;
            let mut process = FollowedProcess::new(known.key, tgid);
            process.found(instance, &self.scout);
            self.insert(process);
        }
        let process = self.processes.get_mut(&key)?;
        process.identify(&self.scout);
        Some(process)
    }

    /// Finds out what makes samples of a process cheaper and what only a running
    /// interpreter shows: the thread-local variable that spares a search through
    /// its threads (3.15), and that it counts its code objects (3.12, 3.13).
    pub fn improve(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let Some(python) = &mut process.python else {
            return;
        };
        let lacks_slot = python.instance.lacks_tls_offset() || python.instance.lacks_code_type();
        let lacks_count = python.instance.lacks_code_count();
        // Another process may have shown it for this one's build.
        let is_outdated = !lacks_count
            && python.context.config.code_generation != python.instance.code_generation();
        if process.has_ended || !lacks_slot && !lacks_count && !is_outdated {
            return;
        }
        let attempts = self.attempts.entry(key).or_default();
        *attempts += 1;
        // The first samples of a process, then ever more rarely.
        if *attempts > 1 << ATTEMPTS || !attempts.is_power_of_two() {
            return;
        }
        if self.scout.learn(process.tgid, &mut python.instance) || is_outdated {
            python.context.config = python.instance.config(key);
            // It may have ended; then there is nothing to improve.
            let _ = self.table.update(process.tgid, &python.context.config);
        }
    }

    /// The processes whose threads are sampled now.
    pub fn sampled(&self) -> impl Iterator<Item = u32> {
        let is_sampled = |it: &&FollowedProcess| it.python.is_some() && !it.has_ended;
        self.processes.values().filter(is_sampled).map(|it| it.tgid)
    }

    /// All processes that were followed, ended ones too.
    pub fn processes(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.processes.values()
    }

    /// Whether every process asked for by number, and what it started, is gone.
    pub fn all_ended(&self) -> bool {
        let is_hopeless = |process: &FollowedProcess| {
            process.python.is_none() && self.refusals.is_refused(process.tgid)
        };
        matches!(self.selection, Selection::Processes { .. })
            && self
                .processes
                .values()
                .all(|process| process.has_ended || is_hopeless(process))
    }

    /// Processes that have Python, or might have, but cannot be sampled.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Processes of the host that we may not look at; most have no Python.
    pub fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// The lives of processes that have ended and were not taken out.
    pub fn ended(&self) -> impl Iterator<Item = ProcessKey> {
        let ended = self.processes.values().filter(|it| it.has_ended);
        ended.map(|it| it.key)
    }

    /// What the kernel side has counted of a life of a process so far.
    pub fn account(&self, key: ProcessKey) -> KernelAccount {
        self.table.account(key)
    }

    /// The same of one that is long over, for the last time.
    pub fn close_account(&mut self, key: ProcessKey) -> KernelAccount {
        self.table.close_account(key)
    }

    /// Takes those of the ended processes out for which `is_over`: their samples
    /// must all have been read.
    pub fn take_ended(&mut self, is_over: impl Fn(ProcessKey) -> bool) -> Vec<FollowedProcess> {
        let ended = self
            .processes
            .extract_if(|key, process| process.has_ended && is_over(*key));
        let ended: Vec<_> = ended.map(|(_, process)| process).collect();
        for process in &ended {
            self.attempts.remove(&process.key);
        }
        ended
    }
}

/// A key that no process has.
fn random_key() -> ProcessKey {
    ProcessKey(RandomState::new().build_hasher().finish() | 1)
}
