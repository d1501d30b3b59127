// SPDX-License-Identifier: MIT OR Apache-2.0

//! The signals that a recording listens to, and what each asks for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalRequest {
    /// Stop, write the outputs and print the summary: SIGINT, SIGTERM, SIGHUP.
    Stop,
    /// Write the outputs from what was recorded so far and go on: SIGUSR1.
    Snapshot,
}

/// Receives the signals.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user: Signal,
}

impl Signals {
    /// Starts to listen. From then on these signals do not end the program.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next request.
    pub(super) async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.interrupt.recv() => SignalRequest::Stop,
            _ = self.terminate.recv() => SignalRequest::Stop,
            _ = self.hang_up.recv() => SignalRequest::Stop,
            _ = self.user.recv() => SignalRequest::Snapshot,
        }
    }
}
