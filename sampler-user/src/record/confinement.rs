// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gives up the privileges that a running recording no longer needs, installs the
//! sandbox, and reports what went wrong with either.

use std::path::PathBuf;

use crate::capture::bpf::counters::Counters;
use crate::cli::config::SamplingConfig;
use crate::platform::console::CONSOLE;
use crate::platform::privileges::Owner;
use crate::platform::privileges::drop_privileges::{Retained, drop_privileges};
use crate::platform::sandbox::{self, SandboxKind};

/// Drops privileges and installs the filter of system calls. A failure is only a warning:
/// the recording matters more, and has run with all privileges until now.
pub(super) fn confine(
    config: &SamplingConfig,
    owner: &Owner,
    counters: &Counters,
    directories: &[PathBuf],
) {
    if !config.sandbox {
        return;
    }
    let kept = Retained {
        maps_work: &|| counters.can_be_read(),
        directories,
    };
    if let Err(error) = drop_privileges(owner, &kept) {
        CONSOLE.caution(format_args!(
            "cannot drop all privileges that are not needed: {error}"
        ));
    }
    if let Err(error) = sandbox::install(SandboxKind::Recorder) {
        CONSOLE.caution(format_args!(
            "continues without a system call filter: {error}"
        ));
    }
}

/// Prints which system calls the sandbox blocked, if any.
pub fn tell_blocked() {
    let blocked = sandbox::blocked_syscalls::blocked();
    if blocked.is_empty() {
        return;
    }
    let calls = blocked.iter().map(|(number, count)| match count {
        1 => format!("number {number}"),
        count => format!("number {number} ({count} times)"),
    });
    CONSOLE.warn(format_args!(
        "its sandbox blocked system calls: {}; \
         please report this with the C library's version; --no-sandbox turns it off",
        calls.collect::<Vec<_>>().join(", ")
    ));
}
