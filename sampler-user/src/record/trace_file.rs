// SPDX-License-Identifier: MIT OR Apache-2.0

//! What belongs to one trace file: its timeline and threads, and what is counted from its
//! beginning to its end. Another file can take over from it while a recording goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::account::KernelAccount;
use sampler_common::fate::Fate;
use sampler_common::lifecycle::LifecycleKind;
use sampler_common::process::ProcessKey;
use sampler_cpython::process::cpu_time::ProcessCpuClock;
use sampler_trace::account::Account;
use sampler_trace::account::cpu_time::CpuTime;
use sampler_trace::container::error::TraceError;
use sampler_trace::container::info;
use sampler_trace::container::info::RateChange;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;

use crate::capture::bpf::events::RawLifecycle;
use crate::capture::symbolize::python::SymbolizeCounts;
use crate::capture::targets::followed::FollowedProcess;
use crate::record::cpu_times::CpuTimes;
use crate::record::rate_log::RateLog;
use crate::record::report::summary::{PipelineTotals, ProcessSummary};
use crate::record::sample_stats::{ClosedStats, SampleStats, named};
use crate::record::thread_tracks::{ThreadTracks, place};
use crate::record::tick_balance::TickBalance;
use crate::record::timeline_writer::TimelineWriter;

/// A trace file that is being recorded.
pub(super) struct TraceFile<W> {
    pub(super) timeline: TimelineWriter<W>,
    pub(super) threads: ThreadTracks,
    pub(super) stats: SampleStats,
    /// CPU times since the file began.
    pub(super) cpu_times: CpuTimes,
    /// Present with scans from user space.
    pub(super) tick_balance: Option<TickBalance>,
    /// What was counted outside of user space before the file began, by process.
    counted_before: FxHashMap<ProcessKey, KernelAccount>,
    /// CPU times of threads that are not in the file yet.
    unwritten_times: BTreeMap<TrackId, CpuTime>,
    rates: RateLog,
    /// How often the account of the samples so far is written to the container.
    account_every: Duration,
    next_account: KernelTime,
}

/// A trace file of which only the end is missing.
pub struct ClosingFile<W> {
    timeline: TimelineWriter<W>,
    tracks: Tracks,
    symbols: SymbolInterner,
    end: KernelTime,
    processes: Vec<info::ProcessCounts>,
    rates: Vec<RateChange>,
    threads: Vec<info::ThreadCpuTime>,
}

