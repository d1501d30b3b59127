// SPDX-License-Identifier: MIT OR Apache-2.0

//! One build of CPython: what an ELF file says about the interpreter in it, whichever
//! process runs it.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sampler_common::layout::InterpreterLayout;
use sampler_common::process::{GilPlace, LifePlace};

use crate::cpython::layout_row::{CodeCount, LayoutRow, NamesLayout};
use crate::cpython::layout_table::{NEWEST_MINOR, OLDEST_MINOR};
use crate::cpython::line_table::LineTableKind;
use crate::cpython::version::PythonVersion;
use crate::cpython::version_evidence::EvidenceError;
use crate::cpython::{layout_table, version_evidence};
use crate::process::elf::{ElfError, ElfFile};
use crate::process::elf_symbols::Symbol;

/// Where an interpreter's file has what pyebpf needs of it. Addresses are as linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeAddresses {
    /// `_PyRuntime`; in 3.6, which has none, the first of the static variables that it
    /// replaced.
    pub runtime: u64,
    /// `PyCode_Type`; `None` for a stripped program that contains the interpreter, since
    /// it does not name the type.
    pub code_type: Option<u64>,
    /// `_Py_tss_gilstate` (3.15), as a distance from the thread pointer, if the file was
    /// not stripped. Valid only where the file is the program itself.
    pub tls_offset: Option<i64>,
    /// `_Py_next_func_version` (3.12), if the file was not stripped.
    pub next_version: Option<u64>,
    /// `__pthread_keys` of glibc, where that is part of the program, if it was not
    /// stripped.
    pub key_counts: Option<u64>,
}

/// One build of CPython.
#[derive(Debug)]
pub struct Runtime {
    /// Its version.
    pub version: PythonVersion,
    /// A number that no other build has.
    pub build: u64,
    /// The addresses that its file's segments span, as linked.
    pub span: Range<u64>,
    /// What the walker needs.
    pub layout: InterpreterLayout,
    /// What reading thread names needs.
    pub names: NamesLayout,
    /// How its line tables are encoded.
    pub line_table: LineTableKind,
    /// Where it counts code objects, so that they can be remembered.
    pub code_count: CodeCount,
    /// Where its GIL is, to tell who waits for it.
    pub gil: GilPlace,
    /// What distinguishes interpreters that come and go.
    pub life: LifePlace,
    /// Where its parts are in its file.
    pub addresses: RuntimeAddresses,
    /// A thread-local slot that was found in one process. It is at the same place in
    /// every other one if the interpreter is the program itself.
    pub(crate) learned_tls_offset: OnceLock<i64>,
    /// Set once a process has shown that `code_count` holds for this build.
    pub(crate) code_count_holds: OnceLock<()>,
}

/// Why the interpreter in a file cannot be sampled.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is no layout for its version.
    #[error(
        "Python {version} is not supported: this build knows 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR}"
    )]
    UnsupportedVersion {
        /// The version, as text since only a part of it may be known.
        version: String,
    },
    /// It is a pre-release that does not describe itself in a known way.
    #[error("Python {version} is a pre-release whose layout is not known: {reason}")]
    UnknownPreview {
        /// The version.
        version: PythonVersion,
        /// Why its own description was not used.
        reason: String,
    },
    /// It says nothing, or nonsense, about its layout.
    #[error("Python {version} has an unknown layout: {reason}")]
    UnknownLayout {
        /// The version.
        version: PythonVersion,
        /// What is wrong.
        reason: String,
    },
    /// Its version cannot be determined.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A symbol is missing that only the static table had.
    #[error("its symbol {symbol} was stripped; use an unstripped build or a distribution's")]
    Stripped {
        /// The symbol.
        symbol: &'static str,
    },
    /// The file is damaged or not for this machine.
    #[error(transparent)]
    Elf(#[from] ElfError),
}

