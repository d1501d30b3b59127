// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads `_Py_DebugOffsets`: what an interpreter from 3.13 on says about its own layout,
//! at the start of `_PyRuntime`.
//!
//! The structure (Include/internal/pycore_debug_offsets.h) is a cookie and then 64-bit
//! words. Their order is fixed for each minor version, but the structure does not state
//! it. So the order is looked up by version, and every word that is used must be
//! plausible: a pre-release with another order is rejected.

use sampler_common::layout::{ABSENT, InterpreterLayout, MAX_WINDOW_OFFSET};
use sampler_common::process::{GilPlace, LifePlace};

use crate::cpython::debug_offsets_order::{INTERPRETER, RUNTIME, WordOrder, order};
use crate::cpython::layout_row::{CodeCount, LayoutRow, NamesLayout};
use crate::cpython::version::PythonVersion;

/// The bytes that the structure starts with.
const COOKIE: &[u8; 8] = b"xdebugpy";
/// The bytes that must be read to parse any known version.
pub const MAX_SIZE: usize = 8 + 8 * 110;

/// Why debug offsets are not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DebugOffsetsError {
    /// Their version is impossible.
    #[error("its debug offsets name the impossible version {hex:#010x}")]
    Version {
        /// The word where the version should be.
        hex: u64,
    },
    /// The order of the words is not known for this version.
    #[error("the order of its debug offsets is not known for Python {version}")]
    WordOrder {
        /// The version.
        version: PythonVersion,
    },
    /// A word has an impossible value.
    #[error("its debug offsets are not plausible: {field} is {value}")]
    Implausible {
        /// The field that it describes.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

/// The debug offsets of one interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugOffsets {
    /// The version they are for.
    pub version: PythonVersion,
    words: Vec<u64>,
}

