// SPDX-License-Identifier: MIT OR Apache-2.0

//! Defines the command line, with a parser for each value ([`values`](crate::cli::values));
//! [`config`](crate::cli::config) checks what goes together. Doc comments of commands,
//! arguments and options are the text of `--help`.

pub mod ctl;
pub mod logging;
pub mod sampling;
pub mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regex::Regex;
use sampler_trace::convert::selection::TimePoint;

use crate::cli::arguments::ctl::CtlArguments;
use crate::cli::arguments::logging::LogArguments;
use crate::cli::arguments::sampling::{BoundArguments, FilterArguments, SamplingArguments};
use crate::cli::arguments::serve::{ServeArguments, ServeFileError};
use crate::cli::values::{numbers, text, time};

const EXAMPLES: &str = "\
Examples:
  sudo pyebpf --hz 10                      every Python process on this host, until Ctrl-C
  sudo pyebpf --hz 10 --pid 1234           one process and its children
  sudo pyebpf -p 1234,1240 -d 30s -o a.json -o a.pyebpf
  sudo pyebpf --name gunicorn              processes with this name, and their children
  sudo pyebpf --cgroup web.service         a unit, a container or any cgroup
  sudo pyebpf -- python3 app.py            start a command, as you, and record it
  pyebpf convert a.pyebpf -o a.json        convert a trace to another format
  pyebpf report a.pyebpf                   show where the time went
  pyebpf view a.pyebpf                     open it in the browser
  sudo pyebpf top                          watch the busiest functions and threads
  sudo pyebpf dump --pid 1234              print every thread's stack now
  sudo pyebpf ps                           list the Python processes
  sudo pyebpf serve                        record continuously, and serve it over HTTP
  sudo pyebpf ctl trace --last 10m -o a.html   ask that server
  pyebpf doctor                            what this kernel and your privileges allow

Exit status:
  0  success        1  error        2  wrong usage
  3  no permission, or the kernel lacks a feature
  4  no such process, no Python in it, or no samples
  With a command: its own status, or 128+N if signal N ended it.";

const RECORD_EXAMPLES: &str = "\
Examples:
  sudo pyebpf record --pid 1234 --duration 30s --output slow.json
  sudo pyebpf record --hz 100 --output - --format json | gzip > trace.json.gz
  sudo pyebpf record --hz 1000 -- ./manage.py migrate
  sudo pyebpf record --cgroup docker:4f1c5a0de6b7 --name '^celery$'

Choosing processes:
  --cgroup and --name are checked when a process starts a program, and when
  pyebpf starts. Children of a matching process are recorded too, whatever
  their names. Repeat an option to match any of several values; with both
  options, a process must match both. Neither can be combined with --pid.
  pyebpf waits until a process matches.

Signals:
  Ctrl-C, SIGTERM, SIGHUP  stop, write the files, print the summary
  a second Ctrl-C          keep only the raw .pyebpf file, for `pyebpf convert`
  SIGUSR1                  write the files as of now and keep recording";

const DUMP_EXAMPLES: &str = "\
Examples:
  sudo pyebpf dump --pid 1234
  sudo pyebpf dump --pid 1234 --json | jq '.threads[] | select(.holds_gil) | .name'

The process is never paused, even if it hangs. Frames are listed innermost first.";

const CONVERT_EXAMPLES: &str = "\
Examples:
  pyebpf convert night.pyebpf -o night.json
  pyebpf convert night.pyebpf -o minute.json --from 2h --to 2h1m
  pyebpf convert night.pyebpf -o workers.json --process gunicorn --split process
  pyebpf convert night.pyebpf -o night.svg --module myapp --merge-threads
  pyebpf convert old.json -o old.pyebpf
  ssh web01 cat a.pyebpf | pyebpf convert - -o - -f pprof > a.pb.gz

Formats, by the extension of FILE; append .gz to compress a text format:
  .html  .json  .pyebpf  .folded  .svg  .flamechart.svg  .pb.gz (pprof)
  .speedscope.json  .firefox.json  .chrome.json (Perfetto)
