// SPDX-License-Identifier: MIT OR Apache-2.0

//! The main loop of the command `record`: waits for records, signals, timers and ends.

use std::time::{Duration, Instant};

use sampler_common::counter::Counter;

use crate::cli::config::RecordConfig;
use crate::cli::config::exit::ExitStatus;
use crate::platform::launch::CommandEnd;
use crate::platform::outfile::visible::VisibleFile;
use crate::record::error::RecordError;
use crate::record::outputs::Outputs;
use crate::record::progress::{ProgressFacts, ProgressLine};
use crate::record::recorder::Recorder;
use crate::record::signals::{SignalRequest, Signals};

/// How often the progress line is updated.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// A recording that is running, and what it waits for.
pub(super) struct EventLoop<'a> {
    pub(super) config: &'a RecordConfig,
    pub(super) recorder: Recorder<VisibleFile>,
    pub(super) outputs: Outputs,
    pub(super) signals: Signals,
    progress: ProgressLine<'static, std::io::Stderr>,
    started: Instant,
    next_progress: Instant,
}

/// How the recording ended.
pub(super) enum End {
    /// By a signal, or because its duration was over.
    Asked,
    /// All targets have ended.
    TargetsEnded,
    /// The command ended, with this status.
    CommandEnded(ExitStatus),
}

impl<'a> EventLoop<'a> {
    /// The loop of a recording that has just begun.
    pub(super) fn new(
        config: &'a RecordConfig,
        recorder: Recorder<VisibleFile>,
        outputs: Outputs,
        signals: Signals,
    ) -> Self {
        let now = Instant::now();
        Self {
            config,
            recorder,
            outputs,
            signals,
            progress: ProgressLine::on_standard_error(),
            started: now,
            next_progress: now + PROGRESS_EVERY,
        }
    }

    /// Runs until something ends the recording.
    pub(super) async fn until_end(
        &mut self,
        mut command: Option<&mut CommandEnd>,
    ) -> Result<End, RecordError> {
        let deadline = self.config.duration.map(|duration| self.started + duration);
        loop {
            tokio::select! {
                () = self.recorder.wait(deadline) => {}
                request = self.signals.next() => match request {
                    SignalRequest::Stop => return Ok(End::Asked),
                    SignalRequest::Snapshot => self.snapshot()?,
                },
                status = ended(command.as_deref_mut()) => return Ok(End::CommandEnded(status)),
            }
            self.recorder.step()?;
            let now = Instant::now();
            if now >= self.next_progress {
                self.next_progress = now + PROGRESS_EVERY;
                self.show_progress();
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(End::Asked);
            }
            if command.is_none() && self.recorder.is_over() {
                return Ok(End::TargetsEnded);
            }
        }
    }

    fn snapshot(&mut self) -> Result<(), RecordError> {
        self.recorder.write_segment()?;
        self.outputs.snapshot(self.recorder.pipeline.container());
        Ok(())
    }

    fn show_progress(&mut self) {
        if !self.progress.is_shown() {
            return;
        }
        let recorder = &self.recorder;
        let (processes, threads) = recorder.pipeline.population();
        self.progress.update(ProgressFacts {
            elapsed: self.started.elapsed(),
            processes,
            threads,
            samples: recorder.pipeline.samples(),
            lost: recorder.samples.count(Counter::Lost),
            lowered: recorder.rate_policy.lowered(),
        });
    }
}

async fn ended(command: Option<&mut CommandEnd>) -> ExitStatus {
    match command {
        // The sender is dropped only if its thread panicked.
        Some(command) => ExitStatus::of_ended(command.await.unwrap_or(None)),
        None => std::future::pending().await,
    }
}
