// SPDX-License-Identifier: MIT OR Apache-2.0

//! The times of threads and of the processes they belong to, and the base that nearly all
//! stacks of a thread share.

use std::cmp::Reverse;
use std::time::Duration;

use crate::account::cpu_time::CpuCheck;
use crate::account::drop_reason::DropReason;
use crate::analysis::place::CodePlace;
use crate::analysis::times::StateTimes;
use crate::container::info::{Counts, Mode, ThreadCpuTime};
use crate::model::identifiers::{ProcessIndex, StackId, TrackId};
use crate::model::symbols::Symbols;
use crate::model::track::ProcessPlace;
use crate::query::aggregate::{StackTime, StackTotals};
use crate::query::view::TraceView;

/// The least percentage of a thread's time that is spent under its base. Less than 100,
/// because what runs before and after the real work must not hide the base.
pub(super) const BASE_PERCENT: u64 = 95;

/// The times of a thread.
#[derive(Clone, Debug)]
pub struct ThreadTimes {
    process: ProcessIndex,
    /// Its kernel thread id; 0 when not known.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Its time in each state.
    pub times: StateTimes,
    /// Its CPU time as the kernel counted it; `None` when not known, as for a part of a
    /// recording.
    pub cpu: Option<ThreadCpuTime>,
    /// The frames that nearly all of its stacks begin with, outermost first.
    pub base: Vec<CodePlace>,
}

/// The times of a process.
#[derive(Clone, Debug)]
pub struct ProcessTimes {
    /// Its pid; 0 when not known.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Its command line; empty when not known.
    pub cmdline: String,
    /// The version of its Python; empty when not known.
    pub python: String,
    /// Its pid namespace, container and cgroup.
    pub place: ProcessPlace,
    /// The time of all of its threads in each state.
    pub times: StateTimes,
    /// The threads, the one with the most time first.
    pub threads: Vec<ThreadTimes>,
    /// Its CPU time as the kernel counted it; `None` when not known, as for a part of a
    /// recording.
    pub cpu: Option<ProcessCpuTime>,
    /// Its counters from the whole recording.
    pub counts: Counts,
}

/// The CPU time of a process as the kernel counted it, and how the time of its samples
/// compares.
#[derive(Clone, Copy, Debug)]
pub struct ProcessCpuTime {
    /// CPU time in user mode, in microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, in microseconds.
    pub system_us: u64,
    /// Tells whether the samples agree.
    pub check: CpuCheck,
}

impl ProcessCpuTime {
    /// Returns the CPU time from the counters of a process; `None` when it is not known,
    /// or the view is not of the whole time.
    fn new(view: &TraceView<'_>, counts: &Counts) -> Option<Self> {
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        let time = |name| Duration::from_micros(of(name));
        let info = &view.trace().info;
        let slowest = view.trace().summary.rates.iter().map(|rate| rate.period);
        let period = Duration::from_nanos(info.period_ns());
        let period = slowest.fold(period, Duration::max);
        let only_ticks = info.mode == Mode::Cpu;
        let absent = DropReason::of_fates().filter(|it| only_ticks || *it != DropReason::Lost);
        let check = CpuCheck {
            counted: time("kernel_cpu_us"),
            ticked: time("ticked_us"),
            seen: time("seen_us"),
            period,
        };
        let check = check.with_ticks(absent.map(|reason| of(reason.name())).sum());
        (check.is_known() && view.has_all_times()).then_some(Self {
            user_us: of("kernel_user_us"),
            system_us: of("kernel_system_us"),
            check,
        })
    }

    /// Formats the times: `12.40 s of CPU, 12.30 s seen (11.90 s user, 0.50 s system)`.
    pub(super) fn describe(&self) -> String {
        let [user, system] = [self.user_us, self.system_us].map(|time| time as f64 / 1e6);
        format!("{} ({user:.2} s user, {system:.2} s system)", self.check)
    }
}

impl ThreadTimes {
    pub(super) fn new(
        view: &TraceView<'_>,
        id: TrackId,
        times: StateTimes,
        base: StackId,
    ) -> Option<Self> {
        let (track, _) = view.thread(id)?;
        let symbols = &view.trace().symbols;
        let mut frames = Vec::new();
        symbols.frames_of(base, &mut frames);
        Some(Self {
            process: track.process,
            tid: track.tid,
            name: track.name.clone(),
            times,
            cpu: view.cpu_time(id),
            base: frames
                .into_iter()
                .map(|frame| CodePlace::new(symbols, frame))
                .collect(),
        })
    }
}

/// Returns the deepest stack under which nearly all of a thread's time was spent, but
/// less than 1 % in itself: where time was spent is not a base.
pub(super) fn base(symbols: &Symbols, totals: &StackTotals<'_>, times: &[StackTime]) -> StackId {
    let all: u64 = times.iter().map(|time| time.microseconds).sum();
    let enough = |time: u64| u128::from(time) * 100 >= u128::from(all) * u128::from(BASE_PERCENT);
    let shared = totals
        .stacks()
        .iter()
        .filter(|stack| enough(totals.of(**stack)));
    let mut base = shared
        .copied()
        .max_by_key(|stack| symbols.depth(*stack))
        .unwrap_or_default();
    let own = |stack: StackId| -> u64 {
        let from = times.partition_point(|time| time.stack < stack);
        let times = times.get(from..).unwrap_or_default();
        let own = times.iter().take_while(|time| time.stack == stack);
        own.map(|time| time.microseconds).sum()
    };
    while let Some(node) = symbols.stack(base) {
        if u128::from(own(base)) * 100 < u128::from(all) {
            break;
        }
        base = node.parent;
    }
    base
}

/// Groups the threads by process; processes and threads with the most time come first.
pub(super) fn by_process(view: &TraceView<'_>, mut threads: Vec<ThreadTimes>) -> Vec<ProcessTimes> {
    threads.sort_by_key(|thread| (thread.process, Reverse(thread.times.total())));
    let mut processes: Vec<ProcessTimes> = Vec::new();
    let mut last = None;
    for thread in threads {
        if last != Some(thread.process) {
            last = Some(thread.process);
            processes.push(process(view, thread.process));
        }
        if let Some(process) = processes.last_mut() {
            process.times.add(&thread.times);
            process.threads.push(thread);
        }
    }
    processes.sort_by_key(|process| Reverse(process.times.total()));
    processes
}

fn process(view: &TraceView<'_>, index: ProcessIndex) -> ProcessTimes {
    let trace = view.trace();
    let known = trace.tracks.process(index).cloned().unwrap_or_default();
    let summary = trace.summary.processes.iter();
    let counts = summary
        .filter(|of| of.process == index)
        .map(|of| of.counts.clone())
        .next()
        .unwrap_or_default();
    ProcessTimes {
        pid: known.pid,
        name: known.name,
        cmdline: known.cmdline,
        python: known.python,
        place: known.place,
        times: StateTimes::default(),
        threads: Vec::new(),
        cpu: ProcessCpuTime::new(view, &counts),
        counts,
    }
}
