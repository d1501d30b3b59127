// SPDX-License-Identifier: MIT OR Apache-2.0

//! What every recording does while it runs, wherever its trace goes: takes records, looks
//! after processes, writes segments, and keeps its cost within the limit.

use std::io::Write;
use std::time::{Duration, Instant};

use sampler_common::account::KernelAccount;
use sampler_common::counter::{Counter, CounterValues};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::KernelTime;

use crate::platform::console::CONSOLE;
use crate::record::clock::monotonic_now;
use crate::record::error::RecordError;
use crate::record::lost_lifecycle::LostLifecycle;
use crate::record::pipeline::{FLUSH_EVERY, Pipeline};
use crate::record::rate_limiter::Decision;
use crate::record::rate_policy::RatePolicy;
use crate::record::report::scan_counts::ScanCounts;
use crate::record::report::summary::{CaptureSummary, RateSummary, Summary};
use crate::record::sample_source::SampleSource;
use crate::record::trace_file::ClosingFile;

/// How long records may stay in the ring buffer. A wake-up costs as much as about fifty
/// samples, so periodic work is done at the same moments. Urgent records, such as new
/// code, wake the loop at once.
const PAUSE: Duration = Duration::from_millis(500);

/// The most rounds in which records are taken before another file takes over: a ring that
/// fills faster than it is emptied must not hold that up.
const MOST_ROUNDS: u32 = 64;

/// What was counted up to the beginning of the trace file that is being written.
#[derive(Default)]
struct CountedBefore {
    account: KernelAccount,
    counters: CounterValues,
    scans: ScanCounts,
    cost: Duration,
    cpus_not_sampled: Duration,
}

/// Samples on their way from the kernel into a trace.
pub struct Recorder<W> {
    pub(super) samples: SampleSource,
    pub(super) pipeline: Pipeline<W>,
    pub(super) rate_policy: RatePolicy,
    lost_lifecycle: LostLifecycle,
    next_flush: Instant,
    /// Whether there are more records than could be taken in one go.
    is_behind: bool,
    /// When the recording began.
    pub(super) start: KernelTime,
    /// The time up to which every record was taken.
    pub(super) taken_until: KernelTime,
    /// When the trace file that is being written began.
    file_start: KernelTime,
    counted_before: CountedBefore,
}

impl<W: Write> Recorder<W> {
    /// A recorder that begins at `start`, which is `now`.
    pub(super) fn new(
        samples: SampleSource,
        pipeline: Pipeline<W>,
        rate_policy: RatePolicy,
        (start, now): (KernelTime, Instant),
    ) -> Self {
        Self {
            samples,
            pipeline,
            rate_policy,
            lost_lifecycle: LostLifecycle::default(),
            next_flush: now + FLUSH_EVERY,
            is_behind: false,
            start,
            taken_until: start,
            file_start: start,
            counted_before: CountedBefore::default(),
        }
    }

    /// Waits until something is due, but at most until `deadline`. Can be cancelled.
    pub(super) async fn wait(&mut self, deadline: Option<Instant>) {
        let pause = if self.is_behind {
            Duration::ZERO
        } else {
            self.pause(deadline)
        };
        self.samples.wait(pause).await;
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

    /// Takes records and does what is due at `now`. Returns whether a segment was written.
    pub(super) fn step(&mut self) -> Result<bool, RecordError> {
        let read_at = monotonic_now();
        self.take_records();
        let now = Instant::now();
        self.probe_pending(now);
        self.samples.follow(&self.pipeline.targets);
        let is_flush_due = now >= self.next_flush || self.pipeline.wants_flush();
        if is_flush_due {
            self.next_flush = now + FLUSH_EVERY;
            self.flush(read_at)?;
        }
        if self.rate_policy.is_due(now) {
            self.check_costs(now)?;
        }
        Ok(is_flush_due)
    }

    /// Takes records. Returns whether there are more than could be taken in one go.
    pub(super) fn take_records(&mut self) -> bool {
        let pipeline = &mut self.pipeline;
        self.is_behind = self.samples.take_records(|record| pipeline.take(record));
        self.is_behind
    }

    /// Whether every target has ended and every record of them was taken.
    pub(super) fn is_over(&self) -> bool {
        !self.is_behind && self.pipeline.targets.all_ended()
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

    /// Begins another trace file, which `create` makes for the time at which it takes over.
    /// Returns what was counted in the one before, and that file, which needs only its
    /// end.
    ///
    /// # Errors
    /// What `create` returns. Then the file before goes on.
    pub fn exchange_file(
        &mut self,
        create: impl FnOnce(KernelTime) -> Result<TraceWriter<W>, RecordError>,
    ) -> Result<(Summary, ClosingFile<W>), RecordError> {
        let mut read_at = monotonic_now();
        for _ in 0..MOST_ROUNDS {
            if !self.take_records() {
                break;
            }
            read_at = monotonic_now();
        }
        let next = create(read_at)?;
        let counters = self.samples.counts();
        let scans = self.samples.scan_counts();
        let changes = self.samples.cpu_changes();
        let now = Instant::now();
        let cost = self.rate_policy.total_cost(self.samples.clocks(), now);
        let not_sampled = changes.missing(read_at.since(self.start));
        let (totals, file) = self.pipeline.exchange_file(read_at, next);
        self.taken_until = read_at;
        let before = &mut self.counted_before;
        let capture = CaptureSummary {
            counters: counters.since(&before.counters),
            scans: scans.as_ref().map(|scans| scans.since(&before.scans)),
            is_cut_short: false,
            without_loop: self.samples.without_loop(),
            cpus: changes,
            cpus_not_sampled: not_sampled.saturating_sub(before.cpus_not_sampled),
        };
        let rate = RateSummary {
            cost: cost.saturating_sub(before.cost),
            ..RateSummary::default()
        };
        let account = (&mut before.account, &KernelAccount::from(&counters));
        let elapsed = read_at.since(self.file_start);
        let summary = Summary::of_file(elapsed, totals, capture, rate, account);
        before.counters = counters;
        before.scans = scans.unwrap_or_default();
        (before.cost, before.cpus_not_sampled) = (cost, not_sampled);
        self.file_start = read_at;
        Ok((summary, file))
    }

    /// Takes what has arrived and writes a segment now.
    pub(super) fn write_segment(&mut self) -> Result<(), RecordError> {
        let now = monotonic_now();
        self.take_records();
        self.flush(now)
    }

    /// Writes a segment. Records were read at `read_at`.
    fn flush(&mut self, read_at: KernelTime) -> Result<(), RecordError> {
        if !self.is_behind {
            let lost = self.samples.count(Counter::LostLifecycle);
            if self.lost_lifecycle.must_compare(lost) {
                self.pipeline.targets.reconcile();
            }
            self.pipeline.settle(read_at);
            self.taken_until = read_at;
        }
        Ok(self.pipeline.flush(self.taken_until)?)
    }
}
