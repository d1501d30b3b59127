//! One recording under way: takes records through the stages, one after the
//! other. It refuses to wait for anything: `recording` does.

use std::io::Write;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sampler_common::lifecycle::LifecycleKind;
use sampler_common::process::ProcessKey;
use sampler_common::sample::RecordKind;
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;

use super::clock::{monotonic_now, thread_cpu_time};
use super::ledger::{ClosedLedger, Ledger, named};
use super::rows::Rows;
use super::threads::{Threads, place};
use crate::account::{Account, Refused};
use crate::bpf::events::{RawLifecycle, RawRecord, RawSample, decode};
use crate::bpf::known_code::KnownCode;
use crate::remote::PassAccounts;
use crate::report::{ProcessSummary, RateSummary, Summary};
use crate::symbolize::Symbolizer;
use crate::targets::{FollowedProcess, Targets};
use crate::timeline::{KernelTime, State};
use crate::trace::{RateChange, TraceError};
use crate::waiting;

/// The stages, in the order a sample goes through them, and what is counted on
/// the way.
pub(super) struct Session<W> {
    pub(super) targets: Targets,
    known: KnownCode,
    symbolizer: Symbolizer,
    threads: Threads,
    rows: Rows<W>,
    pub(super) ledger: Ledger,
    /// What passes from user space have counted.
    pass_accounts: PassAccounts,
    ended: EndedProcesses,
    rates: Vec<RateChange>,
    next_account: KernelTime,
    on_processes: Duration,
}

/// What a session is made of.
pub(super) struct Stages<W> {
    pub(super) targets: Targets,
    pub(super) known: KnownCode,
    pub(super) symbolizer: Symbolizer,
    pub(super) threads: Threads,
    pub(super) rows: Rows<W>,
    pub(super) pass_accounts: PassAccounts,
    /// How long after a process has ended a sample of it may still come.
    pub(super) rest: Duration,
}

/// Processes that were found to have ended.
struct EndedProcesses {
    /// When that was, of those that may still have samples on the way.
    since: FxHashMap<ProcessKey, KernelTime>,
    /// How long they may.
    rest: Duration,
}

/// Whether every pass over waiting threads has told what it saw.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastPass {
    Over,
    /// One goes on although the recording ends.
    CutShort,
}

impl<W: Write> Session<W> {
    pub(super) fn new(stages: Stages<W>) -> Self {
        Self {
            targets: stages.targets,
            known: stages.known,
            symbolizer: stages.symbolizer,
            threads: stages.threads,
            rows: stages.rows,
            ledger: Ledger::default(),
            pass_accounts: stages.pass_accounts,
            ended: EndedProcesses {
                since: FxHashMap::default(),
                rest: stages.rest,
            },
            rates: Vec::new(),
            next_account: KernelTime(0),
            on_processes: Duration::ZERO,
        }
    }

    /// From `time` on, samples are taken each `period`.
    pub(super) fn change_rate(&mut self, time: KernelTime, period: Duration) {
        self.rows.change_period(time, period);
        self.rates.push(RateChange { time, period });
    }

