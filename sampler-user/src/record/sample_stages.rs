// SPDX-License-Identifier: MIT OR Apache-2.0

//! Takes a sample through its stages: its process, its names and lines, its thread, and a
//! row of the trace file, or the reason why it gets none.

use std::io::Write;
use std::time::Duration;

use sampler_common::sample::CodeKey;
use sampler_common::stop::StopReason;
use sampler_common::wait::{Origin, WaitFacts};
use sampler_trace::account::drop_reason::DropReason;
use sampler_trace::model::identifiers::{KernelTime, TrackId};
use sampler_trace::model::row::State;

use crate::capture::bpf::events::{RawCode, RawSample};
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::symbolize::python::{ProcessContext, ResolvedStack, Symbolizer};
use crate::capture::targets::followed::{FollowedProcess, Python};
use crate::capture::targets::registry::Targets;
use crate::capture::waiting;
use crate::record::clock::{can_have_been, monotonic_now};
use crate::record::cpu_time_reader::CpuTimeReader;
use crate::record::stop_log::StopLog;
use crate::record::thread_tracks::ChosenTrack;
use crate::record::threads::{NameCheck, Threads};
use crate::record::timers::Timers;
use crate::record::trace_file::TraceFile;

/// Tells the eBPF program that a code object need not be described again.
pub(super) type Acknowledge = Box<dyn FnMut(CodeKey)>;

/// The stages between the process of a sample and the trace file. They live as long as the
/// recording.
pub(super) struct SampleStages {
    acknowledge: Acknowledge,
    pub(super) symbolizer: Symbolizer,
    pub(super) threads: Threads,
    timers: Timers,
    cpu_times: CpuTimeReader,
    pub(super) stops: StopLog,
    /// When the recording began.
    start: KernelTime,
    /// Samples that have arrived since the recording began.
    pub(super) samples: u64,
}

impl SampleStages {
    /// The stages of a recording that began at `start`.
    pub(super) fn new(
        acknowledge: Acknowledge,
        symbolizer: Symbolizer,
        threads: Threads,
        inspector: &ProcessInspector,
        start: KernelTime,
    ) -> Self {
        Self {
            acknowledge,
            symbolizer,
            threads,
            timers: Timers::new(inspector.clone()),
            cpu_times: CpuTimeReader::new(inspector.clone()),
            stops: StopLog::default(),
            start,
            samples: 0,
        }
    }

    /// Takes in the description of a code object.
    pub(super) fn learn(&mut self, code: &RawCode, context: &ProcessContext) {
        self.symbolizer.learn(code, context);
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        for key in self.symbolizer.take_newly_known() {
            (self.acknowledge)(key);
        }
    }

    /// Takes a sample into `file`.
    pub(super) fn take<W: Write>(
        &mut self,
        sample: &RawSample,
        targets: &mut Targets,
        file: &mut TraceFile<W>,
    ) {
        let known = file.threads.known(sample);
        let weight = wait_of(sample, known, file);
        if sample.origin == Origin::Unchanged {
            return;
        }
        self.samples += 1;
        let key = sample.header.process;
        let process = targets.of_sample(key, sample.header.tgid);
        // The entry of the eBPF program's table may have become another process's while
        // the sample was taken. Then key and tgid do not belong together.
        let process = process.filter(|process| process.tgid == sample.header.tgid);
        let found = process.and_then(|it| Some((it, it.python.as_ref()?, it.context()?)));
        let Some((process, python, context)) = found else {
            file.stats.without_process();
            self.stops.dropped(sample, DropReason::WithoutProcess);
            return;
        };
        self.cpu_times.begin(process, &mut file.cpu_times);
        let time = KernelTime(sample.header.time);
        let now = monotonic_now();
        let arrived = Arrived {
            sample,
            known,
            time,
            delay: now.since(time),
            weight,
        };
        if !can_have_been(self.start, time, now) {
            let account = file.stats.arrived(key, Duration::ZERO);
            account.add_dropped(DropReason::AnotherClock);
            self.stops.dropped(sample, DropReason::AnotherClock);
            return;
        }
        if self.threads.has_ended(sample) {
            let outcome = SampleOutcome::Dropped(StopReason::RanDuringWalk.into());
            self.count(&arrived, outcome, file);
            return;
        }
        let state = self.state_of(sample, python);
        if sample.origin == Origin::OffCpuSameStack {
            let outcome = arrived.restate(state, file);
            self.count(&arrived, outcome, file);
            return;
        }
        self.symbolizer.page_in(sample, &context);
        let outcome = match self.symbolizer.resolve(sample, &context) {
            Ok(resolved) => match choose_track(file, &mut self.threads, &arrived, process) {
                Some(track) => {
                    let outcome = arrived.show(track, &resolved, state, file);
                    self.acknowledge();
                    outcome
                }
                None => SampleOutcome::Dropped(DropReason::NoRoom),
            },
            Err(reason) => {
                if reason == StopReason::RanDuringWalk {
                    arrived.went_on_waiting(file);
                }
                SampleOutcome::Dropped(reason.into())
            }
        };
        self.count(&arrived, outcome, file);
        match outcome {
            SampleOutcome::Dropped(
                DropReason::NoRoom | DropReason::Walk(StopReason::NotInitialised),
            ) => {}
            SampleOutcome::Dropped(DropReason::Walk(StopReason::NoThreadState)) => {
                targets.look_for_others(key);
                targets.improve(key);
            }
            _ => targets.improve(key),
        }
    }

