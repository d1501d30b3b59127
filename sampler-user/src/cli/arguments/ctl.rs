// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line of `ctl`, which asks a running server. Times and regular expressions are
//! read by the server, which knows when `now` is.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::values::{numbers, text};

/// Where a server listens unless it is told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/pyebpf/pyebpf.sock";

const EXAMPLES: &str = "\
Examples:
  pyebpf ctl status
  pyebpf ctl dump 1234
  pyebpf ctl trace --last 10m -o slow.html
  pyebpf ctl trace --last 1h --process celery -o celery.svg
  pyebpf ctl start --hz 100 --seconds 60 --name 'slow login'
  pyebpf ctl trace --recording 3 -o login.pyebpf
  pyebpf ctl mark 'deploy 42'
  pyebpf ctl trace --last 1m --follow -o - | pyebpf top --from -

Root, the user that the server runs as and members of the group that owns the socket
see everything. Others see only their own processes and can change nothing.";

/// The arguments of `ctl`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CtlArguments {
    /// Unix socket of the server
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = DEFAULT_SOCKET,
        display_order = 500
    )]
    pub socket: PathBuf,
    /// What to ask
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// What to ask a server.
#[derive(Clone, Debug, Subcommand)]
pub enum CtlCommand {
    /// Show the state of the server, its recorder and its disk
    Status(FormArguments),
    /// List the sampled processes
    Processes(FormArguments),
    /// Print the current stack of every thread of a process
    Dump {
        /// Process to dump
        #[arg(value_name = "PID", value_parser = numbers::process_id)]
        pid: u32,
        /// In which form it is printed
        #[command(flatten)]
        form: FormArguments,
    },
    /// Start a recording: sample at a higher rate, and keep what is sampled
    Start(StartArguments),
    /// Stop a recording
    Stop {
        /// Number of the recording, as `recordings` shows it
        #[arg(value_name = "ID")]
        id: u64,
        /// In which form it is printed
        #[command(flatten)]
        form: FormArguments,
    },
    /// List recordings
    Recordings(FormArguments),
    /// Write a span of time, or a recording, to a file
    Trace(Box<TraceArguments>),
    /// Mark this moment, to keep the time around it for longer
    Mark(MarkArguments),
    /// List the marks
    Marks(FormArguments),
    /// Delete a recording or a mark; what it kept then expires like everything else
    Delete {
        /// What to delete
        kind: KeptKind,
        /// Its number
        #[arg(value_name = "ID")]
        id: u64,
        /// In which form it is printed
        #[command(flatten)]
        form: FormArguments,
    },
}

/// In which form an answer is printed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FormArguments {
    /// Print JSON, as the HTTP interface describes it
    #[arg(long)]
    pub json: bool,
}

/// How a recording is asked for.
#[derive(Args, Clone, Debug, Default)]
pub struct StartArguments {
    /// Samples per second on every CPU, 1 to 10000 [default: the server's rate]
    #[arg(long, value_name = "N", value_parser = numbers::rate)]
    pub hz: Option<u32>,
    /// Process to record; repeat it or use commas [default: every sampled process]
    #[arg(
        long,
        short,
        value_name = "PID",
        value_delimiter = ',',
        value_parser = numbers::process_id
    )]
    pub pid: Vec<u32>,
    /// Stop after this many seconds [default: until `ctl stop`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: Option<u32>,
    /// Name of the recording
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// In which form it is printed
    #[command(flatten)]
    pub form: FormArguments,
}

/// How a mark is asked for.
#[derive(Args, Clone, Debug)]
pub struct MarkArguments {
    /// Name of the mark, such as `deploy 42`
    #[arg(value_name = "NAME", value_parser = text::not_empty)]
    pub name: String,
    /// Seconds before the mark to keep
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub before: u32,
    /// Seconds after the mark to keep
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub after: u32,
    /// Process that the mark is about
    #[arg(long, short, value_name = "PID", value_parser = numbers::process_id)]
    pub pid: Option<u32>,
    /// In which form it is printed
    #[command(flatten)]
    pub form: FormArguments,
}

/// Which part of the trace is wanted, and where it goes.
#[derive(Args, Clone, Debug, Default)]
pub struct TraceArguments {
    /// The most recent part, such as 90 (seconds), 10m or 1h30m [default: everything kept]
    #[arg(long, value_name = "TIME", value_parser = text::not_empty, conflicts_with_all = ["from", "to"])]
    pub last: Option<String>,
    /// Start here: an RFC 3339 date, or @SECONDS of Unix time
    #[arg(long, value_name = "TIME", value_parser = text::not_empty)]
    pub from: Option<String>,
    /// End here, in the same notation
    #[arg(long, value_name = "TIME", value_parser = text::not_empty)]
    pub to: Option<String>,
    /// The time span and the processes of this recording
    #[arg(long, value_name = "ID", conflicts_with_all = ["last", "from", "to"])]
    pub recording: Option<u64>,
    /// Only this process; repeat it or use commas
    #[arg(
        long,
        short,
        value_name = "PID",
        value_delimiter = ',',
        value_parser = numbers::process_id
    )]
    pub pid: Vec<u32>,
    /// Only processes whose name, pid, command line, container or cgroup matches
    #[arg(long, value_name = "RE", value_parser = text::not_empty)]
    pub process: Option<String>,
    /// Only threads whose name matches this regular expression
    #[arg(long, value_name = "RE", value_parser = text::not_empty)]
    pub thread: Option<String>,
    /// Leave source lines out of the result
    #[arg(long)]
    pub no_source: bool,
    /// Keep writing as the server samples; only to standard output, as .pyebpf
    #[arg(long, conflicts_with_all = ["to", "recording", "format"])]
    pub follow: bool,
    /// Format, whatever the extension of the file [default for `-`: pyebpf]
    #[arg(long, short, value_name = "FORMAT", value_parser = text::not_empty)]
    pub format: Option<String>,
    /// File to write, in the format of its extension; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// What keeps a part of the trace for longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeptKind {
    /// A recording
    Recording,
    /// A mark
    Mark,
}
