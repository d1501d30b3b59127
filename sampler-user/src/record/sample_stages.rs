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
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::registry::Targets;
use crate::capture::waiting;
use crate::record::clock::{can_have_been, monotonic_now};
use crate::record::cpu_time_reader::CpuTimeReader;
use crate::record::stop_log::StopLog;
use crate::record::thread_tracks::{ChosenTrack, ThreadTracks};
use crate::record::threads::{NameCheck, Threads};
use crate::record::timeline_writer::TimelineWriter;
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
        let weight = wait_of(sample, file);
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
                    targets.look_for_others(key);
                }
                if reason == StopReason::NotInitialised {
                    return;
                }
            }
        }
        targets.improve(key);
    }
}

/// Adds the time for which scans found the thread waiting without a sample to what it
/// waited for before this sample. Returns the time that the sample itself represents, in
/// nanoseconds; 0 for a tick.
fn wait_of<W: Write>(sample: &RawSample, file: &mut TraceFile<W>) -> u64 {
    let WaitFacts {
        unchanged,
        queued,
        weight,
        ..
    } = sample.header.wait;
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
