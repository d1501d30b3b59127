// SPDX-License-Identifier: MIT OR Apache-2.0

//! Takes each record through the stages of a recording, one after the other. `recording`
//! waits for the records.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sampler_common::lifecycle::LifecycleKind;
use sampler_common::process::ProcessKey;
use sampler_common::sample::RecordKind;
use sampler_common::stop::StopReason;
use sampler_common::wait::{Origin, WaitFacts};
use sampler_cpython::process::cpu_time;
use sampler_cpython::process::cpu_time::ProcessCpuTime;
use sampler_cpython::remote::scan::ScanAccounts;
use sampler_trace::account::Account;
use sampler_trace::account::cpu_time::CpuTime;
use sampler_trace::account::drop_reason::DropReason;
use sampler_trace::container::error::TraceError;
use sampler_trace::container::info;
use sampler_trace::container::info::RateChange;
use sampler_trace::model::identifiers::{KernelTime, TrackId};
use sampler_trace::model::row::State;
use tracing::{debug, trace};

use crate::capture::bpf::events::{RawLifecycle, RawRecord, RawSample, decode};
use crate::capture::bpf::known_code::KnownCode;
use crate::capture::scout::Scout;
use crate::capture::symbolize::python::Symbolizer;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::table::Targets;
use crate::capture::waiting;
use crate::record::clock::{can_have_been, monotonic_now, thread_cpu_time};
use crate::record::cpu_times::CpuTimes;
use crate::record::ledger::{ClosedLedger, Ledger, named};
use crate::record::rate_log::RateLog;
use crate::record::report::summary::{ProcessSummary, RateSummary, Summary};
use crate::record::rows::Rows;
use crate::record::stop_log::StopLog;
use crate::record::threads::{Threads, place};
use crate::record::tick_balance::TickBalance;
use crate::record::timers::Timers;

/// The stages, in the order in which a sample goes through them, and what is counted on
/// the way.
pub(super) struct Session<W> {
    pub(super) targets: Targets,
    known: KnownCode,
    symbolizer: Symbolizer,
    threads: Threads,
    timers: Timers,
    rows: Rows<W>,
    pub(super) ledger: Ledger,
    /// What scans from user space have counted of each process.
    scan_accounts: ScanAccounts,
    tick_balance: Option<TickBalance>,
    ended: EndedProcesses,
    scout: Scout,
    cpu_times: CpuTimes,
    /// CPU times of threads that are not in the trace yet.
    unwritten_times: BTreeMap<TrackId, CpuTime>,
    /// When the recording began.
    start: KernelTime,
    rates: RateLog,
    stops: StopLog,
    next_account: KernelTime,
    on_processes: Duration,
}

/// The parts of a session.
pub(super) struct Stages<W> {
    pub(super) targets: Targets,
    pub(super) known: KnownCode,
    pub(super) symbolizer: Symbolizer,
    pub(super) threads: Threads,
    pub(super) rows: Rows<W>,
    pub(super) scan_accounts: ScanAccounts,
    /// Present with scans from user space.
    pub(super) tick_balance: Option<TickBalance>,
    /// CPU times of the processes that are followed from the start, with what they had
    /// used before.
    pub(super) cpu_times: CpuTimes,
    /// How long after the end of a process a sample of it may still arrive.
    pub(super) rest: Duration,
    /// When the recording began.
    pub(super) start: KernelTime,
}

/// Processes that were found to have ended.
struct EndedProcesses {
    /// When that was, for those that may still have samples on the way.
    since: FxHashMap<ProcessKey, KernelTime>,
    /// How long a sample may still arrive.
    rest: Duration,
}

/// Whether every scan of waiting threads has sent what it saw.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastScan {
    Over,
    /// One was still under way when the recording ended.
    CutShort,
}

impl<W: Write> Session<W> {
    pub(super) fn new(stages: Stages<W>) -> Self {
        let scout = stages.targets.scout().clone();
        Self {
            timers: Timers::new(stages.targets.scout().clone()),
            targets: stages.targets,
            known: stages.known,
            symbolizer: stages.symbolizer,
            threads: stages.threads,
            rows: stages.rows,
            ledger: Ledger::default(),
            scan_accounts: stages.scan_accounts,
            tick_balance: stages.tick_balance,
            ended: EndedProcesses {
                since: FxHashMap::default(),
                rest: stages.rest,
            },
            scout,
            cpu_times: stages.cpu_times,
            unwritten_times: BTreeMap::new(),
            start: stages.start,
            rates: RateLog::default(),
            stops: StopLog::default(),
            next_account: KernelTime(0),
            on_processes: Duration::ZERO,
        }
    }

