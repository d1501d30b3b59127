//! Keeps the kernel side's table of processes true: who is in it, with which
//! layout, through forks, new programs and ends. It refuses to decide when to
//! look: it is called.

mod compare;
mod improve;
mod lifecycle;
mod looks;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use sampler_common::account::KernelAccount;
use sampler_common::process::ProcessKey;

use super::followed::FollowedProcess;
use super::lives::Lives;
use super::pending::Pending;
use super::programs::{Programs, UNKNOWN_PROGRAM};
use super::refusals::Refusals;
use super::selection::Selection;
use super::sweep::Sweep;
use crate::bpf::plain_programs::PlainProgramTable;
use crate::bpf::processes::{ProcessTable, ProcessTableError};
use crate::cpython::refusal::Refusal;
use crate::process::descendants::descendants;
use crate::scout::Scout;

/// How often processes are looked through for one that has loaded Python since its
/// start: those of the whole host, or those that were asked for while some of these
/// have none.
const SWEEP_HOST: Duration = Duration::from_secs(5);
const SWEEP_FEW: Duration = Duration::from_millis(500);
/// The same where nothing is looked for any more: what is left is to notice that
/// news of an end were lost.
const SWEEP_SETTLED: Duration = Duration::from_secs(2);

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
    lives: Lives,
    pending: Pending,
    programs: Programs,
    sweep: Sweep,
    /// Entries of the table, or processes without one, that the last sweep did not
    /// expect. What explains them may just have been on its way.
    suspects: HashSet<(u32, ProcessKey)>,
    attempts: HashMap<ProcessKey, u32>,
    refusals: Refusals,
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
            refusals: Refusals::default(),
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
                    let chosen = self.lives.tgids();
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
        self.lives.begin(process);
        Ok(())
    }

    fn follow_asked_for(&mut self, tgid: u32) -> Result<(), TargetError> {
        match self.follow(tgid) {
            Err(TargetError::Refused(Refusal::NotPython { .. })) => {
                self.follow_command(tgid)?;
                if let Some(key) = self.lives.current(tgid) {
                    self.pending.add(key, UNKNOWN_PROGRAM, Instant::now());
                }
                Ok(())
            }
            other => other,
        }
    }

    /// A child that was there before; one without Python may start some yet.
    fn follow_child(&mut self, tgid: u32) {
        let is_ours = tgid == std::process::id() || self.lives.current(tgid).is_some();
        if !is_ours {
            let result = self.follow_asked_for(tgid);
            self.keep_refusal(tgid, result);
            let key = self.lives.current(tgid);
            if let Some(process) = key.and_then(|key| self.lives.get_mut(key)) {
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
                self.refusals.hide(tgid);
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
        self.lives.begin(process);
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

    /// The process that a sample is of. A fork whose record was lost is found
    /// out here.
    pub fn of_sample(&mut self, key: ProcessKey, tgid: u32) -> Option<&FollowedProcess> {
        if self.lives.get(key).is_none() {
            let known = self.table.get(tgid).filter(|config| config.key == key)?;
            let instance = self.scout.inspect(tgid).ok()?;
            let mut process = FollowedProcess::new(known.key, tgid);
            process.found(instance, &self.scout);
            self.lives.begin(process);
        }
        let process = self.lives.get_mut(key)?;
        process.identify(&self.scout);
        Some(process)
    }

    /// The processes whose threads are sampled now.
    pub fn sampled(&self) -> impl Iterator<Item = u32> {
        let alive = self.lives.going_on();
        alive.filter(|it| it.python.is_some()).map(|it| it.tgid)
    }

    /// All processes that were followed, ended ones too.
    pub fn processes(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.lives.all()
    }

    /// Whether every process asked for by number, and what it started, is gone.
    pub fn all_ended(&self) -> bool {
        let is_hopeless = |process: &FollowedProcess| {
            process.python.is_none() && self.refusals.is_refused(process.tgid)
        };
        matches!(self.selection, Selection::Processes { .. })
            && self.lives.going_on().all(is_hopeless)
    }

    /// Processes that have Python, or might have, but cannot be sampled.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The lives of processes that have ended and were not taken out.
    pub fn ended(&self) -> impl Iterator<Item = ProcessKey> {
        self.lives.ended().map(|it| it.key)
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
        let ended = self.lives.take_ended(is_over);
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
