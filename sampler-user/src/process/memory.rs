//! Memory of another process, read without stopping it. It refuses to know what
//! it reads; a process that is gone looks like memory that is not there.

use std::io::IoSliceMut;

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
}

impl UserMemory for ProcessMemory {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        let wanted = destination.len();
        let base = usize::try_from(address).map_err(|_| MemoryFault { address })?;
        let remote = [RemoteIoVec { base, len: wanted }];
        match process_vm_readv(self.pid, &mut [IoSliceMut::new(destination)], &remote) {
            Ok(read) if read == wanted => Ok(()),
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
    }
}
