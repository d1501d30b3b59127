//! The kernel side's table of processes. It refuses to know how a process was
//! found and what its layout says.

use std::io;

use aya::maps::{HashMap, MapData, MapError};
use sampler_common::process::ProcessConfig;

/// `BPF_ANY` and `BPF_EXIST` (`include/uapi/linux/bpf.h`).
const ANY: u64 = 0;
const EXISTING: u64 = 2;
const SIZE: usize = size_of::<ProcessConfig>();

/// Writes the table.
pub struct ProcessTable {
    map: HashMap<MapData, u32, [u8; SIZE]>,
}

/// The table did not take a process.
#[derive(Debug, thiserror::Error)]
#[error("cannot follow process {tgid}: {source}")]
pub struct ProcessTableError {
    /// The process.
    pub tgid: u32,
    /// What the kernel said; `E2BIG` when the table is full.
    pub source: io::Error,
}

impl ProcessTable {
    pub(super) fn new(map: HashMap<MapData, u32, [u8; SIZE]>) -> Self {
        Self { map }
    }

    /// What the kernel side has of a process now; a forked child is there before
    /// user space hears of it.
    pub fn get(&self, tgid: u32) -> Option<ProcessConfig> {
        let bytes = self.map.get(&tgid, 0).ok()?;
        Some(bytemuck::pod_read_unaligned(&bytes))
    }

    /// Adds or changes a process.
    ///
    /// # Errors
    /// [`ProcessTableError`] when the table is full.
    pub fn set(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError> {
        self.write(tgid, config, ANY)
    }

    /// Changes a process that is still there.
    ///
    /// # Errors
    /// [`ProcessTableError`] when it is not.
    pub fn update(&mut self, tgid: u32, config: &ProcessConfig) -> Result<(), ProcessTableError> {
        self.write(tgid, config, EXISTING)
    }

    fn write(
        &mut self,
        tgid: u32,
        config: &ProcessConfig,
        flags: u64,
    ) -> Result<(), ProcessTableError> {
        let bytes: [u8; SIZE] = bytemuck::cast(*config);
        self.map.insert(tgid, bytes, flags).map_err(|error| {
            let source = match error {
                MapError::SyscallError(error) => error.io_error,
                other => io::Error::other(other.to_string()),
            };
            ProcessTableError { tgid, source }
        })
    }

    /// Takes a process out. One that is not there is no error: it may just have
    /// ended, and the kernel side was faster.
    pub fn remove(&mut self, tgid: u32) {
        let _ = self.map.remove(&tgid);
    }

    /// The thread group ids in the table.
    pub fn tgids(&self) -> Vec<u32> {
        self.map.keys().filter_map(Result::ok).collect()
    }
}
