//! Sets the stages of a recording up and starts it. The order is the point: what
//! needs rights comes before they are given up, and what can fail before anything
//! runs. It refuses to know how a stage works.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::clock::trace_info;
use super::confinement::confine;
use super::cost::Costs;
use super::error::RecordError;
use super::lost_news::LostNews;
use super::names::Naming;
use super::outputs::Outputs;
use super::pace::Pace;
use super::passes::{PreparedPasses, RunningPasses};
use super::recording::{Recording, Schedule};
use super::rows::Rows;
use super::sampling::Sampling;
use super::session::{FLUSH_EVERY, LONGEST_PASS, Session, Stages};
use super::signals::Signals;
use super::target_choice::{complain, hold, mention_waiting, selection};
use super::threads::Threads;
use crate::bpf::kernel::{Kernel, KernelMaps, KernelOptions};
use crate::bpf::stepping::SteppingChoice;
use crate::config::{ExitStatus, RecordConfig, Target, Verbosity};
use crate::launch::HeldCommand;
use crate::privileges::Owner;
use crate::process::namespace::PidNamespace;
use crate::progress::ProgressLine;
use crate::symbolize::Symbolizer;
use crate::targets::Targets;
use crate::timeline::TimelineBuilder;
use crate::trace::{Mode, TraceWriter};

/// Tells when the command that is recorded has ended, and how.
pub(super) type CommandEnd = oneshot::Receiver<ExitStatus>;

/// Starts a recording, and the command if one is to be recorded.
pub(super) fn start(
    config: &RecordConfig,
) -> Result<(Recording<'_>, Option<CommandEnd>), RecordError> {
    let owner = Owner::of_this_process()?;
    let namespace = PidNamespace::ours()?;
    if let Some(note) = namespace.note()
        && config.verbosity != Verbosity::Quiet
    {
        eprintln!("pyebpf: {note}");
    }
    let selection = selection(config)?;
    let system = |doing| move |source| RecordError::System { doing, source };
    let signals = Signals::listen().map_err(system("listen for signals"))?;
    let outputs = Outputs::plan(&config.output, owner.clone())?;
    let mut kernel = Kernel::load(kernel_options(config, &namespace))?;
    let passes = match config.mode {
        Mode::Cpu => None,
        Mode::Wall | Mode::CpuAndWall => Some(PreparedPasses::prepare(&mut kernel)?),
    };
    let KernelMaps {
        records,
        processes,
        plain_programs,
        known,
        counters,
    } = kernel.take_maps()?;
    let mut targets = Targets::new(selection, processes, plain_programs);
    let command = match &config.target {
        Target::Command(words) => Some(hold(words, &owner, &mut targets)?),
        Target::Host | Target::Chosen(_) | Target::Processes(_) => None,
    };
    let refused = targets.find_running();
    complain(refused, config)?;
    mention_waiting(config, &targets);

    let container = outputs.container()?;
    let info = trace_info(config);
    let period = Duration::from_secs(1) / config.hz;
    let command = match start_all(&mut kernel, command, period) {
        Ok(command) => command,
        Err(error) => {
            outputs.discard(container)?;
            return Err(error);
        }
    };
    let costs = Costs::start();
    confine(config, &owner, &counters, &outputs.directories());
    let scout = targets.scout().clone();
    scout.begin_anew();
    let passes = match passes {
        Some(passes) => Some(passes.start(period, &targets)?),
        None => None,
    };
    let pass_accounts = passes.as_ref().map(RunningPasses::accounts);
    let of_mode = OfMode::of(config.mode, period);
    let session = Session::new(Stages {
        targets,
        known,
        symbolizer: Symbolizer::new(config.source, scout.clone()),
        threads: Threads::new(config.command_lines, of_mode.naming, scout),
        rows: Rows::new(of_mode.builder, TraceWriter::create(container, &info)?),
        pass_accounts: pass_accounts.unwrap_or_default(),
        rest: of_mode.rest,
    });
    if let Verbosity::Verbose(_) = config.verbosity {
        eprintln!("pyebpf: sampling has begun");
    }
    let now = Instant::now();
    let recording = Recording {
        config,
        sampling: Sampling {
            kernel,
            records,
            counters,
            passes,
        },
        session,
        outputs,
        signals,
        progress: ProgressLine::on_standard_error(config.verbosity == Verbosity::Quiet),
        schedule: Schedule::from(now),
        pace: Pace::new(period, config.max_cpu, costs, now),
        lost_news: LostNews::default(),
        start: info.start,
        taken_until: info.start,
    };
    Ok((recording, command))
}

fn kernel_options(config: &RecordConfig, namespace: &PidNamespace) -> KernelOptions {
    KernelOptions {
        follow_children: config.children || matches!(config.target, Target::Host),
        report_all_execs: matches!(config.target, Target::Host | Target::Chosen(_)),
        leave_plain_programs: matches!(config.target, Target::Host),
        ring_bytes: config.buffer,
        passes: (config.mode != Mode::Cpu).then_some(config.hz),
        stepping: SteppingChoice::of_environment(),
        pid_namespace: namespace.own_inode(),
    }
}

/// What depends on whether waiting threads are looked at.
struct OfMode {
    builder: TimelineBuilder,
    naming: Naming,
    /// How long after a process has ended a sample of it may still come.
    rest: Duration,
}

impl OfMode {
    fn of(mode: Mode, period: Duration) -> Self {
        match mode {
            Mode::Cpu => Self {
                builder: TimelineBuilder::new(period),
                naming: Naming::Sampled,
                rest: FLUSH_EVERY,
            },
            Mode::Wall | Mode::CpuAndWall => Self {
                builder: TimelineBuilder::without_gaps(period),
                naming: Naming::All,
                rest: LONGEST_PASS,
            },
        }
    }
}

/// Starts the ticks and then the command; what tells the command's end.
fn start_all(
    kernel: &mut Kernel,
    command: Option<HeldCommand>,
    period: Duration,
) -> Result<Option<CommandEnd>, RecordError> {
    kernel.start_ticks(period)?;
    Ok(match command {
        Some(command) => Some(command.release()?.ended),
        None => None,
    })
}
