// SPDX-License-Identifier: MIT OR Apache-2.0

//! The layouts themselves, one row for each that differs. `layout_table` says which
//! versions have which.
//!
//! Sources, by structure: `_PyRuntimeState` is in Include/internal/pystate.h (3.7) and
//! pycore_runtime.h (from 3.8; pycore_runtime_structs.h from 3.14); `PyInterpreterState`
//! in pystate.c's header (3.6), pystate.h (3.7), pycore_interp.h (3.8 to 3.13) and
//! pycore_interp_structs.h; `PyThreadState` in Include/pystate.h and cpython/pystate.h;
//! `PyFrameObject` in frameobject.h (to 3.10); `_PyInterpreterFrame` in pycore_frame.h
//! and pycore_interpframe_structs.h (from 3.14); `PyCodeObject` in Include/code.h and
//! cpython/code.h; `str` and `bytes` in cpython/unicodeobject.h and bytesobject.h. The
//! numbers are those of 64-bit builds, checked against debug information and running
//! interpreters.

use sampler_common::layout::{
    ABSENT, CodeLayout, DataStackLayout, EntryKind, FrameHead, FrameLayout, InstructionKind,
    InterpreterLayout, ObjectLayout, RuntimeLayout, ThreadLayout,
};
use sampler_common::process::{GilPlace, LifePlace};

use crate::cpython::layout_row::{ABSENT_NAME_FIELD, CodeCount, LayoutRow, NamesLayout};
use crate::cpython::line_table::LineTableKind;

/// CPython 3.6. Instead of `_PyRuntime` it has static variables next to each other; the
/// two distances are filled in for each build. `autoTLSkey` is a bare key.
pub(crate) const PYTHON_3_6: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 0,
            tstate_current: 0,
            tss_struct: ABSENT,
            interp_next: 0,
            interp_threads_head: 8,
            reserved: [0; 3],
        },
        thread: ThreadLayout {
            thread_id: 152,
            read_size: 160,
            ..THREAD_3_7
        },
        frame: FrameLayout {
            instruction: 120,
            read_size: 128,
            ..FRAME_3_7
        },
        data_stack: DataStackLayout::NONE,
        code: CODE_3_6,
        object: OBJECT_3_6,
    },
    names: NamesLayout {
        interp_imports_modules: 16,
    },
    code_count: CodeCount::None,
    gil: GilPlace::NONE,
    life: LifePlace::NONE,
    line_table: LineTableKind::Lnotab,
};

/// CPython 3.7.0 to 3.7.3.
pub(crate) const PYTHON_3_7_0: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            tstate_current: 1392,
            // Not known for these four releases; the list of threads is used instead.
            tss_struct: ABSENT,
            ..PYTHON_3_7_4.layout.runtime
        },
        ..PYTHON_3_7_4.layout
    },
    ..PYTHON_3_7_4
};

/// CPython 3.7.4 and later.
pub(crate) const PYTHON_3_7_4: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 24,
            tstate_current: 1480,
            tss_struct: 1504,
            interp_next: 0,
            interp_threads_head: 8,
            reserved: [0; 3],
        },
        thread: THREAD_3_7,
        frame: FRAME_3_7,
        data_stack: DataStackLayout::NONE,
        code: CODE_3_6,
        object: OBJECT_3_6,
    },
    names: NamesLayout {
        interp_imports_modules: 40,
    },
    code_count: CodeCount::None,
    gil: gil_in_runtime(1264),
    life: LifePlace::NONE,
    line_table: LineTableKind::Lnotab,
};

/// CPython 3.8.
pub(crate) const PYTHON_3_8: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 32,
            tstate_current: 1368,
            tss_struct: 1392,
            ..PYTHON_3_7_4.layout.runtime
        },
        code: CODE_3_8,
        ..PYTHON_3_7_4.layout
    },
    names: NamesLayout {
        interp_imports_modules: 56,
    },
    code_count: CodeCount::None,
    gil: gil_in_runtime(1152),
    life: LifePlace::NONE,
    line_table: LineTableKind::Lnotab,
};