    /// Sets the time between two samples from `time` on.
    pub(super) fn change_rate(&mut self, time: KernelTime, period: Duration) {
        self.rows.change_period(time, period);
        self.rates.push(RateChange { time, period });
    }

    /// Takes one record through all stages.
    pub(super) fn take(&mut self, record: &[u8]) {
        match decode(record) {
            Ok(RawRecord::Sample(sample)) => self.sample(&sample),
            Ok(RawRecord::Code(code)) => {
                let process = self.targets.of_sample(code.process, code.tgid);
                if let Some(python) = process.and_then(|process| process.python.as_ref()) {
                    self.symbolizer.learn(&code, &python.context);
                    self.acknowledge();
                }
            }
            Ok(RawRecord::Lifecycle(event)) => self.lifecycle(&event),
            Err(error) => {
                debug!(%error, "record cannot be decoded");
                if is_sample(record) {
                    self.ledger.undecodable_sample();
                } else {
                    self.ledger.undecodable += 1;
                }
            }
        }
    }

    fn lifecycle(&mut self, event: &RawLifecycle) {
        let record = &event.record;
        trace!(pid = record.tgid, tid = record.tid, event = ?event.event, "lifecycle record");
        let time = KernelTime(record.time);
        if let Some((tid, used)) = self.cpu_times.learn(record, event.event)
            && let Some(track) = self.threads.row_of(record.key, tid)
        {
            self.unwritten_times.insert(track, used);
        }
        if event.event == LifecycleKind::ThreadExit
            && let Some(track) = self.threads.end(record.key, record.tid, time)
        {
            self.rows.end_track(track, time);
        }
        let before = thread_cpu_time();
        let over = match event.event {
            LifecycleKind::Exit => record.key,
            LifecycleKind::Exec => record.parent_key,
            LifecycleKind::Fork | LifecycleKind::ThreadExit => ProcessKey(0),
        };
        for track in self.threads.end_all(over, time) {
            self.rows.end_track(track, time);
        }
        self.targets.on_lifecycle(event, Instant::now());
        self.on_processes += thread_cpu_time().saturating_sub(before);
    }

    /// Returns the CPU time that lifecycle records have taken since the last call.
    pub(super) fn take_time_on_processes(&mut self) -> Duration {
        std::mem::take(&mut self.on_processes)
    }

    fn acknowledge(&mut self) {
        for key in self.symbolizer.take_newly_known() {
            self.known.acknowledge(key);
        }
    }

    /// Adds the time for which scans found the thread unchanged to what it waited for
    /// before this sample. Returns the time that the look itself accounts for, in
    /// nanoseconds; 0 for a tick.
    fn wait_of(&mut self, sample: &RawSample) -> u64 {
        let WaitFacts {
            unchanged, weight, ..
        } = sample.header.wait;
        let Some(track) = self.threads.known(sample) else {
            return weight;
        };
        let (unchanged, weight) = match &mut self.tick_balance {
            Some(balance) => balance.left(track, (unchanged, weight)),
            None => (unchanged, weight),
        };
        if unchanged != 0 {
            let time = KernelTime(sample.header.time);
            self.rows.weigh_wait(track, time, unchanged);
        }
        weight
    }

