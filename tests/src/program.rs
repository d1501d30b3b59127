// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands of pyebpf, for tests that need a program and no kernel.

use std::process::ExitCode;

use clap::Parser as _;
use sampler_user::cli::arguments::CommandLine;
use sampler_user::commands::dispatch::run;
use sampler_user::commands::exit_status::exit_status;
use sampler_user::platform::console::CONSOLE;

fn main() -> ExitCode {
    match run(CommandLine::parse().into_command()) {
        Ok(status) => status.into(),
        Err(error) => {
            CONSOLE.error(&error);
            exit_status(&error).into()
        }
    }
}