/// CPython 3.9.
pub(crate) const PYTHON_3_9: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            tstate_current: 568,
            tss_struct: 584,
            ..PYTHON_3_8.layout.runtime
        },
        ..PYTHON_3_8.layout
    },
    names: NamesLayout {
        interp_imports_modules: 856,
    },
    code_count: CodeCount::None,
    gil: gil_in_runtime(352),
    life: LifePlace::NONE,
    line_table: LineTableKind::Lnotab,
};

/// CPython 3.10: `f_lasti` counts code units, and line tables can say "no line".
pub(crate) const PYTHON_3_10: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        frame: FrameLayout {
            instruction: 96,
            read_size: 104,
            instruction_kind: InstructionKind::LastiUnits as u8,
            ..FRAME_3_7
        },
        ..PYTHON_3_9.layout
    },
    line_table: LineTableKind::Linetable310,
    ..PYTHON_3_9
};

/// CPython 3.11: `_PyInterpreterFrame`, reached through `tstate->cframe`.
pub(crate) const PYTHON_3_11: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 40,
            tstate_current: 576,
            tss_struct: 592,
            interp_next: 0,
            interp_threads_head: 16,
            reserved: [0; 3],
        },
        thread: ThreadLayout {
            next: 8,
            interp: 16,
            frame_head: 56,
            cframe_current_frame: 8,
            base_frame: ABSENT,
            thread_id: 152,
            status: ABSENT,
            executor: ABSENT,
            read_size: 320,
            head_kind: FrameHead::CFrame as u8,
            reserved: [0; 5],
        },
        frame: FrameLayout {
            previous: 48,
            executable: 32,
            instruction: 56,
            owner: 68,
            tlbc_index: ABSENT,
            read_size: 72,
            instruction_kind: InstructionKind::Pointer as u8,
            entry_kind: EntryKind::IsEntry as u8,
            tag_mask: 0,
            frame_obj: 40,
        },
        data_stack: DataStackLayout {
            datastack_chunk: 296,
            framesize: 68,
            nlocalsplus: 76,
            specials: 9,
        },
        code: CODE_3_11,
        object: OBJECT_3_6,
    },
    names: NamesLayout {
        interp_imports_modules: 888,
    },
    code_count: CodeCount::None,
    gil: gil_in_runtime(360),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.12: entry frames are marked by their owner; `str` has no `wstr`.
pub(crate) const PYTHON_3_12: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 40,
            tstate_current: ABSENT,
            tss_struct: 1544,
            interp_next: 0,
            interp_threads_head: 72,
            reserved: [0; 3],
        },
        thread: ThreadLayout {
            cframe_current_frame: 0,
            thread_id: 136,
            status: 24,
            read_size: 256,
            ..PYTHON_3_11.layout.thread
        },
        frame: FrameLayout {
            previous: 8,
            executable: 0,
            owner: 70,
            entry_kind: EntryKind::Owner as u8,
            frame_obj: 48,
            ..PYTHON_3_11.layout.frame
        },
        data_stack: DataStackLayout {
            datastack_chunk: 232,
            framesize: 76,
            ..DataStackLayout::NONE
        },
        code: CodeLayout {
            firstlineno: 68,
            version: 92,
            adaptive: 192,
            ..CODE_3_11
        },
        object: OBJECT_3_12,
    },
    names: NamesLayout {
        interp_imports_modules: 944,
    },
    code_count: CodeCount::Static,
    gil: gil_of_interpreter(384),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.13: the thread state points to the frame again.
pub(crate) const PYTHON_3_13: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 632,
            tstate_current: ABSENT,
            tss_struct: 2160,
            interp_next: 7264,
            interp_threads_head: 7344,
            reserved: [0; 3],
        },
        thread: ThreadLayout {
            next: 8,
            interp: 16,
            frame_head: 72,
            cframe_current_frame: ABSENT,
            base_frame: ABSENT,
            thread_id: 152,
            status: 32,
            executor: ABSENT,
            read_size: 160,
            head_kind: FrameHead::ThreadState as u8,
            reserved: [0; 5],
        },
        frame: PYTHON_3_12.layout.frame,
        data_stack: DataStackLayout::NONE,
        code: CodeLayout {
            adaptive: 200,
            has_init_cleanup: 1,
            ..PYTHON_3_12.layout.code
        },
        object: OBJECT_3_12,
    },
    names: NamesLayout {
        interp_imports_modules: 7656,
    },
    code_count: CodeCount::NextVersion {
        offset: 17_000,
        initial_thread: 194_624,
    },
    gil: gil_of_interpreter(16),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.13 without the GIL: object headers are 16 bytes longer.
