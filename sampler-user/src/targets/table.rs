//! Keeps the kernel side's table of processes true: who is in it, with which
//! layout, through forks, new programs and ends. It refuses to decide when to
//! look: it is called.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use rustc_hash::FxHashMap;
use sampler_common::lifecycle::LifecycleKind;
use sampler_common::process::ProcessKey;

use super::choice::Choice;
use super::followed::FollowedProcess;
use super::pending::Pending;
use crate::bpf::events::RawLifecycle;
use crate::bpf::processes::{ProcessTable, ProcessTableError};
use crate::cpython::instance::Instance;
use crate::cpython::refusal::Refusal;
use crate::process::descendants::descendants;
use crate::process::identity::running_pids;
use crate::scout::Scout;

/// Attempts, as a power of two, to find what samples are cheaper with: threads
/// must exist, and with one thread two places can look alike.
const ATTEMPTS: u32 = 8;

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
    attempts: HashMap<ProcessKey, u32>,
    refusals: Vec<(u32, Refusal)>,
    hidden: u32,
}

impl Targets {
    /// Follows nothing yet.
    pub fn new(selection: Selection, table: ProcessTable) -> Self {
        Self {
            selection,
            table,
            scout: Scout::default(),
            processes: FxHashMap::default(),
            current: HashMap::new(),
            pending: Pending::default(),
            attempts: HashMap::new(),
            refusals: Vec::new(),
            hidden: 0,
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
        self.insert(FollowedProcess::new(key, tgid, &self.scout));
        Ok(())
    }

    fn follow_asked_for(&mut self, tgid: u32) -> Result<(), TargetError> {
        match self.follow(tgid) {
            Err(TargetError::Refused(Refusal::NotPython { .. })) => {
                self.follow_command(tgid)?;
                if let Some(key) = self.current.get(&tgid) {
                    self.pending.add(*key, Instant::now());
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
        let own = std::process::id();
        for tgid in running_pids().unwrap_or_default() {
            if tgid != own && self.selection.wants(tgid, &self.scout) {
                self.find_one(tgid);
            }
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
            Err(TargetError::Refused(Refusal::Permission { .. })) => self.hidden += 1,
            Err(TargetError::Refused(refusal)) => self.refusals.push((tgid, refusal)),
            // The kernel side counts them too; the summary tells.
            Err(TargetError::Table(_)) => {}
        }
    }

    fn follow(&mut self, tgid: u32) -> Result<(), TargetError> {
        let mut instance = self.scout.inspect(tgid)?;
        // All threads of it may be looked at before there is a sample to learn by.
        self.scout.learn(tgid, &mut instance);
        let mut process = FollowedProcess::new(random_key(), tgid, &self.scout);
        let config = process.found(instance, &self.scout);
        self.table.set(tgid, &config)?;
        self.drop_if_replaced(&process);
        self.insert(process);
        Ok(())
    }

    /// Between looking at a process and writing its entry, it may have ended and
    /// its number may be another's: then the entry goes.
    fn drop_if_replaced(&mut self, process: &FollowedProcess) {
        let Some(identity) = &process.identity else {
            return;
        };
        let now = self.scout.identity(process.tgid);
        if now.is_some_and(|now| now.start_time != identity.start_time) {
            self.table.remove(process.tgid);
        }
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
                    Some(parent) => parent.forked(record.key, record.tgid, &self.scout),
                    None => FollowedProcess::new(record.key, record.tgid, &self.scout),
                };
                let is_unknown = child.python.is_none();
                self.insert(child);
                if is_unknown {
                    self.pending.add(record.key, now);
                }
            }
            LifecycleKind::Exec => {
                let was_followed = record.key != ProcessKey(0);
                let key = if was_followed {
                    record.key
                } else {
                    random_key()
                };
                if record.tgid == std::process::id() {
                    return;
                }
                if !was_followed && !self.selection.wants(record.tgid, &self.scout) {
                    return;
                }
                self.end(record.parent_key);
                self.insert(FollowedProcess {
                    is_kin: was_followed,
                    ..FollowedProcess::new(key, record.tgid, &self.scout)
                });
                self.pending.add(key, now);
            }
            LifecycleKind::Exit => self.end(record.key),
            // Its process goes on.
            LifecycleKind::ThreadExit => {}
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

    /// Looks at the processes that are due.
    pub fn look_at_pending(&mut self, now: Instant) {
        while let Some(look) = self.pending.take_due(now) {
            let Some(process) = self.processes.get(&look.key) else {
                continue;
            };
            if process.has_ended || process.python.is_some() {
                continue;
            }
            let (tgid, was_seen) = (process.tgid, process.identity.is_some());
            match self.scout.inspect(tgid) {
                Ok(instance) => self.start_sampling(look.key, instance),
                Err(Refusal::NotPython { .. }) if look.is_last() => self.give_up(look.key),
                Err(Refusal::NotPython { .. }) => self.pending.again(look),
                Err(Refusal::Gone { .. }) => self.give_up(look.key),
                Err(refusal) => {
                    if was_seen {
                        self.refusals.push((tgid, refusal));
                    }
                    self.give_up(look.key);
                }
            }
        }
    }

    fn start_sampling(&mut self, key: ProcessKey, instance: Instance) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let config = process.found(instance, &self.scout);
        let process = process.clone();
        // A full table is counted by the kernel side where it matters, at forks;
        // here the process stays unsampled and shows no samples in the summary.
        if self.table.set(process.tgid, &config).is_ok() {
            self.drop_if_replaced(&process);
        }
    }

    /// A program without an interpreter: forgotten if nobody asked for it, and
    /// followed on for its children's sake otherwise.
    fn give_up(&mut self, key: ProcessKey) {
        if let Selection::Processes { tgids, .. } = &self.selection {
            let tgid = self.processes.get(&key).map(|process| process.tgid);
            if let Some(pid) = tgid.filter(|tgid| tgids.contains(tgid)) {
                self.refusals.push((pid, Refusal::NotPython { pid }));
            }
            return;
        }
        let is_kin = |process: &FollowedProcess| process.is_kin;
        let is_chosen = matches!(self.selection, Selection::Chosen { .. });
        if is_chosen && self.processes.get(&key).is_some_and(is_kin) {
            return;
        }
        if let Some(process) = self.processes.remove(&key) {
            if self.current.get(&process.tgid) == Some(&key) {
                self.current.remove(&process.tgid);
            }
            if self
                .table
                .get(process.tgid)
                .is_some_and(|config| config.key == key)
            {
                self.table.remove(process.tgid);
            }
        }
    }

    /// When [`Self::look_at_pending`] has something to do next.
    pub fn next_look(&self) -> Option<Instant> {
        self.pending.next()
    }

    /// The process that a sample is of. A fork whose record was lost is found
    /// out here.
    pub fn of_sample(&mut self, key: ProcessKey, tgid: u32) -> Option<&FollowedProcess> {
        if !self.processes.contains_key(&key) {
            let known = self.table.get(tgid).filter(|config| config.key == key)?;
            let instance = self.scout.inspect(tgid).ok()?;
            let mut process = FollowedProcess::new(known.key, tgid, &self.scout);
            process.found(instance, &self.scout);
            self.insert(process);
        }
        self.processes.get(&key)
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
        let lacks_slot = python.instance.lacks_tls_offset();
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
            process.python.is_none() && self.refusals.iter().any(|(tgid, _)| *tgid == process.tgid)
        };
        matches!(self.selection, Selection::Processes { .. })
            && self
                .processes
                .values()
                .all(|process| process.has_ended || is_hopeless(process))
    }

    /// Processes that have Python, or might have, but cannot be sampled.
    pub fn refusals(&self) -> &[(u32, Refusal)] {
        &self.refusals
    }

    /// Processes of the host that we may not look at; most have no Python.
    pub fn hidden(&self) -> u32 {
        self.hidden
    }

    /// Takes the ended processes out; their samples must all have been read.
    pub fn take_ended(&mut self) -> Vec<FollowedProcess> {
        let ended = self.processes.extract_if(|_, process| process.has_ended);
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
