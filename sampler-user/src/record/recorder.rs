// SPDX-License-Identifier: MIT OR Apache-2.0

//! What every recording does while it runs, wherever its trace goes: takes records, looks
//! after processes, writes segments, and keeps its cost within the limit.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use sampler_common::account::KernelAccount;
use sampler_common::counter::{Counter, CounterValues};
use sampler_common::fate::Fate;
use sampler_common::process::ProcessKey;
use sampler_trace::account::Account;
use sampler_trace::container::info::TraceInfo;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::KernelTime;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::followed::FollowedProcess;
use crate::platform::console::CONSOLE;
use crate::record::clock::{monotonic_now, unix_now_us};
use crate::record::error::RecordError;
use crate::record::last_words::Death;
use crate::record::lost_lifecycle::LostLifecycle;
use crate::record::pipeline::{FLUSH_EVERY, LastScan, Pipeline};
use crate::record::rate_limiter::Decision;
use crate::record::rate_policy::RatePolicy;
use crate::record::report::scan_counts::ScanCounts;
use crate::record::report::summary::{CaptureSummary, RateSummary, RecordingSummary};
use crate::record::sample_source::SampleSource;
use crate::record::stillness::StandingThread;
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

/// What was counted from one moment to another.
struct Counted {
    /// Everything since the recording began.
    all: CounterValues,
    capture: CaptureSummary,
    rate: RateSummary,
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
    /// The header of the trace file that is being written.
    info: TraceInfo,
    counted_before: CountedBefore,
}

impl<W: Write> Recorder<W> {
    /// A recorder whose first trace file has the header `info`, and begins `now`.
    pub(super) fn new(
        samples: SampleSource,
        pipeline: Pipeline<W>,
        rate_policy: RatePolicy,
        (info, now): (TraceInfo, Instant),
    ) -> Self {
        Self {
            samples,
            pipeline,
            rate_policy,
            lost_lifecycle: LostLifecycle::default(),
            next_flush: now + FLUSH_EVERY,
            is_behind: false,
            start: info.start,
            taken_until: info.start,
            info,
            counted_before: CountedBefore::default(),
        }
    }

