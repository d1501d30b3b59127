// SPDX-License-Identifier: MIT OR Apache-2.0

//! Defines what can be typed on the command line; [`config`](crate::cli::config) checks it and
//! gives it a meaning. Doc comments of verbs, arguments and options are the text of
//! `--help`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  sudo pyebpf --hz 10                      every Python process of this host, until Ctrl-C
  sudo pyebpf --hz 10 --pid 1234           one process and its children
  sudo pyebpf -p 1234,1240 -d 30s -o a.json -o a.pyebpf
  sudo pyebpf --name gunicorn              those with this name, and their children
  sudo pyebpf --cgroup web.service         those of a unit, a container or any cgroup
  sudo pyebpf -- python3 app.py            start a command, as you, and record it
  pyebpf convert a.pyebpf -o a.json        any trace in, any format out
  pyebpf report a.pyebpf                   where the time went, as text
  pyebpf view a.pyebpf                     shows it in the browser
  sudo pyebpf dump --pid 1234              every thread's stack, now
  sudo pyebpf ps                           which Python processes there are
  pyebpf doctor                            what this kernel and your rights allow

Exit status:
  0  there is data        1  error        2  wrong usage
  3  no permission, or a feature the kernel does not have
  4  no such process, no Python in it, or no sample
  When a command was started, its own status; 128+N when signal N ended it.";

const RECORD_EXAMPLES: &str = "\
Examples:
  sudo pyebpf record --pid 1234 --duration 30s --output slow.json
  sudo pyebpf record --hz 100 --output - --format json | gzip > trace.json.gz
  sudo pyebpf record --hz 1000 -- ./manage.py migrate
  sudo pyebpf record --cgroup docker:4f1c5a0de6b7 --name '^celery$'

Choosing processes:
  --cgroup and --name look at each process when it starts a program, or when
  pyebpf starts. One that is chosen is followed with its children, whatever they
  are called. With both, both must hold; of several of one kind, one must.
  Neither goes with --pid. While nothing is there to record, pyebpf waits.

Signals:
  Ctrl-C, SIGTERM, SIGHUP  stop, write the files, print the summary
  a second Ctrl-C          leave the .pyebpf file as it is, for `pyebpf convert`
  SIGUSR1                  write the files as of now, and go on";

const DUMP_EXAMPLES: &str = "\
Examples:
  sudo pyebpf dump --pid 1234
  sudo pyebpf dump --pid 1234 --json | jq '.threads[] | select(.holds_gil) | .name'

The process is not stopped, also when it hangs. Frames are innermost first.";

const CONVERT_EXAMPLES: &str = "\
Examples:
  pyebpf convert night.pyebpf -o night.json
  pyebpf convert night.pyebpf -o minute.json --from 2h --to 2h1m
  pyebpf convert night.pyebpf -o workers.json --process gunicorn --split process
  pyebpf convert night.pyebpf -o night.svg --module myapp --merge-threads
  pyebpf convert old.json -o old.pyebpf
  ssh web01 cat a.pyebpf | pyebpf convert - -o - -f pprof > a.pb.gz

Formats, by the ending of FILE; those of text take .gz behind:
  .html  .json  .pyebpf  .folded  .svg  .flamechart.svg  .pb.gz (pprof)
  .speedscope.json  .firefox.json  .chrome.json (Perfetto)
It reads .pyebpf, .json (also that of the 2012 profiler) and .folded, gzipped or not.";

const REPORT_EXAMPLES: &str = "\
Examples:
  pyebpf report night.pyebpf
  pyebpf report night.pyebpf --from 2h --to 2h1m --process gunicorn --top 50
  pyebpf report before.pyebpf after.pyebpf
  pyebpf report night.pyebpf --json | jq '.functions[:5]'";

const VIEW_EXAMPLES: &str = "\
Examples:
  pyebpf view night.pyebpf
  scp server:night.pyebpf . && pyebpf view night.pyebpf

