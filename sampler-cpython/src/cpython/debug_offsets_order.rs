// SPDX-License-Identifier: MIT OR Apache-2.0

//! The order of the words in `_Py_DebugOffsets`, for each minor version
//! (Include/internal/pycore_debug_offsets.h).

use crate::cpython::version::PythonVersion;

/// Where each group of words starts in one minor version, and single words where a group
/// itself changed. Words are counted from the one after the cookie.
pub(crate) struct WordOrder {
    /// The number of words.
    pub(crate) words: usize,
    /// `interpreter_state.imports_modules`.
    pub(crate) imports_modules: usize,
    /// `interpreter_state.code_object_generation`.
    pub(crate) code_object_generation: Option<usize>,
    /// Start of `thread_state`.
    pub(crate) thread: usize,
    /// `thread_state.base_frame`.
    pub(crate) base_frame: Option<usize>,
    /// `thread_state.thread_id`.
    pub(crate) thread_id: usize,
    /// `thread_state.status`.
    pub(crate) status: usize,
    /// Start of `interpreter_frame`.
    pub(crate) frame: usize,
    /// Start of `code_object`.
    pub(crate) code: usize,
    /// Start of `pyobject`.
    pub(crate) object: usize,
    /// Start of `bytes_object`.
    pub(crate) bytes: usize,
    /// Start of `unicode_object`.
    pub(crate) text: usize,
}

/// Where the words about `_PyRuntime` start, in every version.
pub(crate) const RUNTIME: usize = 2;
/// Where the words about `PyInterpreterState` start, in every version.
pub(crate) const INTERPRETER: usize = 5;

const ORDER_3_13: WordOrder = WordOrder {
    words: 72,
    imports_modules: 10,
    code_object_generation: None,
    thread: 18,
    base_frame: None,
    thread_id: 23,
    status: 26,
    frame: 27,
    code: 33,
    object: 43,
    bytes: 63,
    text: 66,
};

const ORDER_3_14: WordOrder = WordOrder {
    words: 94,
    imports_modules: 11,
    code_object_generation: Some(19),
    thread: 21,
    base_frame: None,
    thread_id: 26,
    status: 29,
    frame: 30,
    code: 38,
    object: 49,
    bytes: 73,
    text: 76,
};

const ORDER_3_15: WordOrder = WordOrder {
    words: 110,
    imports_modules: 11,
    code_object_generation: Some(19),
    thread: 21,
    base_frame: Some(26),
    thread_id: 29,
    status: 32,
    frame: 38,
    code: 46,
    object: 57,
    bytes: 85,
    text: 88,
};

/// Returns the order of a version's words; `None` if it is not known.
pub(crate) fn order(version: PythonVersion) -> Option<&'static WordOrder> {
    match (version.major, version.minor) {
        (3, 13) => Some(&ORDER_3_13),
        (3, 14) => Some(&ORDER_3_14),
        (3, 15) => Some(&ORDER_3_15),
        _ => None,
    }
}
