// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes Ctrl-C end the bench's children, but not the process that has to restore what
//! it has changed.

use std::io;
use std::process::{Child, Command};

use nix::sys::signal::{SigSet, Signal};

fn interrupts() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals
}

/// Blocks SIGINT in this thread: from here on, Ctrl-C does not end this process. It
/// ends the children that [`spawn`] starts, and waiting for one of them then fails.
pub(super) fn leave_to_children() -> nix::Result<()> {
    interrupts().thread_block()
}

/// Starts a child that Ctrl-C ends. A child inherits the blocked signals of the thread
/// that starts it, so SIGINT is unblocked while it starts.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    interrupts().thread_unblock()?;
    let child = command.spawn();
    leave_to_children()?;
    child
}