    fn sample(&mut self, sample: &RawSample) {
        let weight = self.wait_of(sample);
        if sample.origin == Origin::Unchanged {
            return;
        }
        self.ledger.samples += 1;
        let key = sample.header.process;
        let process = self.targets.of_sample(key, sample.header.tgid);
        // The entry of the eBPF program's table may have become another process's while
        // the sample was taken. Then key and tgid do not belong together.
        let process = process.filter(|process| process.tgid == sample.header.tgid);
        let Some((process, python)) = process.and_then(|it| Some((it, it.python.as_ref()?))) else {
            self.ledger.without_process();
            self.stops.dropped(sample, DropReason::WithoutProcess);
            return;
        };
        if !self.cpu_times.has(key) {
            let tgid = process.tgid;
            let now = self.scout.ask(tgid, move |_| cpu_time::of_process(tgid));
            match now {
                Ok(Ok(now)) => self.cpu_times.begin(key, &now),
                _ => self.cpu_times.leave_unknown(key),
            }
        }
        let time = KernelTime(sample.header.time);
        let now = monotonic_now();
        if !can_have_been(self.start, time, now) {
            let account = self.ledger.arrived(key, Duration::ZERO);
            account.add_dropped(DropReason::AnotherClock);
            self.stops.dropped(sample, DropReason::AnotherClock);
            return;
        }
        let account = self.ledger.arrived(key, now.since(time));
        let period = Duration::from_nanos(self.rows.period_at(time));
        if sample.origin == Origin::OnCpu {
            account.ticked += period;
        }
        let state = match sample.origin {
            Origin::OnCpu => State::Running,
            Origin::OffCpu | Origin::OffCpuSameStack | Origin::Unchanged => {
                let told = waiting::state(&sample.header.wait, python.instance.c_library);
                self.timers.refine(told, sample)
            }
        };
        if self.threads.has_ended(sample) {
            account.add_dropped(StopReason::RanDuringWalk.into());
            self.stops.dropped(sample, StopReason::RanDuringWalk);
            return;
        }
        if sample.origin == Origin::OffCpuSameStack {
            let known = self.threads.known(sample);
            let is_in_time =
                known.is_none_or(|track| self.rows.restate(track, time, state, weight));
            if is_in_time {
                account.state_only += 1;
            } else {
                account.add_dropped(DropReason::Late);
                self.stops.dropped(sample, DropReason::Late);
            }
            return;
        }
        self.symbolizer.page_in(sample, &python.context);
        let unknown = self.symbolizer.counts().unknown_frames;
        match self.symbolizer.resolve(sample, &python.context) {
            Ok(resolved) => {
                let Some((track, replaced)) = self.threads.track(sample, process) else {
                    account.add_dropped(DropReason::NoRoom);
                    self.stops.dropped(sample, DropReason::NoRoom);
                    return;
                };
                if let Some(replaced) = replaced {
                    self.rows.end_track(replaced, time);
                }
                let is_in_time = match sample.origin {
                    Origin::OnCpu => {
                        let in_kernel = sample.header.wait.in_kernel != 0;
                        let stack = resolved.stack;
                        self.rows.observe_running(track, time, stack, in_kernel)
                    }
                    _ => {
                        let waits = (resolved.stack, state);
                        self.rows.observe_waiting(track, time, waits, weight)
                    }
                };
                if is_in_time {
                    if sample.origin == Origin::OnCpu {
                        account.seen += period;
                        if let Some(balance) = &mut self.tick_balance {
                            balance.tick(track, self.rows.period_at(time));
                        }
                    }
                    let is_unknown = self.symbolizer.counts().unknown_frames > unknown;
                    account.unknown_code += u64::from(is_unknown);
                    account.show(resolved.stop);
                    if is_unknown {
                        self.stops.without_name(sample);
                    }
                    self.stops.shown(sample, resolved.stop);
                } else {
                    account.add_dropped(DropReason::Late);
                    self.stops.dropped(sample, DropReason::Late);
                }
                self.acknowledge();
            }
            Err(reason) => {
                account.add_dropped(reason.into());
                self.stops.dropped(sample, reason);
                // It began to run while it was looked at, so until then it waited where
                // it had waited before.
                if reason == StopReason::RanDuringWalk
                    && let Some(track) = self.threads.known(sample)
                {
                    self.rows.weigh_wait(track, time, weight);
                }
                if reason == StopReason::NoThreadState {
                    self.targets.look_for_others(key);
                }
                if reason == StopReason::NotInitialised {
                    return;
                }
            }
        }
        self.targets.improve(key);
    }

    /// Notices threads that have stopped running, and processes that have ended. Every
    /// record up to `now` must have been taken.
    pub(super) fn settle(&mut self, now: KernelTime) {
        self.settle_after(now, LastScan::Over);
    }

