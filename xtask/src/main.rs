//! The project's own automation: set-up, build, demo and tests, one command
//! each. It refuses to know anything about sampling or CPython's insides.

mod apt;
mod build;
mod cargo;
mod ebpf;
mod interpreters;
mod linker;
mod packages;
mod process;
mod roots;
mod sudo;
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
        Task::Roots { anew } => roots::show(anew),
    }
}
