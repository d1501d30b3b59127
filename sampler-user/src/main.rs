//! The program `pyebpf`: parse, run, print the error.

use std::process::ExitCode;

use clap::Parser;
use sampler_user::cli::{CommandLine, Verb};
use sampler_user::config::{ExitStatus, RecordConfig, Surroundings};
use sampler_user::recorder::record;

fn main() -> ExitCode {
    let verb = CommandLine::parse().into_verb();
    let status = match verb {
        Verb::Record(a) => {
            let c = RecordConfig::from_arguments(
                &a,
                Surroundings {
                    host: "host",
                    now: std::time::SystemTime::now(),
                },
            );
            match c {
                Ok(c) => match record(&c) {
                    Ok(s) => s,
                    Err(e) => {
                        eprintln!("pyebpf: {e}");
                        e.exit_status()
                    }
                },
                Err(e) => {
                    eprintln!("pyebpf: {e}");
                    ExitStatus::USAGE
                }
            }
        }
        _ => ExitStatus::ERROR,
    };
    status.into()
}