impl Runtime {
    /// Reads the interpreter in `elf`, which is mapped under `file_name`; `None` if there
    /// is none in it.
    ///
    /// # Errors
    /// [`RuntimeError`] when there is one that cannot be sampled.
    pub fn from_elf(elf: &ElfFile, file_name: &[u8]) -> Result<Option<Self>, RuntimeError> {
        let symbols = Symbols::find(elf)?;
        let Some(runtime) = symbols.runtime else {
            return Self::before_runtime(elf, &symbols);
        };
        let evidence = version_evidence::find(elf, runtime, file_name)?;
        let version = evidence.version;
        let row = layout_table::row(version).ok_or_else(|| RuntimeError::UnsupportedVersion {
            version: version.to_string(),
        })?;
        refuse_traced_references(elf, &symbols, version)?;
        let unknown = |reason: String| match version.is_preview() {
            true => RuntimeError::UnknownPreview { version, reason },
            false => RuntimeError::UnknownLayout { version, reason },
        };
        let row = match evidence.debug_offsets {
            Some(offsets) => {
                let size = Some(runtime.size).filter(|size| *size != 0);
                offsets
                    .apply(row, size)
                    .map_err(|error| unknown(error.to_string()))?
            }
            None if layout_table::has_debug_offsets(version) || version.is_preview() => {
                return Err(unknown("it does not describe itself".to_owned()));
            }
            None => *row,
        };
        let tls_offset = match (symbols.gilstate_slot, elf.program_tls_offset()) {
            (Some(slot), Some(block)) => block.checked_add_unsigned(slot.address),
            _ => None,
        };
        Ok(Some(Self::new(
            version,
            row,
            elf.segments().span(),
            RuntimeAddresses {
                runtime: runtime.address,
                code_type: symbols.code_type.map(|symbol| symbol.address),
                tls_offset,
                next_version: symbols.next_version.map(|symbol| symbol.address),
                key_counts: symbols.key_counts.map(|symbol| symbol.address),
            },
        )))
    }

    fn new(
        version: PythonVersion,
        row: LayoutRow,
        span: Range<u64>,
        addresses: RuntimeAddresses,
    ) -> Self {
        static BUILDS: AtomicU64 = AtomicU64::new(0);
        Self {
            version,
            build: BUILDS.fetch_add(1, Ordering::Relaxed),
            span,
            layout: row.layout,
            names: row.names,
            line_table: row.line_table,
            code_count: row.code_count,
            gil: row.gil,
            life: row.life,
            addresses,
            learned_tls_offset: OnceLock::new(),
            code_count_holds: OnceLock::new(),
        }
    }

    /// Reads an interpreter without `_PyRuntime`: 3.6 or older. 3.6 has the same values
    /// in static variables next to each other (Python/pystate.c).
    fn before_runtime(elf: &ElfFile, symbols: &Symbols) -> Result<Option<Self>, RuntimeError> {
        let Some(current) = elf.dynamic_symbol("_PyThreadState_Current")? else {
            return Ok(None);
        };
        // New in 3.6 (PEP 523).
        if elf
            .dynamic_symbol("_PyEval_RequestCodeExtraIndex")?
            .is_none()
        {
            return Err(RuntimeError::UnsupportedVersion {
                version: "3.5 or older".to_owned(),
            });
        }
        let [head] = elf.static_symbols(["interp_head"])?;
        let head = head.ok_or(RuntimeError::Stripped {
            symbol: "interp_head",
        })?;
        let version = version_evidence::written(elf, 6)?.unwrap_or(PythonVersion::minor_only(3, 6));
        let unknown = || RuntimeError::UnknownLayout {
            version,
            reason: "its statics are far apart".to_owned(),
        };
        let mut row = *layout_table::row(version).ok_or_else(unknown)?;
        let base = head.address.min(current.address);
        let distance = |address: u64| u16::try_from(address - base).map_err(|_| unknown());
        row.layout.runtime.interpreters_head = distance(head.address)?;
        row.layout.runtime.tstate_current = distance(current.address)?;
        Ok(Some(Self::new(
            version,
            row,
            elf.segments().span(),
            RuntimeAddresses {
                runtime: base,
                code_type: symbols.code_type.map(|symbol| symbol.address),
                tls_offset: None,
                next_version: None,
                key_counts: None,
            },
        )))
    }
}

/// The symbols that identify an interpreter.
struct Symbols {
    runtime: Option<Symbol>,
    code_type: Option<Symbol>,
    gilstate_slot: Option<Symbol>,
    next_version: Option<Symbol>,
    key_counts: Option<Symbol>,
    /// Whether it has a function that only builds with `Py_TRACE_REFS` have
    /// (Objects/object.c): `_Py_ForgetReference`, exported to 3.12, or
    /// `_Py_PrintReferences`, not exported from 3.12 on.
    traces_references: bool,
}

