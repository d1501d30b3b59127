// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the memory of another process without stopping it. A process that is gone looks
//! like memory that is not there.

use std::cell::Cell;
use std::io::{self, IoSliceMut};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use sampler_common::memory::{MemoryFault, UserMemory};

use crate::process::living_task::living_task;

/// The memory of one process, read through `process_vm_readv` (Linux 3.2), which faults
/// in pages that the eBPF program cannot read in an interrupt.
#[derive(Clone, Debug)]
pub struct ProcessMemory {
    pid: u32,
    /// The thread through which it is read: any thread has the memory until it ends.
    task: Cell<Pid>,
    is_gone: Cell<bool>,
}

impl ProcessMemory {
    /// Returns the memory of the process `pid` (a thread group id in our pid namespace).
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            task: Cell::new(number(pid)),
            is_gone: Cell::new(false),
        }
    }

    /// Checks that the word at `address` can be read.
    ///
    /// # Errors
    /// `EPERM` without a debugger's rights, `ESRCH` when the process is gone, `EFAULT`
    /// when nothing is mapped there.
    pub fn probe(&self, address: u64) -> io::Result<()> {
        self.read(address, &mut [0; 8]).map(drop)
    }

    fn read(&self, address: u64, destination: &mut [u8]) -> io::Result<usize> {
        let base = usize::try_from(address).map_err(io::Error::other)?;
        let len = destination.len();
        let remote = [RemoteIoVec { base, len }];
        let mut read = || {
            let local = &mut [IoSliceMut::new(destination)];
            process_vm_readv(self.task.get(), local, &remote)
        };
        match read() {
            Err(Errno::ESRCH) if self.finds_another_task() => Ok(read()?),
            result => Ok(result?),
        }
    }

    /// Switches to a thread that has not ended. Returns whether there is one.
    fn finds_another_task(&self) -> bool {
        if self.is_gone.get() {
            return false;
        }
        match living_task(self.pid) {
            Some(tid) => self.task.set(number(tid)),
            None => self.is_gone.set(true),
        }
        !self.is_gone.get()
    }
}

/// Converts a pid, which is at most 2^22 (`PID_MAX_LIMIT`); anything larger belongs to
/// nobody.
fn number(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

impl UserMemory for ProcessMemory {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        match self.read(address, destination) {
            Ok(read) if read == destination.len() => Ok(()),
            _ => Err(MemoryFault { address }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself_and_faults_at_null() {
        let value = 0x1234_5678_9abc_def0_u64;
        let memory = ProcessMemory::new(std::process::id());
        assert_eq!(memory.read_u64(&raw const value as u64), Ok(value));
        assert_eq!(memory.read_u64(0), Err(MemoryFault { address: 0 }));
        let error = |memory: ProcessMemory| memory.probe(0).map_err(|it| it.raw_os_error());
        assert_eq!(error(memory), Err(Some(libc::EFAULT)));
        let nobody = ProcessMemory::new(u32::MAX);
        assert_eq!(error(nobody), Err(Some(libc::ESRCH)));
    }
}
