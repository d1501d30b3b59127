// SPDX-License-Identifier: MIT OR Apache-2.0

//! The project's automation: set-up, build, demo and tests, one command each.

mod apt;
mod bolt;
pub mod build;
mod cache;
mod cargo;
#[cfg(test)]
mod circles;
mod demo;
mod ebpf;
mod failures;
mod freeze;
mod fuzz;
pub mod interpreters;
mod licence;
mod linker;
#[cfg(test)]
mod links;
mod live;
mod live_packages;
#[cfg(test)]
mod mentions;
mod not_run;
mod other_systems;
mod packages;
pub mod process;
mod readers;
pub mod readme;
mod real_clients;
pub mod roots;
mod slowest;
mod source_builds;
pub mod sudo;
mod supply_chain;
mod systemd;
mod tally;
mod test;
mod time_table;
mod toolchain;
mod tools;
mod viewer;
mod vm;
pub mod workspace;
mod wrapper;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Automation of pyebpf"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install what building needs, and build nothing.
    Setup,
    /// Build the kernel object, then the release binary that carries it.
    Build,
    /// Build, sample a small Python service of ours, and show the result.
    Demo,
    /// Run every check and every test, the live ones as root.
    Test {
        /// Only what needs neither root nor BPF nor other interpreters.
        #[arg(long)]
        quick: bool,
    },
    /// Run the live tests of situations from the field at length, as root: those of
    /// time are recorded many times each.
    Field {
        /// How often each case of time is recorded.
        #[arg(long, default_value_t = 50, value_name = "N")]
        runs: u32,
    },
    /// The page that shows a trace: build, check or test it.
    Viewer {
        /// What is done with it.
        #[arg(default_value = "build")]
        task: viewer::Task,
    },
    /// Measure what sampling costs, as root, and print the tables; or, with
    /// `viewer`, how fast the page is; or, with `serve`, what the server costs.
    Bench {
        /// What is measured.
        #[arg(default_value = "sampling")]
        what: Measured,

        /// Fewer and shorter repetitions: less than three minutes.
        #[arg(long)]
        quick: bool,
        /// Put the tables into docs/bench.md and the main ones into docs/overhead.md.
        #[arg(long)]
        readme: bool,
    },
    /// Run the fuzz targets.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60, value_name = "N")]
        seconds: u32,
    },
    /// Have the programs that people open our files with read them.
    Readers,
    /// Boot Debian's kernels in emulated machines, run live tests there, and print
    /// a table.
    Vm {
        /// Which kernels, such as 5.10; all of them without.
        kernels: Vec<String>,
        /// Put the table into docs/supported.md.
        #[arg(long)]
        readme: bool,
    },
    /// Make the frozen processes of the tests again, from the Pythons found.
    Freeze,
    /// Make the private roots with Pythons that this host has not.
    Roots {
        /// Make them again: the suites they come from move on.
        #[arg(long)]
        anew: bool,
    },
    /// Build the Pythons that no suite of Debian has, from its source.
    SourceBuilds,
}

/// What `bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Measured {
    /// What sampling costs.
    Sampling,
    /// How fast the page is with a long recording.
    Viewer,
    /// What `pyebpf serve` costs.
    Serve,
}

/// Runs the program `xtask`.
pub fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let clone = Workspace::locate;
    match &arguments.task {
        Task::Setup => ebpf::Tools::find_or_install().map(drop),
        Task::Build => build::everything(&clone()?).map(drop),
        Task::Demo => demo::run(&clone()?),
        Task::Test { quick } => test::everything(&clone()?, *quick),
        Task::Field { runs } => test::field(&clone()?, *runs),
        Task::Viewer { task } => viewer::run(&clone()?, *task),
        Task::Bench {
            what: Measured::Viewer,
            ..
        } => viewer::bench(&clone()?),
        Task::Bench {
            what: Measured::Serve,
            quick,
            ..
        } => measure(&clone()?, *quick, false, &["serve"]),
        Task::Bench { quick, readme, .. } => measure(&clone()?, *quick, *readme, &[]),
        Task::Fuzz { seconds } => fuzz::everything(&clone()?, *seconds),
        Task::Readers => {
            let workspace = clone()?;
            let binary = build::everything(&workspace)?;
            let counts =
                readers::Readers::find_or_install(&workspace)?.check(&workspace, &binary)?;
            anyhow::ensure!(counts.failed == 0, "{} failed", counts.failed);
            Ok(())
        }
        Task::Vm { kernels, readme } => vm::run(&clone()?, kernels, *readme),
        Task::Freeze => freeze::run(&clone()?),
        Task::Roots { anew } => roots::show(*anew),
        Task::SourceBuilds => source_builds::show(),
    }
}

/// Runs the package `bench`, through cargo so that no other task has to compile it.
fn measure(workspace: &Workspace, quick: bool, readme: bool, part: &[&str]) -> anyhow::Result<()> {
    let mut command = cargo::command();
    command.args(["run", "--quiet", "--locked", "--package", "bench", "--"]);
    let flags = [(quick, "--quick"), (readme, "--readme")];
    command.args(
        flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, flag)| flag),
    );
    process::run(command.args(part).current_dir(&workspace.root))
}