Reads .pyebpf, .json (including the 2012 profiler's) and .folded, compressed or not.";

const REPORT_EXAMPLES: &str = "\
Examples:
  pyebpf report night.pyebpf
  pyebpf report night.pyebpf --from 2h --to 2h1m --process gunicorn --top 50
  pyebpf report before.pyebpf after.pyebpf
  pyebpf report night.pyebpf --json | jq '.functions[:5]'";

const TOP_EXAMPLES: &str = "\
Examples:
  sudo pyebpf top                          every Python process on this host
  sudo pyebpf top --pid 1234 --hz 100
  sudo pyebpf top --name gunicorn --mode cpu
  pyebpf top --from night.pyebpf           a file that is being recorded
  ssh web01 tail --follow --bytes=+1 night.pyebpf | pyebpf top --from -

The keys are listed on the screen: press ?";

const VIEW_EXAMPLES: &str = "\
Examples:
  pyebpf view night.pyebpf
  scp server:night.pyebpf . && pyebpf view night.pyebpf

The page is a temporary file that only you can read. To keep it:
  pyebpf convert night.pyebpf -o night.html";

/// Samples running CPython programs from the kernel and writes a timeline.
///
/// No process is paused, traced or changed. Without a command, pyebpf records.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "pyebpf",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_value_name = "COMMAND",
    subcommand_help_heading = "Commands"
)]
pub struct CommandLine {
    /// The command; none means `record`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The arguments of `record` when no command is given.
    #[command(flatten)]
    pub record: RecordArguments,
}

impl CommandLine {
    /// Returns the command that was given, or `record` with its arguments.
    pub fn into_command(self) -> Command {
        self.command
            .unwrap_or_else(|| Command::Host(HostCommand::Record(Box::new(self.record))))
    }
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Something with the processes of this host.
    #[command(flatten)]
    Host(HostCommand),
    /// Convert a trace, or a part of it, to another format
    Convert(ConvertArguments),
    /// Show where the time in a trace went, or compare two traces
    Report(ReportArguments),
    /// Open a trace in the browser
    View(ViewArguments),
    /// Watch the busiest functions, processes and threads in the terminal
    #[command(mut_arg("mode", |mode| mode.default_value("wall")))]
    Top(Box<TopArguments>),
}

/// What to do with the processes of this host. The other commands only read a trace.
#[derive(Clone, Debug, Subcommand)]
pub enum HostCommand {
    /// Record Python processes until they end, --duration is over, or Ctrl-C
    Record(Box<RecordArguments>),
    /// Print the current stack of every thread of a process
    Dump(DumpArguments),
    /// List Python processes: version, build, container, and why any is not supported
    Ps(PsArguments),
    /// Check what this kernel and your privileges allow, and how to get the rest
    Doctor(ListingArguments),
    /// Query or control a running server
    Ctl(CtlArguments),
    /// Record continuously, and serve what was recorded over HTTP
    Serve(Box<ServeArguments>),
    /// The part of `serve` that samples
    #[command(hide = true)]
    ServeRecorder(Box<ServeArguments>),
    /// The part of `serve` that owns the network
    #[command(hide = true)]
    ServeFront(Box<ServeArguments>),
    /// The part of `top` that samples
    #[command(hide = true, mut_arg("mode", |mode| mode.default_value("wall")))]
    TopRecorder(Box<TopArguments>),
}

