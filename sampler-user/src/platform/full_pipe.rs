// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waits until a pipe, a socket or a terminal has room. Writing waits for that by itself,
//! unless the descriptor is non-blocking. Whoever shares it can make it so at any time, and
//! Node.js and SSH clients do; a full pipe is an error then.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};

/// Waits until something can be written to standard output.
///
/// # Errors
/// The kernel's error.
pub fn wait_for_standard_output() -> io::Result<()> {
    wait_for_room(io::stdout().as_fd())
}

/// Waits until something can be written to `file`.
///
/// # Errors
/// The kernel's error.
pub fn wait_for(file: &File) -> io::Result<()> {
    wait_for_room(file.as_fd())
}

fn wait_for_room(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    match ppoll(&mut descriptors, None, None) {
        // After a signal, or with a reader that is gone, the next write tells what is wrong.
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
