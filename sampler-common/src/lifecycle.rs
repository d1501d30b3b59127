//! The wire record of a process that begins, changes its program, or ends. It
//! refuses to know what the user side does about it.

use bytemuck::{Pod, Zeroable};

use crate::process::ProcessKey;

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LifecycleKind {
    /// A followed process forked; `key` is the child's, `parent_key` its parent's.
    Fork = 1,
    /// A process runs a new program. If it was followed it still is: `key` is its
    /// new life, `parent_key` the old one. Otherwise both are 0.
    Exec = 2,
    /// A followed process ended.
    Exit = 3,
    /// A thread of a followed process ended, and others go on; told only where
    /// waiting threads are sampled.
    ThreadExit = 4,
}

impl LifecycleKind {
    /// Reads a kind off the wire; `None` for a number no kind has.
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

/// The file that a program was started from, as the kernel tells files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct ProgramId {
    /// `inode.i_ino`.
    pub inode: u64,
    /// `super_block.s_dev`: not always what `stat` says of the same file.
    pub device: u32,
    /// `inode.i_generation`: another one when a file system gives an inode to
    /// another file, where it counts that.
    pub generation: u32,
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
    /// The process.
    pub key: ProcessKey,
    /// Of a fork, the process it came from; of an exec, what it was; else 0.
    pub parent_key: ProcessKey,
    /// Thread group id of the process.
    pub tgid: u32,
    /// Of a fork, the parent's thread group id; else 0.
    pub parent_tgid: u32,
    /// Of a thread that ended, its id; else 0.
    pub tid: u32,
    /// 1 for an exec of a program that was found to have no Python in it before.
    pub is_plain: u32,
    /// Of an exec, the program; else zeros.
    pub program: ProgramId,
}

const _: () = assert!(size_of::<LifecycleRecord>() == 64);
