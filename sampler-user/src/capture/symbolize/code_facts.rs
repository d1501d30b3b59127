// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is known of one code object, by the eBPF program's description or from the
//! process's memory.

use sampler_common::life::InterpreterLife;
use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessConfig;
use sampler_common::sample::CodeKey;
use sampler_common::window::Window;
use sampler_cpython::cpython::code_object::read_code_object;
use sampler_cpython::cpython::text::decode_text;

use crate::capture::bpf::events::RawCode;

/// A code object's names and line table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeFacts {
    pub(super) key: CodeKey,
    pub(super) file_name: String,
    pub(super) name: String,
    pub(super) first_line: i32,
    /// Number of code units; 0 when not known.
    pub(super) unit_count: u32,
    /// `None` when it could not be read; then no line is known.
    pub(super) line_table: Option<Box<[u8]>>,
}

impl CodeFacts {
    /// Converts a description; `None` if it lacks one of the names.
    pub(super) fn described(code: &RawCode) -> Option<Self> {
        let (file_name, name) = (code.file_name.as_ref()?, code.name.as_ref()?);
        Some(Self {
            key: code.key,
            file_name: plausible(decode_text(&file_name.bytes, file_name.width))?,
            name: plausible(decode_text(&name.bytes, name.width))?,
            first_line: code.first_line,
            unit_count: code.unit_count,
            line_table: code.line_table.as_deref().map(Into::into),
        })
    }

    /// Reads a code object from the memory of the process. `None` if the process is gone
    /// or its interpreter has begun another life; the address may have other code by now.
    pub(super) fn read<M: UserMemory>(
        memory: &M,
        config: &ProcessConfig,
        home: Home,
        address: u64,
    ) -> Option<Self> {
        let facts = Self::read_elsewhere(memory, config, home, address)?;
        home.is_alive(memory, config).then_some(facts)
    }

    /// Reads a code object from the memory of another process, in which this one's
    /// interpreter may have another life.
    pub(super) fn read_elsewhere<M: UserMemory>(
        memory: &M,
        config: &ProcessConfig,
        home: Home,
        address: u64,
    ) -> Option<Self> {
        let code = read_code_object(memory, config, home.life, address).ok()?;
        Some(Self {
            key: code.key,
            file_name: plausible(code.file_name)?,
            name: plausible(code.name)?,
            first_line: code.first_line,
            unit_count: code.unit_count,
            line_table: code.line_table.map(Into::into),
        })
    }
}

/// The interpreter that ran a code object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// Address of its `PyInterpreterState`.
    pub(super) interpreter: u64,
    /// Which of its lives.
    pub(super) life: InterpreterLife,
}

impl Home {
    /// Whether it still lives that life, so that what was read before belongs to it.
    fn is_alive<M: UserMemory>(self, memory: &M, config: &ProcessConfig) -> bool {
        let mut window = Window::zeroed();
        InterpreterLife::read(memory, config, self.interpreter, &mut window) == self.life
    }
}

/// Returns the text if it can be a name. CPython ends every string with a null character,
/// and no compiler puts one into a name. A text with a null character was read past its
/// end, because its length was forged.
fn plausible(text: String) -> Option<String> {
    (!text.contains('\0')).then_some(text)
}
