// SPDX-License-Identifier: MIT OR Apache-2.0

//! The numbers that the walker needs to find its way through one build of CPython.
//! Versions are not known here: where builds differ in kind and not in numbers, the kind
//! is an enum, and user space chooses it.
//!
//! Field names keep CPython's own spelling. Offsets are bytes from the start of the
//! structure. An offset of [`ABSENT`] means that this build has no such field.

use bytemuck::{Pod, Zeroable};

/// Marks a field that a build does not have.
pub const ABSENT: u16 = u16::MAX;

/// The largest accepted sum of offset and size of a field that the walker copies into a
/// [`crate::window::Window`].
pub const MAX_WINDOW_OFFSET: u16 = crate::window::WINDOW_SIZE as u16;

/// Where a thread stores its innermost frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameHead {
    /// `tstate->frame` (up to 3.10) or `tstate->current_frame` (from 3.13).
    ThreadState = 0,
    /// `tstate->cframe->current_frame` (3.11, 3.12).
    CFrame = 1,
}

/// How a frame stores its current instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InstructionKind {
    /// `f_lasti`, in bytes (up to 3.9).
    LastiBytes = 0,
    /// `f_lasti`, in code units of two bytes (3.10).
    LastiUnits = 1,
    /// A pointer into the bytecode in the code object itself (from 3.11).
    Pointer = 2,
    /// A pointer into the thread's copy of the bytecode (free-threaded builds from 3.14).
    PointerToThreadLocal = 3,
}

/// How a frame that is not Python code is recognised before its code object is read, and
/// what the outermost frame of a whole chain must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Every frame is Python code; the chain ends without a mark (up to 3.10).
    None = 0,
    /// Every frame is Python code; the last one has `is_entry` set (3.11).
    IsEntry = 1,
    /// A frame with `owner >= 3` is an entry frame; the last one is an entry frame (3.12
    /// to 3.14).
    Owner = 2,
    /// As `Owner`. The last frame of a thread's own stack is `tstate->base_frame`; the
    /// last one of a greenlet is not (from 3.15).
    BaseFrame = 3,
}

/// Layout of one build's interpreter, thread state, frame and code object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct InterpreterLayout {
    /// `_PyRuntime` and `PyInterpreterState`.
    pub runtime: RuntimeLayout,
    /// `PyThreadState`.
    pub thread: ThreadLayout,
    /// `PyFrameObject` or `_PyInterpreterFrame`.
    pub frame: FrameLayout,
    /// Where frames lie on the data stack.
    pub data_stack: DataStackLayout,
    /// `PyCodeObject`.
    pub code: CodeLayout,
    /// `PyObject`, `str` and `bytes`.
    pub object: ObjectLayout,
}

/// `_PyRuntime` and `PyInterpreterState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RuntimeLayout {
    /// `_PyRuntime.interpreters.head`.
    pub interpreters_head: u16,
    /// `_PyRuntime.gilstate.tstate_current` (3.7 to 3.11).
    pub tstate_current: u16,
    /// `_PyRuntime…autoTSSkey`, the `{int is_initialized; pthread_key_t}` (up to 3.14).
    pub tss_struct: u16,
    /// `PyInterpreterState.next`.
    pub interp_next: u16,
    /// `PyInterpreterState.threads.head`.
    pub interp_threads_head: u16,
    /// Padding.
    pub reserved: [u16; 3],
}

/// `PyThreadState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ThreadLayout {
    /// `tstate->next`.
    pub next: u16,
    /// `tstate->interp`.
    pub interp: u16,
    /// `tstate->frame`, `->cframe` or `->current_frame`, by [`FrameHead`].
    pub frame_head: u16,
    /// `cframe->current_frame`, for [`FrameHead::CFrame`]; `cframe->previous` follows.
    pub cframe_current_frame: u16,
    /// `tstate->base_frame`, for [`EntryKind::BaseFrame`].
    pub base_frame: u16,
    /// `tstate->thread_id`.
    pub thread_id: u16,
    /// `tstate->_status` (from 3.12), to choose among several candidates.
    pub status: u16,
    /// `tstate->current_executor`, for builds whose JIT code does not store the
    /// instruction in the frame that it runs (3.15).
    pub executor: u16,
    /// Bytes to copy so that all of the above are included.
    pub read_size: u16,
    /// A [`FrameHead`].
    pub head_kind: u8,
    /// Padding.
    pub reserved: [u8; 5],
}

