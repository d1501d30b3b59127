// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a process is not sampled, in words for people.

use std::path::{Path, PathBuf};

use crate::cpython::instance::Instance;
use crate::cpython::runtime::RuntimeError;
use crate::process::elf::ElfError;
use crate::process::proc_file::ProcessError;

/// Why a process is not sampled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// It does not run Python. The only refusal that is not worth a message.
    #[error("process {pid} does not run Python")]
    NotPython {
        /// Its pid.
        pid: u32,
    },
    /// It has ended, or never existed.
    #[error("process {pid} does not exist")]
    Gone {
        /// Its pid.
        pid: u32,
    },
    /// We lack permission to inspect it.
    #[error(
        "no permission to inspect process {pid}; run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
    )]
    Permission {
        /// Its pid.
        pid: u32,
    },
    /// It runs Python, but not CPython.
    #[error("process {pid} runs {name}, not CPython")]
    NotCPython {
        /// Its pid.
        pid: u32,
        /// The implementation that it runs instead.
        name: &'static str,
    },
    /// It runs more than one interpreter, and only one is sampled.
    #[error(
        "process {pid} also runs CPython {others}: one interpreter per process is sampled, so \
         the threads of the other are shown without Python"
    )]
    Others {
        /// Its pid.
        pid: u32,
        /// The versions of the others.
        others: String,
    },
    /// It runs a version without a known layout.
    #[error("process {pid} runs {}: {reason}", path.display())]
    UnsupportedVersion {
        /// Its pid.
        pid: u32,
        /// The version, as far as it is known.
        version: String,
        /// The file that the interpreter is in.
        path: PathBuf,
        /// The reason, such as which versions are supported.
        reason: String,
    },
    /// It runs a build whose layout cannot be determined.
    #[error("process {pid} runs {}: {reason}", path.display())]
    UnknownLayout {
        /// Its pid.
        pid: u32,
        /// The file that the interpreter is in.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// It is a 32-bit Python.
    #[error(
        "process {pid} runs the 32-bit program {}; only 64-bit is supported",
        path.display()
    )]
    ThirtyTwoBit {
        /// Its pid.
        pid: u32,
        /// The program file.
        path: PathBuf,
    },
    /// One of its files cannot be read.
    #[error("process {pid}: cannot inspect {}: {reason}", path.display())]
    Unreadable {
        /// Its pid.
        pid: u32,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl InspectError {
    /// Describes the interpreters of a process besides the one that is sampled; `None` if
    /// there are none.
    pub fn of_others(pid: u32, instance: &Instance) -> Option<Self> {
        let others: Vec<_> = instance.others.iter().map(ToString::to_string).collect();
        let others = others.join(" and ");
        (!others.is_empty()).then_some(Self::Others { pid, others })
    }

    /// Converts the error of a process that could not be inspected.
    pub fn of_process(error: ProcessError) -> Self {
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

    /// Converts the error of an interpreter, in the file `path`, that cannot be sampled.
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
