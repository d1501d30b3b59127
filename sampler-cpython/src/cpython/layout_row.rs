// SPDX-License-Identifier: MIT OR Apache-2.0

//! What user space knows about one layout of CPython's structures.

use sampler_common::layout::InterpreterLayout;
use sampler_common::process::{GilPlace, LifePlace};

use crate::cpython::line_table::LineTableKind;

/// Marks a field of [`NamesLayout`] that a build does not have.
pub const ABSENT_NAME_FIELD: u32 = u32::MAX;

/// Where Python's own thread names are found. The eBPF program does not need these
/// offsets, and some are too large for the fields that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamesLayout {
    /// `PyInterpreterState.modules` (to 3.11) or `.imports.modules`: the
    /// interpreter's `sys.modules`.
    pub interp_imports_modules: u32,
}

/// Where an interpreter counts its code objects; see
/// [`sampler_common::code_cache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCount {
    /// It does not count them (to 3.11).
    None,
    /// `_Py_next_func_version` (3.12): a static variable, found where the build was not
    /// stripped.
    Static,
    /// `PyInterpreterState.func_state.next_version` (3.13). The interpreter's own
    /// description leaves this field out, so its place is checked by a landmark.
    NextVersion {
        /// Its offset.
        offset: u32,
        /// Offset of `_initial_thread`, the state of an interpreter's first thread: the
        /// landmark.
        initial_thread: u32,
    },
    /// `PyInterpreterState._code_object_generation` (from 3.14), which the interpreter's
    /// own description includes.
    Generation {
        /// Its offset.
        offset: u32,
    },
}

/// What user space knows about one layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutRow {
    /// What the walker needs.
    pub layout: InterpreterLayout,
    /// What reading thread names needs.
    pub names: NamesLayout,
    /// Where code objects are counted, so that they can be remembered.
    pub code_count: CodeCount,
    /// Where the GIL is, to tell who waits for it.
    pub gil: GilPlace,
    /// What distinguishes interpreters that come and go (from 3.13, whose own description
    /// gives it), without what the C library knows.
    pub life: LifePlace,
    /// How line tables are encoded.
    pub line_table: LineTableKind,
}
