//! Closes a recording: takes what is left, says what it was, and has the outputs
//! written. It refuses to decide when.

use std::time::Instant;

use super::clock::monotonic_now;
use super::error::RecordError;
use super::recording::{End, Recording};
use super::target_choice::no_sample;
use crate::config::{ExitStatus, Verbosity};
use crate::report::{RateSummary, Summary, TakingSummary};

impl Recording<'_> {
    /// Takes what is left, closes the container and derives the outputs.
    pub(super) async fn close(mut self, end: End) -> Result<ExitStatus, RecordError> {
        let is_cut_short = !self.sampling.stop();
        while self.take_records() {}
        self.progress.clear();
        let now = monotonic_now();
        let on_processes = self.session.take_time_on_processes();
        self.pace.costs().add_on_processes(on_processes);
        let summary = Summary {
            elapsed: now.since(self.start),
            taking: TakingSummary {
                counters: self.sampling.counts(),
                passes: self.sampling.pass_counts(),
                is_cut_short,
                without_loop: self.sampling.without_loop(),
            },
            rate: RateSummary {
                hz: self.config.hz,
                changes: Vec::new(),
                cost: self.pace.total_cost(self.sampling.clocks(), Instant::now()),
                max_cpu: self.config.max_cpu,
            },
            ..Summary::default()
        };
        let (container, summary) = self.session.finish(now, summary)?;
        if summary.total.shown() == 0 {
            let reason = no_sample(self.config, &summary);
            self.outputs.discard(container)?;
            return match end {
                End::CommandEnded(status) if status != ExitStatus::DATA => Ok(status),
                _ => Err(RecordError::NoSample(reason)),
            };
        }
        if self.config.verbosity != Verbosity::Quiet {
            eprint!("{summary}");
        }
        self.outputs.derive(container, &mut self.signals).await?;
        Ok(match end {
            End::CommandEnded(status) => status,
            End::Asked | End::TargetsEnded => ExitStatus::DATA,
        })
    }
}
