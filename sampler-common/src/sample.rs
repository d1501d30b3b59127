//! The wire record of one sample: who was running, and the frames that were
//! found. It refuses to know names: a frame is a key and a position.

use bytemuck::{Pod, Zeroable};

use crate::process::ProcessKey;
use crate::wait::WaitFacts;

/// Most Python frames one sample carries; the innermost are kept.
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
}

impl RecordKind {
    /// Reads a kind off the wire; `None` for a number no kind has.
    pub fn from_wire(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Sample),
            2 => Some(Self::Code),
            3 => Some(Self::Lifecycle),
            _ => None,
        }
    }
}

/// One code object in one life of one process; see [`crate::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct CodeKey(pub u64);

impl CodeKey {
    /// The code object itself could not be read where the sample was taken; its
    /// address can still be read later, from user space.
    pub const UNREAD: Self = Self(0);
}

/// One Python frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RawFrame {
    /// Which code object, or [`CodeKey::UNREAD`].
    pub key: CodeKey,
    /// Its address in the process.
    pub code: u64,
    /// Index of the current code unit (two bytes each); -1 before the first.
    pub instruction: i32,
    /// Padding.
    pub reserved: u32,
}

/// The kernel's name of a thread, padded with zeros.
pub type Comm = [u8; 16];

/// What precedes the frames of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SampleHeader {
    /// [`RecordKind::Sample`].
    pub kind: u32,
    /// A [`crate::stop::StopReason`].
    pub stop: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub time: u64,
    /// The process.
    pub process: ProcessKey,
    /// Thread group id, in the pid namespace of user space.
    pub tgid: u32,
    /// Thread id, in the pid namespace of user space.
    pub tid: u32,
    /// `PyThreadState.thread_id`: the thread pointer, `threading.get_ident()`.
    pub thread_id: u64,
    /// Address of the `PyThreadState`; 0 when none was found.
    pub thread_state: u64,
    /// Where a read failed, for [`crate::stop::StopReason::Fault`].
    pub stop_address: u64,
    /// Kernel's name of the thread, padded with zeros.
    pub comm: Comm,
    /// CPU the sample was taken on.
    pub cpu: u32,
    /// Number of frames that follow, innermost first.
    pub frame_count: u32,
    /// How it was taken, and why the thread waits.
    pub wait: WaitFacts,
}

/// A sample with room for all its frames. On the wire it ends after the last
/// frame in use.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SampleRecord {
    /// What precedes the frames.
    pub header: SampleHeader,
    /// The frames, innermost first.
    pub frames: [RawFrame; MAX_FRAMES],
}

const _: () = assert!(size_of::<RawFrame>() == 24);
const _: () = assert!(size_of::<SampleHeader>() == 112);
