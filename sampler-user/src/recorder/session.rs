//! One recording under way: takes records through the stages, one after the
//! other. It refuses to wait for anything: `record` does.

use std::io::Write;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sampler_common::lifecycle::LifecycleKind;
use sampler_common::process::ProcessKey;
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;

use super::threads::{Threads, place};

use crate::bpf::events::{RawLifecycle, RawRecord, RawSample, decode};
use crate::bpf::known_code::KnownCode;
use crate::report::{Account, ProcessSummary, Summary};
use crate::symbolize::Symbolizer;
use crate::targets::{FollowedProcess, Targets};
use crate::timeline::{KernelTime, ProcessIndex, RowChange, State, TimelineBuilder};
use crate::trace::{TraceError, TraceWriter};
use crate::waiting;

/// The stages, in the order a sample goes through them.
pub(super) struct Session<W> {
    pub(super) targets: Targets,
    known: KnownCode,
    symbolizer: Symbolizer,
    threads: Threads,
    builder: TimelineBuilder,
    changes: Vec<RowChange>,
    trace: TraceWriter<W>,
    pub(super) ledger: Ledger,
}

/// What was counted on the way.
#[derive(Default)]
pub(super) struct Ledger {
    accounts: FxHashMap<ProcessKey, Account>,
    ended: Vec<(Option<ProcessIndex>, ProcessSummary)>,
    pub(super) without_process: u64,
    pub(super) undecodable: u64,
    pub(super) samples: u64,
}

/// What a session is made of.
pub(super) struct Stages<W> {
    pub(super) targets: Targets,
    pub(super) known: KnownCode,
    pub(super) symbolizer: Symbolizer,
    pub(super) threads: Threads,
    pub(super) builder: TimelineBuilder,
    pub(super) trace: TraceWriter<W>,
}

impl<W: Write> Session<W> {
    pub(super) fn new(stages: Stages<W>) -> Self {
        Self {
            targets: stages.targets,
            known: stages.known,
            symbolizer: stages.symbolizer,
            threads: stages.threads,
            builder: stages.builder,
            changes: Vec::new(),
            trace: stages.trace,
            ledger: Ledger::default(),
        }
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
            Err(_) => self.ledger.undecodable += 1,
        }
    }

    fn lifecycle(&mut self, event: &RawLifecycle) {
        let record = &event.record;
        let time = KernelTime(record.time);
        if event.event == LifecycleKind::ThreadExit
            && let Some(track) = self.threads.end(record.key, record.tid, time)
        {
            self.builder.end_track(track, time, &mut self.changes);
            self.write_changes();
        }
        self.targets.on_lifecycle(event, Instant::now());
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
            self.ledger.without_process += 1;
            return;
        };
        let account = self.ledger.accounts.entry(key).or_default();
        let state = match sample.origin {
            Origin::OnCpu => State::Running,
            Origin::OffCpu | Origin::OffCpuSameStack => {
                waiting::state(&sample.header.wait, python.instance.c_library)
            }
        };
        if self.threads.has_ended(sample) {
            account.refuse(StopReason::Moved);
            return;
        }
        if sample.origin == Origin::OffCpuSameStack {
            account.restated += 1;
            if let Some(track) = self.threads.known(sample) {
                let time = KernelTime(sample.header.time);
                self.builder.restate(track, time, state, &mut self.changes);
                self.write_changes();
            }
            return;
        }
        match self.symbolizer.resolve(sample, &python.context) {
            Ok(resolved) => {
                account.show(sample.stop);
                let (track, replaced) = self.threads.track(sample, process);
                let changes = &mut self.changes;
                if let Some(replaced) = replaced {
                    self.builder.end_track(replaced, resolved.time, changes);
                }
                self.builder
                    .observe(track, resolved.time, resolved.stack, state, changes);
                self.write_changes();
                self.acknowledge();
            }
            Err(reason) => {
                account.refuse(reason);
                if reason == StopReason::NotInitialised {
                    return;
                }
            }
        }
        self.targets.improve(key);
    }

    fn write_changes(&mut self) {
        for change in self.changes.drain(..) {
            self.trace.change(&change);
        }
    }

    /// Notices threads that have stopped running, and processes that have ended.
    /// Every record up to `now` must have been taken.
    pub(super) fn settle(&mut self, now: KernelTime) {
        self.builder.expire(now, &mut self.changes);
        self.threads.settle(now.saturating_sub(LONGEST_PASS));
        for process in self.targets.take_ended() {
            for track in self.threads.rows_of(process.key) {
                self.builder.end_track(track, now, &mut self.changes);
            }
            self.close_account(&process);
            self.symbolizer.forget(process.key);
            self.threads.forget(process.key);
        }
        self.write_changes();
    }

    fn close_account(&mut self, process: &FollowedProcess) {
        if let Some(account) = self.ledger.accounts.remove(&process.key) {
            let account = Account {
                threads: self.thread_count(process.key),
                ..account
            };
            let index = self.threads.index(process.key);
            self.ledger
                .ended
                .push((index, summarized(process, account)));
        }
    }

    fn thread_count(&self, process: ProcessKey) -> u32 {
        self.threads.rows_of(process).len() as u32
    }

    /// Writes what is settled into the container.
    pub(super) fn flush(&mut self, now: KernelTime) -> Result<(), TraceError> {
        let settled = self.builder.settled(now);
        self.trace.flush(
            settled,
            self.symbolizer.interner().symbols(),
            &mut self.threads.tracks,
        )
    }

    /// The container, to be read while it is written.
    pub(super) fn container(&self) -> &W {
        self.trace.output()
    }

    /// Whether rows are waiting that should not pile up further.
    pub(super) fn wants_flush(&self) -> bool {
        self.trace.wants_flush()
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
        self.settle(end);
        let open: Vec<_> = self.targets.processes().cloned().collect();
        for process in &open {
            self.close_account(process);
        }
        let mut processes = std::mem::take(&mut self.ledger.ended);
        processes.sort_by_key(|(_, it)| (std::cmp::Reverse(it.account.delivered()), it.tgid));
        let in_trace = processes.iter().filter_map(|(index, it)| {
            let counts = it.account.counts().into_iter();
            let counts = counts
                .map(|(name, count)| (name.to_owned(), count))
                .collect();
            Some(crate::trace::ProcessSummary {
                process: (*index)?,
                counts,
            })
        });
        let in_trace = in_trace.collect();
        let summary = Summary {
            processes: processes.into_iter().map(|(_, it)| it).collect(),
            without_process: self.ledger.without_process,
            undecodable: self.ledger.undecodable,
            names: self.symbolizer.counts(),
            late: self.builder.late(),
            not_sampled: not_sampled(&self.targets),
            ..summary
        };
        let counts = summary
            .counts()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count));
        let closing = crate::trace::Summary {
            end,
            counts: counts.collect(),
            processes: in_trace,
        };
        let symbols = self.symbolizer.interner().symbols();
        let output = self
            .trace
            .finish(&closing, symbols, &mut self.threads.tracks)?;
        Ok((output, summary))
    }
}

/// The processes that could not be sampled, with their reasons.
fn not_sampled(targets: &Targets) -> Vec<String> {
    let refusals = targets.refusals();
    let mut lines: Vec<_> = refusals.reasons().map(ToString::to_string).collect();
    if refusals.unnamed() > 0 {
        lines.push(format!("{} more of such processes", refusals.unnamed()));
    }
    match targets.hidden() {
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
const LONGEST_PASS: Duration = Duration::from_secs(5);

/// How often the container gets a segment.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(2);
