// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns typed arguments into checked configurations, with every default filled in. Does
//! not look at the host: [`Surroundings`] is all that the defaults depend on.

pub mod choice;
pub mod error;
pub mod exit;
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
use crate::cli::config::choice::ChoiceConfig;
use crate::cli::config::error::UsageError;
use crate::cli::config::output::OutputConfig;
use crate::cli::config::pattern::pattern;
use crate::cli::config::ranges::{HIGHEST_RATE, LARGEST_PROCESS_ID, LONGEST_DURATION};
use crate::cli::config::time::{parse_duration, parse_time_point};

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every Python process of the host, including those that start later.
    Host,
    /// The Python processes of the host that match.
    Chosen(ChoiceConfig),
    /// These processes (thread group ids), sorted, each once.
    Processes(Vec<u32>),
    /// A command to start: the program and its arguments.
    Command(Vec<OsString>),
}

/// What the meaning of arguments depends on besides the arguments.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
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
    pub target: Target,
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
        typed: &RecordArguments,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, UsageError> {
        let target = target(typed)?;
        let subject = match &target {
            Target::Command(words) => words.first().map_or(surroundings.host.into(), |program| {
                Path::new(program)
                    .file_name()
                    .unwrap_or(program)
                    .to_string_lossy()
            }),
            Target::Host | Target::Chosen(_) | Target::Processes(_) => surroundings.host.into(),
        };
        let stem = output::default_stem(&subject, surroundings.now);
        let duration = match &typed.duration {
            None => None,
            Some(value) => Some(positive_duration("--duration", value)?),
        };
        Ok(Self {
            mode: match typed.mode {
                RecordMode::Cpu => Mode::Cpu,
                RecordMode::Wall => Mode::Wall,
                RecordMode::CpuAndWall => Mode::CpuAndWall,
            },
            target,
            children: !typed.no_children,
            hz: rate(&typed.hz)?,
            max_cpu: limits::max_cpu(&typed.max_cpu)?,
            buffer: limits::buffer(&typed.buffer)?,
            duration,
            output: OutputConfig::from_arguments(&typed.output, Some(&stem))?,
            source: !typed.no_source,
            command_lines: !typed.no_cmdline,
            sandbox: !typed.no_sandbox,
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
    pub fn from_arguments(typed: &ConvertArguments) -> Result<Self, UsageError> {
        Ok(Self {
            input: typed.input.clone(),
            output: OutputConfig::from_arguments(&typed.output, None)?,
            selection: selection(&typed.selection)?,
            merge_threads: typed.merge_threads,
            privacy: Privacy {
                no_source: typed.no_source,
                no_command_line: typed.no_cmdline,
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
    pub fn from_arguments(typed: &ReportArguments) -> Result<Self, UsageError> {
        let standard_input = Path::new("-");
        if typed.input == standard_input && typed.other.as_deref() == Some(standard_input) {
            return Err(UsageError::InputTwice);
        }
        Ok(Self {
            input: typed.input.clone(),
            other: typed.other.clone(),
            top: typed.top,
            json: typed.json,
            selection: selection(&typed.selection)?,
        })
    }
}

fn selection(typed: &SelectionArguments) -> Result<Selection, UsageError> {
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
        from: time("--from", &typed.from)?,
        to: time("--to", &typed.to)?,
        thread: pattern("--thread", &typed.thread)?,
        process: pattern("--process", &typed.process)?,
        frames: FrameSelection {
            function: pattern("--function", &typed.function)?,
            file: pattern("--file", &typed.file)?,
            module: pattern("--module", &typed.module)?,
        },
        mode: typed.mode.map(|mode| match mode {
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
    pub fn from_arguments(typed: &ViewArguments) -> Self {
        Self {
            input: typed.input.clone(),
            open: !typed.no_open,
        }
    }
}

/// The checked arguments of `ps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsConfig {
    /// The processes to list.
    pub choice: ChoiceConfig,
    /// Whether JSON is printed.
    pub json: bool,
}

impl PsConfig {
    /// Checks the arguments of `ps`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(typed: &PsArguments) -> Result<Self, UsageError> {
        Ok(Self {
            choice: ChoiceConfig::from_arguments(&typed.choice)?,
            json: typed.json,
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
    pub fn from_arguments(typed: &DumpArguments) -> Result<Self, UsageError> {
        let pid = process_id(&typed.pid)?;
        Ok(Self { pid })
    }
}

fn target(typed: &RecordArguments) -> Result<Target, UsageError> {
    let choice = ChoiceConfig::from_arguments(&typed.choice)?;
    if !choice.is_everything() {
        return match (typed.pid.first(), typed.command.first()) {
            (None, None) => Ok(Target::Chosen(choice)),
            (Some(_), _) => Err(UsageError::ChoiceWith { other: "--pid" }),
            (None, Some(_)) => Err(UsageError::ChoiceWith { other: "a command" }),
        };
    }
    match (typed.pid.as_slice(), typed.command.first()) {
        ([], None) => Ok(Target::Host),
        ([], Some(program)) if program.is_empty() => Err(UsageError::EmptyCommand),
        ([], Some(_)) => Ok(Target::Command(typed.command.clone())),
        (_, Some(_)) => Err(UsageError::TargetTwice),
        (values, None) => {
            let mut processes = values
                .iter()
                .map(|value| process_id(value))
                .collect::<Result<Vec<_>, _>>()?;
            processes.sort_unstable();
            processes.dedup();
            Ok(Target::Processes(processes))
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