pub(crate) const PYTHON_3_13T: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        code: CODE_3_13T,
        object: OBJECT_3_13T,
        ..PYTHON_3_13.layout
    },
    names: NamesLayout {
        // Its debug offsets give it.
        interp_imports_modules: ABSENT_NAME_FIELD,
    },
    code_count: CodeCount::NextVersion {
        offset: 20_092,
        initial_thread: 197_744,
    },
    gil: gil_of_interpreter(16),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.14: `f_executable` is a tagged reference.
pub(crate) const PYTHON_3_14: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RuntimeLayout {
            interpreters_head: 808,
            tss_struct: 2336,
            interp_next: 7272,
            interp_threads_head: 7344,
            ..PYTHON_3_13.layout.runtime
        },
        frame: FrameLayout {
            owner: 74,
            read_size: 80,
            tag_mask: 3,
            ..PYTHON_3_13.layout.frame
        },
        code: CodeLayout {
            adaptive: 208,
            ..PYTHON_3_13.layout.code
        },
        ..PYTHON_3_13.layout
    },
    names: NamesLayout {
        interp_imports_modules: 7688,
    },
    code_count: CodeCount::Generation { offset: 7992 },
    gil: gil_of_interpreter(16),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.14 without the GIL: every thread has its own copy of the bytecode.
pub(crate) const PYTHON_3_14T: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        frame: FRAME_3_14T,
        code: CODE_3_14T,
        object: OBJECT_3_14T,
        ..PYTHON_3_14.layout
    },
    names: NamesLayout {
        interp_imports_modules: ABSENT_NAME_FIELD,
    },
    code_count: CodeCount::Generation { offset: 7992 },
    gil: gil_of_interpreter(16),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.15: a base frame ends every chain, and there is no TSS key.
pub(crate) const PYTHON_3_15: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        runtime: RUNTIME_3_15,
        thread: THREAD_3_15,
        frame: FrameLayout {
            entry_kind: EntryKind::BaseFrame as u8,
            ..PYTHON_3_14.layout.frame
        },
        ..PYTHON_3_14.layout
    },
    names: NamesLayout {
        interp_imports_modules: 7592,
    },
    code_count: CodeCount::Generation { offset: 7944 },
    gil: gil_of_interpreter(16),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// CPython 3.15 without the GIL.
pub(crate) const PYTHON_3_15T: LayoutRow = LayoutRow {
    layout: InterpreterLayout {
        frame: FrameLayout {
            entry_kind: EntryKind::BaseFrame as u8,
            ..FRAME_3_14T
        },
        code: CODE_3_14T,
        object: OBJECT_3_14T,
        ..PYTHON_3_15.layout
    },
    names: NamesLayout {
        interp_imports_modules: ABSENT_NAME_FIELD,
    },
    code_count: CodeCount::Generation { offset: 7944 },
    gil: gil_of_interpreter(16),
    life: LifePlace::NONE,
    line_table: LineTableKind::Locations311,
};

/// `_PyRuntime.ceval.gil` (Include/internal/pycore_ceval.h, pycore_runtime.h).
const fn gil_in_runtime(offset: u32) -> GilPlace {
    GilPlace {
        offset,
        is_pointer: 0,
    }
}

/// `PyInterpreterState.ceval.gil` (Include/internal/pycore_ceval_state.h).
const fn gil_of_interpreter(offset: u32) -> GilPlace {
    GilPlace {
        offset,
        is_pointer: 1,
    }
}

const RUNTIME_3_15: RuntimeLayout = RuntimeLayout {
    interpreters_head: 936,
    tstate_current: ABSENT,
    tss_struct: ABSENT,
    interp_next: 7264,
    interp_threads_head: 7336,
    reserved: [0; 3],
};