The page is a temporary file that only you can read. To keep it:
  pyebpf convert night.pyebpf -o night.html";

/// Samples running CPython programs from the kernel and writes a timeline.
///
/// No process is stopped, traced or changed. Without a verb it records.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "pyebpf",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
pub struct CommandLine {
    /// The verb; none means `record`.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The arguments of `record` when no verb was typed.
    #[command(flatten)]
    pub record: RecordArguments,
}

impl CommandLine {
    /// Returns the verb that was typed, or `record` with its arguments.
    pub fn into_verb(self) -> Verb {
        self.verb
            .unwrap_or_else(|| Verb::Host(HostVerb::Record(Box::new(self.record))))
    }
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Something with the processes of this host.
    #[command(flatten)]
    Host(HostVerb),
    /// Write a recorded trace in another format, whole or in part
    Convert(ConvertArguments),
    /// Say where the time of a trace went, or compare two traces
    Report(ReportArguments),
    /// Show a recorded trace in the browser
    View(ViewArguments),
}

/// What to do with the processes of this host. The other verbs only read a trace.
#[derive(Clone, Debug, Subcommand)]
pub enum HostVerb {
    /// Record Python processes until they end, a time is over, or Ctrl-C
    Record(Box<RecordArguments>),
    /// Show what every thread of a process does now, with its whole stack
    Dump(DumpArguments),
    /// List the Python processes: version, build, container, or why not supported
    Ps(PsArguments),
    /// Say what this kernel and these rights allow, and what to do about the rest
    Doctor(ListingArguments),
}

/// The arguments of `record`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = RECORD_EXAMPLES)]
pub struct RecordArguments {
    /// Samples a second on every CPU, 1 to 10000
    #[arg(
        long,
        short = 'r',
        visible_alias = "rate",
        visible_alias = "freq",
        visible_short_alias = 'F',
        value_name = "N",
        default_value = "10",
        allow_hyphen_values = true
    )]
    pub hz: String,
    /// A process to record; repeat it or use commas. Without it: every Python process
    #[arg(
        long,
        short,
        value_name = "PID",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub pid: Vec<String>,
    /// Which processes of the host
    #[command(flatten)]
    pub choice: ChoiceArguments,
    /// Leave out processes that the recorded ones start
    #[arg(long)]
    pub no_children: bool,
    /// What is sampled: `cpu` is what runs, `wall` every thread, waiting ones too
    #[arg(long, value_name = "MODE", default_value = "cpu")]
    pub mode: String,
    /// Stop after this time, for example 30, 30s, 500ms, 2h
    #[arg(long, short, value_name = "TIME", allow_hyphen_values = true)]
    pub duration: Option<String>,
    /// What is written and where
    #[command(flatten)]
    pub output: OutputArguments,
    /// What sampling may take of one CPU, or `off`; above it, the rate is lowered
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "5%",
        allow_hyphen_values = true
    )]
    pub max_cpu: String,
    /// Memory in which samples wait until they are read, for example 512K, 4M, 64M
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4M",
        allow_hyphen_values = true
    )]
    pub buffer: String,
    /// Leave the text of source lines out of the trace
    #[arg(long)]
    pub no_source: bool,
    /// Leave the command lines of processes out of the trace
    #[arg(long)]
    pub no_cmdline: bool,
    /// Keep all rights and allow all system calls while recording
    #[arg(long)]
    pub no_sandbox: bool,
    /// Print nothing but errors and what was lost
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more about what is done; repeat it for still more
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// A command to start and record, as the user who called sudo
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Which processes of a host are meant.
#[derive(Args, Clone, Debug, Default)]
pub struct ChoiceArguments {
    /// Only processes in this cgroup or below: a path (/system.slice/web.service), a
    /// directory of /sys/fs/cgroup, or the name of a unit or container as `ps` shows
    /// it; repeat it for more
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<String>,
    /// Only processes whose name matches: the script, module or program that `ps`
    /// shows, the kernel's name, or anything in the command line; repeat it for more
    #[arg(long, value_name = "REGEX")]
    pub name: Vec<String>,
}

