// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processes that are followed, on both sides: what is known of each here, and its
//! entry in the eBPF program's table.

use sampler_common::process::ProcessKey;
use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::cpython::instance::Instance;

use crate::capture::bpf::processes::{ProcessMap, ProcessTableError};
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::followed::{FollowedProcess, random_key};
use crate::capture::targets::generations::ProcessGenerations;
use crate::capture::targets::kernel_table::KernelTable;
use crate::capture::targets::skipped::SkippedProcesses;

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

/// The followed processes, and those that cannot be sampled.
pub(super) struct FollowedSet {
    pub(super) inspector: ProcessInspector,
    pub(super) generations: ProcessGenerations,
    pub(super) table: KernelTable,
    pub(super) skipped: SkippedProcesses,
}

impl FollowedSet {
    pub(super) fn new(map: Box<dyn ProcessMap>) -> Self {
        Self {
            inspector: ProcessInspector::default(),
            generations: ProcessGenerations::default(),
            table: KernelTable::new(map),
            skipped: SkippedProcesses::default(),
        }
    }

    /// Follows the process `tgid`, which has no interpreter yet.
    ///
    /// # Errors
    /// When the eBPF program's table has no room for it.
    pub(super) fn follow_without_python(
        &mut self,
        tgid: u32,
    ) -> Result<ProcessKey, ProcessTableError> {
        let key = random_key();
        self.table
            .set(tgid, &FollowedProcess::unsampled_config(key))?;
        let mut process = FollowedProcess::new(key, tgid);
        process.identify(&self.inspector);
        self.generations.begin(process);
        Ok(key)
    }

    /// Follows a process if it has an interpreter, and notes if it cannot be sampled.
    pub(super) fn follow_if_python(&mut self, tgid: u32) {
        let result = self.follow(tgid);
        self.note_skipped(tgid, result);
    }

    /// Notes why a process is not followed, if that is of interest.
    pub(super) fn note_skipped(&mut self, tgid: u32, result: Result<(), TargetError>) {
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

    /// Follows a process. The eBPF program does so before the process is inspected, so
    /// that its forks and new programs in the meantime are reported.
    ///
    /// # Errors
    /// [`TargetError`], also for a process without an interpreter.
    pub(super) fn follow(&mut self, tgid: u32) -> Result<(), TargetError> {
        if self.table.key_of(tgid).is_some() {
            // The child of a process that was followed a moment ago: the record of its
            // fork is on its way.
            return Ok(());
        }
        let gone = || TargetError::from(InspectError::Gone { pid: tgid });
        let started = self.inspector.start_time(tgid).ok_or_else(gone)?;
        let key = random_key();
        self.table
            .set(tgid, &FollowedProcess::unsampled_config(key))?;
        let mut instance = match self.inspector.inspect(tgid) {
            Ok(instance) => instance,
            Err(error) => {
                self.table.forget(tgid, key);
                return Err(error.into());
            }
        };
        // A scan may look at all its threads before there is a sample to learn from.
        self.inspector.learn(tgid, &mut instance);
        let mut process = FollowedProcess::new(key, tgid);
        process.identify(&self.inspector);
        let others = InspectError::of_others(tgid, &instance);
        let config = process.found(instance, &self.inspector);
        match self.table.key_of(tgid) {
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
        self.generations.begin(process);
        Ok(())
    }

    /// Has a followed process sampled, in which an interpreter was found. The process
    /// started at `started`.
    pub(super) fn start_sampling(&mut self, key: ProcessKey, instance: Instance, started: u64) {
        let Some(process) = self.generations.get_mut(key) else {
            return;
        };
        let tgid = process.tgid;
        if self.table.key_of(tgid).is_some_and(|now| now != key) {
            // Another life has begun, and its record is on its way.
            return;
        }
        process.identify(&self.inspector);
        let others = InspectError::of_others(tgid, &instance);
        let config = process.found(instance, &self.inspector);
        self.skipped.take_back(tgid);
        if let Some(others) = others {
            self.skipped.add(tgid, others);
        }
        // The eBPF program counts a full table where it matters, at forks. Here the
        // process stays unsampled and shows no samples in the summary.
        if self.table.set(tgid, &config).is_ok() && !self.is_still(tgid, started) {
            self.generations.end(key);
        }
    }

    /// Whether the process is still the one that was inspected. If it ended before its
    /// entry was written, its id may be another process's, so the entry is removed.
    fn is_still(&mut self, tgid: u32, started: u64) -> bool {
        let is_still = self.inspector.start_time(tgid) == Some(started);
        if !is_still {
            self.table.remove(tgid);
        }
        is_still
    }

    /// Returns the process that a sample belongs to. A fork whose record was lost is
    /// discovered here.
    pub(super) fn of_sample(&mut self, key: ProcessKey, tgid: u32) -> Option<&FollowedProcess> {
        if self.generations.get(key).is_none() {
            let known = self.table.get(tgid).filter(|config| config.key == key)?;
            let instance = self.inspector.inspect(tgid).ok()?;
            let mut process = FollowedProcess::new(known.key, tgid);
            process.found(instance, &self.inspector);
            self.generations.begin(process);
            self.correct_entry(key);
        }
        let process = self.generations.get_mut(key)?;
        process.identify(&self.inspector);
        Some(process)
    }

    /// Writes what is known of a life if the eBPF program's table has something else.
    pub(super) fn correct_entry(&mut self, key: ProcessKey) {
        if let Some(process) = self.generations.get(key) {
            self.table.correct(process);
        }
    }

    /// Stops following a life that has no samples.
    pub(super) fn forget(&mut self, key: ProcessKey) {
        if let Some(process) = self.generations.remove(key) {
            self.table.forget(process.tgid, key);
        }
    }
}
