//! The memory of the task that a program interrupted. It refuses to wait: what
//! is not in memory at this moment is a fault.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_loop, bpf_probe_read_user_buf};
use sampler_common::memory::{MemoryFault, Next, Step, UserMemory};

/// Memory of the current task, through `bpf_probe_read_user` (Linux 5.5).
pub(crate) struct CurrentTask;

impl UserMemory for CurrentTask {
    #[inline(always)]
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        // SAFETY: the helper checks the source; the destination is a valid slice.
        unsafe { bpf_probe_read_user_buf(address as *const u8, destination) }
            .map_err(|_| MemoryFault { address })
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, step: &mut S) {
        let body: unsafe extern "C" fn(u32, *mut c_void) -> i64 = one_step::<S>;
        // SAFETY: the helper calls `body` with exactly this context, and not
        // after it has returned.
        unsafe {
            bpf_loop(limit, body as *mut c_void, (&raw mut *step).cast(), 0);
        }
    }
}

/// What `bpf_loop` (Linux 5.17) calls: 0 to go on, 1 to stop.
#[inline(never)]
unsafe extern "C" fn one_step<S: Step>(_index: u32, context: *mut c_void) -> i64 {
    // SAFETY: `repeat` passes an exclusive reference to an `S` as context.
    let step = unsafe { &mut *context.cast::<S>() };
    match step.step() {
        Next::Continue => 0,
        Next::Stop => 1,
    }
}