    /// Takes one record of the kernel side through all stages.
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
            Err(_) if is_sample(record) => self.ledger.undecodable_sample(),
            Err(_) => self.ledger.undecodable += 1,
        }
    }

    fn lifecycle(&mut self, event: &RawLifecycle) {
        let record = &event.record;
        let time = KernelTime(record.time);
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

    /// CPU time that the news of processes have taken since the last call.
    pub(super) fn take_time_on_processes(&mut self) -> Duration {
        std::mem::take(&mut self.on_processes)
    }

    fn acknowledge(&mut self) {
        for key in self.symbolizer.take_newly_known() {
            self.known.acknowledge(key);
        }
    }

    fn sample(&mut self, sample: &RawSample) {
        self.ledger.samples += 1;
        let key = sample.header.process;
        let process = self.targets.of_sample(key, sample.header.tgid);
        // An entry of the kernel side's table that turned into another process's
        // while a sample was taken has a key and a tgid that do not belong together.
        let process = process.filter(|process| process.tgid == sample.header.tgid);
        let Some((process, python)) = process.and_then(|it| Some((it, it.python.as_ref()?))) else {
            self.ledger.without_process();
            return;
        };
        let time = KernelTime(sample.header.time);
        let account = self.ledger.arrived(key, monotonic_now().since(time));
        let state = match sample.origin {
            Origin::OnCpu => State::Running,
            Origin::OffCpu | Origin::OffCpuSameStack => {
                waiting::state(&sample.header.wait, python.instance.c_library)
            }
        };
        if self.threads.has_ended(sample) {
            account.refuse(StopReason::Moved.into());
            return;
        }
        if sample.origin == Origin::OffCpuSameStack {
            let known = self.threads.known(sample);
            let is_in_time = known.is_none_or(|track| self.rows.restate(track, time, state));
            if is_in_time {
                account.restated += 1;
            } else {
                account.refuse(Refused::Late);
            }
            return;
        }
        let unknown = self.symbolizer.counts().unknown_frames;
        match self.symbolizer.resolve(sample, &python.context) {
            Ok(resolved) => {
                let Some((track, replaced)) = self.threads.track(sample, process) else {
                    account.refuse(Refused::NoRoom);
                    return;
                };
                if let Some(replaced) = replaced {
                    self.rows.end_track(replaced, time);
                }
                if self.rows.observe(track, time, resolved.stack, state) {
                    let is_unknown = self.symbolizer.counts().unknown_frames > unknown;
                    account.unknown_code += u64::from(is_unknown);
                    account.show(sample.stop);
                } else {
                    account.refuse(Refused::Late);
                }
                self.acknowledge();
            }
            Err(reason) => {
                account.refuse(reason.into());
                if reason == StopReason::NotInitialised {
                    return;
                }
            }
        }
        self.targets.improve(key);
    }

    /// Notices threads that have stopped running, and processes that have ended.
    /// Every record up to `now` must have been taken.
    pub(super) fn settle(&mut self, now: KernelTime) {
        self.settle_after(now, LastPass::Over);
    }

    fn settle_after(&mut self, now: KernelTime, last_pass: LastPass) {
        self.rows.expire(now);
        self.threads.settle(now.saturating_sub(LONGEST_PASS));
        for key in self.targets.ended() {
            self.ended.since.entry(key).or_insert(now);
        }
        let EndedProcesses { since, rest } = &self.ended;
        let is_over = |key| since.get(&key).is_some_and(|end| now.since(*end) >= *rest);
        for process in self.targets.take_ended(is_over) {
            self.close(&process, now, last_pass);
        }
    }

    /// A process will have no other sample.
    fn close(&mut self, process: &FollowedProcess, now: KernelTime, last_pass: LastPass) {
        // Only of those whose end went unnoticed.
        for track in self.threads.rows_of(process.key) {
            self.rows.end_track(track, now);
        }
        self.close_account(process, last_pass);
        self.symbolizer.forget(process.key);
        self.threads.forget(process.key);
        self.ended.since.remove(&process.key);
    }

    fn close_account(&mut self, process: &FollowedProcess, last_pass: LastPass) {
        let mut account = self.ledger.take(process.key);
        account.add_kernel(&self.targets.close_account(process.key));
        account.add_kernel(&self.pass_accounts.close(process.key));
        account.threads = self.threads.count(process.key);
        if last_pass == LastPass::CutShort {
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

    /// Writes what is settled into the container.
    pub(super) fn flush(&mut self, now: KernelTime) -> Result<(), TraceError> {
        let symbols = self.symbolizer.interner().symbols();
        let settled = self.rows.flush(now, symbols, &mut self.threads.tracks)?;
        if now < self.next_account {
            return Ok(());
        }
        self.next_account = now.saturating_add(ACCOUNT_EVERY);
        self.write_account(settled)
    }

    /// Writes what has become of the samples so far.
    fn write_account(&mut self, time: KernelTime) -> Result<(), TraceError> {
        let Self {
            targets,
            threads,
            ledger,
            pass_accounts,
            ..
        } = self;
        let kernel = |key| {
            let mut sum = targets.account(key);
            sum.lost += pass_accounts.get(key).lost;
            sum.unreadable += pass_accounts.get(key).unreadable;
            sum
        };
        let summary = crate::trace::Summary {
            rates: self.rates.clone(),
            ..ledger.changes(time, |key| threads.index(key), kernel)
        };
        self.rows.account(&summary)
    }

    /// The container, to be read while it is written.
    pub(super) fn container(&self) -> &W {
        self.rows.container()
    }

    /// Whether rows are waiting that should not pile up further.
    pub(super) fn wants_flush(&self) -> bool {
        self.rows.wants_flush()
    }

    /// Processes with samples so far, and their threads.
    pub(super) fn population(&self) -> (usize, usize) {
        (
            self.threads.tracks.processes().len(),
            self.threads.tracks.tracks().len(),
        )
    }

    /// Closes the container and gives the account of everything.
    pub(super) fn finish(
        mut self,
        end: KernelTime,
        summary: Summary,
    ) -> Result<(W, Summary), TraceError> {
        let last_pass = if summary.taking.is_cut_short {
            LastPass::CutShort
        } else {
            LastPass::Over
        };
        self.settle_after(end, last_pass);
        for process in self.targets.take_ended(|_| true) {
            self.close(&process, end, last_pass);
        }
        let open: Vec<_> = self.targets.processes().cloned().collect();
        for process in &open {
            self.close_account(process, last_pass);
        }
        let ClosedLedger {
            mut total,
            sampled,
            listed,
            unwritten,
        } = std::mem::take(&mut self.ledger).finish();
        summary.complete(&mut total);
        let summary = Summary {
            total,
            processes: listed,
            sampled,
            undecodable: self.ledger.undecodable,
            names: self.symbolizer.counts(),
            not_sampled: not_sampled(&self.targets),
            rate: RateSummary {
                changes: self.rates,
                ..summary.rate
            },
            ..summary
        };
        let closing = crate::trace::Summary {
            end,
            counts: named(&summary.counts()),
            processes: unwritten,
            rates: summary.rate.changes.clone(),
        };
        let symbols = self.symbolizer.interner().symbols();
        let output = self
            .rows
            .finish(&closing, symbols, &mut self.threads.tracks)?;
        Ok((output, summary))
    }
}

/// Whether a record says that it is a sample.
fn is_sample(record: &[u8]) -> bool {
    let kind = record.first_chunk().map(|kind| u32::from_ne_bytes(*kind));
    kind == Some(RecordKind::Sample as u32)
}

/// The processes that could not be sampled, with their reasons.
fn not_sampled(targets: &Targets) -> Vec<String> {
    let refusals = targets.refusals();
    let mut lines: Vec<_> = refusals.reasons().map(ToString::to_string).collect();
    if refusals.unnamed() > 0 {
        lines.push(format!("{} more of such processes", refusals.unnamed()));
    }
    match refusals.hidden() {
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

/// How long a pass may be held up between looking at a thread and sending what it
/// saw; only a machine that is very busy comes near it.
pub(super) const LONGEST_PASS: Duration = Duration::from_secs(5);

/// How often the container gets a segment.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(2);

/// How often the container gets an account of the samples so far.
const ACCOUNT_EVERY: Duration = Duration::from_secs(10);
