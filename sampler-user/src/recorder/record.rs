//! The verb record: sets the stages up, waits for records, signals, timers and
//! ends, and closes. It refuses to look into a record.

use std::time::{Duration, Instant};

use sampler_common::counter::Counter;
use tokio::sync::oneshot;

use super::clock::{monotonic_now, trace_info};
use super::confinement::{confine, tell_refused};
use super::error::RecordError;
use super::outputs::Outputs;
use super::passes::{PreparedPasses, RunningPasses};
use super::session::{FLUSH_EVERY, Session, Stages};
use super::signals::{Request, Signals};
use super::target_choice::{complain, hold, mention_waiting, no_sample, selection};
use super::threads::Threads;
use crate::bpf::counters::Counters;
use crate::bpf::kernel::{Kernel, KernelMaps, KernelOptions};
use crate::bpf::ring::RecordRing;
use crate::bpf::stepping::{Stepping, SteppingChoice};
use crate::config::{ExitStatus, RecordConfig, Target, Verbosity};
use crate::launch::HeldCommand;
use crate::outfile::VisibleFile;
use crate::privileges::Owner;
use crate::process::namespace::PidNamespace;
use crate::progress::{ProgressFacts, ProgressLine};
use crate::report::Summary;
use crate::symbolize::Symbolizer;
use crate::targets::Targets;
use crate::timeline::{KernelTime, TimelineBuilder};
use crate::trace::{Mode, TraceWriter};

/// Bytes of the ring buffer: a second of two CPUs at 1000 Hz, 50 frames deep.
const RING_BYTES: u32 = 4 << 20;
/// Records taken in one go, before anything else is looked after.
const BATCH: usize = 4096;
/// How long records may wait in the ring buffer. Waking up costs as much as some
/// fifty samples; what is urgent, such as new code, wakes us at once.
const PAUSE: Duration = Duration::from_millis(400);
/// How often the progress line changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Records as `config` says, until it is over, and writes all outputs.
///
/// # Errors
/// [`RecordError`]; what was recorded before stays in the container.
pub fn record(config: &RecordConfig) -> Result<ExitStatus, RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RecordError::System {
            doing: "start",
            source,
        })?;
    let status = runtime.block_on(Recording::run(config));
    tell_refused();
    // Not waiting for a conversion that a second Ctrl-C has given up.
    runtime.shutdown_background();
    status
}

/// A recording that is running.
struct Recording<'a> {
    config: &'a RecordConfig,
    records: RecordRing,
    counters: Counters,
    stepping: Stepping,
    /// Passes over waiting threads.
    passes: Option<RunningPasses>,
    session: Session<VisibleFile>,
    outputs: Outputs,
    signals: Signals,
    progress: ProgressLine<std::io::Stderr>,
    started: Instant,
    next_flush: Instant,
    next_progress: Instant,
}

/// How the waiting ended.
enum End {
    /// By a signal, or after the duration.
    Asked,
    /// All targets are gone.
    TargetsEnded,
    /// The command ended, with this status.
    CommandEnded(ExitStatus),
}

impl<'a> Recording<'a> {
    async fn run(config: &'a RecordConfig) -> Result<ExitStatus, RecordError> {
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
        let mut kernel = Kernel::load(KernelOptions {
            follow_children: config.children || matches!(config.target, Target::Host),
            report_all_execs: matches!(config.target, Target::Host | Target::Chosen(_)),
            leave_plain_programs: matches!(config.target, Target::Host),
            ring_bytes: RING_BYTES,
            passes: (config.mode != Mode::Cpu).then_some(config.hz),
            stepping: SteppingChoice::of_environment(),
            pid_namespace: namespace.own_inode(),
        })?;
        let passes = match config.mode {
            Mode::Cpu => None,
            Mode::Wall | Mode::CpuAndWall => Some(PreparedPasses::prepare(&mut kernel)?),
        };
        let stepping = kernel.stepping().clone();
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
        let start = info.start;
        let mut ended = match start_all(&mut kernel, command, config.hz) {
            Ok(ended) => ended,
            Err(error) => {
                outputs.discard(container)?;
                return Err(error);
            }
        };
        confine(config, &owner, &counters, &outputs.directories());
        let scout = targets.scout().clone();
        scout.begin_anew();
        let period = Duration::from_secs(1) / config.hz;
        let passes = match passes {
            Some(passes) => Some(passes.start(period, &targets)?),
            None => None,
        };
        let session = Session::new(Stages {
            targets,
            known,
            symbolizer: Symbolizer::new(config.source, scout.clone()),
            threads: Threads::new(config.command_lines, scout),
            builder: match config.mode {
                Mode::Cpu => TimelineBuilder::new(period),
                Mode::Wall | Mode::CpuAndWall => TimelineBuilder::without_gaps(period),
            },
            trace: TraceWriter::create(container, &info)?,
        });
        if let Verbosity::Verbose(_) = config.verbosity {
            eprintln!("pyebpf: sampling has begun");
        }
        let now = Instant::now();
        let mut recording = Self {
            config,
            records,
            counters,
            stepping,
            passes,
            session,
            outputs,
            signals,
            progress: ProgressLine::on_standard_error(config.verbosity == Verbosity::Quiet),
            started: now,
            next_flush: now + FLUSH_EVERY,
            next_progress: now + PROGRESS_EVERY,
        };
        let container = recording.session.container().path().to_owned();
        let outcome = match recording.until_end(ended.as_mut()).await {
            Ok(end) => {
                if let Some(passes) = &recording.passes {
                    passes.stop();
                }
                kernel.stop_ticks();
                recording.close(end, start).await
            }
            Err(error) => Err(error),
        };
        // What the container has so far is not lost with a full disk.
        outcome.map_err(|error| match error {
            RecordError::Trace(error) => RecordError::kept(error.to_string(), &container),
            other => other,
        })
    }

