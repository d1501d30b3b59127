// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns arguments into checked configurations, with every default filled in. Does
//! not look at the host: [`Environment`] is all that the defaults depend on.

pub mod error;
pub mod exit;
pub mod filter;
pub mod output;
mod pattern;
pub mod serve;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sampler_trace::container::info::Mode;
use sampler_trace::convert::frames::FrameSelection;
use sampler_trace::convert::privacy::Privacy;
use sampler_trace::convert::selection::Selection;

use crate::cli::arguments::sampling::{BoundArguments, RecordMode, SamplingArguments};
use crate::cli::arguments::{
    ConvertArguments, ModeArgument, PsArguments, RecordArguments, ReportArguments,
    SelectionArguments, TopArguments, ViewArguments,
};
use crate::cli::config::error::UsageError;
use crate::cli::config::filter::FilterSpec;
use crate::cli::config::output::OutputConfig;
use crate::cli::config::pattern::any_of;

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// Every Python process of the host, including those that start later.
    Host,
    /// The Python processes of the host that match.
    Filtered(FilterSpec),
    /// These processes (thread group ids), sorted, each once.
    Processes(Vec<u32>),
    /// A command to start: the program and its arguments.
    Command(Vec<OsString>),
}

/// What the meaning of arguments depends on besides the arguments.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// The name of the host, for the default file name.
    pub host: &'a str,
    /// The time now, for the default file name.
    pub now: SystemTime,
}

/// What is sampled, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingConfig {
    /// Whether only running threads are sampled, or waiting ones as well.
    pub mode: Mode,
    /// The processes to record.
    pub target: TargetSpec,
    /// Whether processes that the target starts are recorded as well.
    pub children: bool,
    /// Samples a second on each CPU, 1 to [`HIGHEST_RATE`](crate::cli::values::ranges::HIGHEST_RATE).
    pub hz: u32,
    /// The share of one CPU that sampling may use, where 1.0 is a whole CPU; `None` for
    /// no limit.
    pub max_cpu: Option<f64>,
    /// The size of the ring buffer in bytes, a power of two.
    pub buffer: u32,
    /// Whether the text of source lines goes into the trace.
    pub source: bool,
    /// Whether command lines of processes go into the trace.
    pub command_lines: bool,
    /// Whether signals that end processes are reported, with their senders.
    pub last_words: bool,
    /// Whether it is noted since when each thread stands where it stands.
    pub stillness: bool,
    /// How often the account of the samples so far is written to the trace.
    pub account_every: Duration,
    /// Whether privileges are dropped and system calls restricted once the recording
    /// runs.
    pub sandbox: bool,
}

impl SamplingConfig {
    /// Checks the arguments; `command` is a program to start and record.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(
        arguments: &SamplingArguments,
        bounds: &BoundArguments,
        command: &[OsString],
    ) -> Result<Self, UsageError> {
        Ok(Self {
            mode: match arguments.mode {
                RecordMode::Cpu => Mode::Cpu,
                RecordMode::Wall => Mode::Wall,
                RecordMode::CpuAndWall => Mode::CpuAndWall,
            },
            target: target(arguments, command)?,
            children: !arguments.no_children,
            hz: arguments.hz,
            max_cpu: bounds.max_cpu.0,
            buffer: bounds.buffer,
            source: !bounds.no_source,
            command_lines: !bounds.no_cmdline,
            last_words: false,
            stillness: false,
            account_every: Duration::from_secs(10),
            sandbox: !bounds.no_sandbox,
        })
    }
}

/// The checked arguments of `record`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordConfig {
    /// What is sampled, and how.
    pub sampling: SamplingConfig,
    /// The longest time to record; `None` to record until the targets end or Ctrl-C.
    pub duration: Option<Duration>,
    /// What is written and where, with at least one output.
    pub output: OutputConfig,
}

impl RecordConfig {
    /// Checks the arguments of `record`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(
        arguments: &RecordArguments,
        environment: Environment<'_>,
    ) -> Result<Self, UsageError> {
        let sampling = SamplingConfig::from_arguments(
            &arguments.sampling,
            &arguments.bounds,
            &arguments.command,
        )?;
        let subject = match &sampling.target {
            TargetSpec::Command(words) => {
                words.first().map_or(environment.host.into(), |program| {
                    Path::new(program)
                        .file_name()
                        .unwrap_or(program)
                        .to_string_lossy()
                })
            }
            TargetSpec::Host | TargetSpec::Filtered(_) | TargetSpec::Processes(_) => {
                environment.host.into()
            }
        };
        let stem = output::default_stem(&subject, environment.now);
        Ok(Self {
            sampling,
            duration: arguments.duration,
            output: OutputConfig::from_arguments(&arguments.output, Some(&stem))?,
        })
    }
}

/// The checked arguments of `convert`.
#[derive(Clone, Debug)]
pub struct ConvertConfig {
    /// The trace to read.
    pub input: PathBuf,
    /// What is written and where, with at least one output.
    pub output: OutputConfig,
    /// The part of the trace to write.
    pub selection: Selection,
    /// Whether formats without a time axis merge the threads of a process.
    pub merge_threads: bool,
    /// What is left out of the result.
    pub privacy: Privacy,
}

