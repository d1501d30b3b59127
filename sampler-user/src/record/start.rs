// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sets up the stages of a recording and starts it. The order matters: what needs
//! privileges comes before they are given up, and what can fail comes before anything
//! runs.

use std::io;
use std::time::{Duration, Instant};

use sampler_cpython::process::namespace::PidNamespace;
use sampler_cpython::process::time_namespace::is_offset_known;
use sampler_trace::container::info::Mode;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::builder::TimelineBuilder;
use tracing::info;

use crate::capture::bpf::cpu_events::CpuEvents;
use crate::capture::bpf::kernel::{Kernel, KernelMaps, KernelOptions};
use crate::capture::bpf::kernel_log::KernelLogLevel;
use crate::capture::bpf::tick_schedule::ClockPeriods;
use crate::capture::bpf::ticks::Ticks;
use crate::capture::bpf::walk_backend::WalkBackendChoice;
use crate::capture::symbolize::python::Symbolizer;
use crate::capture::targets::registry::Targets;
use crate::cli::config::{RecordConfig, SamplingConfig, TargetSpec};
use crate::platform::console::CONSOLE;
use crate::platform::launch::{CommandEnd, HeldCommand};
use crate::platform::privileges::Owner;
use crate::record::clock::trace_info;
use crate::record::confinement::confine;
use crate::record::cost::Costs;
use crate::record::cpu_times::CpuTimes;
use crate::record::error::RecordError;
use crate::record::event_loop::EventLoop;
use crate::record::looks::LONGEST_UNSEEN;
use crate::record::outputs::Outputs;
use crate::record::pipeline::{FLUSH_EVERY, LONGEST_SCAN, Pipeline, PipelineParts};
use crate::record::rate_policy::RatePolicy;
use crate::record::recorder::Recorder;
use crate::record::sample_source::SampleSource;
use crate::record::scans::{PreparedScans, RunningScans, WaitSampling};
use crate::record::signals::Signals;
use crate::record::target_scope::{complain, hold, mention_waiting, scope};
use crate::record::thread_tracks::ThreadTracks;
use crate::record::threads::{Naming, Threads};
use crate::record::tick_balance::TickBalance;
use crate::record::tick_clock::TickClock;
use crate::record::timeline_writer::TimelineWriter;
use crate::record::trace_file::TraceFile;
use crate::record::trace_output::TraceOutput;

/// Starts what the command `record` needs: the recorder, and the command if one is to be
/// recorded.
pub(super) fn start(
    config: &RecordConfig,
) -> Result<(EventLoop<'_>, Option<CommandEnd>), RecordError> {
    let owner = Owner::of_this_process()?;
    let signals = Signals::listen().map_err(|source| RecordError::System {
        doing: "listen for signals",
        source,
    })?;
    let mut outputs = Outputs::plan(&config.output, owner.clone())?;
    let (recorder, command) = start_recorder(&config.sampling, &owner, &mut outputs)?;
    Ok((EventLoop::new(config, recorder, outputs, signals), command))
}