    fn settle_after(&mut self, now: KernelTime, last_scan: LastScan) {
        self.rows.expire(now);
        self.threads.settle(now.saturating_sub(LONGEST_SCAN));
        for key in self.targets.ended() {
            self.ended.since.entry(key).or_insert(now);
        }
        let EndedProcesses { since, rest } = &self.ended;
        let is_over = |key| since.get(&key).is_some_and(|end| now.since(*end) >= *rest);
        for process in self.targets.take_ended(is_over) {
            self.close(&process, now, last_scan);
        }
    }

    /// Closes a process that will have no other sample.
    fn close(&mut self, process: &FollowedProcess, now: KernelTime, last_scan: LastScan) {
        // There are rows left only if the end of their threads went unnoticed.
        for track in self.threads.rows_of(process.key) {
            self.rows.end_track(track, now);
        }
        self.close_account(process, last_scan);
        self.symbolizer.forget(process.key);
        self.threads.forget(process.key);
        self.ended.since.remove(&process.key);
    }

    /// Reads how long the threads of these processes ran.
    fn read_cpu_times(&mut self, processes: Vec<(ProcessKey, u32)>) {
        let questions = processes.clone();
        let answers = self.scout.ask(std::process::id(), move |_| {
            let tgids = questions.iter().map(|(_, tgid)| *tgid);
            tgids.map(cpu_time::of_process).collect::<Vec<_>>()
        });
        for ((key, _), now) in processes.into_iter().zip(answers.unwrap_or_default()) {
            if let Ok(now) = now {
                self.learn_cpu_times(key, &now);
            }
        }
    }

    fn learn_cpu_times(&mut self, key: ProcessKey, now: &ProcessCpuTime) {
        self.cpu_times.update(key, now);
        self.ledger.set_cpu_time(key, self.cpu_times.of(key));
        for (tid, used) in self.cpu_times.threads(key) {
            if let Some(track) = self.threads.row_of(key, tid) {
                self.unwritten_times.insert(track, used);
            }
        }
    }

    /// Whether the CPU time of every followed process is known.
    pub(super) fn knows_cpu_times(&self) -> bool {
        self.cpu_times.is_complete()
    }

    /// Reads the CPU times of all processes that go on, once nothing is sampled any more.
    pub(super) fn read_last_cpu_times(&mut self) {
        let going_on = self.targets.going_on();
        let known = going_on.filter(|process| self.cpu_times.has(process.key));
        let all = known.map(|process| (process.key, process.tgid)).collect();
        self.read_cpu_times(all);
    }

    fn close_account(&mut self, process: &FollowedProcess, last_scan: LastScan) {
        let mut account = self.ledger.take(process.key);
        account.cpu = self.cpu_times.of(process.key);
        self.cpu_times.forget(process.key);
        account.add_kernel(&self.targets.close_account(process.key));
        account.add_kernel(&self.scan_accounts.close(process.key));
        account.threads = self.threads.count(process.key);
        if last_scan == LastScan::CutShort {
            account.leave_unfinished();
        }
        if account == Account::default() {
            return;
        }
        let index = if account.missing() > 0 {
            self.threads.index_anew(process)
        } else {
            self.threads.index(process.key)
        };
        self.ledger.close(index, summarized(process, account));
    }

    /// Writes what is settled into the container, and now and then the account of the
    /// samples.
    pub(super) fn flush(&mut self, now: KernelTime) -> Result<(), TraceError> {
        let symbols = self.symbolizer.interner().symbols();
        let settled = self.rows.flush(now, symbols, &mut self.threads.tracks)?;
        if now < self.next_account {
            return Ok(());
        }
        self.next_account = now.saturating_add(ACCOUNT_EVERY);
        self.write_account(settled)
    }

    /// Writes the account of the samples so far.
    fn write_account(&mut self, time: KernelTime) -> Result<(), TraceError> {
        let changed: BTreeSet<_> = self.ledger.changed().into_iter().collect();
        let going_on = self.targets.going_on();
        let changed = going_on.filter(|process| changed.contains(&process.key));
        let changed = changed.map(|process| (process.key, process.tgid)).collect();
        self.read_cpu_times(changed);
        let threads_now = self.take_unwritten_times();
        let Self {
            targets,
            threads,
            ledger,
            scan_accounts,
            ..
        } = self;
        let kernel = |key| {
            let mut sum = targets.account(key);
            sum.add_all(&scan_accounts.get(key));
            sum
        };
        let summary = sampler_trace::container::info::Summary {
            rates: self.rates.changes().to_vec(),
            threads: threads_now,
            ..ledger.changes(time, |key| threads.index(key), kernel)
        };
        self.rows.account(&summary)
    }