impl<W: Write> ClosingFile<W> {
    /// Writes the end of the file, with these counts of the whole of it. Returns the
    /// output.
    ///
    /// # Errors
    /// [`TraceError`] when the file cannot be written.
    pub fn finish(mut self, counts: &[(&'static str, u64)]) -> Result<W, TraceError> {
        let closing = info::Summary {
            end: self.end,
            counts: named(counts),
            processes: self.processes,
            rates: self.rates,
            threads: self.threads,
        };
        self.timeline
            .finish(&closing, self.symbols.symbols(), &mut self.tracks)
    }
}

impl<W: Write> TraceFile<W> {
    pub(super) fn new(
        timeline: TimelineWriter<W>,
        threads: ThreadTracks,
        cpu_times: CpuTimes,
        tick_balance: Option<TickBalance>,
        account_every: Duration,
    ) -> Self {
        Self {
            timeline,
            threads,
            stats: SampleStats::default(),
            cpu_times,
            tick_balance,
            counted_before: FxHashMap::default(),
            unwritten_times: BTreeMap::new(),
            rates: RateLog::default(),
            account_every,
            next_account: KernelTime(0),
        }
    }

    /// Begins the file that takes over: threads that wait go on waiting in it.
    /// `import` returns the number that a stack of this file has in the other.
    pub(super) fn successor(
        &self,
        trace: TraceWriter<W>,
        mut import: impl FnMut(StackId) -> StackId,
    ) -> Self {
        let mut next = Self::new(
            self.timeline.successor(trace),
            self.threads.successor(),
            self.cpu_times.starting_now(),
            self.tick_balance.as_ref().map(|_| TickBalance::default()),
            self.account_every,
        );
        for (process, tid, track) in self.threads.living() {
            if !self.timeline.is_lasting(track) {
                continue;
            }
            let Some(own) = next.threads.carry_over(&self.threads, process, tid) else {
                continue;
            };
            let (timeline, tracks) = (&mut next.timeline, (track, own));
            timeline.carry_over(&self.timeline, tracks, &mut import);
            if let (Some(balance), Some(before)) = (&mut next.tick_balance, &self.tick_balance) {
                balance.tick(own, before.ahead(track));
            }
        }
        next
    }

    /// Sets the time between two samples from `time` on.
    pub(super) fn change_rate(&mut self, time: KernelTime, period: Duration) {
        self.timeline.change_period(time, period);
        self.rates.push(RateChange { time, period });
    }

    /// Takes in how long a thread ran that has ended, if this is the end of one.
    pub(super) fn learn_cpu_time(&mut self, event: &RawLifecycle) {
        let record = &event.record;
        let process = match event.event {
            LifecycleKind::Exec => record.parent_key,
            LifecycleKind::Fork | LifecycleKind::Exit | LifecycleKind::ThreadExit => record.key,
        };
        if let Some((tid, used)) = self.cpu_times.learn(record, event.event)
            && let Some(track) = self.threads.row_of(process, tid)
        {
            self.unwritten_times.insert(track, used);
        }
    }

    /// Takes in how long the threads of a process ran.
    pub(super) fn learn_cpu_times(&mut self, process: ProcessKey, now: ProcessCpuClock) {
        self.cpu_times.update(process, now);
        let of_process = self.cpu_times.of(process);
        self.stats.set_cpu_time(process, of_process);
        for (tid, used) in self.cpu_times.threads(process) {
            if let Some(track) = self.threads.row_of(process, tid) {
                self.unwritten_times.insert(track, used);
            }
        }
    }

    /// Ends the row of a thread that ended at `time`.
    pub(super) fn end_thread(&mut self, process: ProcessKey, tid: u32, time: KernelTime) {
        if let Some(track) = self.threads.end(process, tid) {
            self.timeline.end_track(track, time);
        }
    }

    /// Ends the rows of a process that ended at `time`.
    pub(super) fn end_process(&mut self, process: ProcessKey, time: KernelTime) {
        for track in self.threads.end_all(process) {
            self.timeline.end_track(track, time);
        }
    }

    /// Returns what was counted outside of user space since the file began; `all` is what
    /// was counted of the process in total.
    pub(super) fn counted(&self, process: ProcessKey, all: &KernelAccount) -> KernelAccount {
        match self.counted_before.get(&process) {
            Some(before) => all.since(before),
            None => *all,
        }
    }

    /// Takes the account of a process, with what was counted outside of user space.
    pub(super) fn take_account(&mut self, process: ProcessKey, all: &KernelAccount) -> Account {
        let mut account = self.stats.take(process);
        account.cpu = self.cpu_times.of(process);
        account.add_kernel(&self.counted(process, all));
        account.threads = self.threads.count(process);
        account
    }

    /// Closes the account of a process that has no other sample in this file.
    pub(super) fn close_account(&mut self, process: &FollowedProcess, account: Account) {
        if account == Account::default() {
            return;
        }
        let index = if account.missing() > 0 {
            self.threads.index_anew(process)
        } else {
            self.threads.index(process.key)
        };
        self.stats.close(index, summarized(process, account));
    }

    /// Closes the account of a process that goes on in the file `next`. Samples that were
    /// taken and have not arrived yet belong to that.
    pub(super) fn hand_over(
        &mut self,
        next: &mut Self,
        process: &FollowedProcess,
        all: &KernelAccount,
    ) {
        let mut account = self.take_account(process.key, all);
        let arrived = account.delivered() + account.lost + account.dropped();
        let on_their_way = account.taken.saturating_sub(arrived);
        account.taken = arrived;
        let on_their_way = [(Fate::Taken, on_their_way)].into_iter().collect();
        let before = all.since(&on_their_way);
        next.counted_before.insert(process.key, before);
        self.close_account(process, account);
    }

    /// Forgets a process that has ended.
    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.threads.forget(process);
        self.cpu_times.forget(process);
        self.counted_before.remove(&process);
    }

    /// Has the next flush tell that the account of the samples is to be written.
    pub(super) fn want_account(&mut self) {
        self.next_account = KernelTime(0);
    }

    /// Writes what is settled into the container. Returns the time up to which it is, if
    /// the account of the samples is to be written as well.
    pub(super) fn flush(
        &mut self,
        now: KernelTime,
        symbols: &Symbols,
    ) -> Result<Option<KernelTime>, TraceError> {
        let settled = self
            .timeline
            .flush(now, symbols, &mut self.threads.tracks)?;
        if now < self.next_account {
            return Ok(None);
        }
        self.next_account = now.saturating_add(self.account_every);
        Ok(Some(settled))
    }

    /// Returns the processes of which a sample has arrived since the last account.
    pub(super) fn changed(&self) -> BTreeSet<ProcessKey> {
        self.stats.changed().into_iter().collect()
    }

    /// Writes the account of the samples so far. `all` returns what was counted of a
    /// process outside of user space, in total.
    pub(super) fn write_account(
        &mut self,
        time: KernelTime,
        all: impl Fn(ProcessKey) -> KernelAccount,
    ) -> Result<(), TraceError> {
        let threads_now = self.take_unwritten_times();
        let Self {
            threads,
            stats,
            counted_before,
            ..
        } = self;
        let kernel = |key| match counted_before.get(&key) {
            Some(before) => all(key).since(before),
            None => all(key),
        };
        let summary = info::Summary {
            rates: self.rates.changes().to_vec(),
            threads: threads_now,
            ..stats.changes(time, |key| threads.index(key), kernel)
        };
        self.timeline.account(&summary)
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

    /// Closes the file, once the accounts of all processes are closed. `symbols` are its
    /// names, `names` how well they could be found, and `not_sampled` the processes that
    /// could not be sampled.
    pub(super) fn close(
        mut self,
        end: KernelTime,
        (symbols, names): (SymbolInterner, SymbolizeCounts),
        not_sampled: Vec<String>,
    ) -> (PipelineTotals, ClosingFile<W>) {
        let threads = self.take_unwritten_times();
        let ClosedStats {
            total,
            sampled,
            listed,
            unwritten,
            undecodable,
        } = self.stats.finish();
        let rates = self.rates.changes().to_vec();
        let totals = PipelineTotals {
            total,
            processes: listed,
            sampled,
            not_sampled,
            rate_changes: rates.clone(),
            names,
            undecodable,
        };
        let file = ClosingFile {
            timeline: self.timeline,
            tracks: self.threads.tracks,
            symbols,
            end,
            processes: unwritten,
            rates,
            threads,
        };
        (totals, file)
    }
}

fn summarized(process: &FollowedProcess, account: Account) -> ProcessSummary {
    ProcessSummary {
        tgid: process.tgid,
        name: process
            .identity
            .as_ref()
            .map(|it| it.comm.clone())
            .unwrap_or_default(),
        python: process.python_version(),
        inside: place(process).inside(),
        account,
    }
}
