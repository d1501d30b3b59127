//! Memory of another process, read without stopping it. It refuses to know what
//! it reads; a process that is gone looks like memory that is not there.

use std::io::{self, IoSliceMut};

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use sampler_common::memory::{MemoryFault, UserMemory};

/// The memory of one process, through `process_vm_readv` (Linux 3.2), which
/// faults pages in that the kernel side cannot read in an interrupt.
#[derive(Clone, Copy, Debug)]
pub struct ProcessMemory {
    pid: Pid,
}

impl ProcessMemory {
    /// The memory of the process `pid` (a thread group id in our pid namespace).
    pub fn new(pid: u32) -> Self {
        // A pid is at most 2^22 (PID_MAX_LIMIT); anything else is nobody's.
        Self {
            pid: Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX)),
        }
    }

    /// Whether the word at `address` can be read, with the kernel's reason if not.
    ///
    /// # Errors
    /// `EPERM` without the rights of a debugger, `ESRCH` when the process is gone,
    /// `EFAULT` when there is nothing.
    pub fn probe(&self, address: u64) -> io::Result<()> {
        self.read(address, &mut [0; 8]).map(drop)
    }

    fn read(&self, address: u64, destination: &mut [u8]) -> io::Result<usize> {
        let base = usize::try_from(address).map_err(io::Error::other)?;
        let len = destination.len();
        let remote = [RemoteIoVec { base, len }];
        let local = &mut [IoSliceMut::new(destination)];
        Ok(process_vm_readv(self.pid, local, &remote)?)
    }
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
