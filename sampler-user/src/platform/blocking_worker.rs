// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asks another thread questions that may never be answered, and stops waiting: reading
//! what a process names or has mapped can hang for as long as the process likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::unistd::gettid;

use crate::platform::abandoned_threads;
use crate::platform::privileges::role::Role;

pub mod wait;
use crate::platform::blocking_worker::wait::{Progress, wait};

/// The most threads of one [`BlockingWorker`] that wait for an answer that does not come.
const MOST_STUCK: u32 = 8;

/// How long to wait for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// At first; up to four times as long while the thread that is asked makes progress.
    pub first: Duration,
    /// The lower bound: each answer that does not come in time halves the wait for the
    /// next one, because a process may make its caller wait again and again.
    pub least: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It did not come within this time.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// Nobody was asked, because an earlier answer did not come in time.
    #[error("it did not answer before")]
    Before,
    /// There is no thread to ask: too many hang already, or it broke down or cannot be
    /// started.
    #[error("too many threads hang already")]
    NobodyLeft,
}

/// The thread that answers.
struct Answering<S> {
    questions: Sender<Question<S>>,
    thread: JoinHandle<()>,
    /// Its thread id; 0 before it runs.
    tid: Arc<AtomicU32>,
}

type Question<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Answers questions in a thread with a role of its own. `S` is the state that the thread
/// keeps from one question to the next; after an answer that did not come, a new thread
/// goes on with a new state.
pub struct BlockingWorker<S> {
    name: &'static str,
    role: Role,
    timeouts: Timeouts,
    thread: Option<Answering<S>>,
    stuck: Arc<AtomicU32>,
}

impl<S> std::fmt::Debug for BlockingWorker<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Patient").field(&self.name).finish()
    }
}

