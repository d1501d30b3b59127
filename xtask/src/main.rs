//! The project's own automation: set-up, build, demo and tests, one command
//! each. It refuses to know anything about sampling or CPython's insides.

mod apt;
mod build;
mod cargo;
mod demo;
mod ebpf;
mod freeze;
mod fuzz;
mod hot;
mod interpreters;
mod linker;
mod live;
mod packages;
mod process;
mod roots;
mod sudo;
mod tally;
mod test;
mod toolchain;
mod workspace;
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
    /// Run the fuzz targets.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60, value_name = "N")]
        seconds: u32,
    },
    /// Make the frozen processes of the tests again, from the Pythons found.
    Freeze,
    /// Make the private roots with Pythons that this host has not.
    Roots {
        /// Make them again: the suites they come from move on.
        #[arg(long)]
        anew: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let workspace = Workspace::locate()?;
    match arguments.task {
        Task::Setup => ebpf::Tools::find_or_install(&workspace).map(drop),
        Task::Build => build::everything(&workspace).map(drop),
        Task::Demo => demo::run(&workspace),
        Task::Test { quick } => test::everything(&workspace, quick),
        Task::Fuzz { seconds } => fuzz::everything(&workspace, seconds),
        Task::Freeze => freeze::run(&workspace),
        Task::Roots { anew } => roots::show(anew),
    }
}
