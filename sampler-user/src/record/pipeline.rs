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
use sampler_cpython::remote::scan::ScanAccounts;
use sampler_trace::account::Account;
use sampler_trace::container::error::TraceError;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::KernelTime;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;
use tracing::{debug, trace};

use crate::capture::bpf::events::{DecodeError, RawCode, RawLifecycle, RawRecord, RawSignal};
use crate::capture::symbolize::python::Symbolizer;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::registry::Targets;
use crate::record::clock::thread_cpu_time;
use crate::record::cpu_time_reader::CpuTimeReader;
use crate::record::ended_processes::EndedProcesses;
use crate::record::last_words::{Death, LastWords};
use crate::record::report::summary::PipelineTotals;
use crate::record::sample_stages::{Acknowledge, SampleStages};
use crate::record::stillness::StandingThread;
use crate::record::threads::Threads;
use crate::record::trace_file::{ClosingFile, TraceFile};

/// The stages, in the order in which a sample goes through them. All but the file live as
/// long as the recording.
pub struct Pipeline<W> {
    pub(super) targets: Targets,
    stages: SampleStages,
    file: TraceFile<W>,
    /// What scans from user space have counted of each process.
    scan_accounts: ScanAccounts,
    ended: EndedProcesses,
    cpu_times: CpuTimeReader,
    /// Present if last words are wanted.
    last_words: Option<LastWords>,
    on_processes: Duration,
}

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

/// Whether every scan of waiting threads has sent what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastScan {
    Over,
    /// One was still under way when the recording ended.
    CutShort,
}

impl<W: Write> Pipeline<W> {
    pub(super) fn new(parts: PipelineParts<W>) -> Self {
        let inspector = parts.targets.inspector();
        Self {
            stages: SampleStages::new(
                parts.acknowledge,
                parts.symbolizer,
                parts.threads,
                inspector,
                parts.start,
            ),
            cpu_times: CpuTimeReader::new(inspector.clone()),
            targets: parts.targets,
            file: parts.file,
            scan_accounts: parts.scan_accounts,
            ended: EndedProcesses::new(parts.rest),
            last_words: parts.last_words.then(LastWords::default),
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
            Ok(RawRecord::Sample(sample)) => {
                self.stages.take(&sample, &mut self.targets, &mut self.file);
            }
            Ok(RawRecord::Code(code)) => self.code(&code),
            Ok(RawRecord::Lifecycle(event)) => self.lifecycle(&event),
            Ok(RawRecord::Signal(signal)) => self.signal(&signal),
            Err(error) => {
                debug!(%error, "record cannot be decoded");
                self.stages.samples += u64::from(error.was_sample);
                self.file.stats.undecodable(error.was_sample);
            }
        }
    }

    fn code(&mut self, code: &RawCode) {
        let process = self.targets.of_sample(code.process, code.tgid);
        if let Some(context) = process.and_then(FollowedProcess::context) {
            self.stages.learn(code, &context);
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
            self.stages.threads.end(record.key, record.tid, time);
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
        self.stages.threads.end_all(over, time);
        self.file.end_process(over, time);
        self.targets.on_lifecycle(event, Instant::now());
        self.on_processes += thread_cpu_time().saturating_sub(before);
    }

    /// Returns the CPU time that lifecycle records have taken since the last call.
    pub(super) fn take_time_on_processes(&mut self) -> Duration {
        std::mem::take(&mut self.on_processes)
    }

    /// Notices threads that have stopped running, and processes that have ended. Every
    /// record up to `now` must have been taken.
    pub(super) fn settle(&mut self, now: KernelTime) {
        self.settle_after(now, LastScan::Over);
    }

    fn settle_after(&mut self, now: KernelTime, last_scan: LastScan) {
        self.file.timeline.expire(now);
        self.stages.threads.settle(now.saturating_sub(LONGEST_SCAN));
        for key in self.targets.ended() {
            self.ended.note(key, now);
        }
        let is_over = |key| self.ended.is_over(key, now);
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
        self.stages.symbolizer.forget(process.key);
        self.stages.threads.forget(process.key);
        self.ended.forget(process.key);
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

    /// Whether the CPU time of every followed process is known.
    pub(super) fn knows_cpu_times(&self) -> bool {
        self.file.cpu_times.is_complete()
    }

    /// Reads the CPU times of all processes that go on.
    pub(super) fn read_all_cpu_times(&mut self) {
        let going_on = self.targets.going_on();
        let known = going_on.filter(|process| self.file.cpu_times.has(process.key));
        let all = known.map(|process| (process.key, process.tgid)).collect();
        self.cpu_times.read(all, &mut self.file);
    }

    /// Has the next flush write the account of the samples as well.
    pub(super) fn want_account(&mut self) {
        self.file.want_account();
    }

    /// Writes what is settled into the container, and now and then the account of the
    /// samples.
    pub(super) fn flush(&mut self, now: KernelTime) -> Result<(), TraceError> {
        let symbols = self.stages.symbolizer.interner().symbols();
        let Some(settled) = self.file.flush(now, symbols)? else {
            return Ok(());
        };
        let changed = self.file.changed();
        let going_on = self.targets.going_on();
        let changed = going_on.filter(|process| changed.contains(&process.key));
        let changed = changed.map(|process| (process.key, process.tgid)).collect();
        self.cpu_times.read(changed, &mut self.file);
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
        self.stages.samples
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
        let symbols = self.stages.symbolizer.interner().symbols();
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
        let names = self.stages.symbolizer.counts();
        let symbols = self.stages.symbolizer.exchange_tables();
        let symbolizer = &mut self.stages.symbolizer;
        // Most threads stand where others stand too, and each has its stack in several places.
        let mut imported = FxHashMap::default();
        let import = |stack| {
            let imported = imported.entry(stack);
            *imported.or_insert_with(|| symbolizer.import(&symbols, stack))
        };
        let next = self.file.successor(next, import);
        let mut before = std::mem::replace(&mut self.file, next);
        for process in self.targets.processes() {
            let all = counted(&self.targets, &self.scan_accounts, process.key);
            before.hand_over(&mut self.file, process, &all);
        }
        let not_sampled = self.targets.skipped().lines();
        before.close(time, (symbols, names), not_sampled)
    }

    /// Ends the recording. Returns what was counted in the last trace file, and that file,
    /// which needs only its end.
    pub(super) fn close(
        mut self,
        end: KernelTime,
        last_scan: LastScan,
    ) -> (PipelineTotals, ClosingFile<W>) {
        self.stages.stops.close();
        self.settle_after(end, last_scan);
        for process in self.targets.take_ended(|_| true) {
            self.close_process(&process, end, last_scan);
        }
        let open: Vec<_> = self.targets.processes().cloned().collect();
        for process in &open {
            self.close_account(process, last_scan);
        }
        let names = self.stages.symbolizer.counts();
        let symbols = self.stages.symbolizer.into_interner();
        let not_sampled = self.targets.skipped().lines();
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

/// Returns what was counted of a process outside of user space: by the eBPF program, or by
/// scans in its stead.
fn counted(targets: &Targets, scans: &ScanAccounts, process: ProcessKey) -> KernelAccount {
    let mut sum = targets.account(process);
    sum.add_all(&scans.get(process));
    sum
}

/// How long a scan may be held up between looking at a thread and sending what it saw.
/// Only a very busy machine comes near it.
pub(super) const LONGEST_SCAN: Duration = Duration::from_secs(5);

/// How often a segment is written to the container.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(2);