/// `PyFrameObject` or `_PyInterpreterFrame`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FrameLayout {
    /// `f_back` or `previous`.
    pub previous: u16,
    /// `f_code` or `f_executable`.
    pub executable: u16,
    /// `f_lasti`, `prev_instr` or `instr_ptr`, by [`InstructionKind`].
    pub instruction: u16,
    /// `owner` or `is_entry`, by [`EntryKind`].
    pub owner: u16,
    /// `tlbc_index`, for [`InstructionKind::PointerToThreadLocal`].
    pub tlbc_index: u16,
    /// Bytes to copy so that all of the above are included; never past the end of a
    /// frame.
    pub read_size: u16,
    /// An [`InstructionKind`].
    pub instruction_kind: u8,
    /// An [`EntryKind`].
    pub entry_kind: u8,
    /// Bits of `executable` that are a tag and not part of the address (3 from 3.14).
    pub tag_mask: u8,
    /// `frame_obj` (from 3.11); 0 where it is not used.
    pub frame_obj: u8,
}

/// What tells whether a frame is part of the chain yet: see [`crate::data_stack`].
/// [`DataStackLayout::NONE`] where that is not checked (up to 3.10, from 3.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct DataStackLayout {
    /// `tstate->datastack_chunk`; `datastack_top` and `datastack_limit` follow.
    pub datastack_chunk: u16,
    /// `co_framesize` (3.12), or `co_stacksize`, which is only a part of the size (3.11).
    pub framesize: u16,
    /// `co_nlocalsplus`, where the size of a frame is a sum (3.11); else [`ABSENT`].
    pub nlocalsplus: u16,
    /// `FRAME_SPECIALS_SIZE`: the words of such a frame before its locals.
    pub specials: u16,
}

impl DataStackLayout {
    /// The layout of builds for which nothing is checked.
    pub const NONE: Self = Self {
        datastack_chunk: ABSENT,
        framesize: ABSENT,
        nlocalsplus: ABSENT,
        specials: 0,
    };
}

/// `PyCodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CodeLayout {
    /// `co_filename`.
    pub filename: u16,
    /// `co_name`.
    pub name: u16,
    /// `co_qualname` (from 3.11).
    pub qualname: u16,
    /// `co_lnotab` (up to 3.9) or `co_linetable`.
    pub linetable: u16,
    /// `co_firstlineno`.
    pub firstlineno: u16,
    /// `co_flags`.
    pub flags: u16,
    /// `co_version` (from 3.12).
    pub version: u16,
    /// `co_code` (up to 3.10), a `bytes` object.
    pub bytecode_object: u16,
    /// `ob_size`: the number of code units (from 3.11).
    pub unit_count: u16,
    /// `co_code_adaptive`: where the bytecode starts (from 3.11).
    pub adaptive: u16,
    /// `co_tlbc`, for [`InstructionKind::PointerToThreadLocal`].
    pub tlbc: u16,
    /// Bytes to copy so that all of the above except `adaptive` and `tlbc` are included.
    pub read_size: u16,
    /// 1 where `__init__` calls push a helper frame (from 3.13). Its code object is
    /// recognised by one string that is both file name and name, and by a first line of
    /// 0.
    pub has_init_cleanup: u8,
    /// Padding.
    pub reserved: [u8; 7],
}

/// `PyObject`, `str` and `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ObjectLayout {
    /// `ob_type`.
    pub ob_type: u16,
    /// `PyASCIIObject.length`, in characters.
    pub str_length: u16,
    /// `PyASCIIObject.state`.
    pub str_state: u16,
    /// First character of a compact ASCII `str`.
    pub str_ascii_data: u16,
    /// First character of a compact non-ASCII `str`.
    pub str_compact_data: u16,
    /// `PyBytesObject.ob_size`.
    pub bytes_size: u16,
    /// `PyBytesObject.ob_sval`.
    pub bytes_data: u16,
    /// The lowest of the three bits that hold `state.kind`.
    pub str_kind_shift: u8,
    /// Padding.
    pub reserved: u8,
}