impl Command {
    /// Whether nothing but errors and what was lost is to be printed on standard error.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Host(HostCommand::Record(arguments)) if arguments.quiet)
    }

    /// Completes the arguments of a server from its configuration file; `words` are those
    /// that follow the command. The arguments of other commands stay as they are.
    ///
    /// # Errors
    /// [`ServeFileError`].
    pub fn complete(self, words: &[OsString]) -> Result<Self, ServeFileError> {
        let complete = |arguments: &ServeArguments| arguments.complete(words).map(Box::new);
        Ok(match self {
            Self::Host(HostCommand::Serve(given)) => {
                Self::Host(HostCommand::Serve(complete(&given)?))
            }
            Self::Host(HostCommand::ServeRecorder(given)) => {
                Self::Host(HostCommand::ServeRecorder(complete(&given)?))
            }
            Self::Host(HostCommand::ServeFront(given)) => {
                Self::Host(HostCommand::ServeFront(complete(&given)?))
            }
            other => other,
        })
    }

    /// Whether it runs as a service, whose log is all that is seen of it.
    pub fn is_service(&self) -> bool {
        let Self::Host(command) = self else {
            return false;
        };
        matches!(
            command,
            HostCommand::Serve(_) | HostCommand::ServeRecorder(_) | HostCommand::ServeFront(_)
        )
    }

    /// What to log, and how. `ps` prints all that it finds out, and other commands only
    /// read files.
    pub fn log(&self) -> LogArguments {
        match self {
            Self::Host(HostCommand::Record(arguments)) => arguments.log,
            Self::Host(HostCommand::Dump(arguments)) => arguments.log,
            Self::Host(HostCommand::Doctor(arguments)) => arguments.log,
            Self::Host(
                HostCommand::Serve(arguments)
                | HostCommand::ServeRecorder(arguments)
                | HostCommand::ServeFront(arguments),
            ) => arguments.log,
            Self::Host(HostCommand::Ps(_) | HostCommand::Ctl(_) | HostCommand::TopRecorder(_))
            | Self::Convert(_)
            | Self::Report(_)
            | Self::View(_)
            | Self::Top(_) => LogArguments::default(),
        }
    }
}

/// The arguments of `record`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = RECORD_EXAMPLES)]
pub struct RecordArguments {
    /// What is sampled, and how often
    #[command(flatten)]
    pub sampling: SamplingArguments,
    /// Stop after this time, such as 30, 30s, 500ms or 2h
    #[arg(
        long,
        short,
        value_name = "TIME",
        value_parser = time::duration,
        allow_hyphen_values = true
    )]
    pub duration: Option<Duration>,
    /// What is written and where
    #[command(flatten)]
    pub output: OutputArguments,
    /// What sampling may cost, and what it may keep
    #[command(flatten)]
    pub bounds: BoundArguments,
    /// Print only errors and losses
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArguments,
    /// Program to start and record, run as the user who called sudo
    #[arg(last = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}

/// Where a trace goes, and its shape there.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArguments {
    /// File to write, in the format of its extension; can be repeated; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Format of every output, whatever its extension
    #[arg(long, short, value_name = "FORMAT", value_parser = text::not_empty)]
    pub format: Option<String>,
    /// Order of the rows in a timeline
    #[arg(long, value_name = "ORDER", default_value = "thread")]
    pub order: OrderArgument,
    /// Write one file per process or per thread
    #[arg(long, value_name = "BY")]
    pub split: Option<SplitArgument>,
    /// Write files that are too large for a browser
    #[arg(long)]
    pub force: bool,
}

/// `--order`: which rows follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OrderArgument {
    /// All rows of a thread, then the next thread
    #[default]
    Thread,
    /// All rows, sorted by time
    Time,
}

/// `--split`: what gets a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitArgument {
    /// One file per process
    Process,
    /// One file per thread
    Thread,
}

/// The arguments of `dump`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = DUMP_EXAMPLES)]
pub struct DumpArguments {
    /// Process to dump
    #[arg(
        long,
        short,
        value_name = "PID",
        value_parser = numbers::process_id,
        allow_hyphen_values = true
    )]
    pub pid: u32,
    /// Print JSON, in a documented and stable schema
    #[arg(long)]
    pub json: bool,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArguments,
}

