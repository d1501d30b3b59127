// SPDX-License-Identifier: MIT OR Apache-2.0

//! The main loop of a recording: waits for records, signals, timers and ends, and runs
//! each stage when it is due.

use std::time::{Duration, Instant};

use sampler_common::counter::Counter;
use sampler_trace::model::identifiers::KernelTime;

use crate::cli::config::RecordConfig;
use crate::cli::config::exit::ExitStatus;
use crate::platform::console::CONSOLE;
use crate::platform::launch::CommandEnd;
use crate::platform::outfile::visible::VisibleFile;
use crate::record::clock::monotonic_now;
use crate::record::error::RecordError;
use crate::record::lost_lifecycle::LostLifecycle;
use crate::record::outputs::Outputs;
use crate::record::pipeline::{FLUSH_EVERY, Pipeline};
use crate::record::progress::{ProgressFacts, ProgressLine};
use crate::record::rate_limiter::Decision;
use crate::record::rate_policy::RatePolicy;
use crate::record::sample_source::SampleSource;
use crate::record::signals::{Request, Signals};

/// How long records may stay in the ring buffer. A wake-up costs as much as about fifty
/// samples, so periodic work is done at the same moments. Urgent records, such as new
/// code, wake the loop at once.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the progress line is updated.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// A recording that is running, and what it waits for.
pub(super) struct EventLoop<'a> {
    pub(super) config: &'a RecordConfig,
    pub(super) samples: SampleSource,
    pub(super) pipeline: Pipeline<VisibleFile>,
    pub(super) outputs: Outputs,
    pub(super) signals: Signals,
    pub(super) progress: ProgressLine<'static, std::io::Stderr>,
    pub(super) schedule: Schedule,
    pub(super) rate_policy: RatePolicy,
    pub(super) lost_lifecycle: LostLifecycle,
    /// When the recording began.
    pub(super) start: KernelTime,
    /// The time up to which every record was taken.
    pub(super) taken_until: KernelTime,
}

/// When periodic work is due next.
pub(super) struct Schedule {
    started: Instant,
    next_flush: Instant,
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

impl Schedule {
    /// Creates the schedule of a recording that begins at `now`.
    pub(super) fn from(now: Instant) -> Self {
        Self {
            started: now,
            next_flush: now + FLUSH_EVERY,
            next_progress: now + PROGRESS_EVERY,
        }
    }
}

impl EventLoop<'_> {
    /// Runs until something ends the recording.
    pub(super) async fn until_end(
        &mut self,
        mut command: Option<&mut CommandEnd>,
    ) -> Result<End, RecordError> {
        let started = self.schedule.started;
        let deadline = self.config.duration.map(|duration| started + duration);
        let mut is_behind = false;
        loop {
            let pause = if is_behind {
                Duration::ZERO
            } else {
                self.pause(deadline)
            };
            tokio::select! {
                () = self.samples.wait(pause) => {}
                request = self.signals.next() => match request {
                    Request::Stop => return Ok(End::Asked),
                    Request::Snapshot => self.snapshot()?,
                },
                status = ended(command.as_deref_mut()) => return Ok(End::CommandEnded(status)),
            }
            let read_at = monotonic_now();
            is_behind = self.take_records();
            let now = Instant::now();
            self.probe_pending(now);
            self.samples.follow(&self.pipeline.targets);
            if now >= self.schedule.next_flush || self.pipeline.wants_flush() {
                self.schedule.next_flush = now + FLUSH_EVERY;
                self.flush((!is_behind).then_some(read_at))?;
            }
            if self.rate_policy.is_due(now) {
                self.check_costs(now)?;
            }
            if now >= self.schedule.next_progress {
                self.schedule.next_progress = now + PROGRESS_EVERY;
                self.show_progress();
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(End::Asked);
            }
            if command.is_none() && !is_behind && self.pipeline.targets.all_ended() {
                return Ok(End::TargetsEnded);
            }
        }
    }

    /// Returns how long to wait at most.
    fn pause(&self, deadline: Option<Instant>) -> Duration {
        let now = Instant::now();
        let dates = [self.pipeline.targets.next_probe(), deadline];
        let pauses = dates.into_iter().flatten();
        pauses
            .map(|date| date.saturating_duration_since(now))
            .fold(PAUSE, Duration::min)
    }

    /// Takes records. Returns whether there are more than could be taken in one go.
    pub(super) fn take_records(&mut self) -> bool {
        let pipeline = &mut self.pipeline;
        self.samples.take_records(|record| pipeline.take(record))
    }

    fn probe_pending(&mut self, now: Instant) {
        let targets = &mut self.pipeline.targets;
        if targets.is_probe_due(now) {
            let costs = self.rate_policy.costs();
            costs.on_processes(|| targets.probe_pending(now));
        }
    }

    /// Lowers the rate if it costs too much, and raises it if it need not be that low.
    fn check_costs(&mut self, now: Instant) -> Result<(), RecordError> {
        let on_processes = self.pipeline.take_time_on_processes();
        self.rate_policy.costs().add_on_processes(on_processes);
        match self.rate_policy.check(self.samples.clocks(), now) {
            Some(decision) => self.change_rate(decision),
            None => Ok(()),
        }
    }

    fn change_rate(&mut self, decision: Decision) -> Result<(), RecordError> {
        let now = monotonic_now();
        self.samples.set_period(decision.period)?;
        self.pipeline.change_rate(now, decision.period);
        if let Some(message) = self.rate_policy.change(decision, self.taken_until) {
            CONSOLE.warn(message);
        }
        Ok(())
    }

    /// Writes a segment. `taken_until` is the time up to which every record was taken;
    /// `None` if there are more than could be taken in one go.
    fn flush(&mut self, taken_until: Option<KernelTime>) -> Result<(), RecordError> {
        if let Some(now) = taken_until {
            let lost = self.samples.count(Counter::LostLifecycle);
            if self.lost_lifecycle.must_compare(lost) {
                self.pipeline.targets.reconcile();
            }
            self.pipeline.settle(now);
            self.taken_until = now;
        }
        Ok(self.pipeline.flush(self.taken_until)?)
    }

    fn snapshot(&mut self) -> Result<(), RecordError> {
        let now = monotonic_now();
        let is_behind = self.take_records();
        self.flush((!is_behind).then_some(now))?;
        self.outputs.snapshot(self.pipeline.container());
        Ok(())
    }

    fn show_progress(&mut self) {
        if !self.progress.is_shown() {
            return;
        }
        let (processes, threads) = self.pipeline.population();
        self.progress.update(ProgressFacts {
            elapsed: self.schedule.started.elapsed(),
            processes,
            threads,
            samples: self.pipeline.samples(),
            lost: self.samples.count(Counter::Lost),
            lowered: self.rate_policy.lowered(),
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
