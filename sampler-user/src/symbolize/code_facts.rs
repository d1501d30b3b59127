//! What is known of one code object, from whichever of the two sources answered:
//! the kernel side's description or the process's memory. It refuses to know
//! which one it was.

use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessConfig;
use sampler_common::sample::CodeKey;

use crate::bpf::events::RawCode;
use crate::cpython::code_object::{decode_text, read_code_object};

/// A code object's names and line table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeFacts {
    pub(super) key: CodeKey,
    pub(super) file_name: String,
    pub(super) name: String,
    pub(super) first_line: i32,
    /// 0 when not known.
    pub(super) unit_count: u32,
    /// `None` when it could not be read: then no line is known.
    pub(super) line_table: Option<Box<[u8]>>,
}

impl CodeFacts {
    /// From a description that has the names.
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

    /// From the memory of the process, which may be gone, or have other code at
    /// that address by now.
    pub(super) fn read<M: UserMemory>(
        memory: &M,
        config: &ProcessConfig,
        address: u64,
    ) -> Option<Self> {
        let code = read_code_object(memory, config, address).ok()?;
        Some(Self {
            key: code.key,
            file_name: plausible(code.file_name)?,
            name: plausible(code.name)?,
            first_line: code.first_line,
            unit_count: code.unit_count,
            line_table: Some(code.line_table.into()),
        })
    }
}

/// A text that can be a name. CPython ends every string with a null character,
/// and no compiler puts one into a name: one with a null character was read
/// past its end, by a forged length.
fn plausible(text: String) -> Option<String> {
    (!text.contains('\0')).then_some(text)
}
