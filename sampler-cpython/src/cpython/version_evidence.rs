// SPDX-License-Identifier: MIT OR Apache-2.0

//! Determines the version of the CPython in an ELF file. What the interpreter itself says
//! counts more than names.
//!
//! The sources, in this order: the value of `Py_Version` (from 3.11); the debug offsets
//! at `_PyRuntime` (from 3.13), which must agree with it; the library's own name
//! (`DT_SONAME`, else the name that it is mapped under); the size of `_PyRuntime`, which
//! differs in each of 3.7 to 3.10; and last the text of `PY_VERSION`, which
//! `Py_GetVersion` keeps among the constants. That text also gives the third number where
//! a name or a size gave the first two.

use std::ops::RangeInclusive;

use crate::cpython::debug_offsets;
use crate::cpython::debug_offsets::{DebugOffsets, DebugOffsetsError};
use crate::cpython::version::PythonVersion;
use crate::process::elf::{ElfError, ElfFile};
use crate::process::elf_symbols::Symbol;

/// The most bytes of constants that are searched for a version.
const MAX_CONSTANTS: u64 = 64 << 20;
/// The longest text of a version that is searched for, with the byte before it.
const MAX_VERSION_TEXT: usize = 16;

/// A version, and the debug offsets that came with it.
#[derive(Debug)]
pub(crate) struct VersionEvidence {
    pub(crate) version: PythonVersion,
    pub(crate) debug_offsets: Option<DebugOffsets>,
}

/// Why a file's version cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The file is damaged.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The debug offsets are damaged.
    #[error(transparent)]
    DebugOffsets(#[from] DebugOffsetsError),
    /// Two sources disagree.
    #[error("it claims to be both Python {one} and {other}")]
    Contradiction {
        /// What the debug offsets say.
        one: PythonVersion,
        /// What `Py_Version` says.
        other: PythonVersion,
    },
    /// No source says which version it is.
    #[error("nothing in it says which version of Python it is")]
    Nothing,
}

/// Determines the version of the interpreter in `elf`, whose `_PyRuntime` is `runtime`
/// and which is mapped under `file_name`.
pub(crate) fn find(
    elf: &ElfFile,
    runtime: Symbol,
    file_name: &[u8],
) -> Result<VersionEvidence, EvidenceError> {
    let told = version_symbol(elf)?;
    let debug_offsets = debug_offsets_at(elf, runtime)?;
    if let (Some(offsets), Some(told)) = (&debug_offsets, told) {
        let one = PythonVersion {
            free_threaded: false,
            ..offsets.version
        };
        if one != told {
            return Err(EvidenceError::Contradiction { one, other: told });
        }
    }
    let version = match (&debug_offsets, told) {
        (Some(offsets), _) => offsets.version,
        (None, Some(told)) => told,
        (None, None) => unexported_version(elf, runtime, file_name)?,
    };
    Ok(VersionEvidence {
        version,
        debug_offsets,
    })
}

/// Reads `const unsigned long Py_Version` (Python/getversion.c, from 3.11).
fn version_symbol(elf: &ElfFile) -> Result<Option<PythonVersion>, ElfError> {
    let exported = elf.dynamic_symbol("Py_Version")?;
    // An interpreter that is part of a program need not export it.
    let [hidden] = match exported {
        Some(_) => [None],
        None => elf.static_symbols(["Py_Version"])?,
    };
    let Some(symbol) = exported.or(hidden) else {
        return Ok(None);
    };
    let mut hex = [0; 4];
    elf.read_at_address(symbol.address, &mut hex)?;
    Ok(PythonVersion::from_hex(u32::from_le_bytes(hex), false))
}

fn debug_offsets_at(
    elf: &ElfFile,
    runtime: Symbol,
) -> Result<Option<DebugOffsets>, DebugOffsetsError> {
    let mut bytes = [0; debug_offsets::MAX_SIZE];
    // To 3.9, `_PyRuntime` is zero-initialised memory that is not in the file.
    match elf.read_at_address(runtime.address, &mut bytes) {
        Ok(()) => DebugOffsets::parse(&bytes),
        Err(_) => Ok(None),
    }
}

/// Determines the version of an interpreter that has neither `Py_Version` nor debug
/// offsets: 3.7 to 3.10, or a stripped 3.11 or 3.12.
fn unexported_version(
    elf: &ElfFile,
    runtime: Symbol,
    file_name: &[u8],
) -> Result<PythonVersion, EvidenceError> {
    let soname = elf.soname()?.unwrap_or_default();
    let minor = library_minor(&soname)
        .or_else(|| library_minor(file_name))
        .or_else(|| minor_by_size(runtime.size));
    let minors = match (minor, runtime.size) {
        (Some(minor), _) => minor..=minor,
        // Found by its section alone, which came with 3.10.
        (None, 0) => 10..=12,
        (None, _) => 7..=12,
    };
    match (written_one_of(elf, minors)?, minor) {
        (Some(text), _) => Ok(text),
        // 3.7.4 moved fields; 3.7 has had this size since.
        (None, Some(7)) if runtime.size == 1520 => Ok(PythonVersion {
            micro: 4,
            ..PythonVersion::minor_only(3, 7)
        }),
        (None, Some(minor)) => Ok(PythonVersion::minor_only(3, minor)),
        (None, None) => Err(EvidenceError::Nothing),
    }
}