impl Symbols {
    /// Finds exported symbols first; then those that `strip` removes; then the section
    /// `.PyRuntime` (from 3.10), which it keeps.
    fn find(elf: &ElfFile) -> Result<Self, ElfError> {
        let mut runtime = elf.dynamic_symbol("_PyRuntime")?;
        let mut code_type = elf.dynamic_symbol("PyCode_Type")?;
        let [
            hidden_runtime,
            hidden_code_type,
            gilstate_slot,
            next_version,
            key_counts,
            tracing,
        ] = elf.static_symbols([
            "_PyRuntime",
            "PyCode_Type",
            "_Py_tss_gilstate",
            "_Py_next_func_version",
            "__pthread_keys",
            "_Py_PrintReferences",
        ])?;
        let exported = elf.dynamic_symbol("_Py_ForgetReference")?;
        let tracing = exported
            .or(tracing)
            .or(elf.dynamic_symbol("_Py_PrintReferences")?);
        runtime = runtime.or(hidden_runtime);
        code_type = code_type.or(hidden_code_type);
        let section = elf.section(".PyRuntime").map(|section| Symbol {
            address: section.address,
            size: 0,
        });
        Ok(Self {
            runtime: runtime.or(section),
            code_type,
            gilstate_slot,
            next_version,
            key_counts,
            traces_references: tracing.is_some(),
        })
    }
}

/// Rejects builds with `Py_TRACE_REFS`: to 3.12, they have two more pointers in front of
/// every object, so that all of a code object lies elsewhere.
fn refuse_traced_references(
    elf: &ElfFile,
    symbols: &Symbols,
    version: PythonVersion,
) -> Result<(), RuntimeError> {
    if layout_table::has_debug_offsets(version) {
        return Ok(());
    }
    let code_type = symbols.code_type.map(|symbol| symbol.address);
    if symbols.traces_references || code_type.is_some_and(|at| begins_with_links(elf, at)) {
        return Err(RuntimeError::UnknownLayout {
            version,
            reason: "it was built with Py_TRACE_REFS".to_owned(),
        });
    }
    Ok(())
}

