//! The verb record: sets the stages up, waits for records, signals, timers and
//! ends, and closes. It refuses to look into a record.

use std::time::{Duration, Instant};

use sampler_common::counter::Counter;
use tokio::sync::oneshot;

use super::clock::{monotonic_now, trace_info};
use super::confinement::{confine, tell_refused};
use super::cost::{Clocks, Costs};
use super::error::RecordError;
use super::governor::{Decision, Governor, LOOK_EVERY, Spent};
use super::names::Naming;
use super::outputs::Outputs;
use super::passes::{PreparedPasses, RunningPasses};
use super::session::{FLUSH_EVERY, LONGEST_PASS, Session, Stages};
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
use crate::report::{Summary, percent_in_words};
use crate::symbolize::Symbolizer;
use crate::targets::Targets;
use crate::timeline::{KernelTime, TimelineBuilder};
use crate::trace::{Mode, RateChange, TraceWriter};

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
    kernel: Kernel,
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
    pace: Pace,
    /// Up to when every record was taken.
    taken_until: KernelTime,
}

/// The rate of samples, and what they cost.
struct Pace {
    governor: Option<Governor>,
    costs: Costs,
    period: Duration,
    next_look: Instant,
    /// It was said that the rate is lower than was asked for.
    is_told: bool,
    /// News of processes that were lost, at the last look.
    lost_lifecycle: u64,
    /// Some were lost before that look.
    is_doubtful: bool,
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
            ring_bytes: config.buffer,
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
        let period = Duration::from_secs(1) / config.hz;
        let mut ended = match start_all(&mut kernel, command, period) {
            Ok(ended) => ended,
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
        let rest = match config.mode {
            Mode::Cpu => FLUSH_EVERY,
            Mode::Wall | Mode::CpuAndWall => LONGEST_PASS,
        };
        let naming = match config.mode {
            Mode::Cpu => Naming::Sampled,
            Mode::Wall | Mode::CpuAndWall => Naming::All,
        };
        let pass_accounts = passes.as_ref().map(RunningPasses::accounts);
        let session = Session::new(Stages {
            targets,
            known,
            symbolizer: Symbolizer::new(config.source, scout.clone()),
            threads: Threads::new(config.command_lines, naming, scout),
            builder: match config.mode {
                Mode::Cpu => TimelineBuilder::new(period),
                Mode::Wall | Mode::CpuAndWall => TimelineBuilder::without_gaps(period),
            },
            trace: TraceWriter::create(container, &info)?,
            pass_accounts: pass_accounts.unwrap_or_default(),
            rest,
        });
        if let Verbosity::Verbose(_) = config.verbosity {
            eprintln!("pyebpf: sampling has begun");
        }
        let now = Instant::now();
        let pace = Pace {
            governor: config.max_cpu.map(|limit| Governor::new(limit, period)),
            costs,
            period,
            next_look: now + LOOK_EVERY,
            is_told: false,
            lost_lifecycle: 0,
            is_doubtful: false,
        };
        let mut recording = Self {
            config,
            kernel,
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
            pace,
            taken_until: start,
        };
        let container = recording.session.container().path().to_owned();
        let outcome = match recording.until_end(ended.as_mut()).await {
            Ok(end) => recording.close(end, start).await,
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
        let mut is_behind = false;
        loop {
            let pause = if is_behind {
                Duration::ZERO
            } else {
                self.pause(deadline)
            };
            tokio::select! {
                () = self.records.wait(pause) => {}
                request = self.signals.next() => match request {
                    Request::Stop => return Ok(End::Asked),
                    Request::Snapshot => self.snapshot()?,
                },
                status = ended(command.as_deref_mut()) => return Ok(End::CommandEnded(status)),
            }
            let read_at = monotonic_now();
            is_behind = self.take_records() == BATCH;
            let now = Instant::now();
            self.look_at_pending(now);
            if let Some(passes) = &self.passes {
                passes.follow(&self.session.targets);
            }
            if now >= self.next_flush || self.session.wants_flush() {
                self.next_flush = now + FLUSH_EVERY;
                self.flush((!is_behind).then_some(read_at))?;
            }
            if now >= self.pace.next_look {
                self.look_at_costs(now)?;
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
        let look = self.session.targets.next_look();
        let next = deadline.map_or(look, |deadline| deadline.min(look));
        next.saturating_duration_since(Instant::now()).min(PAUSE)
    }

    fn look_at_pending(&mut self, now: Instant) {
        let targets = &mut self.session.targets;
        if targets.next_look() <= now {
            self.pace
                .costs
                .on_processes(|| targets.look_at_pending(now));
        }
    }

    /// Lowers the rate where it costs too much, and raises it where it need not be
    /// so low.
    fn look_at_costs(&mut self, now: Instant) -> Result<(), RecordError> {
        self.pace.next_look = now + LOOK_EVERY;
        let spent = self.spent(now);
        let governor = self.pace.governor.as_mut();
        match governor.and_then(|it| it.look(spent)) {
            Some(decision) => self.change_rate(decision),
            None => Ok(()),
        }
    }

    /// What was spent since the last call.
    fn spent(&mut self, now: Instant) -> Spent {
        let passes = self.passes.as_ref();
        let clocks = Clocks {
            ticks: self.counters.read_one(Counter::Ticks),
            samples: Duration::from_nanos(self.counters.read_one(Counter::RunTime)),
            passes: passes.map_or(Duration::ZERO, RunningPasses::cpu_time),
        };
        let pace = &mut self.pace;
        pace.costs
            .add_on_processes(self.session.take_time_on_processes());
        pace.costs.look(clocks, now)
    }

    fn change_rate(&mut self, decision: Decision) -> Result<(), RecordError> {
        let period = decision.period;
        self.kernel.set_period(period)?;
        let now = monotonic_now();
        if let Some(passes) = &self.passes {
            passes.set_period(now, period);
        }
        self.session.change_rate(now, period);
        if period > self.pace.period && !self.pace.is_told {
            self.pace.is_told = true;
            self.progress.clear();
            eprintln!("pyebpf: {}", self.lowered_in_words(decision));
        }
        self.pace.period = period;
        Ok(())
    }

    fn lowered_in_words(&self, decision: Decision) -> String {
        let now = RateChange {
            time: self.taken_until,
            period: self.pace.period,
        };
        let then = RateChange {
            period: decision.period,
            ..now
        };
        let percent = 100.0 * decision.share;
        format!(
            "sampling at {} Hz takes {percent:.0} % of a CPU, and may take {}: from now on {} Hz, \
             or what fits (--max-cpu {:.0}% would keep the rate)",
            now.hz_in_words(),
            percent_in_words(self.config.max_cpu.unwrap_or_default()),
            then.hz_in_words(),
            (percent * 1.3).ceil(),
        )
    }

    /// Takes records that are read at `now`.
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

    /// Writes a segment. `taken_until` is when everything was taken; `None` where
    /// more is there than could be taken in one go.
    fn flush(&mut self, taken_until: Option<KernelTime>) -> Result<(), RecordError> {
        if let Some(now) = taken_until {
            let lost = self.counters.read_one(Counter::LostLifecycle);
            if lost > self.pace.lost_lifecycle || self.pace.is_doubtful {
                self.pace.is_doubtful = lost > self.pace.lost_lifecycle;
                self.pace.lost_lifecycle = lost;
                self.session.targets.reconcile();
            }
            self.session.settle(now);
            self.taken_until = now;
        }
        Ok(self.session.flush(self.taken_until)?)
    }

    fn snapshot(&mut self) -> Result<(), RecordError> {
        let now = monotonic_now();
        let is_behind = self.take_records() == BATCH;
        self.flush((!is_behind).then_some(now))?;
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
            lost: self.counters.read_one(Counter::LostRing),
            lowered: self.pace.governor.as_ref().and_then(Governor::lowered),
        });
    }

    /// Takes what is left, closes the container and derives the outputs.
    async fn close(mut self, end: End, start: KernelTime) -> Result<ExitStatus, RecordError> {
        let is_cut_short = !self.passes.as_ref().is_none_or(RunningPasses::stop);
        self.kernel.stop_ticks();
        while self.take_records() == BATCH {}
        self.progress.clear();
        let now = monotonic_now();
        self.spent(Instant::now());
        let mut kernel = self.counters.read();
        if let Some(passes) = &self.passes {
            passes.add_to(&mut kernel);
        }
        let summary = Summary {
            elapsed: Duration::from_nanos(now.0.saturating_sub(start.0)),
            hz: self.config.hz,
            kernel,
            is_cut_short,
            cost: self.pace.costs.total(),
            max_cpu: self.config.max_cpu,
            passes: self.passes.as_ref().map(RunningPasses::counts),
            without_loop: self.stepping.without_loop().map(str::to_owned),
            ..Summary::default()
        };
        let (container, summary) = self.session.finish(now, summary)?;
        let has_data = summary.total.shown() > 0;
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
    period: Duration,
) -> Result<Option<oneshot::Receiver<ExitStatus>>, RecordError> {
    kernel.start_ticks(period)?;
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