    /// Returns what the thread did.
    fn state_of(&mut self, sample: &RawSample, python: &Python) -> State {
        match sample.origin {
            Origin::OnCpu => State::Running,
            Origin::OffCpu | Origin::OffCpuSameStack | Origin::Unchanged => {
                let told = waiting::state(&sample.header.wait, python.instance.c_library);
                self.timers.refine(told, sample)
            }
        }
    }

    /// Counts a sample of a known process, once.
    fn count<W: Write>(
        &mut self,
        arrived: &Arrived,
        outcome: SampleOutcome,
        file: &mut TraceFile<W>,
    ) {
        let Arrived {
            sample,
            time,
            delay,
            ..
        } = *arrived;
        let is_tick = sample.origin == Origin::OnCpu;
        let usual = match is_tick {
            true => Duration::ZERO,
            false => file.timeline.waits_late(),
        };
        let behind = delay.saturating_sub(usual);
        let account = file.stats.arrived(sample.header.process, behind);
        let period = Duration::from_nanos(file.timeline.period_at(time));
        if is_tick {
            account.ticked += period;
        }
        match outcome {
            SampleOutcome::Shown {
                stop,
                has_unknown_frames,
            } => {
                if is_tick {
                    account.seen += period;
                }
                account.unknown_code += u64::from(has_unknown_frames);
                account.show(stop);
                if has_unknown_frames {
                    self.stops.without_name(sample);
                }
                self.stops.shown(sample, stop);
            }
            SampleOutcome::StateOnly => account.state_only += 1,
            SampleOutcome::Dropped(reason) => {
                account.add_dropped(reason);
                self.stops.dropped(sample, reason);
            }
        }
    }
}

/// What became of a sample.
#[derive(Clone, Copy)]
enum SampleOutcome {
    Shown {
        stop: StopReason,
        has_unknown_frames: bool,
    },
    /// The thread still stood where it stood, and only its state was taken.
    StateOnly,
    Dropped(DropReason),
}

/// A sample that may get a row.
struct Arrived<'a> {
    sample: &'a RawSample,
    /// The row of its thread so far, if it has one.
    known: Option<TrackId>,
    time: KernelTime,
    /// How long it was on its way.
    delay: Duration,
    /// The time that it represents, in nanoseconds; 0 for a tick.
    weight: u64,
}

impl Arrived<'_> {
    /// Takes over the state of a thread that stood where it had stood before.
    fn restate<W: Write>(&self, state: State, file: &mut TraceFile<W>) -> SampleOutcome {
        let timeline = &mut file.timeline;
        if self
            .known
            .is_none_or(|track| timeline.restate(track, self.time, state, self.weight))
        {
            SampleOutcome::StateOnly
        } else {
            SampleOutcome::Dropped(DropReason::Late)
        }
    }

    /// Shows the sample on its track.
    fn show<W: Write>(
        &self,
        track: TrackId,
        resolved: &ResolvedStack,
        state: State,
        file: &mut TraceFile<W>,
    ) -> SampleOutcome {
        let ResolvedStack {
            stack,
            stop,
            has_unknown_frames,
        } = *resolved;
        let timeline = &mut file.timeline;
        let is_tick = self.sample.origin == Origin::OnCpu;
        let is_in_time = if is_tick {
            let in_kernel = self.sample.header.wait.in_kernel != 0;
            timeline.observe_running(track, self.time, stack, in_kernel)
        } else {
            timeline.observe_waiting(track, self.time, (stack, state), self.weight)
        };
        if !is_in_time {
            return SampleOutcome::Dropped(DropReason::Late);
        }
        if is_tick && let Some(balance) = &mut file.tick_balance {
            balance.tick(track, timeline.period_at(self.time));
        }
        SampleOutcome::Shown {
            stop,
            has_unknown_frames,
        }
    }

    /// The thread began to run while it was read, so until then it waited where it had
    /// waited before.
    fn went_on_waiting<W: Write>(&self, file: &mut TraceFile<W>) {
        let Some(track) = self.known else {
            return;
        };
        if waiting::waits_for_cpu(&self.sample.header.wait) {
            file.timeline.weigh_queued(track, self.time, self.weight);
        } else {
            file.timeline.weigh_wait(track, self.time, self.weight);
        }
    }
}

/// Adds the time for which scans found the thread waiting without a sample to what it
/// waited for before this sample. Returns the time that the sample itself represents, in
/// nanoseconds; 0 for a tick. `known` is the row of the thread so far.
fn wait_of<W: Write>(sample: &RawSample, known: Option<TrackId>, file: &mut TraceFile<W>) -> u64 {
    let WaitFacts {
        unchanged,
        queued,
        weight,
        ..
    } = sample.header.wait;
    let Some(track) = known else {
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

/// Chooses the row of the sampled thread, and ends the one that it had before under
/// another name. Returns `None` when the trace has as many processes and threads as it can
/// have.
fn choose_track<W: Write>(
    file: &mut TraceFile<W>,
    threads: &mut Threads,
    &Arrived { sample, known, .. }: &Arrived,
    process: &FollowedProcess,
) -> Option<TrackId> {
    let tracks = &mut file.threads;
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
        file.timeline.end_track(replaced, time);
    }
    Some(track)
}
