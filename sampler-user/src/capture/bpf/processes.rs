// SPDX-License-Identifier: MIT OR Apache-2.0

//! The eBPF program's process table, and what it counts of each process.

use std::io;

use aya::maps::{HashMap, MapData, MapError};
use sampler_common::account::KernelAccount;
use sampler_common::process::{ProcessConfig, ProcessKey};

/// `BPF_ANY`, `BPF_NOEXIST` and `BPF_EXIST` (`include/uapi/linux/bpf.h`).
const ANY: u64 = 0;
const NEW: u64 = 1;
const EXISTING: u64 = 2;
const SIZE: usize = size_of::<ProcessConfig>();

/// Most entries that are taken in a walk through a map: if the map changes at the same
/// time, the walk may start over.
const MOST: usize = 1 << 16;

/// The map of accounts, by process key.
pub(super) type AccountMap = HashMap<MapData, u64, [u8; size_of::<KernelAccount>()]>;

/// The map of processes by thread group id, and the map of their accounts.
pub trait ProcessMap {
    /// Returns what the eBPF program has of a process now. A forked child is in the table
    /// before user space learns of it.
    fn get(&self, tgid: u32) -> Option<ProcessConfig>;

    /// Adds or changes a process.
    ///
    /// # Errors
    /// [`ProcessTableError`] when the table is full.
    fn set(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError>;

    /// Changes a process that is still in the table.
    ///
    /// # Errors
    /// [`ProcessTableError`] when it is not.
    fn update(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError>;

    /// Removes a process. One that is not there is no error: it may just have ended, and
    /// the eBPF program was faster.
    fn remove(&mut self, tgid: u32);

    /// Returns the thread group ids in the table.
    fn tgids(&self) -> Vec<u32>;

    /// Returns what was counted of a life so far.
    fn account(&self, key: ProcessKey) -> KernelAccount;

    /// Closes the account of a life, which must have been over for long, and returns it.
    fn close_account(&mut self, key: ProcessKey) -> KernelAccount;

    /// Returns the lives that have an account.
    fn accounts(&self) -> Vec<ProcessKey>;
}

/// The maps of the eBPF program.
pub struct ProcessTable {
    map: HashMap<MapData, u32, [u8; SIZE]>,
    accounts: AccountMap,
}

/// A process could not be written to the table.
#[derive(Debug, thiserror::Error)]
#[error("cannot follow process {tgid}: {source}")]
pub struct ProcessTableError {
    /// Its thread group id.
    pub tgid: u32,
    /// The kernel's error; `E2BIG` when the table is full.
    pub source: io::Error,
}

impl ProcessTable {
    pub(super) fn new(map: HashMap<MapData, u32, [u8; SIZE]>, accounts: AccountMap) -> Self {
        Self { map, accounts }
    }

    fn write(
        &mut self,
        tgid: u32,
        config: &ProcessConfig,
        flags: u64,
    ) -> Result<(), ProcessTableError> {
        // An account that is there already stays as it is. Without one, the process is
        // counted only in the totals.
        let nothing: [u8; size_of::<KernelAccount>()] = bytemuck::cast(KernelAccount::ZERO);
        let _ = self.accounts.insert(config.key.0, nothing, NEW);
        let bytes: [u8; SIZE] = bytemuck::cast(*config);
        self.map.insert(tgid, bytes, flags).map_err(|error| {
            let source = match error {
                MapError::SyscallError(error) => error.io_error,
                other => io::Error::other(other.to_string()),
            };
            ProcessTableError { tgid, source }
        })
    }
}

impl ProcessMap for ProcessTable {
    fn get(&self, tgid: u32) -> Option<ProcessConfig> {
        let bytes = self.map.get(&tgid, 0).ok()?;
        Some(bytemuck::pod_read_unaligned(&bytes))
    }

    fn set(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError> {
        self.write(tgid, config, ANY)
    }

    fn update(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError> {
        self.write(tgid, config, EXISTING)
    }

    fn remove(&mut self, tgid: u32) {
        let _ = self.map.remove(&tgid);
    }

    fn tgids(&self) -> Vec<u32> {
        self.map.keys().filter_map(Result::ok).take(MOST).collect()
    }

    fn account(&self, key: ProcessKey) -> KernelAccount {
        let bytes = self.accounts.get(&key.0, 0);
        bytes.map_or(KernelAccount::ZERO, |bytes| {
            bytemuck::pod_read_unaligned(&bytes)
        })
    }

    fn close_account(&mut self, key: ProcessKey) -> KernelAccount {
        let account = self.account(key);
        // This fails only for an account that was never opened.
        let _ = self.accounts.remove(&key.0);
        account
    }

    fn accounts(&self) -> Vec<ProcessKey> {
        let keys = self.accounts.keys().filter_map(Result::ok);
        keys.take(MOST).map(ProcessKey).collect()
    }
}
