// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wire record of one sample: which thread was sampled, and the frames that were
//! found. Names travel separately, in [`crate::code`]: a frame is a key and a position.

use bytemuck::{Pod, Zeroable};

use crate::life::InterpreterLife;
use crate::process::ProcessKey;
use crate::wait::WaitFacts;

/// The most Python frames that one sample carries; of a deeper stack, the innermost ones.
pub const MAX_FRAMES: usize = 1024;

/// The first word of every record in the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RecordKind {
    /// A [`SampleHeader`] and its frames.
    Sample = 1,
    /// A [`crate::code::CodeHeader`] and its texts.
    Code = 2,
    /// A [`crate::lifecycle::LifecycleRecord`].
    Lifecycle = 3,
    /// A [`crate::signal::SignalRecord`].
    Signal = 4,
}

impl RecordKind {
    /// Reads a kind off the wire; `None` for a number that no kind has.
    pub fn from_wire(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Sample),
            2 => Some(Self::Code),
            3 => Some(Self::Lifecycle),
            4 => Some(Self::Signal),
            _ => None,
        }
    }
}

/// One code object in one life of one process; see [`crate::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct CodeKey(pub u64);

impl CodeKey {
    /// For a code object that could not be read where the sample was taken; user space
    /// may still read it at its address.
    pub const UNREAD: Self = Self(0);
}

/// One Python frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RawFrame {
    /// Which code object, or [`CodeKey::UNREAD`].
    pub key: CodeKey,
    /// The address of the code object in the process.
    pub code: u64,
    /// Index of the current code unit (two bytes each); -1 before the first.
    pub instruction: i32,
    /// The line that the frame itself stores (see [`crate::frame_object`]), 0 where the
    /// instruction determines the line, or [`LINE_NOT_STORED`].
    pub line: u32,
}

/// Marks a frame that runs code of the JIT, which stores its position only now and then:
/// the instruction is an earlier one.
pub const LINE_NOT_STORED: u32 = u32::MAX;

/// The kernel's name of a thread, padded with zeros.
pub type Comm = [u8; 16];

/// The fixed part of a sample, before its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SampleHeader {
    /// [`RecordKind::Sample`].
    pub kind: u32,
    /// A [`crate::stop::StopReason`].
    pub stop: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub time: u64,
    /// This life of the process.
    pub process: ProcessKey,
    /// Thread group id, in the pid namespace of user space.
    pub tgid: u32,
    /// Thread id, in the pid namespace of user space.
    pub tid: u32,
    /// `PyThreadState.thread_id`: the thread pointer, `threading.get_ident()`.
    pub thread_id: u64,
    /// Address of the `PyThreadState`; 0 when none was found.
    pub thread_state: u64,
    /// Address of the thread's `PyInterpreterState`; 0 when no frame was looked at.
    pub interpreter: u64,
    /// The life of that interpreter; the keys of the frames belong to it.
    pub life: InterpreterLife,
    /// The address of a failed read, for [`crate::stop::StopReason::Fault`] and
    /// `FrameNotLinked`; 0 where it is not known, or no read failed.
    pub stop_address: u64,
    /// The kernel's name of the thread, padded with zeros.
    pub comm: Comm,
    /// The CPU that took the sample.
    pub cpu: u32,
    /// The number of frames that follow, innermost first.
    pub frame_count: u32,
    /// How the sample was taken, and why the thread waits.
    pub wait: WaitFacts,
}

/// A sample with room for all its frames. On the wire it ends after the last
/// frame in use.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SampleRecord {
    /// The fixed part.
    pub header: SampleHeader,
    /// The frames, innermost first.
    pub frames: [RawFrame; MAX_FRAMES],
}

const _: () = assert!(size_of::<RawFrame>() == 24);
const _: () = assert!(size_of::<SampleHeader>() == 152);