/// Whether the object that the file has at `address` begins with two pointers that are
/// not set yet, followed by its reference count. Any other object begins with that count,
/// and has a size of 0 there (`PyVarObject_HEAD_INIT`, Include/object.h).
fn begins_with_links(elf: &ElfFile, address: u64) -> bool {
    let mut words = [0; 24];
    if elf.read_at_address(address, &mut words).is_err() {
        return false;
    }
    let [next, _, count]: [u64; 3] = bytemuck::cast(words);
    next == 0 && count != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::debug_offsets::tests::{WORDS_3_14, bytes};
    use crate::process::elf_fixture;
    use crate::process::elf_fixture::ADDRESS;
    use object::elf::{SHT_DYNSYM, SHT_SYMTAB};

    fn from_bytes(content: &[u8], file_name: &str) -> Result<Option<Runtime>, RuntimeError> {
        let elf = ElfFile::parse(elf_fixture::open(content))?;
        Runtime::from_elf(&elf, file_name.as_bytes())
    }

    /// A file with an interpreter whose `_PyRuntime` starts with `words`.
    fn interpreter(table: u32, words: &[u64]) -> Vec<u8> {
        let symbols = [("_PyRuntime", ADDRESS, words[2]), ("PyCode_Type", 0x99, 8)];
        let mut content = bytes(words);
        content.resize(2048, 0);
        elf_fixture::elf(table, &symbols, &content)
    }

    #[test]
    fn exported_or_not_it_is_found() {
        for table in [SHT_DYNSYM, SHT_SYMTAB] {
            let runtime = from_bytes(&interpreter(table, &WORDS_3_14), "app");
            let runtime = runtime.expect("it is supported").expect("it is there");
            assert_eq!(runtime.version.to_string(), "3.14.10");
            assert_eq!(runtime.addresses.runtime, ADDRESS);
            assert_eq!(runtime.addresses.code_type, Some(0x99));
        }
    }

    #[test]
    fn a_version_without_a_row_is_refused_by_name() {
        let mut words = WORDS_3_14;
        words[0] = 0x0310_00f0;
        let error = from_bytes(&interpreter(SHT_DYNSYM, &words), "app").expect_err("3.16");
        let text = "Python 3.16.0 is not supported: this build knows 3.6 to 3.15";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_preview_is_taken_at_its_word_or_not_at_all() {
        let mut words = WORDS_3_14;
        words[0] = 0x030e_00b1;
        let runtime = from_bytes(&interpreter(SHT_DYNSYM, &words), "app");
        let runtime = runtime.expect("plausible").expect("it is there");
        assert_eq!(runtime.version.to_string(), "3.14.0b1");
        words[30] = 3;
        let error = from_bytes(&interpreter(SHT_DYNSYM, &words), "app").expect_err("nonsense");
        assert!(
            matches!(error, RuntimeError::UnknownPreview { .. }),
            "{error}"
        );
    }

    #[test]
    fn old_versions_are_told_by_name_then_by_size_then_by_text() {
        let old = |size: u64, text: &[u8]| {
            let symbols = [("_PyRuntime", 0x1234, size), ("PyCode_Type", 0x99, 8)];
            elf_fixture::elf(SHT_DYNSYM, &symbols, text)
        };
        for (size, text, name, version) in [
            (656, &b"\x003.10.2\0"[..], "libpython3.10.so.1.0", "3.10.2"),
            (656, b"\x003.10.2\x003.9.5\0", "python", "3.9.5"),
            (1, b"\x003.8.18+\0", "app", "3.8.18"),
            (1520, b"", "app", "3.7.4"),
        ] {
            let runtime = from_bytes(&old(size, text), name).expect("it is supported");
            assert_eq!(runtime.expect("it is there").version.to_string(), version);
        }
        let error = from_bytes(&old(1, b"\x003.8.1\x003.9.1\0"), "app").expect_err("two texts");
        assert!(
            matches!(error, RuntimeError::Evidence(EvidenceError::Nothing)),
            "{error}"
        );
    }

    #[test]
    fn what_is_stripped_is_told_by_its_section() {
        // 3.10 to 3.12 have no more to say, later ones describe themselves.
        let mut content = bytes(&WORDS_3_14);
        content.resize(2048, 0);
        let described = elf_fixture::elf(SHT_DYNSYM, &[], &content);
        for (bytes, version) in [
            (elf_fixture::elf(SHT_DYNSYM, &[], b"\x003.11.2\0"), "3.11.2"),
            (described, "3.14.10"),
        ] {
            let runtime = from_bytes(&bytes, "app").expect("it is supported");
            let runtime = runtime.expect("it is there");
            assert_eq!(runtime.version.to_string(), version);
            assert_eq!(runtime.addresses.runtime, ADDRESS);
            assert_eq!(runtime.addresses.code_type, None);
        }
    }

    #[test]
    fn traced_references_are_refused_by_name() {
        // A type before it is used: links, count, type, size; or without the links.
        let (traced, plain) = ([0_u64, 0, 1, 0, 0], [1_u64, 0, 0, 0, 0]);
        let refusal = |table, content: &[u64; 5], name: &str| {
            let symbols = [("PyCode_Type", ADDRESS, 8), ("_PyRuntime", 0x1234, 656)];
            let symbols = [&symbols[..], &[(name, 0x99, 8)]].concat();
            let content: Vec<u8> = content.iter().flat_map(|it| it.to_le_bytes()).collect();
            let file = elf_fixture::elf(table, &symbols, &content);
            from_bytes(&file, "libpython3.9.so.1.0")
                .err()
                .map(|it| it.to_string())
        };
        let text = "Python 3.9.0 has an unknown layout: it was built with Py_TRACE_REFS";
        for table in [SHT_DYNSYM, SHT_SYMTAB] {
            assert_eq!(refusal(table, &plain, "Py_Main"), None);
            assert_eq!(refusal(table, &traced, "Py_Main").as_deref(), Some(text));
            let by_name = refusal(table, &plain, "_Py_PrintReferences");
            assert_eq!(by_name.as_deref(), Some(text));
        }
        let by_name = refusal(SHT_DYNSYM, &plain, "_Py_ForgetReference");
        assert_eq!(by_name.as_deref(), Some(text));
    }

    #[test]
    fn damaged_files_never_panic() {
        let mut readable = 0;
        for content in elf_fixture::damaged(&interpreter(SHT_DYNSYM, &WORDS_3_14)) {
            readable += u32::from(from_bytes(&content, "app").is_ok());
        }
        assert!(readable > 0);
    }
}