const THREAD_3_7: ThreadLayout = ThreadLayout {
    next: 8,
    interp: 16,
    frame_head: 24,
    cframe_current_frame: ABSENT,
    base_frame: ABSENT,
    thread_id: 176,
    status: ABSENT,
    executor: ABSENT,
    read_size: 184,
    head_kind: FrameHead::ThreadState as u8,
    reserved: [0; 5],
};

const THREAD_3_15: ThreadLayout = ThreadLayout {
    base_frame: 80,
    thread_id: 176,
    executor: 304,
    read_size: 312,
    ..PYTHON_3_13.layout.thread
};

/// `PyFrameObject` has at least 360 bytes, so reading past `f_lasti` is safe.
const FRAME_3_7: FrameLayout = FrameLayout {
    previous: 24,
    executable: 32,
    instruction: 104,
    owner: ABSENT,
    tlbc_index: ABSENT,
    read_size: 112,
    instruction_kind: InstructionKind::LastiBytes as u8,
    entry_kind: EntryKind::None as u8,
    tag_mask: 0,
    frame_obj: 0,
};

const FRAME_3_14T: FrameLayout = FrameLayout {
    owner: 78,
    tlbc_index: 72,
    instruction_kind: InstructionKind::PointerToThreadLocal as u8,
    ..PYTHON_3_14.layout.frame
};

const CODE_3_6: CodeLayout = CodeLayout {
    filename: 96,
    name: 104,
    qualname: ABSENT,
    linetable: 112,
    firstlineno: 36,
    flags: 32,
    version: ABSENT,
    bytecode_object: 40,
    unit_count: ABSENT,
    adaptive: ABSENT,
    tlbc: ABSENT,
    read_size: 120,
    has_init_cleanup: 0,
    reserved: [0; 7],
};

/// `co_posonlyargcount` was added in front; with padding, that is eight bytes.
const CODE_3_8: CodeLayout = CodeLayout {
    filename: 104,
    name: 112,
    linetable: 120,
    firstlineno: 40,
    flags: 36,
    bytecode_object: 48,
    read_size: 128,
    ..CODE_3_6
};

const CODE_3_11: CodeLayout = CodeLayout {
    filename: 112,
    name: 120,
    qualname: 128,
    linetable: 136,
    firstlineno: 72,
    flags: 48,
    version: ABSENT,
    bytecode_object: ABSENT,
    unit_count: 16,
    adaptive: 184,
    tlbc: ABSENT,
    read_size: 144,
    has_init_cleanup: 0,
    reserved: [0; 7],
};

const CODE_3_13T: CodeLayout = CodeLayout {
    filename: 128,
    name: 136,
    qualname: 144,
    linetable: 152,
    firstlineno: 84,
    flags: 64,
    version: 108,
    bytecode_object: ABSENT,
    unit_count: 32,
    adaptive: 216,
    tlbc: ABSENT,
    read_size: 160,
    has_init_cleanup: 1,
    reserved: [0; 7],
};

const CODE_3_14T: CodeLayout = CodeLayout {
    adaptive: 232,
    tlbc: 224,
    ..CODE_3_13T
};

const OBJECT_3_6: ObjectLayout = ObjectLayout {
    ob_type: 8,
    str_length: 16,
    str_state: 32,
    str_ascii_data: 48,
    str_compact_data: 72,
    bytes_size: 16,
    bytes_data: 32,
    str_kind_shift: 2,
    reserved: 0,
};

const OBJECT_3_12: ObjectLayout = ObjectLayout {
    str_ascii_data: 40,
    str_compact_data: 56,
    ..OBJECT_3_6
};

const OBJECT_3_13T: ObjectLayout = ObjectLayout {
    ob_type: 24,
    str_length: 32,
    str_state: 48,
    str_ascii_data: 56,
    str_compact_data: 72,
    bytes_size: 32,
    bytes_data: 48,
    str_kind_shift: 2,
    reserved: 0,
};

/// `state.interned` became a byte of its own.
const OBJECT_3_14T: ObjectLayout = ObjectLayout {
    str_kind_shift: 8,
    ..OBJECT_3_13T
};