    async fn until_end(
        &mut self,
        mut command: Option<&mut oneshot::Receiver<ExitStatus>>,
    ) -> Result<End, RecordError> {
        let deadline = self.config.duration.map(|duration| self.started + duration);
        loop {
            let pause = self.pause(deadline);
            tokio::select! {
                () = self.records.wait(pause) => {}
                request = self.signals.next() => match request {
                    Request::Stop => return Ok(End::Asked),
                    Request::Snapshot => self.snapshot()?,
                },
                status = ended(command.as_deref_mut()) => return Ok(End::CommandEnded(status)),
            }
            let is_behind = self.take_records() == BATCH;
            let now = Instant::now();
            self.session.targets.look_at_pending(now);
            if let Some(passes) = &self.passes {
                passes.follow(&self.session.targets);
            }
            if now >= self.next_flush || self.session.wants_flush() {
                self.next_flush = now + FLUSH_EVERY;
                self.flush(is_behind)?;
            }
            if now >= self.next_progress {
                self.next_progress = now + PROGRESS_EVERY;
                self.show_progress();
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(End::Asked);
            }
            if command.is_none() && !is_behind && self.session.targets.all_ended() {
                return Ok(End::TargetsEnded);
            }
        }
    }

    /// How long to wait at most.
    fn pause(&self, deadline: Option<Instant>) -> Duration {
        let looks = self.session.targets.next_look();
        let next = [deadline, looks].into_iter().flatten().min();
        next.map_or(PAUSE, |next| {
            next.saturating_duration_since(Instant::now()).min(PAUSE)
        })
    }

    fn take_records(&mut self) -> usize {
        let Self {
            records,
            session,
            passes,
            ..
        } = self;
        let number = records.drain(BATCH, |record| {
            if let Some(passes) = passes {
                passes.take_before(record, |before| session.take(before));
            }
            session.take(record);
        });
        if let Some(passes) = passes.as_ref().filter(|_| number < BATCH) {
            passes.take_all(|record| session.take(record));
        }
        number
    }

    fn flush(&mut self, is_behind: bool) -> Result<(), RecordError> {
        let now = monotonic_now();
        if !is_behind {
            self.session.settle(now);
        }
        Ok(self.session.flush(now)?)
    }

    fn snapshot(&mut self) -> Result<(), RecordError> {
        self.take_records();
        self.flush(false)?;
        self.outputs.snapshot(self.session.container());
        Ok(())
    }

    fn show_progress(&mut self) {
        if !self.progress.is_shown() {
            return;
        }
        let (processes, threads) = self.session.population();
        self.progress.update(ProgressFacts {
            elapsed: self.started.elapsed(),
            processes,
            threads,
            samples: self.session.ledger.samples,
            lost: self.counters.read().get(Counter::LostRing),
        });
    }

    /// Takes what is left, closes the container and derives the outputs.
    async fn close(mut self, end: End, start: KernelTime) -> Result<ExitStatus, RecordError> {
        while self.take_records() == BATCH {}
        self.progress.clear();
        let now = monotonic_now();
        let mut kernel = self.counters.read();
        if let Some(passes) = &self.passes {
            passes.add_to(&mut kernel);
        }
        let summary = Summary {
            elapsed: Duration::from_nanos(now.0.saturating_sub(start.0)),
            hz: self.config.hz,
            kernel,
            passes: self.passes.as_ref().map(RunningPasses::counts),
            without_loop: self.stepping.without_loop().map(str::to_owned),
            ..Summary::default()
        };
        let (container, summary) = self.session.finish(now, summary)?;
        let has_data = summary.total().shown() > 0;
        if !has_data {
            let reason = no_sample(self.config, &summary);
            self.outputs.discard(container)?;
            return match end {
                End::CommandEnded(status) if status != ExitStatus::DATA => Ok(status),
                _ => Err(RecordError::NoSample(reason)),
            };
        }
        if self.config.verbosity != Verbosity::Quiet {
            eprint!("{summary}");
        }
        self.outputs.derive(container, &mut self.signals).await?;
        Ok(match end {
            End::CommandEnded(status) => status,
            End::Asked | End::TargetsEnded => ExitStatus::DATA,
        })
    }
}

/// Starts the ticks and then the command; what tells the command's end.
fn start_all(
    kernel: &mut Kernel,
    command: Option<HeldCommand>,
    hz: u32,
) -> Result<Option<oneshot::Receiver<ExitStatus>>, RecordError> {
    kernel.start_ticks(hz)?;
    Ok(match command {
        Some(command) => Some(command.release()?.ended),
        None => None,
    })
}

async fn ended(command: Option<&mut oneshot::Receiver<ExitStatus>>) -> ExitStatus {
    match command {
        // The sender is dropped only if its thread panicked.
        Some(command) => command.await.unwrap_or(ExitStatus::ERROR),
        None => std::future::pending().await,
    }
}