impl ConvertConfig {
    /// Checks the arguments of `convert`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(arguments: &ConvertArguments) -> Result<Self, UsageError> {
        Ok(Self {
            input: arguments.input.clone(),
            output: OutputConfig::from_arguments(&arguments.output, None)?,
            selection: selection(&arguments.selection),
            merge_threads: arguments.merge_threads,
            privacy: Privacy {
                no_source: arguments.no_source,
                no_command_line: arguments.no_cmdline,
            },
        })
    }
}

/// The checked arguments of `report`.
#[derive(Clone, Debug)]
pub struct ReportConfig {
    /// The trace to read.
    pub input: PathBuf,
    /// The trace to compare it with, if any.
    pub other: Option<PathBuf>,
    /// The greatest number of entries in each list.
    pub top: usize,
    /// Whether JSON is printed.
    pub json: bool,
    /// The part of the trace, or of both traces, that is added up.
    pub selection: Selection,
}

impl ReportConfig {
    /// Checks the arguments of `report`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(arguments: &ReportArguments) -> Result<Self, UsageError> {
        let standard_input = Path::new("-");
        if arguments.input == standard_input && arguments.other.as_deref() == Some(standard_input) {
            return Err(UsageError::InputTwice);
        }
        Ok(Self {
            input: arguments.input.clone(),
            other: arguments.other.clone(),
            top: arguments.top,
            json: arguments.json,
            selection: selection(&arguments.selection),
        })
    }
}

fn selection(arguments: &SelectionArguments) -> Selection {
    Selection {
        from: arguments.from,
        to: arguments.to,
        thread: any_of(&arguments.thread),
        process: any_of(&arguments.process),
        frames: FrameSelection {
            function: any_of(&arguments.function),
            file: any_of(&arguments.file),
            module: any_of(&arguments.module),
        },
        mode: arguments.mode.map(|mode| match mode {
            ModeArgument::Cpu => Mode::Cpu,
            ModeArgument::Wall => Mode::Wall,
        }),
    }
}

/// The checked arguments of `view`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewConfig {
    /// The trace, or a page.
    pub input: PathBuf,
    /// Whether a browser is started to show it.
    pub open: bool,
}

impl ViewConfig {
    /// Takes over the arguments of `view`, none of which can be invalid.
    #[must_use]
    pub fn from_arguments(arguments: &ViewArguments) -> Self {
        Self {
            input: arguments.input.clone(),
            open: !arguments.no_open,
        }
    }
}

/// What `top` shows.
#[derive(Clone, Debug, PartialEq)]
pub enum TopSource {
    /// A trace, which may still grow.
    Trace(PathBuf),
    /// A recording of its own.
    Recording(SamplingConfig),
}

/// The checked arguments of `top`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopConfig {
    /// What is shown.
    pub source: TopSource,
    /// The time that is added up.
    pub length: Duration,
}

impl TopConfig {
    /// Checks the arguments of `top`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(arguments: &TopArguments) -> Result<Self, UsageError> {
        let recording =
            || SamplingConfig::from_arguments(&arguments.sampling, &arguments.bounds, &[]);
        Ok(Self {
            source: match &arguments.from {
                Some(input) => TopSource::Trace(input.clone()),
                None => TopSource::Recording(recording()?),
            },
            length: arguments.last,
        })
    }
}

/// The checked arguments of `ps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsConfig {
    /// The processes to list.
    pub filter: FilterSpec,
    /// Whether JSON is printed.
    pub json: bool,
}

impl PsConfig {
    /// Takes over the arguments of `ps`, none of which can be invalid.
    #[must_use]
    pub fn from_arguments(arguments: &PsArguments) -> Self {
        Self {
            filter: FilterSpec::from_arguments(&arguments.filter),
            json: arguments.json,
        }
    }
}

fn target(arguments: &SamplingArguments, command: &[OsString]) -> Result<TargetSpec, UsageError> {
    let filter = FilterSpec::from_arguments(&arguments.filter);
    if !filter.is_everything() {
        return match (arguments.pid.first(), command.first()) {
            (None, None) => Ok(TargetSpec::Filtered(filter)),
            (Some(_), _) => Err(UsageError::FilterWith { other: "--pid" }),
            (None, Some(_)) => Err(UsageError::FilterWith { other: "a command" }),
        };
    }
    match (arguments.pid.as_slice(), command.first()) {
        ([], None) => Ok(TargetSpec::Host),
        ([], Some(program)) if program.is_empty() => Err(UsageError::EmptyCommand),
        ([], Some(_)) => Ok(TargetSpec::Command(command.to_vec())),
        (_, Some(_)) => Err(UsageError::TargetTwice),
        (pids, None) => {
            let mut processes = pids.to_vec();
            processes.sort_unstable();
            processes.dedup();
            Ok(TargetSpec::Processes(processes))
        }
    }
}

#[cfg(test)]
mod tests;
