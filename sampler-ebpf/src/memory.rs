// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Reads the memory of a task: of the one that a program interrupted, or of another one.

use core::ffi::c_void;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::{bpf_copy_from_user_task, bpf_loop, bpf_probe_read_user_buf};
use sampler_common::memory::{MemoryFault, Next, Step, UserMemory};

/// The memory of the current task, through `bpf_probe_read_user` (Linux 5.5). A read
/// never waits: what is not in memory at this moment is a fault.
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

/// The memory of another task, through `bpf_copy_from_user_task` (Linux 5.18), for
/// programs that may sleep. The kernel fetches pages that are not in memory.
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

/// The callback of `bpf_loop` (Linux 5.17): returns 0 to go on, 1 to stop.
#[inline(never)]
unsafe extern "C" fn one_step<S: Step>(_index: u32, context: *mut c_void) -> i64 {
    // SAFETY: `repeat` passes an exclusive reference to an `S` as context.
    let step = unsafe { &mut *context.cast::<S>() };
    match step.step() {
        Next::Continue => 0,
        Next::Stop => 1,
    }
}
