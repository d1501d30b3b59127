//! One build of CPython: what one ELF file says of the interpreter in it. It
//! refuses to know any process that runs it.

use std::sync::OnceLock;

use sampler_common::layout::InterpreterLayout;

use crate::cpython::layout_table::{self, LayoutRow, NEWEST_MINOR, NamesLayout, OLDEST_MINOR};
use crate::cpython::line_table::LineTableKind;
use crate::cpython::version::PythonVersion;
use crate::cpython::version_evidence::{self, EvidenceError};
use crate::process::elf::{ElfError, ElfFile};
use crate::process::elf_symbols::Symbol;

/// Where what we need of an interpreter is in its file. Addresses are as linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeAddresses {
    /// `_PyRuntime`; in 3.6, which has none, the first of the statics that it
    /// replaced.
    pub runtime: u64,
    /// `PyCode_Type`.
    pub code_type: u64,
    /// `_Py_tss_gilstate` (3.15), as a distance from the thread pointer, if the
    /// file was not stripped. Only true where the file is the program itself.
    pub tls_offset: Option<i64>,
}

/// One build of CPython.
#[derive(Debug)]
pub struct Runtime {
    /// Its version.
    pub version: PythonVersion,
    /// For the walker.
    pub layout: InterpreterLayout,
    /// For thread names.
    pub names: NamesLayout,
    /// For line numbers.
    pub line_table: LineTableKind,
    /// Where it is in its file.
    pub addresses: RuntimeAddresses,
    /// A thread-local slot that was found in one process and is at the same
    /// place in every other: the interpreter is the program itself.
    pub(crate) learned_tls_offset: OnceLock<i64>,
}

/// Why the interpreter in a file cannot be sampled.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is no row for it.
    #[error(
        "Python {version} is not supported: this build knows 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR}"
    )]
    UnsupportedVersion {
        /// The version, as text since it may be less than a whole one.
        version: String,
    },
    /// A pre-release that does not describe itself in a way we know.
    #[error("Python {version} is a pre-release whose layout is not known: {reason}")]
    UnknownPreview {
        /// The version.
        version: PythonVersion,
        /// Why its own description was not used.
        reason: String,
    },
    /// A build that says nothing, or nonsense, about its layout.
    #[error("Python {version} has an unknown layout: {reason}")]
    UnknownLayout {
        /// The version.
        version: PythonVersion,
        /// What is wrong.
        reason: String,
    },
    /// Its version cannot be found out.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A symbol is missing that only the static table had.
    #[error("its symbol {symbol} was stripped; an unstripped or a distribution's build has it")]
    Stripped {
        /// The symbol.
        symbol: &'static str,
    },
    /// The file is damaged or not for this machine.
    #[error(transparent)]
    Elf(#[from] ElfError),
}

impl Runtime {
    /// The interpreter in `elf`, which is mapped under `file_name`; `None` if
    /// there is none in it.
    ///
    /// # Errors
    /// [`RuntimeError`] when there is one that cannot be sampled.
    pub fn from_elf(elf: &ElfFile, file_name: &[u8]) -> Result<Option<Self>, RuntimeError> {
        let symbols = Symbols::find(elf)?;
        let Some(runtime) = symbols.runtime else {
            return Self::before_runtime(elf, &symbols);
        };
        let code_type = symbols.code_type.ok_or(RuntimeError::Stripped {
            symbol: "PyCode_Type",
        })?;
        let evidence = version_evidence::find(elf, runtime, file_name)?;
        let version = evidence.version;
        let row = layout_table::row(version).ok_or_else(|| RuntimeError::UnsupportedVersion {
            version: version.to_string(),
        })?;
        refuse_traced_references(elf, version)?;
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
            RuntimeAddresses {
                runtime: runtime.address,
                code_type: code_type.address,
                tls_offset,
            },
        )))
    }

    fn new(version: PythonVersion, row: LayoutRow, addresses: RuntimeAddresses) -> Self {
        Self {
            version,
            layout: row.layout,
            names: row.names,
            line_table: row.line_table,
            addresses,
            learned_tls_offset: OnceLock::new(),
        }
    }

    /// An interpreter without `_PyRuntime`: 3.6 and older. 3.6 has the same
    /// numbers in statics beside each other (Python/pystate.c).
    fn before_runtime(elf: &ElfFile, symbols: &Symbols) -> Result<Option<Self>, RuntimeError> {
        let Some(current) = elf.dynamic_symbol("_PyThreadState_Current")? else {
            return Ok(None);
        };
        // Came with 3.6 (PEP 523).
        if elf
            .dynamic_symbol("_PyEval_RequestCodeExtraIndex")?
            .is_none()
        {
            return Err(RuntimeError::UnsupportedVersion {
                version: "3.5 or older".to_owned(),
            });
        }
        let code_type = symbols.code_type.ok_or(RuntimeError::Stripped {
            symbol: "PyCode_Type",
        })?;
        let [head] = elf.static_symbols(["interp_head"])?;
        let head = head.ok_or(RuntimeError::Stripped {
            symbol: "interp_head",
        })?;
        let version =
            version_evidence::written(elf, Some(6))?.unwrap_or(PythonVersion::minor_only(3, 6));
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
            RuntimeAddresses {
                runtime: base,
                code_type: code_type.address,
                tls_offset: None,
            },
        )))
    }
}

/// The symbols that tell an interpreter.
struct Symbols {
    runtime: Option<Symbol>,
    code_type: Option<Symbol>,
    gilstate_slot: Option<Symbol>,
}

impl Symbols {
    /// Exported symbols first; then those that `strip` removes; then the
    /// section `.PyRuntime` (from 3.10), which it does not.
    fn find(elf: &ElfFile) -> Result<Self, ElfError> {
        let mut runtime = elf.dynamic_symbol("_PyRuntime")?;
        let mut code_type = elf.dynamic_symbol("PyCode_Type")?;
        let names = ["_PyRuntime", "PyCode_Type", "_Py_tss_gilstate"];
        let [hidden_runtime, hidden_code_type, gilstate_slot] = elf.static_symbols(names)?;
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
        })
    }
}

/// Builds with `Py_TRACE_REFS` have two more pointers in front of every object
/// (to 3.12). Only they have this function (Objects/object.c).
fn refuse_traced_references(elf: &ElfFile, version: PythonVersion) -> Result<(), RuntimeError> {
    let is_traced = elf.dynamic_symbol("_Py_PrintReferences")?.is_some();
    if is_traced && !layout_table::has_debug_offsets(version) {
        return Err(RuntimeError::UnknownLayout {
            version,
            reason: "it was built with Py_TRACE_REFS".to_owned(),
        });
    }
    Ok(())
}
