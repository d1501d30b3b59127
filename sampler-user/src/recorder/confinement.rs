//! Gives up, once a recording runs, what it does not need any more, and says what
//! came of that. It refuses to know how.

use std::path::PathBuf;

use crate::bpf::counters::Counters;
use crate::config::{RecordConfig, Verbosity};
use crate::privileges::{Kept, Owner, shed};
use crate::sandbox;

/// What cannot be given up or closed is a warning: the recording matters more, and
/// has run with all rights until now.
pub(super) fn confine(
    config: &RecordConfig,
    owner: &Owner,
    counters: &Counters,
    directories: &[PathBuf],
) {
    if !config.sandbox {
        return;
    }
    let kept = Kept {
        maps_work: &|| counters.can_be_read(),
        directories,
    };
    let is_quiet = config.verbosity == Verbosity::Quiet;
    if let Err(error) = shed(owner, &kept)
        && !is_quiet
    {
        eprintln!("pyebpf: goes on with rights that it does not need: {error}");
    }
    if let Err(error) = sandbox::close()
        && !is_quiet
    {
        eprintln!("pyebpf: goes on without a filter of system calls: {error}");
    }
}

/// Says which system calls the sandbox refused, if any.
pub(super) fn tell_refused() {
    let refused = sandbox::refused();
    if refused.is_empty() {
        return;
    }
    let calls = refused.iter().map(|(number, count)| match count {
        1 => format!("number {number}"),
        count => format!("number {number} ({count} times)"),
    });
    eprintln!(
        "pyebpf: its sandbox refused system calls: {}; \
         please report this with the C library's version; --no-sandbox goes without",
        calls.collect::<Vec<_>>().join(", ")
    );
}
