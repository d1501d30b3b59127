// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wire record of a process that forks, runs a new program or ends, and of a thread
//! that ends.

use bytemuck::{Pod, Zeroable};

use crate::process::ProcessKey;

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LifecycleKind {
    /// A followed process forked; `key` is the child's, `parent_key` its parent's.
    Fork = 1,
    /// A process runs a new program. If it was followed it still is: `key` is its new
    /// life, `parent_key` the old one. Otherwise both are 0.
    Exec = 2,
    /// A followed process ended.
    Exit = 3,
    /// A thread of a followed process ended while others go on.
    ThreadExit = 4,
}

impl LifecycleKind {
    /// Reads a kind off the wire; `None` for a number that no kind has.
    pub fn from_wire(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Fork),
            2 => Some(Self::Exec),
            3 => Some(Self::Exit),
            4 => Some(Self::ThreadExit),
            _ => None,
        }
    }
}

/// The file that a program was started from, and the state of its content at that time: a
/// file system may give an inode to another file, and a file can be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct ProgramId {
    /// `inode.i_ino`.
    pub inode: u64,
    /// `super_block.s_dev`; not always what `stat` reports for the same file.
    pub device: u32,
    /// `inode.i_generation`: changes when a file system that counts it gives the inode to
    /// another file.
    pub generation: u32,
    /// `inode.i_size`, in bytes.
    pub size: u64,
    /// `inode.i_ctime`, in nanoseconds since 1970. The kernel sets it when the file's
    /// content or its inode changes; nobody else can.
    pub changed: u64,
}

impl ProgramId {
    /// A program whose file could not be determined, or that started unobserved.
    pub const UNKNOWN: Self = Self {
        inode: 0,
        device: 0,
        generation: 0,
        size: 0,
        changed: 0,
    };
}

/// CPU time as the kernel counts it, in nanoseconds. Zeros where it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct TaskTimes {
    /// `task_struct.se.sum_exec_runtime`, or `signal_struct.sum_sched_runtime`: all of
    /// the CPU time. The kernel updates a thread's at its own ticks and when the thread
    /// leaves its CPU, so some milliseconds may be missing while it runs.
    pub runtime: u64,
    /// `utime`: in user mode. Most kernels estimate it by sampling, so only its ratio to
    /// `system` means something (`cputime_adjust`, kernel/sched/cputime.c).
    pub user: u64,
    /// `stime`: in the kernel.
    pub system: u64,
}

/// One event in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LifecycleRecord {
    /// [`crate::sample::RecordKind::Lifecycle`].
    pub kind: u32,
    /// A [`LifecycleKind`].
    pub event: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub time: u64,
    /// This life of the process; of an exec, the new one.
    pub key: ProcessKey,
    /// For a fork, the parent; for an exec, the life before it; else 0.
    pub parent_key: ProcessKey,
    /// Thread group id of the process.
    pub tgid: u32,
    /// For a fork, the parent's thread group id; else 0.
    pub parent_tgid: u32,
    /// The id of the thread that ended, which may be the last one of a process; else 0.
    pub tid: u32,
    /// 1 for an exec of a program that is known to have no Python in it.
    pub is_non_python: u32,
    /// For an exec, the program; else zeros.
    pub program: ProgramId,
    /// For an exec and for an end, the CPU time of the thread; else zeros.
    pub times: TaskTimes,
    /// For the same events, the CPU time of all threads of the process that ended before.
    pub ended: TaskTimes,
    /// For an end, `task_struct.exit_code`: in the lowest seven bits the signal that ended
    /// it, if one did; else 0.
    pub exit_code: u32,
    /// Always 0.
    pub padding: u32,
}

const _: () = assert!(size_of::<LifecycleRecord>() == 136);
