// SPDX-License-Identifier: MIT OR Apache-2.0

//! Says, on a system other than Linux, that the commands about the processes of a host need
//! it.

use crate::cli::arguments::HostCommand;
use crate::cli::config::exit::ExitStatus;

/// A command needs Linux.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{command} needs Linux; on this system, pyebpf can view, convert and report on traces that \
     were recorded there"
)]
pub struct HostError {
    command: &'static str,
}

/// Runs no command.
///
/// # Errors
/// Always.
pub fn run(command: HostCommand) -> Result<ExitStatus, HostError> {
    let command = match command {
        HostCommand::Record(_) => "record",
        HostCommand::Dump(_) => "dump",
        HostCommand::Ps(_) => "ps",
        HostCommand::Doctor(_) => "doctor",
        HostCommand::Ctl(_) => "ctl",
        HostCommand::TopRecorder(_) => "top",
        HostCommand::Serve(_) | HostCommand::ServeRecorder(_) | HostCommand::ServeFront(_) => {
            "serve"
        }
    };
    Err(HostError { command })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::run;
    use crate::cli::arguments::{Command, CommandLine};

    #[test]
    fn a_verb_about_a_host_needs_linux() {
        for (words, command) in [
            (vec!["pyebpf"], "record"),
            (vec!["pyebpf", "--hz", "10", "--pid", "1234"], "record"),
            (
                vec!["pyebpf", "record", "--", "python3", "app.py"],
                "record",
            ),
            (vec!["pyebpf", "dump", "--pid", "1"], "dump"),
            (vec!["pyebpf", "ps"], "ps"),
            (vec!["pyebpf", "doctor", "--json"], "doctor"),
            (vec!["pyebpf", "ctl", "status"], "ctl"),
        ] {
            let Command::Host(arguments) = CommandLine::parse_from(&words).into_command() else {
                panic!("{words:?} is about a trace");
            };
            let error = run(arguments).expect_err("cannot run");
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("{command} needs Linux; ")),
                "{said}"
            );
        }
    }
}