impl<S: Default + 'static> BlockingWorker<S> {
    /// Starts no thread before the first question.
    pub fn new(name: &'static str, role: Role, timeouts: Timeouts) -> Self {
        Self {
            name,
            role,
            timeouts,
            thread: None,
            stuck: Arc::default(),
        }
    }

    /// Asks a question, and waits for the answer until the timeout.
    ///
    /// # Errors
    /// [`CallError`]. The question may still be worked on; its answer is dropped.
    pub fn ask<R: Send + 'static>(
        &mut self,
        question: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, CallError> {
        // A channel without a buffer: an answer is either received, or its sender learns
        // that it is late.
        let (reply, answer) = mpsc::sync_channel(0);
        let stuck = Arc::clone(&self.stuck);
        let question: Question<S> = Box::new(move |state| {
            let result = question(state);
            if reply.send(result).is_err() {
                // Too late, but the thread no longer hangs.
                stuck.fetch_sub(1, Ordering::Relaxed);
            }
        });
        let answering = self.thread()?;
        let progress = Progress::new(&answering.tid);
        answering
            .questions
            .send(question)
            .map_err(|_| self.nobody_left())?;
        match wait(&answer, self.timeouts.first, progress) {
            Ok(result) => Ok(result),
            Err(Some(waited)) => {
                // Counted before the receiver is dropped, from when on a late answer
                // counts it down again.
                self.stuck.fetch_add(1, Ordering::Relaxed);
                drop(answer);
                if let Some(answering) = self.thread.take() {
                    abandoned_threads::leave(answering.thread);
                }
                let shorter = self.timeouts.first / 2;
                self.timeouts.first = shorter.max(self.timeouts.least);
                Err(CallError::Late(waited))
            }
            Err(None) => Err(self.nobody_left()),
        }
    }

    /// Asks the next question of a new thread, with a new state and the capabilities that
    /// the calling thread can hand on by then.
    pub fn begin_anew(&mut self) {
        self.thread = None;
    }

    fn nobody_left(&mut self) -> CallError {
        self.thread = None;
        CallError::NobodyLeft
    }

    fn thread(&mut self) -> Result<&Answering<S>, CallError> {
        if self.thread.is_none() {
            if self.stuck.load(Ordering::Relaxed) >= MOST_STUCK {
                return Err(CallError::NobodyLeft);
            }
            let (sender, questions) = mpsc::channel::<Question<S>>();
            let role = self.role;
            let tid = Arc::new(AtomicU32::new(0));
            let own = Arc::clone(&tid);
            let answering = move || {
                own.store(gettid().as_raw().cast_unsigned(), Ordering::Relaxed);
                // It must not answer with capabilities that it should not have.
                if role.apply().is_err() {
                    return;
                }
                let mut state = S::default();
                for question in questions {
                    question(&mut state);
                }
            };
            let thread = thread::Builder::new()
                .name(self.name.into())
                .spawn(answering)
                .map_err(|_| CallError::NobodyLeft)?;
            self.thread = Some(Answering {
                questions: sender,
                thread,
                tid,
            });
        }
        self.thread.as_ref().ok_or(CallError::NobodyLeft)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::TryRecvError;
    use std::time::Instant;

    use super::*;
    use crate::platform::blocking_worker::wait::MOST_TIMEOUTS;

    const TIMEOUTS: Timeouts = Timeouts {
        first: Duration::from_millis(40),
        least: Duration::from_millis(10),
    };

    #[test]
    fn what_was_learnt_is_remembered() {
        let long = Timeouts {
            first: Duration::from_secs(60),
            ..TIMEOUTS
        };
        let mut worker = BlockingWorker::<Vec<u32>>::new("test", Role::Writing, long);
        for number in 0..3 {
            let asked = worker.ask(move |seen| {
                seen.push(number);
                seen.len()
            });
            assert_eq!(asked, Ok(number as usize + 1));
        }
        worker.begin_anew();
        assert_eq!(worker.ask(|seen| seen.len()), Ok(0));
    }

    #[test]
    fn who_does_not_answer_is_left_behind_and_not_without_end() {
        let mut worker = BlockingWorker::<()>::new("test", Role::Writing, TIMEOUTS);
        let mut hanging = Vec::new();
        for _ in 0..MOST_STUCK {
            let (go_on, wait) = mpsc::channel::<()>();
            hanging.push(go_on);
            let asked = worker.ask(move |()| wait.recv().is_ok());
            assert!(matches!(asked, Err(CallError::Late(_))), "{asked:?}");
        }
        assert_eq!(worker.timeouts.first, TIMEOUTS.least);
        assert_eq!(worker.ask(|()| ()), Err(CallError::NobodyLeft));
        drop(hanging);
        while worker.stuck.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        worker.timeouts.first = Duration::from_secs(60);
        assert_eq!(worker.ask(|()| ()), Ok(()));
    }

    #[test]
    fn who_has_much_to_do_is_waited_for_and_not_for_ever() {
        let timeouts = Duration::from_millis(200);
        let mut worker = BlockingWorker::<()>::new(
            "test",
            Role::Writing,
            Timeouts {
                first: timeouts,
                least: timeouts,
            },
        );
        let begun = Instant::now();
        let asked = worker.ask(move |()| while begun.elapsed() < timeouts * 2 {});
        assert_eq!(asked, Ok(()));
        let (go_on, wait) = mpsc::channel::<()>();
        let asked = worker.ask(move |()| while wait.try_recv() == Err(TryRecvError::Empty) {});
        assert_eq!(asked, Err(CallError::Late(timeouts * MOST_TIMEOUTS)));
        drop(go_on);
    }

    #[test]
    fn one_that_breaks_down_is_replaced() {
        let mut worker = BlockingWorker::<()>::new(
            "test",
            Role::Writing,
            Timeouts {
                first: Duration::from_secs(60),
                ..TIMEOUTS
            },
        );
        let asked: Result<(), _> = worker.ask(|()| panic!("on purpose"));
        assert_eq!(asked, Err(CallError::NobodyLeft));
        assert_eq!(worker.ask(|()| 7), Ok(7));
    }
}