    /// Waits until something is due, but at most until `deadline`. Can be cancelled.
    pub async fn wait(&mut self, deadline: Option<Instant>) {
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

    /// Takes records and does what is due. Returns whether a segment was written.
    ///
    /// # Errors
    /// The trace cannot be written, or the clocks cannot be set.
    pub fn step(&mut self) -> Result<bool, RecordError> {
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
    pub fn is_over(&self) -> bool {
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

    /// Takes `hz` samples a second on each CPU from now on, or as many as the limit of the
    /// cost allows.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub fn ask_rate(&mut self, hz: u32) -> Result<(), RecordError> {
        let period = Duration::from_secs(1) / hz.max(1);
        if self.info.hz == hz {
            return Ok(());
        }
        let now = monotonic_now();
        self.samples.set_period(period)?;
        self.pipeline.change_rate(now, period);
        self.rate_policy.ask(period);
        self.info.hz = hz;
        Ok(())
    }

    /// Returns the mean time between two samples of a CPU now.
    pub fn period(&self) -> Duration {
        self.rate_policy.period()
    }

    /// Returns the header of the current trace file, but for a rate that was changed since
    /// it began.
    pub fn info(&self) -> &TraceInfo {
        &self.info
    }

    /// Returns the current trace file.
    pub fn file(&self) -> &W {
        self.pipeline.container()
    }

    /// Returns the processes that are sampled, each with the number of its threads in the
    /// current trace file. Among them are some that have just ended.
    pub fn processes(&self) -> impl Iterator<Item = (&FollowedProcess, u32)> {
        let processes = self.pipeline.targets.processes();
        let sampled = processes.filter(|process| process.python.is_some());
        sampled.map(|process| (process, self.pipeline.threads_of(process.key)))
    }

    /// Returns what the threads of a process do and since when; nothing of those that are
    /// not seen while they wait.
    pub fn standing(&self, process: ProcessKey) -> Vec<StandingThread> {
        self.pipeline.standing(process)
    }

    /// Takes the processes that signals have ended since the last call, if those are
    /// reported.
    pub fn take_deaths(&mut self) -> VecDeque<Death> {
        self.pipeline.take_deaths()
    }

    /// Returns how many signals and ends of processes found no room since the recording
    /// began.
    pub fn deaths_left_out(&self) -> u64 {
        self.pipeline.deaths_left_out()
    }

    /// Returns the names and threads of the current trace file.
    pub fn tables(&self) -> (&Symbols, &Tracks) {
        self.pipeline.tables()
    }

    /// Returns the time up to which every record was taken.
    pub fn taken_until(&self) -> KernelTime {
        self.taken_until
    }

    /// Returns how many scans of waiting threads were run since the recording began.
    pub fn scans(&self) -> u64 {
        self.samples.scan_counts().map_or(0, |counts| counts.run)
    }

    /// Returns the thread that inspects processes.
    pub fn inspector(&self) -> &ProcessInspector {
        self.pipeline.targets.inspector()
    }

    /// Returns what became of the samples since the current trace file began.
    pub fn account(&self) -> Account {
        let mut account = self.pipeline.counted_in_file();
        let counted = KernelAccount::from(&self.samples.counts());
        let mut fates = counted.since(&self.counted_before.account);
        fates.by_fate[Fate::Taken as usize] = 0;
        account.replace_kernel(&fates);
        account.taken = account.delivered() + account.lost + account.dropped();
        account
    }

    /// Returns the CPU time that everything has used since the recording began.
    pub fn cost(&mut self) -> Duration {
        let clocks = self.samples.clocks();
        self.rate_policy.total_cost(clocks, Instant::now())
    }

    /// Begins another trace file, for which `create` returns the output. Returns what was
    /// counted in the one before, and that file, which needs only its end.
    ///
    /// # Errors
    /// What `create` returns, or the header cannot be written. Then the file before goes on.
    pub fn exchange_file(
        &mut self,
        create: impl FnOnce() -> Result<W, RecordError>,
    ) -> Result<(RecordingSummary, ClosingFile<W>), RecordError> {
        let mut read_at = monotonic_now();
        for _ in 0..MOST_ROUNDS {
            if !self.take_records() {
                break;
            }
            read_at = monotonic_now();
        }
        let since = monotonic_now().since(read_at).as_micros();
        let info = TraceInfo {
            start: read_at,
            unix_start_us: unix_now_us().saturating_sub(u64::try_from(since).unwrap_or(0)),
            carries_on: true,
            ..self.info.clone()
        };
        let next = TraceWriter::create(create()?, &info)?;
        let now = Instant::now();
        let counted = self.count(now, read_at, false);
        let (totals, file) = self.pipeline.exchange_file(read_at, next);
        self.taken_until = read_at;
        let fates = KernelAccount::from(&counted.all);
        let account = (&mut self.counted_before.account, &fates);
        let elapsed = read_at.since(self.info.start);
        let summary =
            RecordingSummary::of_file(elapsed, totals, counted.capture, counted.rate, account);
        let period = self.rate_policy.period();
        if period.as_nanos() != u128::from(info.period_ns()) {
            self.pipeline.change_rate(read_at, period);
        }
        self.info = info;
        Ok((summary, file))
    }

    /// Ends the recording. Returns what was counted in the last trace file, and that file,
    /// which needs only its end.
    pub fn close(mut self) -> (RecordingSummary, ClosingFile<W>) {
        let is_cut_short = !self.samples.stop();
        self.pipeline.read_all_cpu_times();
        while self.take_records() {}
        let end = monotonic_now();
        let on_processes = self.pipeline.take_time_on_processes();
        self.rate_policy.costs().add_on_processes(on_processes);
        let counted = self.count(Instant::now(), end, is_cut_short);
        let last_scan = match is_cut_short {
            true => LastScan::CutShort,
            false => LastScan::Over,
        };
        let fates = KernelAccount::from(&counted.all).since(&self.counted_before.account);
        let (totals, file) = self.pipeline.close(end, last_scan);
        let elapsed = end.since(self.info.start);
        let Counted { capture, rate, .. } = counted;
        let summary = RecordingSummary::of_last_file(elapsed, totals, capture, rate, &fates);
        (summary, file)
    }

    /// Returns what was counted since the current trace file began, and lets the next count
    /// begin here.
    fn count(&mut self, now: Instant, until: KernelTime, is_cut_short: bool) -> Counted {
        let all = self.samples.counts();
        let scans = self.samples.scan_counts();
        let changes = self.samples.cpu_changes();
        let cost = self.rate_policy.total_cost(self.samples.clocks(), now);
        let not_sampled = changes.missing(until.since(self.start));
        let before = &mut self.counted_before;
        let capture = CaptureSummary {
            counters: all.since(&before.counters),
            scans: scans.as_ref().map(|scans| scans.since(&before.scans)),
            is_cut_short,
            without_loop: self.samples.without_loop(),
            cpus: changes,
            cpus_not_sampled: not_sampled.saturating_sub(before.cpus_not_sampled),
        };
        let rate = RateSummary {
            cost: cost.saturating_sub(before.cost),
            ..RateSummary::default()
        };
        before.counters = all;
        before.scans = scans.unwrap_or_default();
        (before.cost, before.cpus_not_sampled) = (cost, not_sampled);
        Counted { all, capture, rate }
    }

    /// Takes what has arrived and writes a segment and the account now.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn write_segment(&mut self) -> Result<(), RecordError> {
        let now = monotonic_now();
        self.take_records();
        self.pipeline.want_account();
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
