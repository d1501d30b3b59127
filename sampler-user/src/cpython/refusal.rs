//! Why a process is not sampled, in words for people. It refuses to decide it.

use std::path::{Path, PathBuf};

use crate::cpython::runtime::RuntimeError;
use crate::escape::escape_for_terminal;
use crate::process::elf::ElfError;
use crate::process::identity::ProcessError;

/// Why a process is not sampled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not run Python. The only refusal that is not worth a word.
    #[error("process {pid} does not run Python")]
    NotPython {
        /// The process.
        pid: u32,
    },
    /// It ended, or never was.
    #[error("process {pid} is gone")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// We may not look at it.
    #[error(
        "no permission to look at process {pid}; run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
    )]
    Permission {
        /// The process.
        pid: u32,
    },
    /// It runs Python, but not CPython.
    #[error("process {pid} runs {name}, not CPython")]
    NotCPython {
        /// The process.
        pid: u32,
        /// What it runs instead.
        name: &'static str,
    },
    /// It runs a version without a known layout.
    #[error("process {pid} runs {}: {reason}", shown(path))]
    UnsupportedVersion {
        /// The process.
        pid: u32,
        /// The version, as far as it is known.
        version: String,
        /// The file that the interpreter is in.
        path: PathBuf,
        /// What is known instead.
        reason: String,
    },
    /// It runs a build whose layout cannot be found out.
    #[error("process {pid} runs {}: {reason}", shown(path))]
    UnknownLayout {
        /// The process.
        pid: u32,
        /// The file that the interpreter is in.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is a 32-bit Python.
    #[error(
        "process {pid} runs the 32-bit program {}; only 64-bit is supported",
        shown(path)
    )]
    ThirtyTwoBit {
        /// The process.
        pid: u32,
        /// The program.
        path: PathBuf,
    },
    /// Its program cannot be read.
    #[error("process {pid}: cannot look into {}: {reason}", shown(path))]
    Unreadable {
        /// The process.
        pid: u32,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A path is the target's choice.
fn shown(path: &Path) -> String {
    escape_for_terminal(&path.to_string_lossy()).into_owned()
}

impl Refusal {
    /// What it means that the process itself could not be looked at.
    pub(crate) fn of_process(error: ProcessError) -> Self {
        match error {
            ProcessError::Gone { pid } => Self::Gone { pid },
            ProcessError::Permission { pid, .. } => Self::Permission { pid },
            ProcessError::Io { pid, path, source } => Self::Unreadable {
                pid,
                path,
                reason: source.to_string(),
            },
        }
    }

    /// What it means that the interpreter in the file `path` cannot be sampled.
    pub(crate) fn of_runtime(pid: u32, path: &Path, error: &RuntimeError) -> Self {
        let path = path.to_path_buf();
        let reason = error.to_string();
        match error {
            RuntimeError::UnsupportedVersion { version } => Self::UnsupportedVersion {
                pid,
                version: version.clone(),
                path,
                reason,
            },
            RuntimeError::UnknownPreview { version, .. } => Self::UnsupportedVersion {
                pid,
                version: version.to_string(),
                path,
                reason,
            },
            RuntimeError::Elf(ElfError::ThirtyTwoBit) => Self::ThirtyTwoBit { pid, path },
            RuntimeError::Elf(_) => Self::Unreadable { pid, path, reason },
            RuntimeError::UnknownLayout { .. }
            | RuntimeError::Evidence(_)
            | RuntimeError::Stripped { .. } => Self::UnknownLayout { pid, path, reason },
        }
    }
}
