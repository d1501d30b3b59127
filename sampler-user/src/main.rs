// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program `pyebpf`: parses the command line, runs it, and prints any error.

use std::process::ExitCode;

use clap::Parser;
use sampler_trace::escape::escape_lines_for_terminal;
use sampler_user::cli::arguments::CommandLine;
use sampler_user::commands::dispatch::run;
use sampler_user::platform::left_behind::LeftBehind;

fn main() -> ExitCode {
    // Threads inherit the signal mask, so this comes before the first one starts.
    #[cfg(target_os = "linux")]
    sampler_user::platform::outfile::outlive_the_limit_of_size();
    let status = match run(CommandLine::parse().into_verb()) {
        Ok(status) => status,
        Err(error) => {
            let said = error.to_string();
            eprintln!("pyebpf: {}", escape_lines_for_terminal(&said));
            error.exit_status()
        }
    };
    if let Some(threads) = LeftBehind::now() {
        eprintln!("pyebpf: {threads}");
    }
    status.into()
}