/// The arguments of `ps`.
#[derive(Args, Clone, Debug, Default)]
pub struct PsArguments {
    /// Which processes of the host
    #[command(flatten)]
    pub filter: FilterArguments,
    /// Print JSON, in a documented and stable schema
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `doctor`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ListingArguments {
    /// Print JSON, in a documented and stable schema
    #[arg(long)]
    pub json: bool,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArguments,
}

/// The arguments of `convert`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = CONVERT_EXAMPLES)]
pub struct ConvertArguments {
    /// Trace to read, in any format that pyebpf reads
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// What is written and where
    #[command(flatten)]
    pub output: OutputArguments,
    /// What of it is written
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Add up the threads of a process in formats without a time axis
    #[arg(long)]
    pub merge_threads: bool,
    /// Leave source lines out of the result
    #[arg(long)]
    pub no_source: bool,
    /// Leave command lines out of the result
    #[arg(long)]
    pub no_cmdline: bool,
}

/// The arguments of `report`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct ReportArguments {
    /// Trace to read, in any format that pyebpf reads; `-` is standard input
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Second trace, to compare with the first
    #[arg(value_name = "B")]
    pub other: Option<PathBuf>,
    /// Number of threads and functions to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Print everything as JSON, in a documented and stable schema
    #[arg(long)]
    pub json: bool,
    /// What of it is added up
    #[command(flatten)]
    pub selection: SelectionArguments,
}

/// Which part of a trace is meant. The texts are regular expressions.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArguments {
    /// Start here: time since the start (90, 2h), an RFC 3339 date, or @SECONDS of Unix time
    #[arg(long, value_name = "TIME", value_parser = time::time_point)]
    pub from: Option<TimePoint>,
    /// End here, in the same notation
    #[arg(long, value_name = "TIME", value_parser = time::time_point)]
    pub to: Option<TimePoint>,
    /// Only threads whose name matches this regular expression; can be repeated
    #[arg(long, value_name = "RE", value_parser = text::pattern)]
    pub thread: Vec<Regex>,
    /// Only processes whose name, pid, command line, container or cgroup matches; can be repeated
    #[arg(long, value_name = "RE", value_parser = text::pattern)]
    pub process: Vec<Regex>,
    /// Only stacks with a function whose name matches; can be repeated
    #[arg(long, value_name = "RE", value_parser = text::pattern)]
    pub function: Vec<Regex>,
    /// Only stacks with a file whose path matches; can be repeated
    #[arg(long, value_name = "RE", value_parser = text::pattern)]
    pub file: Vec<Regex>,
    /// Only stacks with a module (json.decoder) whose name matches; can be repeated
    #[arg(long, value_name = "RE", value_parser = text::pattern)]
    pub module: Vec<Regex>,
    /// Which samples to use
    #[arg(long, value_name = "MODE")]
    pub mode: Option<ModeArgument>,
}

/// `--mode` of an existing trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArgument {
    /// Only what ran on a CPU; waiting becomes a gap
    Cpu,
    /// Running and waiting, if the trace has both
    Wall,
}

/// The arguments of `view`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = VIEW_EXAMPLES)]
pub struct ViewArguments {
    /// Trace to open, in any format that pyebpf reads, or a page
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Write the page and print its path, but do not start a browser
    #[arg(long)]
    pub no_open: bool,
}

/// The arguments of `top`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = TOP_EXAMPLES)]
pub struct TopArguments {
    /// Trace to show instead of recording: a .pyebpf file that may still grow; `-` is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = recording_options())]
    pub from: Option<PathBuf>,
    /// Time span to add up, such as 10s or 5m
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = time::duration,
        allow_hyphen_values = true
    )]
    pub last: Duration,
    /// What is sampled, and how often
    #[command(flatten)]
    pub sampling: SamplingArguments,
    /// What sampling may cost, and what it may keep
    #[command(flatten)]
    pub bounds: BoundArguments,
}

/// Returns the options that only a recording has. The groups that clap makes of the two
/// structs would not do: one that flattens another is an empty group.
fn recording_options() -> Vec<clap::Id> {
    let sampling = SamplingArguments::augment_args(clap::Command::default());
    let both = BoundArguments::augment_args(sampling);
    let options = both.get_arguments();
    options.map(|option| option.get_id().clone()).collect()
}

#[cfg(test)]
mod tests;