/// Starts a recorder that writes to `destination`, and the command if one is to be
/// recorded.
///
/// # Errors
/// [`RecordError`], for example when the kernel does not allow it. Nothing is left of it.
pub fn start_recorder<D: TraceOutput>(
    config: &SamplingConfig,
    owner: &Owner,
    destination: &mut D,
) -> Result<(Recorder<D::File>, Option<CommandEnd>), RecordError> {
    let namespace = PidNamespace::ours()?;
    if let Some(note) = namespace.note() {
        CONSOLE.note(note);
    }
    if !is_offset_known() {
        CONSOLE.warn(
            "cannot find out by how much this time namespace shifts the clock: if no sample is \
             shown, run pyebpf outside of it",
        );
    }
    let scope = scope(config)?;
    let mut kernel = Kernel::load(kernel_options(config, &namespace))?;
    let scans = match config.mode {
        Mode::Cpu => None,
        Mode::Wall | Mode::CpuAndWall => Some(PreparedScans::prepare(&mut kernel)?),
    };
    let KernelMaps {
        records,
        processes,
        non_python_executables,
        mut known,
        counters,
        log,
    } = kernel.take_maps()?;
    let mut targets = Targets::new(scope, Box::new(processes), Box::new(non_python_executables));
    let command = match &config.target {
        TargetSpec::Command(words) => Some(hold(words, owner, &mut targets)?),
        TargetSpec::Host | TargetSpec::Filtered(_) | TargetSpec::Processes(_) => None,
    };
    let refused = targets.find_running();
    complain(refused, config)?;
    mention_waiting(config, &targets);

    let container = destination.create()?;
    let info = trace_info(config);
    let period = Duration::from_secs(1) / config.hz;
    // As late as possible: CPU time used before the first tick is in no sample.
    let cpu_times = CpuTimes::of_running(&targets);
    let ((ticks, cpu_events), command) = match start_all(&mut kernel, command, period) {
        Ok(started) => started,
        Err(error) => {
            destination.discard(container)?;
            return Err(error);
        }
    };
    let costs = Costs::start();
    confine(config, owner, &counters, &destination.directories());
    let inspector = targets.inspector().clone();
    inspector.begin_anew();
    let clocks = TickClock::start(ticks, cpu_events).map_err(|source| RecordError::System {
        doing: "look after the clocks of the CPUs",
        source,
    })?;
    let scans = match scans {
        Some(scans) => Some(scans.start(clocks.schedule(), &targets)?),
        None => None,
    };
    let scan_accounts = scans.as_ref().map(RunningScans::accounts);
    let balance = scans.as_ref().filter(|it| it.are_from_user_space());
    let follow_returns = scans.as_ref().is_some_and(RunningScans::follow_returns);
    let of_mode = OfMode::new(config.mode, period, follow_returns);
    let trace = TraceWriter::create(container, &info)?;
    let timeline = TimelineWriter::new(of_mode.builder, trace, config.stillness);
    let pipeline = Pipeline::new(PipelineParts {
        targets,
        acknowledge: Box::new(move |key| known.acknowledge(key)),
        symbolizer: Symbolizer::new(config.source, inspector.clone()),
        threads: Threads::new(of_mode.naming, inspector),
        file: TraceFile::new(
            timeline,
            ThreadTracks::new(config.command_lines),
            cpu_times,
            balance.map(|_| TickBalance::default()),
            config.account_every,
        ),
        scan_accounts: scan_accounts.unwrap_or_default(),
        last_words: config.last_words,
        rest: of_mode.rest,
        start: info.start,
    });
    info!(hz = config.hz, mode = ?config.mode, "sampling has begun");
    let now = Instant::now();
    let samples = SampleSource {
        kernel,
        clocks,
        records,
        counters,
        log,
        scans,
    };
    let rate_policy = RatePolicy::new(period, config.max_cpu, costs, now);
    let recorder = Recorder::new(samples, pipeline, rate_policy, (info, now));
    Ok((recorder, command))
}

fn kernel_options(config: &SamplingConfig, namespace: &PidNamespace) -> KernelOptions {
    KernelOptions {
        follow_children: config.children || matches!(config.target, TargetSpec::Host),
        report_all_execs: matches!(config.target, TargetSpec::Host | TargetSpec::Filtered(_)),
        skip_non_python: matches!(config.target, TargetSpec::Host),
        ring_bytes: config.buffer,
        scans: config.mode != Mode::Cpu,
        returns: WaitSampling::from_environment() == WaitSampling::Best,
        signals: config.last_words,
        walk_backend: WalkBackendChoice::from_environment(),
        log: KernelLogLevel::wanted(),
        pid_namespace: namespace.own_inode(),
    }
}

/// What depends on whether waiting threads are sampled.
struct OfMode {
    builder: TimelineBuilder,
    naming: Naming,
    /// How long after the end of a process a sample of it may still arrive.
    rest: Duration,
}

impl OfMode {
    fn new(mode: Mode, period: Duration, follow_returns: bool) -> Self {
        match mode {
            Mode::Cpu => Self {
                builder: TimelineBuilder::new(period),
                naming: Naming::Sampled,
                rest: FLUSH_EVERY,
            },
            Mode::Wall | Mode::CpuAndWall => Self {
                builder: if follow_returns {
                    TimelineBuilder::of_whole_waits(period, LONGEST_UNSEEN)
                } else {
                    TimelineBuilder::without_gaps(period)
                },
                naming: Naming::All,
                rest: LONGEST_SCAN,
            },
        }
    }
}

/// The running ticks, and the events of CPUs that come and go, or why there are none.
type Started = (Ticks, io::Result<CpuEvents>);

/// Starts the ticks and then the command. Returns the receiver of the command's exit
/// status as well.
fn start_all(
    kernel: &mut Kernel,
    command: Option<HeldCommand>,
    period: Duration,
) -> Result<(Started, Option<CommandEnd>), RecordError> {
    // Before the clocks are opened, so that no CPU comes unnoticed in between.
    let cpu_events = CpuEvents::listen();
    let ticks = kernel.start_ticks(ClockPeriods::random(period))?;
    let command = match command {
        Some(command) => Some(command.release()?.ended),
        None => None,
    };
    Ok(((ticks, cpu_events), command))
}
