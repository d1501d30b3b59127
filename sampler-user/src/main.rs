//! The program `pyebpf`: parse, run, print the error.

use std::process::ExitCode;

use clap::Parser;
use sampler_user::cli::CommandLine;
use sampler_user::escape::escape_lines_for_terminal;
use sampler_user::left_behind::LeftBehind;
use sampler_user::verbs::run;

fn main() -> ExitCode {
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
