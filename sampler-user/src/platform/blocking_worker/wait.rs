// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waits for an answer until the timeout is over and the thread that should give it
//! makes no progress.
//!
//! On an overloaded machine every answer is late, because the thread that gives it waits
//! for a CPU. That alone is no reason to leave a process out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use sampler_cpython::process::task::TaskStatus;

/// The longest wait for a thread that makes progress, as a multiple of the timeout.
pub(super) const MOST_TIMEOUTS: u32 = 4;
/// How often a thread's progress is checked within the timeout.
const CHECKS: u32 = 8;

/// Waits for an answer. The error is the time that was waited in vain; `None` when no
/// thread is left that could answer.
pub(super) fn wait<R>(
    answer: &Receiver<R>,
    timeout: Duration,
    mut progress: Progress,
) -> Result<R, Option<Duration>> {
    let check = timeout / CHECKS;
    let mut wait = timeout.saturating_sub(check);
    let mut waited = Duration::ZERO;
    loop {
        match answer.recv_timeout(wait) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        waited += wait;
        wait = check;
        let goes_on = progress.goes_on();
        if waited >= timeout && !goes_on || waited >= timeout * MOST_TIMEOUTS {
            return Err(Some(waited));
        }
    }
}

/// Tells whether a thread makes progress: it runs, waits for a CPU, or has left one since
/// the last check. A thread that waits for something that does not come does none of
/// these.
pub(super) struct Progress {
    tid: Arc<AtomicU32>,
    switches: Option<u64>,
}

impl Progress {
    pub(super) fn new(tid: &Arc<AtomicU32>) -> Self {
        Self {
            tid: Arc::clone(tid),
            switches: None,
        }
    }

    fn goes_on(&mut self) -> bool {
        let tid = self.tid.load(Ordering::Relaxed);
        if tid == 0 {
            return true;
        }
        let Ok(now) = TaskStatus::read(std::process::id(), tid) else {
            return false;
        };
        let before = self.switches.replace(now.switches);
        !now.is_waiting() || before != Some(now.switches)
    }
}
