// SPDX-License-Identifier: MIT OR Apache-2.0

//! Takes each record through the stages of a recording, one after the other, into the
//! current trace file. `event_loop` waits for the records.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sampler_common::account::KernelAccount;
use sampler_common::lifecycle::LifecycleKind;
use sampler_common::process::ProcessKey;
use sampler_common::sample::CodeKey;
use sampler_common::stop::StopReason;
use sampler_common::wait::{Origin, WaitFacts};
use sampler_cpython::process::cpu_time;
use sampler_cpython::remote::scan::ScanAccounts;
use sampler_trace::account::Account;
use sampler_trace::account::drop_reason::DropReason;
use sampler_trace::container::error::TraceError;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{KernelTime, TrackId};
use sampler_trace::model::row::State;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;
use tracing::{debug, trace};

use crate::capture::bpf::events::{
    DecodeError, RawCode, RawLifecycle, RawRecord, RawSample, RawSignal,
};
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::symbolize::python::{ResolvedStack, Symbolizer};
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::registry::Targets;
use crate::capture::targets::skipped::SkippedProcesses;
use crate::capture::waiting;
use crate::record::clock::{can_have_been, monotonic_now, thread_cpu_time};
use crate::record::last_words::{Death, LastWords};
use crate::record::report::summary::PipelineTotals;
use crate::record::stillness::StandingThread;
use crate::record::stop_log::StopLog;
use crate::record::thread_tracks::{ChosenTrack, ThreadTracks};
use crate::record::threads::{NameCheck, Threads};
use crate::record::timeline_writer::TimelineWriter;
use crate::record::timers::Timers;
use crate::record::trace_file::{ClosingFile, TraceFile};

/// The stages, in the order in which a sample goes through them. All but the file live as
/// long as the recording.
pub struct Pipeline<W> {
    pub(super) targets: Targets,
    acknowledge: Acknowledge,
    symbolizer: Symbolizer,
    threads: Threads,
    timers: Timers,
    file: TraceFile<W>,
    /// What scans from user space have counted of each process.
    scan_accounts: ScanAccounts,
    ended: EndedProcesses,
    inspector: ProcessInspector,
    /// When the recording began.
    start: KernelTime,
    stops: StopLog,
    /// Present if last words are wanted.
    last_words: Option<LastWords>,
    /// Samples that have arrived since the recording began.
    samples: u64,
    on_processes: Duration,
}

/// Tells the eBPF program that a code object need not be described again.
pub(super) type Acknowledge = Box<dyn FnMut(CodeKey)>;

/// The parts of a pipeline.
pub(super) struct PipelineParts<W> {
    pub(super) targets: Targets,
    pub(super) acknowledge: Acknowledge,
    pub(super) symbolizer: Symbolizer,
    pub(super) threads: Threads,
    /// The first trace file.
    pub(super) file: TraceFile<W>,
    pub(super) scan_accounts: ScanAccounts,
    /// Whether last words are wanted.
    pub(super) last_words: bool,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastScan {
    Over,
    /// One was still under way when the recording ended.
    CutShort,
}

impl<W: Write> Pipeline<W> {
    pub(super) fn new(parts: PipelineParts<W>) -> Self {
        let inspector = parts.targets.inspector().clone();
        Self {
            targets: parts.targets,
            acknowledge: parts.acknowledge,
            symbolizer: parts.symbolizer,
            threads: parts.threads,
            timers: Timers::new(inspector.clone()),
            file: parts.file,
            scan_accounts: parts.scan_accounts,
            ended: EndedProcesses {
                since: FxHashMap::default(),
                rest: parts.rest,
            },
            inspector,
            start: parts.start,
            stops: StopLog::default(),
            last_words: parts.last_words.then(LastWords::default),
            samples: 0,
            on_processes: Duration::ZERO,
        }
    }

    /// Sets the time between two samples from `time` on.
    pub(super) fn change_rate(&mut self, time: KernelTime, period: Duration) {
        self.file.change_rate(time, period);
    }

