// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the eBPF programs know about a process that they follow: how to find its thread
//! states, and what to do with it.

use bytemuck::{Pod, Zeroable};

use crate::layout::InterpreterLayout;

/// Names one life of one process. Unlike a tgid it is never reused, and a forked child
/// has its own from its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct ProcessKey(pub u64);

/// How a thread finds its own thread state, and whether to sample at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ProcessConfig {
    /// This life of the process.
    pub key: ProcessKey,
    /// Address of `_PyRuntime`.
    pub runtime: u64,
    /// Address of `PyCode_Type`.
    pub code_type: u64,
    /// Offset from the thread pointer to the thread-local slot that always holds the
    /// thread's own state (`_Py_tss_gilstate`, 3.15); 0 when not known. See `tls_module`.
    pub tls_offset: i64,
    /// Where the C library keeps thread-specific data.
    pub thread_specific: ThreadSpecificData,
    /// Where the interpreter counts its code objects.
    pub code_generation: CodeGeneration,
    /// Where the interpreter's GIL is.
    pub gil: GilPlace,
    /// What tells one life of an interpreter from the next.
    pub life: LifePlace,
    /// A [`ProcessState`].
    pub state: u32,
    /// The number of a library that was loaded late among the thread-local blocks of each
    /// thread; `tls_offset` is then an offset into that block. 0 for any other library.
    pub tls_module: u32,
    /// The interpreter's layout.
    pub layout: InterpreterLayout,
}

/// Where a C library keeps the values of `pthread_getspecific`, relative to the
/// thread pointer. x86_64: `tp + 0x310 + 16 * key + 8` with glibc, `*(tp + 0x80) + 8 * key`
/// with musl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ThreadSpecificData {
    /// Offset from the thread pointer to the array, or to its pointer.
    pub offset: u16,
    /// Bytes from one key to the next.
    pub stride: u16,
    /// Offset of the value in its entry.
    pub value: u16,
    /// 1 when `offset` holds a pointer to the array.
    pub indirect: u16,
}

impl ThreadSpecificData {
    /// For a C library whose layout is not known.
    pub const UNKNOWN: Self = Self {
        offset: 0,
        stride: 0,
        value: 0,
        indirect: 0,
    };
}

/// Where an interpreter counts its code objects; see [`crate::code_cache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CodeGeneration {
    /// Address of the count that all interpreters share; 0 where each has its own.
    pub address: u64,
    /// Offset of an interpreter's own count in `PyInterpreterState`. With 0 for both,
    /// there is no count, or none is known.
    pub offset: u32,
    /// 1 where the count is the 32-bit number that the next code object gets as its
    /// `co_version` (up to 3.13); 0 where it is 64 bits wide and counts code objects that
    /// were freed (from 3.14).
    pub counts_versions: u32,
}

impl CodeGeneration {
    /// No count, or none that is known.
    pub const NONE: Self = Self {
        address: 0,
        offset: 0,
        counts_versions: 0,
    };
}

/// Where the `_gil_runtime_state` of an interpreter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct GilPlace {
    /// Offset of `_PyRuntime.ceval.gil` itself in `_PyRuntime` (3.7 to 3.11), or of the
    /// pointer `PyInterpreterState.ceval.gil` in the interpreter (from 3.12).
    pub offset: u32,
    /// 1 where `offset` is that of the pointer.
    pub is_pointer: u32,
}

impl GilPlace {
    /// No GIL, or none that is known.
    pub const NONE: Self = Self {
        offset: 0,
        is_pointer: 0,
    };
}

/// Where to read what tells one life from the next. All 0 for a version that needs none
/// of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LifePlace {
    /// Address of the counts of [`KEYS`](crate::life::KEYS) keys in the C library; 0 when not known, and
    /// then one life of the runtime is not told from the next.
    pub key_counts: u64,
    /// Bytes of `_PyRuntime`, in which the main interpreter lies. The id of that one is 0
    /// in every life.
    pub runtime_size: u32,
    /// Offset of `PyInterpreterState.id`.
    pub interp_id: u32,
}

impl LifePlace {
    /// For a version in which nothing needs to be told apart.
    pub const NONE: Self = Self {
        key_counts: 0,
        runtime_size: 0,
        interp_id: 0,
    };
}

/// What the eBPF programs do with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProcessState {
    /// Follow its forks and execs; no interpreter is known yet.
    Followed = 0,
    /// Sample it.
    Sampled = 1,
    /// Follow its forks and execs; user space has inspected it and found no interpreter.
    NonPython = 2,
}
