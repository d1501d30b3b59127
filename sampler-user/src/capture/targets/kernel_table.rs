// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the eBPF program's process table has of each process, and how that is corrected.
//! Each change names the life of the process that it is meant for, because the entry may
//! be another life's by now.

use std::collections::HashSet;

use sampler_common::account::KernelAccount;
use sampler_common::process::{ProcessConfig, ProcessKey, ProcessState};

use crate::capture::bpf::processes::{ProcessMap, ProcessTableError};
use crate::capture::targets::followed::FollowedProcess;

/// The eBPF program's process table.
pub(super) struct KernelTable(Box<dyn ProcessMap>);

impl KernelTable {
    pub(super) fn new(map: Box<dyn ProcessMap>) -> Self {
        Self(map)
    }

    /// Returns what the table has of the process `tgid`.
    pub(super) fn get(&self, tgid: u32) -> Option<ProcessConfig> {
        self.0.get(tgid)
    }

    /// Returns the life of the process `tgid` that the eBPF program follows.
    pub(super) fn key_of(&self, tgid: u32) -> Option<ProcessKey> {
        self.get(tgid).map(|config| config.key)
    }

    /// Returns the thread group ids in the table.
    pub(super) fn tgids(&self) -> Vec<u32> {
        self.0.tgids()
    }

    /// Returns the lives in the table.
    pub(super) fn keys(&self) -> HashSet<ProcessKey> {
        let tgids = self.tgids().into_iter();
        tgids.filter_map(|tgid| self.key_of(tgid)).collect()
    }

    /// Adds or changes a process.
    ///
    /// # Errors
    /// When the table is full.
    pub(super) fn set(
        &mut self,
        tgid: u32,
        config: &ProcessConfig,
    ) -> Result<(), ProcessTableError> {
        self.0.set(tgid, config)
    }

    /// Changes a process if it is in the table. Returns whether it is; one that has ended
    /// is not.
    pub(super) fn update(&mut self, tgid: u32, config: &ProcessConfig) -> bool {
        self.0.update(tgid, config).is_ok()
    }

    /// Removes a process, whichever life of it has the entry.
    pub(super) fn remove(&mut self, tgid: u32) {
        self.0.remove(tgid);
    }

    /// Removes the entry of a life that is over.
    pub(super) fn remove_life(&mut self, tgid: u32, key: ProcessKey) {
        if self.key_of(tgid) == Some(key) {
            self.remove(tgid);
        }
    }

    /// Removes the entry and the account of a life that has no samples.
    pub(super) fn forget(&mut self, tgid: u32, key: ProcessKey) {
        self.remove_life(tgid, key);
        self.close_account(key);
    }

    /// Writes what is known of a life that goes on if the table has something else.
    pub(super) fn correct(&mut self, process: &FollowedProcess) {
        let is_wrong =
            |entry: ProcessConfig| entry.key == process.key && !process.agrees_with(&entry);
        if !process.has_ended && self.get(process.tgid).is_some_and(is_wrong) {
            // This fails if the process has ended; then there is nothing to correct. If
            // it started another program a moment ago, the record of that corrects the
            // entry.
            self.update(process.tgid, &process.config());
        }
    }

    /// Marks the entry of a process without an interpreter: what it forks has none
    /// either, so records of that are not urgent.
    pub(super) fn mark_non_python(&mut self, process: &FollowedProcess) {
        let is_followed = ProcessState::Followed as u32;
        let entry = self.get(process.tgid);
        if let Some(entry) = entry.filter(|it| it.key == process.key && it.state == is_followed) {
            let non_python = ProcessConfig {
                state: ProcessState::NonPython as u32,
                ..entry
            };
            // This fails if the process has ended.
            self.update(process.tgid, &non_python);
        }
    }

    /// Returns what was counted of a life so far.
    pub(super) fn account(&self, key: ProcessKey) -> KernelAccount {
        self.0.account(key)
    }

    /// Closes the account of a life, which must have been over for long, and returns it.
    pub(super) fn close_account(&mut self, key: ProcessKey) -> KernelAccount {
        self.0.close_account(key)
    }

    /// Returns the lives that have an account.
    pub(super) fn accounts(&self) -> Vec<ProcessKey> {
        self.0.accounts()
    }
}