/// Where a trace goes, and its shape there.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArguments {
    /// A file to write, its format by its extension; repeat it for more; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// The format of every output, whatever its extension
    #[arg(long, short, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The order of rows in a timeline
    #[arg(long, value_name = "ORDER", default_value = "thread")]
    pub order: OrderArgument,
    /// Write a file for each process or each thread
    #[arg(long, value_name = "BY")]
    pub split: Option<SplitArgument>,
    /// Write a file even if it is too large for a browser
    #[arg(long)]
    pub force: bool,
}

/// `--order`: which rows follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OrderArgument {
    /// All rows of a thread, then the next thread
    #[default]
    Thread,
    /// All rows in order of time
    Time,
}

/// `--split`: what gets a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitArgument {
    /// A file for each process
    Process,
    /// A file for each thread
    Thread,
}

/// The arguments of `dump`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = DUMP_EXAMPLES)]
pub struct DumpArguments {
    /// The process
    #[arg(long, short, value_name = "PID", allow_hyphen_values = true)]
    pub pid: String,
    /// Print JSON, in a documented and stable schema
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `ps`.
#[derive(Args, Clone, Debug, Default)]
pub struct PsArguments {
    /// Which processes of the host
    #[command(flatten)]
    pub choice: ChoiceArguments,
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
}

/// The arguments of `convert`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = CONVERT_EXAMPLES)]
pub struct ConvertArguments {
    /// The trace to read, in any format that can be read back
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
    /// Leave the text of source lines out of the result
    #[arg(long)]
    pub no_source: bool,
    /// Leave the command lines of processes out of the result
    #[arg(long)]
    pub no_cmdline: bool,
}

/// The arguments of `report`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct ReportArguments {
    /// The trace, in any format that can be read back; `-` is standard input
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Another trace, to compare with the first
    #[arg(value_name = "B")]
    pub other: Option<PathBuf>,
    /// How many threads and functions are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Print JSON, in a documented and stable schema, with everything in it
    #[arg(long)]
    pub json: bool,
    /// What of it is added up
    #[command(flatten)]
    pub selection: SelectionArguments,
}

/// Which part of a trace is meant. The texts are regular expressions.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArguments {
    /// Begin here: time since the start (90, 2h), an RFC 3339 date, or @SECONDS of Unix time
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// End here, written as for --from
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Only threads whose name matches this regular expression; repeat it for more
    #[arg(long, value_name = "RE")]
    pub thread: Vec<String>,
    /// Only processes whose name, pid, command line, container or cgroup matches; repeat it for more
    #[arg(long, value_name = "RE")]
    pub process: Vec<String>,
    /// Only stacks with a function whose name matches; repeat it for more
    #[arg(long, value_name = "RE")]
    pub function: Vec<String>,
    /// Only stacks with a file whose path matches; repeat it for more
    #[arg(long, value_name = "RE")]
    pub file: Vec<String>,
    /// Only stacks with a module (json.decoder) whose name matches; repeat it for more
    #[arg(long, value_name = "RE")]
    pub module: Vec<String>,
    /// `cpu`: only what ran, waiting becomes a gap; `wall`: both, where the trace has both
    #[arg(long, value_name = "MODE")]
    pub mode: Option<ModeArgument>,
}

/// `--mode` of a trace that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArgument {
    /// What ran on a CPU
    Cpu,
    /// What ran and what waited
    Wall,
}

/// The arguments of `view`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = VIEW_EXAMPLES)]
pub struct ViewArguments {
    /// The trace to show, in any format that can be read back, or a page
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Make the page and print where it is, but start no browser
    #[arg(long)]
    pub no_open: bool,
}

#[cfg(test)]
mod tests;