    fn take_unwritten_times(&mut self) -> Vec<info::ThreadCpuTime> {
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let times = std::mem::take(&mut self.unwritten_times).into_iter();
        times
            .map(|(track, time)| info::ThreadCpuTime {
                track,
                user_us: microseconds(time.user),
                system_us: microseconds(time.system()),
            })
            .collect()
    }

    /// Returns the container, which can be read while it is written.
    pub(super) fn container(&self) -> &W {
        self.rows.container()
    }

    /// Whether so many rows are held back that they should be written now.
    pub(super) fn wants_flush(&self) -> bool {
        self.rows.wants_flush()
    }

    /// Returns how many processes and threads are in the trace so far.
    pub(super) fn population(&self) -> (usize, usize) {
        (
            self.threads.tracks.processes().len(),
            self.threads.tracks.tracks().len(),
        )
    }

    /// Closes the container. Returns it, and the account of everything.
    pub(super) fn finish(
        mut self,
        end: KernelTime,
        summary: Summary,
    ) -> Result<(W, Summary), TraceError> {
        let last_scan = if summary.taking.is_cut_short {
            LastScan::CutShort
        } else {
            LastScan::Over
        };
        self.stops.close();
        self.settle_after(end, last_scan);
        for process in self.targets.take_ended(|_| true) {
            self.close(&process, end, last_scan);
        }
        let threads_now = self.take_unwritten_times();
        let open: Vec<_> = self.targets.processes().cloned().collect();
        for process in &open {
            self.close_account(process, last_scan);
        }
        let ClosedLedger {
            mut total,
            sampled,
            listed,
            unwritten,
            undecodable,
        } = std::mem::take(&mut self.ledger).finish();
        summary.complete(&mut total);
        let summary = Summary {
            total,
            processes: listed,
            sampled,
            undecodable,
            names: self.symbolizer.counts(),
            not_sampled: not_sampled(&self.targets),
            rate: RateSummary {
                changes: self.rates.changes().to_vec(),
                ..summary.rate
            },
            ..summary
        };
        let closing = sampler_trace::container::info::Summary {
            end,
            counts: named(&summary.counts()),
            processes: unwritten,
            rates: summary.rate.changes.clone(),
            threads: threads_now,
        };
        let symbols = self.symbolizer.interner().symbols();
        let output = self
            .rows
            .finish(&closing, symbols, &mut self.threads.tracks)?;
        Ok((output, summary))
    }
}

/// Whether a record claims to be a sample.
fn is_sample(record: &[u8]) -> bool {
    let kind = record.first_chunk().map(|kind| u32::from_ne_bytes(*kind));
    kind == Some(RecordKind::Sample as u32)
}

/// Lists the processes that could not be sampled, with their reasons.
fn not_sampled(targets: &Targets) -> Vec<String> {
    let skipped = targets.skipped();
    let mut lines: Vec<_> = skipped.reasons().map(ToString::to_string).collect();
    if skipped.unnamed() > 0 {
        lines.push(format!("{} more of such processes", skipped.unnamed()));
    }
    match skipped.hidden() {
        0 => {}
        1 => lines.push("1 process that pyebpf may not look at".into()),
        count => lines.push(format!("{count} processes that pyebpf may not look at")),
    }
    lines
}

fn summarized(process: &FollowedProcess, account: Account) -> ProcessSummary {
    let python = process.python.as_ref();
    ProcessSummary {
        tgid: process.tgid,
        name: process
            .identity
            .as_ref()
            .map(|it| it.comm.clone())
            .unwrap_or_default(),
        python: python
            .map(|it| it.instance.runtime.version.to_string())
            .unwrap_or_default(),
        inside: place(process).inside(),
        account,
    }
}

/// How long a scan may be held up between looking at a thread and sending what it saw.
/// Only a very busy machine comes near it.
pub(super) const LONGEST_SCAN: Duration = Duration::from_secs(5);

/// How often a segment is written to the container.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(2);

/// How often the account of the samples so far is written to the container.
const ACCOUNT_EVERY: Duration = Duration::from_secs(10);
