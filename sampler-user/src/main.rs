//! The program `pyebpf`: parse, run, print the error.

use std::process::ExitCode;

use clap::Parser;
use sampler_user::cli::CommandLine;
use sampler_user::verbs::run;

fn main() -> ExitCode {
    match run(CommandLine::parse().into_verb()) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("pyebpf: {error}");
            error.exit_status().into()
        }
    }
}