    /// Takes one record through all stages.
    pub(super) fn take(&mut self, record: Result<RawRecord, DecodeError>) {
        match record {
            Ok(RawRecord::Sample(sample)) => self.sample(&sample),
            Ok(RawRecord::Code(code)) => self.code(&code),
            Ok(RawRecord::Lifecycle(event)) => self.lifecycle(&event),
            Ok(RawRecord::Signal(signal)) => self.signal(&signal),
            Err(error) => {
                debug!(%error, "record cannot be decoded");
                self.samples += u64::from(error.was_sample);
                self.file.stats.undecodable(error.was_sample);
            }
        }
    }

    fn code(&mut self, code: &RawCode) {
        let process = self.targets.of_sample(code.process, code.tgid);
        if let Some(context) = process.and_then(FollowedProcess::context) {
            self.symbolizer.learn(code, &context);
            self.acknowledge();
        }
    }

    /// Takes in a signal, before the threads of its process end.
    fn signal(&mut self, signal: &RawSignal) {
        let Some(last_words) = &mut self.last_words else {
            return;
        };
        let record = &signal.record;
        let process = self.targets.of_sample(record.key, record.tgid);
        // The entry of the eBPF program's table may have become another process's.
        let process = process.filter(|process| process.tgid == record.tgid);
        if process.is_some_and(|process| process.python.is_some()) {
            let threads = || standing(&self.file, record.key);
            last_words.sent(signal, threads);
        }
    }

    /// Takes the processes that signals have ended since the last call.
    pub(super) fn take_deaths(&mut self) -> VecDeque<Death> {
        self.last_words
            .as_mut()
            .map(LastWords::take)
            .unwrap_or_default()
    }

    /// Returns how many signals and ends of processes found no room.
    pub(super) fn deaths_left_out(&self) -> u64 {
        self.last_words.as_ref().map_or(0, LastWords::left_out)
    }

    fn lifecycle(&mut self, event: &RawLifecycle) {
        let record = &event.record;
        trace!(pid = record.tgid, tid = record.tid, event = ?event.event, "lifecycle record");
        let time = KernelTime(record.time);
        self.file.learn_cpu_time(event);
        if event.event == LifecycleKind::ThreadExit {
            self.threads.end(record.key, record.tid, time);
            self.file.end_thread(record.key, record.tid, time);
        }
        let before = thread_cpu_time();
        let over = match event.event {
            LifecycleKind::Exit => record.key,
            LifecycleKind::Exec => record.parent_key,
            LifecycleKind::Fork | LifecycleKind::ThreadExit => ProcessKey(0),
        };
        if event.event == LifecycleKind::Exit
            && let Some(last_words) = &mut self.last_words
            && let Some(process) = self.targets.of_sample(record.key, record.tgid)
            && process.python.is_some()
        {
            last_words.ended(record.key, record.tgid, record.exit_code);
        }
        self.threads.end_all(over, time);
        self.file.end_process(over, time);
        self.targets.on_lifecycle(event, Instant::now());
        self.on_processes += thread_cpu_time().saturating_sub(before);
    }

    /// Returns the CPU time that lifecycle records have taken since the last call.
    pub(super) fn take_time_on_processes(&mut self) -> Duration {
        std::mem::take(&mut self.on_processes)
    }

    fn acknowledge(&mut self) {
        for key in self.symbolizer.take_newly_known() {
            (self.acknowledge)(key);
        }
    }

    /// Adds the time for which scans found the thread waiting without a sample to what it
    /// waited for before this sample. Returns the time that the sample itself represents, in
    /// nanoseconds; 0 for a tick.
    fn wait_of(&mut self, sample: &RawSample) -> u64 {
        let WaitFacts {
            unchanged,
            queued,
            weight,
            ..
        } = sample.header.wait;
        let file = &mut self.file;
        let Some(track) = file.threads.known(sample) else {
            return weight;
        };
        let (unchanged, weight) = match &mut file.tick_balance {
            Some(balance) => balance.left(track, (unchanged, weight)),
            None => (unchanged, weight),
        };
        let time = KernelTime(sample.header.time);
        if unchanged != 0 {
            file.timeline.weigh_wait(track, time, unchanged);
        }
        if queued != 0 {
            file.timeline.weigh_queued(track, time, queued);
        }
        weight
    }