impl DebugOffsets {
    /// Parses the first bytes of `_PyRuntime`, of which up to [`MAX_SIZE`] are needed.
    /// `None` if they do not start with the cookie: the interpreter is older than 3.13.
    ///
    /// # Errors
    /// [`DebugOffsetsError::Version`] when the cookie is there but the version is
    /// impossible.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, DebugOffsetsError> {
        let Some(rest) = bytes.strip_prefix(COOKIE) else {
            return Ok(None);
        };
        let (chunks, _) = rest.as_chunks::<8>();
        let words: Vec<u64> = chunks
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let hex = words.first().copied().unwrap_or(0);
        let free_threaded = words.get(1).copied().unwrap_or(0);
        let version = u32::try_from(hex)
            .ok()
            .filter(|_| free_threaded <= 1)
            .and_then(|hex| PythonVersion::from_hex(hex, free_threaded == 1))
            .ok_or(DebugOffsetsError::Version { hex })?;
        Ok(Some(Self { version, words }))
    }

    /// Returns `row` with every number replaced that the interpreter gives.
    /// `runtime_size` is the size of `_PyRuntime` in bytes, if a symbol gives it.
    ///
    /// # Errors
    /// [`DebugOffsetsError`] when the order of the words is not known, or a number cannot
    /// be true.
    pub fn apply(
        &self,
        row: &LayoutRow,
        runtime_size: Option<u64>,
    ) -> Result<LayoutRow, DebugOffsetsError> {
        let version = self.version;
        let order = order(version).ok_or(DebugOffsetsError::WordOrder { version })?;
        if self.words.len() < order.words {
            return Err(implausible("the number of words", self.words.len() as u64));
        }
        let size = self.size("_PyRuntime's size", RUNTIME, 1024..=1 << 20)?;
        if runtime_size.is_some_and(|told| told != size) {
            return Err(implausible("_PyRuntime's size", size));
        }
        let mut layout = row.layout;
        self.apply_runtime(&mut layout, size)?;
        self.apply_thread(&mut layout, order)?;
        self.apply_frame(&mut layout, order)?;
        self.apply_code(&mut layout, order)?;
        self.apply_objects(&mut layout, order)?;
        // The key is not among the words. Where its neighbours moved, it moved too.
        let moved = layout.runtime.interpreters_head != row.layout.runtime.interpreters_head;
        if moved || self.version.is_preview() {
            layout.runtime.tss_struct = ABSENT;
        }
        let interpreter = Structure(self.word(INTERPRETER), u64::from(ABSENT));
        let modules = interpreter.field("imports.modules", self.word(order.imports_modules), 8)?;
        let code_count = match order.code_object_generation {
            Some(at) => CodeCount::Generation {
                offset: interpreter
                    .field("code_object_generation", self.word(at), 8)?
                    .into(),
            },
            None => row.code_count,
        };
        let gil = GilPlace {
            offset: interpreter
                .field("ceval.gil", self.word(order.imports_modules + 3), 8)?
                .into(),
            ..row.gil
        };
        let life = LifePlace {
            key_counts: 0,
            runtime_size: u32::try_from(size).unwrap_or(0),
            interp_id: interpreter
                .field("id", self.word(INTERPRETER + 1), 8)?
                .into(),
        };
        Ok(LayoutRow {
            layout,
            code_count,
            gil,
            life,
            names: NamesLayout {
                interp_imports_modules: modules.into(),
            },
            line_table: row.line_table,
        })
    }

    fn apply_runtime(
        &self,
        layout: &mut InterpreterLayout,
        size: u64,
    ) -> Result<(), DebugOffsetsError> {
        let runtime = Structure(size, u64::from(ABSENT));
        layout.runtime.interpreters_head =
            runtime.field("interpreters.head", self.word(RUNTIME + 2), 8)?;
        let size = self.size("PyInterpreterState's size", INTERPRETER, 4096..=1 << 22)?;
        let interpreter = Structure(size, u64::from(ABSENT));
        layout.runtime.interp_next = interpreter.field("next", self.word(INTERPRETER + 2), 8)?;
        layout.runtime.interp_threads_head =
            interpreter.field("threads.head", self.word(INTERPRETER + 3), 8)?;
        Ok(())
    }

    fn apply_thread(
        &self,
        layout: &mut InterpreterLayout,
        order: &WordOrder,
    ) -> Result<(), DebugOffsetsError> {
        let at = order.thread;
        let size = self.size("PyThreadState's size", at, 128..=4096)?;
        let state = Structure(size, u64::from(MAX_WINDOW_OFFSET));
        let thread = &mut layout.thread;
        let known = (thread.frame_head, thread.thread_id);
        thread.next = state.field("tstate.next", self.word(at + 2), 8)?;
        thread.interp = state.field("tstate.interp", self.word(at + 3), 8)?;
        thread.frame_head = state.field("tstate.current_frame", self.word(at + 4), 8)?;
        thread.thread_id = state.field("tstate.thread_id", self.word(order.thread_id), 8)?;
        thread.status = state.field("tstate.status", self.word(order.status), 4)?;
        let mut ends = vec![
            thread.next + 8,
            thread.interp + 8,
            thread.frame_head + 8,
            thread.thread_id + 8,
            thread.status + 4,
        ];
        if let Some(base_frame) = order.base_frame {
            thread.base_frame = state.field("tstate.base_frame", self.word(base_frame), 8)?;
            ends.push(thread.base_frame + 8);
        }
        // It is not among the words. Where its neighbours moved, it moved too.
        let moved = (thread.frame_head, thread.thread_id) != known;
        if moved || self.version.is_preview() || thread.executor == ABSENT {
            thread.executor = ABSENT;
        } else {
            ends.push(thread.executor + 8);
        }
        thread.read_size = whole_words(&ends);
        if u64::from(thread.read_size) > size {
            return Err(implausible("PyThreadState's size", size));
        }
        Ok(())
    }

    fn apply_frame(
        &self,
        layout: &mut InterpreterLayout,
        order: &WordOrder,
    ) -> Result<(), DebugOffsetsError> {
        let at = order.frame;
        let size = self.size("_PyInterpreterFrame's size", at, 64..=256)?;
        let structure = Structure(size, u64::from(MAX_WINDOW_OFFSET));
        let frame = &mut layout.frame;
        frame.previous = structure.field("frame.previous", self.word(at + 1), 8)?;
        frame.executable = structure.field("frame.executable", self.word(at + 2), 8)?;
        frame.instruction = structure.field("frame.instr_ptr", self.word(at + 3), 8)?;
        frame.owner = structure.field("frame.owner", self.word(at + 5), 1)?;
        let mut ends = vec![
            frame.previous + 8,
            frame.executable + 8,
            frame.instruction + 8,
            frame.owner + 1,
        ];
        if frame.tlbc_index != ABSENT {
            frame.tlbc_index = structure.field("frame.tlbc_index", self.word(at + 7), 4)?;
            ends.push(frame.tlbc_index + 4);
        }
        frame.read_size = whole_words(&ends);
        if u64::from(frame.read_size) > size {
            return Err(implausible("_PyInterpreterFrame's size", size));
        }
        Ok(())
    }

    fn apply_code(
        &self,
        layout: &mut InterpreterLayout,
        order: &WordOrder,
    ) -> Result<(), DebugOffsetsError> {
        let at = order.code;
        let size = self.size("PyCodeObject's size", at, 128..=512)?;
        let structure = Structure(size, u64::from(MAX_WINDOW_OFFSET));
        let code = &mut layout.code;
        code.filename = structure.field("code.filename", self.word(at + 1), 8)?;
        code.name = structure.field("code.name", self.word(at + 2), 8)?;
        code.qualname = structure.field("code.qualname", self.word(at + 3), 8)?;
        code.linetable = structure.field("code.linetable", self.word(at + 4), 8)?;
        code.firstlineno = structure.field("code.firstlineno", self.word(at + 5), 4)?;
        code.adaptive = structure.field("code.co_code_adaptive", self.word(at + 9), 2)?;
        if code.tlbc != ABSENT {
            code.tlbc = structure.field("code.co_tlbc", self.word(at + 10), 8)?;
        }
        code.read_size = whole_words(&[
            code.filename + 8,
            code.name + 8,
            code.qualname + 8,
            code.linetable + 8,
            code.firstlineno + 4,
            code.flags + 4,
            code.version + 4,
            code.unit_count + 4,
        ]);
        if u64::from(code.read_size) > size {
            return Err(implausible("PyCodeObject's size", size));
        }
        Ok(())
    }

    fn apply_objects(
        &self,
        layout: &mut InterpreterLayout,
        order: &WordOrder,
    ) -> Result<(), DebugOffsetsError> {
        let limit = u64::from(MAX_WINDOW_OFFSET);
        let object = &mut layout.object;
        let size = self.size("PyObject's size", order.object, 16..=64)?;
        let header = Structure(size, limit);
        object.ob_type = header.field("ob_type", self.word(order.object + 1), 8)?;
        let size = self.size("PyBytesObject's size", order.bytes, 32..=128)?;
        let bytes = Structure(size, limit);
        object.bytes_size = bytes.field("bytes.ob_size", self.word(order.bytes + 1), 8)?;
        object.bytes_data = bytes.field("bytes.ob_sval", self.word(order.bytes + 2), 1)?;
        let size = self.size("PyUnicodeObject's size", order.text, 48..=128)?;
        let text = Structure(size, limit);
        object.str_state = text.field("str.state", self.word(order.text + 1), 4)?;
        object.str_length = text.field("str.length", self.word(order.text + 2), 8)?;
        object.str_ascii_data = text.field("str.asciiobject_size", self.word(order.text + 3), 8)?;
        // PyUnicodeObject is PyCompactUnicodeObject and one pointer.
        object.str_compact_data = text.field("str.compact_size", size - 8, 8)?;
        let state_end = object.str_state + 4;
        if state_end.max(object.str_length + 8) > object.str_ascii_data {
            return Err(implausible(
                "str.asciiobject_size",
                object.str_ascii_data.into(),
            ));
        }
        Ok(())
    }

    /// Returns a word; a missing one is implausible wherever it is used.
    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(u64::MAX)
    }

    fn size(
        &self,
        field: &'static str,
        index: usize,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, DebugOffsetsError> {
        let value = self.word(index);
        if range.contains(&value) && value.is_multiple_of(8) {
            Ok(value)
        } else {
            Err(implausible(field, value))
        }
    }
}

/// A structure of the interpreter: its size, and how many bytes of it may be used.
struct Structure(u64, u64);

impl Structure {
    /// Returns the offset `value` of a field of `size` bytes, if it lies in the structure
    /// and in reach and is aligned as compilers align it.
    fn field(&self, field: &'static str, value: u64, size: u64) -> Result<u16, DebugOffsetsError> {
        let Self(structure, limit) = self;
        value
            .checked_add(size)
            .filter(|end| end <= structure && end <= limit && value.is_multiple_of(size))
            .and_then(|_| u16::try_from(value).ok())
            .ok_or(implausible(field, value))
    }
}

/// Returns the end of the last field, rounded up to whole words.
fn whole_words(ends: &[u16]) -> u16 {
    let end = ends.iter().copied().max().unwrap_or(0);
    end.saturating_add(7) & !7
}

fn implausible(field: &'static str, value: u64) -> DebugOffsetsError {
    DebugOffsetsError::Implausible { field, value }
}

#[cfg(test)]
pub mod tests;
