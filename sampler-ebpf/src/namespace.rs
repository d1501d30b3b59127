//! The numbers of a task in the pid namespace that user space lives in: outside of
//! the initial one they differ from those in `task_struct`. It refuses to know
//! which namespace that is: user space says so before loading.
//!
//! Like the kernel's own `pid_nr_ns` (`kernel/pid.c`), 0 is the number of a task
//! that cannot be seen from there. No process of the table has that.

use crate::task::{Task, offset, offsets};

offsets! {
    /// The inode of user space's pid namespace; 0 for the initial one.
    PID_NAMESPACE
    /// `task_struct.thread_pid`.
    TASK_THREAD_PID
    /// `signal_struct.pids[PIDTYPE_TGID]`.
    SIGNAL_PROCESS_PID
    /// `pid.level`: how many namespaces enclose its innermost one.
    PID_LEVEL
    /// `pid.numbers`, one for each of these, from the outermost.
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

/// Whether numbers have to be looked up. A constant for the verifier, which takes
/// the code out where it does not hold.
#[inline(always)]
pub(crate) fn is_needed() -> bool {
    offset(&PID_NAMESPACE) != 0
}

/// Thread id.
#[inline(always)]
pub(crate) fn tid(task: Task) -> Option<u32> {
    known(task.pointer_at(&TASK_THREAD_PID)?)
}

/// Thread group id.
#[inline(always)]
pub(crate) fn tgid(task: Task) -> Option<u32> {
    known(task.signal_pointer_at(&SIGNAL_PROCESS_PID)?)
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

/// The number of a `struct pid`. Most are at home in the namespace that is asked
/// for, or in the initial one, so the search goes from the innermost outwards. Not a
/// function of its own: before Linux 5.10 no program has both these and tail calls.
#[inline(always)]
fn number(pid: u64) -> u64 {
    let Some(level) = Task::read::<u32>(pid.wrapping_add(offset(&PID_LEVEL))) else {
        return FAULT;
    };
    let own = offset(&PID_NAMESPACE) as u32;
    let numbers = pid.wrapping_add(offset(&PID_NUMBERS));
    for above in 0..DEEPEST {
        // The outermost, at level 0, is the initial one.
        if above >= level {
            return 0;
        }
        let at = u64::from(level - above) * size_of::<NumberThere>() as u64;
        let Some(there) = Task::read::<NumberThere>(numbers.wrapping_add(at)) else {
            return FAULT;
        };
        let inode = there.namespace.wrapping_add(offset(&NAMESPACE_INODE));
        match Task::read::<u32>(inode) {
            Some(inode) if inode == own => return u64::from(there.number),
            Some(_) => {}
            None => return FAULT,
        }
    }
    0
}
