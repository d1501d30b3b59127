// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns typed arguments into checked configurations, with every default filled in. Does
//! not look at the host: [`Environment`] is all that the defaults depend on.

pub mod error;
pub mod exit;
pub mod filter;
mod limits;
pub mod output;
mod pattern;
pub mod ranges;
pub mod time;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sampler_trace::container::info::Mode;
use sampler_trace::convert::frames::FrameSelection;
use sampler_trace::convert::privacy::Privacy;
use sampler_trace::convert::selection::Selection;

use crate::cli::arguments::{
    ConvertArguments, DumpArguments, ModeArgument, PsArguments, RecordArguments, RecordMode,
    ReportArguments, SelectionArguments, ViewArguments,
};
use crate::cli::config::error::UsageError;
use crate::cli::config::filter::FilterSpec;
use crate::cli::config::output::OutputConfig;
use crate::cli::config::pattern::pattern;
use crate::cli::config::ranges::{HIGHEST_RATE, LARGEST_PROCESS_ID, LONGEST_DURATION};
use crate::cli::config::time::{parse_duration, parse_time_point};

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

/// The checked arguments of `record`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordConfig {
    /// Whether only running threads are sampled, or waiting ones as well.
    pub mode: Mode,
    /// The processes to record.
    pub target: TargetSpec,
    /// Whether processes that the target starts are recorded as well.
    pub children: bool,
    /// Samples a second on each CPU, 1 to [`HIGHEST_RATE`].
    pub hz: u32,
    /// The share of one CPU that sampling may use, where 1.0 is a whole CPU; `None` for
    /// no limit.
    pub max_cpu: Option<f64>,
    /// The size of the ring buffer in bytes, a power of two.
    pub buffer: u32,
    /// The longest time to record; `None` to record until the targets end or Ctrl-C.
    pub duration: Option<Duration>,
    /// What is written and where, with at least one output.
    pub output: OutputConfig,
    /// Whether the text of source lines goes into the trace.
    pub source: bool,
    /// Whether command lines of processes go into the trace.
    pub command_lines: bool,
    /// Whether privileges are dropped and system calls restricted once the recording
    /// runs.
    pub sandbox: bool,
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
        let target = target(arguments)?;
        let subject = match &target {
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
        let duration = match &arguments.duration {
            None => None,
            Some(value) => Some(positive_duration("--duration", value)?),
        };
        Ok(Self {
            mode: match arguments.mode {
                RecordMode::Cpu => Mode::Cpu,
                RecordMode::Wall => Mode::Wall,
                RecordMode::CpuAndWall => Mode::CpuAndWall,
            },
            target,
            children: !arguments.no_children,
            hz: rate(&arguments.hz)?,
            max_cpu: limits::max_cpu(&arguments.max_cpu)?,
            buffer: limits::buffer(&arguments.buffer)?,
            duration,
            output: OutputConfig::from_arguments(&arguments.output, Some(&stem))?,
            source: !arguments.no_source,
            command_lines: !arguments.no_cmdline,
            sandbox: !arguments.no_sandbox,
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
            selection: selection(&arguments.selection)?,
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
            selection: selection(&arguments.selection)?,
        })
    }
}

fn selection(arguments: &SelectionArguments) -> Result<Selection, UsageError> {
    let time = |option, value: &Option<String>| match value {
        None => Ok(None),
        Some(value) => parse_time_point(value)
            .map(Some)
            .ok_or_else(|| UsageError::TimePoint {
                option,
                value: value.clone(),
            }),
    };
    Ok(Selection {
        from: time("--from", &arguments.from)?,
        to: time("--to", &arguments.to)?,
        thread: pattern("--thread", &arguments.thread)?,
        process: pattern("--process", &arguments.process)?,
        frames: FrameSelection {
            function: pattern("--function", &arguments.function)?,
            file: pattern("--file", &arguments.file)?,
            module: pattern("--module", &arguments.module)?,
        },
        mode: arguments.mode.map(|mode| match mode {
            ModeArgument::Cpu => Mode::Cpu,
            ModeArgument::Wall => Mode::Wall,
        }),
    })
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

/// The checked arguments of `ps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsConfig {
    /// The processes to list.
    pub filter: FilterSpec,
    /// Whether JSON is printed.
    pub json: bool,
}

impl PsConfig {
    /// Checks the arguments of `ps`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(arguments: &PsArguments) -> Result<Self, UsageError> {
        Ok(Self {
            filter: FilterSpec::from_arguments(&arguments.filter)?,
            json: arguments.json,
        })
    }
}

/// The checked arguments of `dump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpConfig {
    /// The process to dump (a thread group id).
    pub pid: u32,
}

impl DumpConfig {
    /// Checks the arguments of `dump`.
    ///
    /// # Errors
    /// [`UsageError::ProcessId`].
    pub fn from_arguments(arguments: &DumpArguments) -> Result<Self, UsageError> {
        let pid = process_id(&arguments.pid)?;
        Ok(Self { pid })
    }
}

fn target(arguments: &RecordArguments) -> Result<TargetSpec, UsageError> {
    let filter = FilterSpec::from_arguments(&arguments.filter)?;
    if !filter.is_everything() {
        return match (arguments.pid.first(), arguments.command.first()) {
            (None, None) => Ok(TargetSpec::Filtered(filter)),
            (Some(_), _) => Err(UsageError::ChoiceWith { other: "--pid" }),
            (None, Some(_)) => Err(UsageError::ChoiceWith { other: "a command" }),
        };
    }
    match (arguments.pid.as_slice(), arguments.command.first()) {
        ([], None) => Ok(TargetSpec::Host),
        ([], Some(program)) if program.is_empty() => Err(UsageError::EmptyCommand),
        ([], Some(_)) => Ok(TargetSpec::Command(arguments.command.clone())),
        (_, Some(_)) => Err(UsageError::TargetTwice),
        (values, None) => {
            let mut processes = values
                .iter()
                .map(|value| process_id(value))
                .collect::<Result<Vec<_>, _>>()?;
            processes.sort_unstable();
            processes.dedup();
            Ok(TargetSpec::Processes(processes))
        }
    }
}

fn process_id(value: &str) -> Result<u32, UsageError> {
    digits(value.trim())
        .filter(|pid| (1..=LARGEST_PROCESS_ID).contains(pid))
        .ok_or_else(|| UsageError::ProcessId {
            value: value.to_owned(),
        })
}

fn rate(value: &str) -> Result<u32, UsageError> {
    digits(value)
        .filter(|hz| (1..=HIGHEST_RATE).contains(hz))
        .ok_or_else(|| UsageError::Rate {
            value: value.to_owned(),
        })
}

/// Reads a number of decimal digits only: `u32::from_str` would accept a sign.
fn digits(value: &str) -> Option<u32> {
    value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())?
}

fn positive_duration(option: &'static str, value: &str) -> Result<Duration, UsageError> {
    let refuse = |reason| UsageError::Duration {
        option,
        value: value.to_owned(),
        reason,
    };
    let duration = parse_duration(value).ok_or_else(|| refuse("this is no length of time"))?;
    if duration.is_zero() {
        return Err(refuse("the time must be longer than 0"));
    }
    if duration > LONGEST_DURATION {
        return Err(refuse(
            "this is more than a year; without it, Ctrl-C ends the recording",
        ));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests;
