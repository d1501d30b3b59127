// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the stacks of processes when the front asks for them, in threads of their own:
//! a process may make whoever reads it wait.

use std::thread;

use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_serve::protocol::message::{Answer, Failure, FailureCode};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::dump::document::Dump;
use crate::dump::error::DumpError;
use crate::dump::means::Means;

/// How many dumps may run at a time.
const MOST: usize = 4;

/// The number of the request, and what came of it.
type Outcome = (u64, Result<Answer, Failure>);

/// The dumps that are running.
#[derive(Debug)]
pub(super) struct Dumps {
    means: Means,
    running: usize,
    sender: UnboundedSender<Outcome>,
    outcomes: UnboundedReceiver<Outcome>,
}

impl Dumps {
    /// Dumps with or without the text of source lines.
    pub(super) fn new(source: bool) -> Self {
        let (sender, outcomes) = unbounded_channel();
        Self {
            means: Means::Confined { source },
            running: 0,
            sender,
            outcomes,
        }
    }

    /// Starts a dump for the request `id`.
    pub(super) fn begin(&mut self, id: u64, pid: u32) -> Result<(), Failure> {
        if self.running >= MOST {
            return Err(Failure {
                code: FailureCode::Limit,
                message: format!("{MOST} dumps are being taken already; try again later"),
            });
        }
        let (sender, means) = (self.sender.clone(), self.means);
        let work = move || {
            let outcome = Dump::take_with(pid, means).map_err(|error| failure(&error));
            let outcome = outcome.and_then(|dump| {
                let json = serde_json::to_value(&dump).map_err(|error| Failure {
                    code: FailureCode::Failed,
                    message: error.to_string(),
                });
                json.map(Answer::Dump)
            });
            // Nobody receives it any more when the recorder ends.
            sender.send((id, outcome)).ok();
        };
        let started = thread::Builder::new().name("dumps".into()).spawn(work);
        started.map_err(|error| Failure {
            code: FailureCode::Failed,
            message: format!("cannot start a thread: {error}"),
        })?;
        self.running += 1;
        Ok(())
    }

    /// Waits for the end of a dump; for ever while there is none. Can be cancelled.
    pub(super) async fn next(&mut self) -> Outcome {
        match self.outcomes.recv().await {
            Some(outcome) => {
                self.running = self.running.saturating_sub(1);
                outcome
            }
            // The sender is here as well.
            None => std::future::pending().await,
        }
    }
}

fn failure(error: &DumpError) -> Failure {
    let code = match error {
        DumpError::Ended { .. } | DumpError::Inspect(InspectError::Gone { .. }) => {
            FailureCode::NotFound
        }
        DumpError::Inspect(_) | DumpError::Namespace(_) | DumpError::Thread(_) => {
            FailureCode::Failed
        }
    };
    Failure {
        code,
        message: error.to_string(),
    }
}
