// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program `pyebpf`: parses the command line, runs it, and prints any error.

use std::process::ExitCode;

use clap::Parser;
use sampler_user::cli::arguments::CommandLine;
use sampler_user::cli::arguments::serve::words_of_command;
use sampler_user::cli::config::exit::ExitStatus;
use sampler_user::commands::dispatch::{CommandError, run};
use sampler_user::commands::exit_status::exit_status;
use sampler_user::platform::abandoned_threads::AbandonedThreads;
use sampler_user::platform::console::CONSOLE;
use sampler_user::platform::log::{self, LogOptions};

fn main() -> ExitCode {
    // Threads inherit the signal mask, so this comes before the first one starts.
    #[cfg(target_os = "linux")]
    sampler_user::platform::outfile::outlive_the_limit_of_size();
    let command = CommandLine::parse().into_command();
    let command = match command.complete(&words_of_command()) {
        Ok(command) => command,
        Err(error) => {
            CONSOLE.error(&error);
            return ExitStatus::USAGE.into();
        }
    };
    let log = LogOptions {
        is_service: command.is_service(),
        ..command.log().options()
    };
    #[cfg(target_os = "linux")]
    if sampler_user::platform::journal::reads_standard_error() {
        CONSOLE.write_for_the_journal();
    }
    if command.is_quiet() {
        CONSOLE.be_quiet();
    }
    if log.is_json {
        CONSOLE.write_json();
    }
    let status = match log::start(log)
        .map_err(CommandError::from)
        .and_then(|()| run(command))
    {
        Ok(status) => status,
        Err(error) => {
            CONSOLE.error(&error);
            exit_status(&error)
        }
    };
    if let Some(threads) = AbandonedThreads::now() {
        CONSOLE.warn(threads);
    }
    status.into()
}
