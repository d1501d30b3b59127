// SPDX-License-Identifier: MIT OR Apache-2.0

//! Stands in for tables of the eBPF programs where a test has no kernel.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use sampler_common::account::KernelAccount;
use sampler_common::lifecycle::ProgramId;
use sampler_common::process::{ProcessConfig, ProcessKey};

use crate::capture::bpf::processes::{ProcessMap, ProcessTableError};
use crate::capture::targets::programs::NonPythonTable;

/// The processes and accounts of a kernel; clones share them.
#[derive(Clone, Default)]
pub(crate) struct FakeProcessMap(Rc<RefCell<Tables>>);

#[derive(Default)]
struct Tables {
    processes: BTreeMap<u32, ProcessConfig>,
    accounts: BTreeMap<u64, KernelAccount>,
}

impl FakeProcessMap {
    /// Sets what the kernel has counted of a life.
    pub(crate) fn count(&self, key: ProcessKey, account: KernelAccount) {
        self.0.borrow_mut().accounts.insert(key.0, account);
    }
}

impl ProcessMap for FakeProcessMap {
    fn get(&self, tgid: u32) -> Option<ProcessConfig> {
        self.0.borrow().processes.get(&tgid).copied()
    }

    fn set(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError> {
        let tables = &mut *self.0.borrow_mut();
        tables.accounts.entry(config.key.0).or_default();
        tables.processes.insert(tgid, *config);
        Ok(())
    }

    fn update(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError> {
        if self.get(tgid).is_none() {
            let source = io::Error::from_raw_os_error(libc::ENOENT);
            return Err(ProcessTableError { tgid, source });
        }
        self.set(tgid, config)
    }

    fn remove(&mut self, tgid: u32) {
        self.0.borrow_mut().processes.remove(&tgid);
    }

    fn tgids(&self) -> Vec<u32> {
        self.0.borrow().processes.keys().copied().collect()
    }

    fn account(&self, key: ProcessKey) -> KernelAccount {
        let tables = self.0.borrow();
        tables.accounts.get(&key.0).copied().unwrap_or_default()
    }

    fn close_account(&mut self, key: ProcessKey) -> KernelAccount {
        let account = self.0.borrow_mut().accounts.remove(&key.0);
        account.unwrap_or_default()
    }

    fn accounts(&self) -> Vec<ProcessKey> {
        let tables = self.0.borrow();
        tables.accounts.keys().copied().map(ProcessKey).collect()
    }
}

/// A table of programs without Python that is always full.
pub(crate) struct FullNonPythonTable;

impl NonPythonTable for FullNonPythonTable {
    fn add(&mut self, _: ProgramId) -> bool {
        false
    }

    fn remove(&mut self, _: ProgramId) {}
}
