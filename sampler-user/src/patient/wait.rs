//! How long an answer is waited for: until the patience is over and the thread that
//! should give it stands still. It refuses to know the question.
//!
//! On a machine that has too much to do every answer is late, since whoever gives it
//! waits for a CPU; that alone is no reason to leave a process out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::process::task::TaskStatus;

/// How many times as long as the patience a thread is waited for that goes on.
pub(super) const MOST_PATIENCES: u32 = 4;
/// How many times a patience long it is looked whether the thread goes on.
const LOOKS: u32 = 8;

/// Waits for an answer. An error is how long it was waited for in vain; `None` when
/// nobody is there who could give one.
pub(super) fn wait<R>(
    answer: &Receiver<R>,
    patience: Duration,
    mut progress: Progress,
) -> Result<R, Option<Duration>> {
    let look = patience / LOOKS;
    let mut wait = patience.saturating_sub(look);
    let mut waited = Duration::ZERO;
    loop {
        match answer.recv_timeout(wait) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        waited += wait;
        wait = look;
        let goes_on = progress.goes_on();
        if waited >= patience && !goes_on || waited >= patience * MOST_PATIENCES {
            return Err(Some(waited));
        }
    }
}

/// Whether a thread goes on: runs, waits for a CPU, or has left one since the last
/// look. One that waits for something that does not come does neither.
pub(super) struct Progress {
    tid: Arc<AtomicU32>,
    switches: Option<u64>,
}

impl Progress {
    pub(super) fn of(tid: &Arc<AtomicU32>) -> Self {
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
