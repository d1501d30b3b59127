// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Finds the ids of a task in the pid namespace of user space: outside the initial
//! namespace they differ from those in `task_struct`. User space says before loading
//! which namespace that is.
//!
//! Like the kernel's own `pid_nr_ns` (`kernel/pid.c`), 0 is the id of a task that is not
//! visible in that namespace. No process in the table has this id.

use crate::kernel_fields::{field, offset, offsets, read};

offsets! {
    /// The inode of user space's pid namespace; 0 for the initial one.
    PID_NAMESPACE
    /// `task_struct.thread_pid`.
    TASK_THREAD_PID
    /// `signal_struct.pids[PIDTYPE_TGID]`.
    SIGNAL_PROCESS_PID
    /// `pid.level`: how many namespaces enclose its innermost one.
    PID_LEVEL
    /// `pid.numbers`: one for each namespace, from the outermost inwards.
    PID_NUMBERS
    /// `pid_namespace.ns.inum`.
    NAMESPACE_INODE
}

/// `MAX_PID_NS_LEVEL` (`include/linux/pid_namespace.h`).
const DEEPEST: u32 = 32;

/// What [`number`] returns where the kernel's memory could not be read.
const FAULT: u64 = u64::MAX;

/// `struct upid` (`include/linux/pid.h`).
#[derive(Clone, Copy)]
#[repr(C)]
struct NumberThere {
    number: u32,
    padding: u32,
    namespace: u64,
}

/// Whether ids have to be looked up. The verifier sees a constant, and removes the code
/// where it is false.
#[inline(always)]
pub(crate) fn is_needed() -> bool {
    offset(&PID_NAMESPACE) != 0
}

/// Returns the thread id of the task whose `task_struct` this is; `None` where the kernel's
/// memory could not be read.
#[inline(always)]
pub(crate) fn tid(task: u64) -> Option<u32> {
    known(field(task, &TASK_THREAD_PID)?)
}

/// Returns the thread group id of the tasks whose `signal_struct` this is; `None` where the
/// kernel's memory could not be read.
#[inline(always)]
pub(crate) fn tgid(signal: u64) -> Option<u32> {
    known(field(signal, &SIGNAL_PROCESS_PID)?)
}

#[inline(always)]
fn known(pid: u64) -> Option<u32> {
    let number = number(pid);
    if number == FAULT {
        None
    } else {
        Some(number as u32)
    }
}

/// Returns the id that a `struct pid` has in user space's namespace. Most tasks live in
/// that namespace or in the initial one, so the search goes from the innermost outwards.
/// Not a function of its own: before Linux 5.10 no program can have both such functions
/// and tail calls.
#[inline(always)]
fn number(pid: u64) -> u64 {
    let Some(level) = field::<u32>(pid, &PID_LEVEL) else {
        return FAULT;
    };
    let own = offset(&PID_NAMESPACE) as u32;
    let numbers = pid.wrapping_add(offset(&PID_NUMBERS));
    for above in 0..DEEPEST {
        // Level 0 is the initial namespace, which is not the one looked for.
        if above >= level {
            return 0;
        }
        let at = u64::from(level - above) * size_of::<NumberThere>() as u64;
        let Some(there) = read::<NumberThere>(numbers.wrapping_add(at)) else {
            return FAULT;
        };
        match field::<u32>(there.namespace, &NAMESPACE_INODE) {
            Some(inode) if inode == own => return u64::from(there.number),
            Some(_) => {}
            None => return FAULT,
        }
    }
    0
}
