//! Ctrl-C during the bench: it ends the children, not the process that has to
//! put things back. It refuses to know what is put back.

use std::io;
use std::process::{Child, Command};

use nix::sys::signal::{SigSet, Signal};

fn interrupts() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals
}

/// From here on Ctrl-C does not end this process. It ends the children of
/// [`spawn`]; what waits for one of them then fails.
pub(super) fn leave_to_children() -> nix::Result<()> {
    interrupts().thread_block()
}

/// Starts a child that Ctrl-C ends: a child has the blocked signals of the
/// thread that starts it.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    interrupts().thread_unblock()?;
    let child = command.spawn();
    leave_to_children()?;
    child
}