/// Returns the 8 of `libpython3.8.so.1.0` or `libpython3.8m.so`.
fn library_minor(name: &[u8]) -> Option<u8> {
    let name = std::str::from_utf8(name).ok()?;
    let minor = name.strip_prefix("libpython3.")?;
    let end = minor.find(|c: char| !c.is_ascii_digit())?;
    minor.get(..end)?.parse().ok()
}

/// Returns the minor version whose `sizeof(_PyRuntimeState)` this is, in 64-bit builds.
fn minor_by_size(size: u64) -> Option<u8> {
    match size {
        1520 => Some(7),
        1464 => Some(8),
        656 => Some(9),
        672 => Some(10),
        _ => None,
    }
}

/// Like [`written_one_of`], for one minor version.
pub(crate) fn written(elf: &ElfFile, minor: u8) -> Result<Option<PythonVersion>, ElfError> {
    written_one_of(elf, minor..=minor)
}

/// Returns the one version of these minor ones that is written among the constants;
/// `None` if there are several, since those of other software may be there.
///
/// A text that is nothing but a version counts more than one that ends in it. The latter
/// counts too, since linkers let a text share the end of a longer one, such as
/// `/opt/python/3.8.18`.
fn written_one_of(
    elf: &ElfFile,
    minors: RangeInclusive<u8>,
) -> Result<Option<PythonVersion>, ElfError> {
    let Some(constants) = elf.section(".rodata") else {
        return Ok(None);
    };
    if constants.size > MAX_CONSTANTS {
        return Ok(None);
    }
    let (mut whole, mut endings) = (Vec::new(), Vec::new());
    elf.visit_strings(constants, MAX_VERSION_TEXT, |_, tail| {
        if let Some((version, is_whole)) = version_at_end(tail, &minors) {
            let found = if is_whole { &mut whole } else { &mut endings };
            if !found.contains(&version) {
                found.push(version);
            }
        }
        whole.len() < 8 && endings.len() < 8
    })?;
    Ok([whole, endings]
        .iter()
        .find_map(|found| match found.as_slice() {
            [version] => Some(*version),
            _ => None,
        }))
}

/// Returns the version that `tail` ends with, and whether it is a text of its own.
fn version_at_end(tail: &[u8], minors: &RangeInclusive<u8>) -> Option<(PythonVersion, bool)> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b".abcr+".contains(byte);
    let before = tail.iter().rposition(|byte| !is_part(byte))?;
    let text = tail.get(before.checked_add(1)?..)?;
    let version: PythonVersion = std::str::from_utf8(text).ok()?.parse().ok()?;
    let fits = version.major == 3 && minors.contains(&version.minor);
    fits.then(|| (version, tail.get(before) == Some(&0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_of_libraries() {
        assert_eq!(library_minor(b"libpython3.8.so.1.0"), Some(8));
        assert_eq!(library_minor(b"libpython3.7m.so.1.0"), Some(7));
        assert_eq!(library_minor(b"libpython3.10.so"), Some(10));
        for other in [
            &b"libpython3.so"[..],
            b"libpython2.7.so",
            b"libpython3.8",
            b"\xff",
            b"",
        ] {
            assert_eq!(library_minor(other), None);
        }
    }

    #[test]
    fn takes_only_versions_that_fit() {
        const ANY: RangeInclusive<u8> = 7..=10;
        let version = |text: &str| text.parse::<PythonVersion>().expect("a version");
        let whole = Some((version("3.9.2"), true));
        assert_eq!(version_at_end(b"tail\x003.9.2+", &ANY), whole);
        let ending = Some((version("3.7.16"), false));
        assert_eq!(version_at_end(b"/versions/3.7.16", &(7..=7)), ending);
        assert_eq!(version_at_end(b"\x003.9.2", &(8..=8)), None);
        assert_eq!(version_at_end(b"\x003.34.1", &ANY), None);
        assert_eq!(version_at_end(b"\x0013.9.2", &ANY), None);
        assert_eq!(
            version_at_end(b"3.9.2", &ANY),
            None,
            "may be the end of 13.9.2"
        );
        assert_eq!(version_at_end(b"\x00", &ANY), None);
    }
}
