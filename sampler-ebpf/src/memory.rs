//! The memory of a task: of the one that a program interrupted, or of another
//! one. It refuses to know what is read.

use core::ffi::c_void;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::{bpf_copy_from_user_task, bpf_loop, bpf_probe_read_user_buf};
use sampler_common::memory::{MemoryFault, Next, Step, UserMemory};

/// Memory of the current task. It does not wait: what is not in memory at this
/// moment is a fault. Through `bpf_probe_read_user` (Linux 5.5).
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
        repeat(limit, step);
    }
}

/// Memory of another task, whose pages are fetched where they are not in memory:
/// through `bpf_copy_from_user_task` (Linux 5.18), in programs that may wait.
pub(crate) struct RemoteTask(pub(crate) *mut task_struct);

impl UserMemory for RemoteTask {
    #[inline(always)]
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        // SAFETY: the helper checks the source; the destination is a valid slice,
        // and the task is the one that the iterator is at.
        let result = unsafe {
            bpf_copy_from_user_task(
                destination.as_mut_ptr().cast(),
                destination.len() as u32,
                address as *const c_void,
                self.0,
                0,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(MemoryFault { address })
        }
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, step: &mut S) {
        repeat(limit, step);
    }
}

#[inline(always)]
fn repeat<S: Step>(limit: u32, step: &mut S) {
    let body: unsafe extern "C" fn(u32, *mut c_void) -> i64 = one_step::<S>;
    // SAFETY: the helper calls `body` with exactly this context, and not after it
    // has returned.
    unsafe {
        bpf_loop(limit, body as *mut c_void, (&raw mut *step).cast(), 0);
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
