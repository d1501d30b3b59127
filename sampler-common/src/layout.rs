//! The numbers the walker needs to find its way through one build of CPython.
//! It refuses to know versions: where builds differ in kind, not in number, the
//! kind is an enum here and the user side chooses it.
//!
//! Field names keep CPython's own spelling. Offsets are bytes from the start of
//! the structure. An offset of [`ABSENT`] means that this build has no such field.

use bytemuck::{Pod, Zeroable};

/// Marks a field that a build does not have.
pub const ABSENT: u16 = u16::MAX;

/// Largest accepted offset of a field the walker copies into a
/// [`crate::window::Window`], plus the field's size.
pub const MAX_WINDOW_OFFSET: u16 = crate::window::WINDOW_SIZE as u16;

/// Where the innermost frame of a thread hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameHead {
    /// `tstate->frame` (to 3.10) or `tstate->current_frame` (from 3.13).
    ThreadState = 0,
    /// `tstate->cframe->current_frame` (3.11, 3.12).
    CFrame = 1,
}

/// What the current instruction of a frame is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InstructionKind {
    /// `f_lasti`, in bytes (to 3.9).
    LastiBytes = 0,
    /// `f_lasti`, in code units of two bytes (3.10).
    LastiUnits = 1,
    /// A pointer into the code object's own bytecode (from 3.11).
    Pointer = 2,
    /// A pointer into the thread's copy of the bytecode (free-threaded 3.14 on).
    PointerToThreadLocal = 3,
}

/// How a frame that is not Python code is recognised, before its code object is
/// read, and what the outermost frame of a whole chain must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Every frame is Python code; the chain just ends (to 3.10).
    None = 0,
    /// Every frame is Python code; the last has `is_entry` set (3.11).
    IsEntry = 1,
    /// `owner >= 3` is an entry frame; the last one is such (3.12 to 3.14).
    Owner = 2,
    /// As `Owner`. The last one of a thread's own stack is `tstate->base_frame`, but
    /// not that of a greenlet (from 3.15).
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
    /// `_PyRuntime…autoTSSkey`, the `{int is_initialized; pthread_key_t}` (to 3.14).
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
    /// `tstate->_status` (from 3.12), for choosing among several candidates.
    pub status: u16,
    /// Bytes to copy to see all of the above.
    pub read_size: u16,
    /// A [`FrameHead`].
    pub head_kind: u8,
    /// Padding.
    pub reserved: [u8; 7],
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
    /// Bytes to copy to see all of the above; never past the end of a frame.
    pub read_size: u16,
    /// An [`InstructionKind`].
    pub instruction_kind: u8,
    /// An [`EntryKind`].
    pub entry_kind: u8,
    /// Bits of `executable` that are a tag and not address (3.14 on: 3).
    pub tag_mask: u8,
    /// Padding.
    pub reserved: u8,
}

/// What tells whether a frame is part of the chain yet: see
/// [`crate::data_stack`]. [`DataStackLayout::NONE`] where it is
/// not asked (to 3.10, from 3.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct DataStackLayout {
    /// `tstate->datastack_chunk`; `datastack_top` and `datastack_limit` follow.
    pub datastack_chunk: u16,
    /// `co_framesize` (3.12), or `co_stacksize` where that is only a part of it (3.11).
    pub framesize: u16,
    /// `co_nlocalsplus`, where the size of a frame is a sum (3.11); else [`ABSENT`].
    pub nlocalsplus: u16,
    /// `FRAME_SPECIALS_SIZE`, the words of such a frame before its locals.
    pub specials: u16,
}

impl DataStackLayout {
    /// That of builds which are not asked.
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
    /// `co_lnotab` (to 3.9) or `co_linetable`.
    pub linetable: u16,
    /// `co_firstlineno`.
    pub firstlineno: u16,
    /// `co_flags`.
    pub flags: u16,
    /// `co_version` (from 3.12).
    pub version: u16,
    /// `co_code` (to 3.10), a `bytes` object.
    pub bytecode_object: u16,
    /// `ob_size`: the number of code units (from 3.11).
    pub unit_count: u16,
    /// `co_code_adaptive`: where the bytecode starts (from 3.11).
    pub adaptive: u16,
    /// `co_tlbc`, for [`InstructionKind::PointerToThreadLocal`].
    pub tlbc: u16,
    /// Bytes to copy to see all of the above but `adaptive` and `tlbc`.
    pub read_size: u16,
    /// 1 where `__init__` calls push a helper frame (3.13 on), recognised by one
    /// string that is both file name and name and by a first line of 0.
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
    /// Lowest bit of the three that hold `state.kind`.
    pub str_kind_shift: u8,
    /// Padding.
    pub reserved: u8,
}
