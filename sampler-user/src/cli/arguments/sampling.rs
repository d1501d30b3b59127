// SPDX-License-Identifier: MIT OR Apache-2.0

//! What several commands take about sampling: of which processes, how often, and at what cost.

use clap::{Args, ValueEnum};
use regex::Regex;

use crate::cli::values::limits::CpuLimit;
use crate::cli::values::{limits, numbers, text};

/// What is sampled, and how often.
#[derive(Args, Clone, Debug, Default)]
pub struct SamplingArguments {
    /// Samples per second on every CPU, 1 to 10000
    #[arg(
        long,
        short = 'r',
        visible_alias = "rate",
        visible_alias = "freq",
        visible_short_alias = 'F',
        value_name = "N",
        default_value = "10",
        value_parser = numbers::rate,
        allow_hyphen_values = true
    )]
    pub hz: u32,
    /// Process to record; repeat it or use commas [default: every Python process]
    #[arg(
        long,
        short,
        value_name = "PID",
        value_delimiter = ',',
        value_parser = numbers::process_id,
        allow_hyphen_values = true
    )]
    pub pid: Vec<u32>,
    /// Which processes of the host
    #[command(flatten)]
    pub filter: FilterArguments,
    /// Do not record child processes
    #[arg(long)]
    pub no_children: bool,
    /// What to sample
    #[arg(long, value_name = "MODE", default_value = "cpu")]
    pub mode: RecordMode,
}

/// What sampling may cost, and what of processes it may keep.
#[derive(Args, Clone, Debug, Default)]
pub struct BoundArguments {
    /// Limit on the cost of sampling, as a share of one CPU, or `off`; above it, the rate is lowered
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "5%",
        value_parser = limits::max_cpu,
        allow_hyphen_values = true
    )]
    pub max_cpu: CpuLimit,
    /// Size of the buffer between kernel and user space, such as 512K, 4M or 64M
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4M",
        value_parser = limits::buffer,
        allow_hyphen_values = true
    )]
    pub buffer: u32,
    /// Do not store source lines in the trace
    #[arg(long)]
    pub no_source: bool,
    /// Do not store command lines in the trace
    #[arg(long)]
    pub no_cmdline: bool,
    /// Keep all privileges and allow all system calls while recording
    #[arg(long)]
    pub no_sandbox: bool,
}

/// `--mode` of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RecordMode {
    /// Threads that run on a CPU
    #[default]
    Cpu,
    /// Every thread, including waiting ones, and what each waits for
    Wall,
    /// The same, for a trace that you will filter with `convert --mode` later
    #[value(name = "cpu,wall", alias = "wall,cpu")]
    CpuAndWall,
}

/// Which processes of a host are meant.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArguments {
    /// Only processes in this cgroup or below it: a path (/system.slice/web.service), a
    /// directory of /sys/fs/cgroup, or the name of a unit or container as `ps` shows
    /// it; can be repeated
    #[arg(long, value_name = "PATH", value_parser = text::not_empty)]
    pub cgroup: Vec<String>,
    /// Only processes whose name matches: the script, module or program that `ps`
    /// shows, the kernel's name, or anything in the command line; can be repeated
    #[arg(long, value_name = "REGEX", value_parser = text::pattern)]
    pub name: Vec<Regex>,
}