    fn sample(&mut self, sample: &RawSample) {
        let weight = self.wait_of(sample);
        if sample.origin == Origin::Unchanged {
            return;
        }
        self.samples += 1;
        let key = sample.header.process;
        let process = self.targets.of_sample(key, sample.header.tgid);
        // The entry of the eBPF program's table may have become another process's while
        // the sample was taken. Then key and tgid do not belong together.
        let process = process.filter(|process| process.tgid == sample.header.tgid);
        let found = process.and_then(|it| Some((it, it.python.as_ref()?, it.context()?)));
        let Some((process, python, context)) = found else {
            self.file.stats.without_process();
            self.stops.dropped(sample, DropReason::WithoutProcess);
            return;
        };
        let file = &mut self.file;
        if !file.cpu_times.has(key) {
            let tgid = process.tgid;
            let now = self
                .inspector
                .ask(tgid, move |_| cpu_time::of_process(tgid));
            match now {
                Ok(Ok(now)) => file.cpu_times.begin(key, &now),
                _ => file.cpu_times.leave_unknown(key),
            }
        }
        let time = KernelTime(sample.header.time);
        let now = monotonic_now();
        if !can_have_been(self.start, time, now) {
            let account = file.stats.arrived(key, Duration::ZERO);
            account.add_dropped(DropReason::AnotherClock);
            self.stops.dropped(sample, DropReason::AnotherClock);
            return;
        }
        let account = file.stats.arrived(key, now.since(time));
        let period = Duration::from_nanos(file.timeline.period_at(time));
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
            let known = file.threads.known(sample);
            let timeline = &mut file.timeline;
            if known.is_none_or(|track| timeline.restate(track, time, state, weight)) {
                account.state_only += 1;
            } else {
                account.add_dropped(DropReason::Late);
                self.stops.dropped(sample, DropReason::Late);
            }
            return;
        }
        self.symbolizer.page_in(sample, &context);
        match self.symbolizer.resolve(sample, &context) {
            Ok(resolved) => {
                let rows = (&mut file.threads, &mut file.timeline);
                let Some(track) = choose_track(rows, &mut self.threads, sample, process) else {
                    account.add_dropped(DropReason::NoRoom);
                    self.stops.dropped(sample, DropReason::NoRoom);
                    return;
                };
                let ResolvedStack {
                    stack,
                    stop,
                    has_unknown_frames,
                } = resolved;
                let timeline = &mut file.timeline;
                let is_in_time = match sample.origin {
                    Origin::OnCpu => {
                        let in_kernel = sample.header.wait.in_kernel != 0;
                        timeline.observe_running(track, time, stack, in_kernel)
                    }
                    _ => timeline.observe_waiting(track, time, (stack, state), weight),
                };
                if is_in_time {
                    if sample.origin == Origin::OnCpu {
                        account.seen += period;
                        if let Some(balance) = &mut file.tick_balance {
                            balance.tick(track, timeline.period_at(time));
                        }
                    }
                    account.unknown_code += u64::from(has_unknown_frames);
                    account.show(stop);
                    if has_unknown_frames {
                        self.stops.without_name(sample);
                    }
                    self.stops.shown(sample, stop);
                } else {
                    account.add_dropped(DropReason::Late);
                    self.stops.dropped(sample, DropReason::Late);
                }
                self.acknowledge();
            }
            Err(reason) => {
                account.add_dropped(reason.into());
                self.stops.dropped(sample, reason);
                // It began to run while it was read, so until then it waited where
                // it had waited before.
                if reason == StopReason::RanDuringWalk
                    && let Some(track) = file.threads.known(sample)
                {
                    if waiting::waits_for_cpu(&sample.header.wait) {
                        file.timeline.weigh_queued(track, time, weight);
                    } else {
                        file.timeline.weigh_wait(track, time, weight);
                    }
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
        self.file.timeline.expire(now);
        self.threads.settle(now.saturating_sub(LONGEST_SCAN));
        for key in self.targets.ended() {
            self.ended.since.entry(key).or_insert(now);
        }
        let EndedProcesses { since, rest } = &self.ended;
        let is_over = |key| since.get(&key).is_some_and(|end| now.since(*end) >= *rest);
        for process in self.targets.take_ended(is_over) {
            self.close_process(&process, now, last_scan);
        }
    }

    /// Closes a process that will have no other sample.
    fn close_process(&mut self, process: &FollowedProcess, now: KernelTime, last_scan: LastScan) {
        // There are rows left only if the end of their threads went unnoticed.
        for track in self.file.threads.rows_of(process.key) {
            self.file.timeline.end_track(track, now);
        }
        self.close_account(process, last_scan);
        self.file.forget(process.key);
        self.symbolizer.forget(process.key);
        self.threads.forget(process.key);
        self.ended.since.remove(&process.key);
    }

    fn close_account(&mut self, process: &FollowedProcess, last_scan: LastScan) {
        let mut counted = self.targets.close_account(process.key);
        counted.add_all(&self.scan_accounts.close(process.key));
        let mut account = self.file.take_account(process.key, &counted);
        if last_scan == LastScan::CutShort {
            account.leave_unfinished();
        }
        self.file.close_account(process, account);
    }

    /// Reads how long the threads of these processes ran.
    fn read_cpu_times(&mut self, processes: Vec<(ProcessKey, u32)>) {
        let questions = processes.clone();
        let answers = self.inspector.ask(std::process::id(), move |_| {
            let tgids = questions.iter().map(|(_, tgid)| *tgid);
            tgids.map(cpu_time::of_process).collect::<Vec<_>>()
        });
        for ((key, _), now) in processes.into_iter().zip(answers.unwrap_or_default()) {
            if let Ok(now) = now {
                self.file.learn_cpu_times(key, &now);
            }
        }
    }

    /// Whether the CPU time of every followed process is known.
    pub(super) fn knows_cpu_times(&self) -> bool {
        self.file.cpu_times.is_complete()
    }

    /// Reads the CPU times of all processes that go on.
    pub(super) fn read_all_cpu_times(&mut self) {
        let going_on = self.targets.going_on();
        let known = going_on.filter(|process| self.file.cpu_times.has(process.key));
        let all = known.map(|process| (process.key, process.tgid)).collect();
        self.read_cpu_times(all);
    }

    /// Writes what is settled into the container, and now and then the account of the
    /// samples.
    pub(super) fn flush(&mut self, now: KernelTime) -> Result<(), TraceError> {
        let symbols = self.symbolizer.interner().symbols();
        let Some(settled) = self.file.flush(now, symbols)? else {
            return Ok(());
        };
        let changed = self.file.changed();
        let going_on = self.targets.going_on();
        let changed = going_on.filter(|process| changed.contains(&process.key));
        let changed = changed.map(|process| (process.key, process.tgid)).collect();
        self.read_cpu_times(changed);
        let (targets, scans) = (&self.targets, &self.scan_accounts);
        self.file
            .write_account(settled, |key| counted(targets, scans, key))
    }

    /// Returns the container, which can be read while it is written.
    pub(super) fn container(&self) -> &W {
        self.file.timeline.container()
    }

    /// Whether so many rows are held back that they should be written now.
    pub(super) fn wants_flush(&self) -> bool {
        self.file.timeline.wants_flush()
    }

    /// Returns how many samples have arrived since the recording began.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns what user space has counted since the current trace file began.
    pub(super) fn counted_in_file(&self) -> Account {
        self.file.stats.so_far()
    }

    /// Returns how many threads of a process are in the current trace file.
    pub(super) fn threads_of(&self, process: ProcessKey) -> u32 {
        self.file.threads.count(process)
    }

    /// Returns what the living threads of a process do.
    pub(super) fn standing(&self, process: ProcessKey) -> Vec<StandingThread> {
        standing(&self.file, process)
    }

    /// Returns the tables of the current trace file.
    pub(super) fn tables(&self) -> (&Symbols, &Tracks) {
        let symbols = self.symbolizer.interner().symbols();
        (symbols, &self.file.threads.tracks)
    }

    /// Returns how many processes and threads are in the trace so far.
    pub(super) fn population(&self) -> (usize, usize) {
        let tracks = &self.file.threads.tracks;
        (tracks.processes().len(), tracks.tracks().len())
    }

    /// Begins another trace file, to which everything from `time` on goes. Returns what
    /// was counted in the one before, and that file, which needs only its end.
    ///
    /// Every record up to `time` must have been taken. No sample is lost: one that is on
    /// its way and was taken before `time` is at the beginning of the new file, and
    /// threads that wait go on waiting there. The time for which a scan has found a
    /// thread unchanged, and which it has not reported yet, goes to the new file.
    pub fn exchange_file(
        &mut self,
        time: KernelTime,
        next: TraceWriter<W>,
    ) -> (PipelineTotals, ClosingFile<W>) {
        self.settle(time);
        self.read_all_cpu_times();
        if let Some(last_words) = &mut self.last_words {
            last_words.forget_threads();
        }
        let names = self.symbolizer.counts();
        let symbols = self.symbolizer.exchange_tables();
        let symbolizer = &mut self.symbolizer;
        let import = |stack| symbolizer.import(&symbols, stack);
        let next = self.file.successor(next, import);
        let mut before = std::mem::replace(&mut self.file, next);
        for process in self.targets.processes() {
            let all = counted(&self.targets, &self.scan_accounts, process.key);
            before.hand_over(&mut self.file, process, &all);
        }
        let not_sampled = not_sampled(self.targets.skipped());
        before.close(time, (symbols, names), not_sampled)
    }

    /// Ends the recording. Returns what was counted in the last trace file, and that file,
    /// which needs only its end.
    pub(super) fn close(
        mut self,
        end: KernelTime,
        last_scan: LastScan,
    ) -> (PipelineTotals, ClosingFile<W>) {
        self.stops.close();
        self.settle_after(end, last_scan);
        for process in self.targets.take_ended(|_| true) {
            self.close_process(&process, end, last_scan);
        }
        let open: Vec<_> = self.targets.processes().cloned().collect();
        for process in &open {
            self.close_account(process, last_scan);
        }
        let names = self.symbolizer.counts();
        let symbols = self.symbolizer.into_interner();
        let not_sampled = not_sampled(self.targets.skipped());
        self.file.close(end, (symbols, names), not_sampled)
    }
}

/// Returns what the living threads of a process do, as far as their rows go on until their
/// next sample.
fn standing<W: Write>(file: &TraceFile<W>, process: ProcessKey) -> Vec<StandingThread> {
    let tracks = file.threads.rows_of(process).into_iter();
    let standing = |track| {
        let (state, stillness) = file.timeline.standing(track)?;
        Some(StandingThread {
            track,
            state,
            stillness,
        })
    };
    tracks.filter_map(standing).collect()
}

/// Chooses the row of the sampled thread, and ends the one that it had before under
/// another name. Returns `None` when the trace has as many processes and threads as it can
/// have.
fn choose_track<W: Write>(
    (tracks, timeline): (&mut ThreadTracks, &mut TimelineWriter<W>),
    threads: &mut Threads,
    sample: &RawSample,
    process: &FollowedProcess,
) -> Option<TrackId> {
    let known = tracks.known(sample);
    if known.is_none() && tracks.tracks.is_full() {
        return None;
    }
    let name = match (threads.take(sample, process), known) {
        (NameCheck::NotDue, Some(track)) => return Some(track),
        // It had samples in an earlier file.
        (NameCheck::NotDue, None) => threads.name(sample),
        (NameCheck::Checked(name), _) => name,
    };
    let ChosenTrack { track, replaced } = tracks.choose(sample, process, name);
    if let Some(replaced) = replaced {
        let time = KernelTime(sample.header.time);
        timeline.end_track(replaced, time);
    }
    Some(track)
}

/// Returns what was counted of a process outside of user space: by the eBPF program, or by
/// scans in its stead.
fn counted(targets: &Targets, scans: &ScanAccounts, process: ProcessKey) -> KernelAccount {
    let mut sum = targets.account(process);
    sum.add_all(&scans.get(process));
    sum
}

/// Lists the processes that could not be sampled, with their reasons.
fn not_sampled(skipped: &SkippedProcesses) -> Vec<String> {
    let mut lines: Vec<_> = skipped.reasons().map(ToString::to_string).collect();
    if skipped.unnamed() > 0 {
        lines.push(format!("{} more such processes", skipped.unnamed()));
    }
    match skipped.hidden() {
        0 => {}
        1 => lines.push("1 process that pyebpf has no permission to inspect".into()),
        count => lines.push(format!(
            "{count} processes that pyebpf has no permission to inspect"
        )),
    }
    lines
}

/// How long a scan may be held up between looking at a thread and sending what it saw.
/// Only a very busy machine comes near it.
pub(super) const LONGEST_SCAN: Duration = Duration::from_secs(5);

/// How often a segment is written to the container.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(2);
