// SPDX-License-Identifier: MIT OR Apache-2.0

//! Threads that nobody waits for any more, because what they asked for does not come.
//! They cannot be ended: while one waits for a file system that does not answer, the
//! kernel keeps the whole process alive.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

static THREADS: Mutex<Threads> = Mutex::new(Threads(Vec::new()));

/// Leaves a thread behind, which may end later or never.
pub fn leave(thread: JoinHandle<()>) {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    threads.leave(thread);
}

struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    fn leave(&mut self, thread: JoinHandle<()>) {
        self.0.retain(|it| !it.is_finished());
        self.0.push(thread);
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|it| !it.is_finished()).count()
    }
}

/// How many threads were left behind and have not ended, at least one; displayed as a
/// sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbandonedThreads(usize);

impl AbandonedThreads {
    /// Counts the threads that have not ended yet; `None` if there are none.
    pub fn now() -> Option<Self> {
        let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        Some(threads.count()).filter(|it| *it > 0).map(Self)
    }
}

impl fmt::Display for AbandonedThreads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = match self.0 {
            1 => "one thread still waits".to_owned(),
            count => format!("{count} threads still wait"),
        };
        write!(
            formatter,
            "done, but {threads} for a file system that does not answer, \
             and the program may not end before it does"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_has_ended_is_not_counted() {
        let (go_on, wait) = mpsc::channel::<()>();
        let mut threads = Threads(Vec::new());
        threads.leave(thread::spawn(move || {
            // Ends when the sender is dropped.
            let _ = wait.recv();
        }));
        assert_eq!(threads.count(), 1);
        drop(go_on);
        while threads.count() > 0 {
            thread::yield_now();
        }
        threads.leave(thread::spawn(|| ()));
        assert_eq!(threads.0.len(), 1, "the first has no place any more");
    }

    #[test]
    fn says_how_many() {
        let said = |count| AbandonedThreads(count).to_string();
        assert!(said(1).contains("one thread still waits for"));
        assert!(said(3).contains("3 threads still wait for"));
    }
}
