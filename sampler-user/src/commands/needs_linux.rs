// SPDX-License-Identifier: MIT OR Apache-2.0

//! Says, on a system other than Linux, that the verbs about the processes of a host need
//! it.

use crate::cli::arguments::HostVerb;
use crate::cli::config::exit::ExitStatus;

/// A verb needs Linux.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{verb} needs Linux; on this system, pyebpf can view, convert and report on traces that \
     were recorded there"
)]
pub struct HostError {
    verb: &'static str,
}

/// Runs no verb.
///
/// # Errors
/// Always.
pub fn run(verb: HostVerb) -> Result<ExitStatus, HostError> {
    let verb = match verb {
        HostVerb::Record(_) => "record",
        HostVerb::Dump(_) => "dump",
        HostVerb::Ps(_) => "ps",
        HostVerb::Doctor(_) => "doctor",
    };
    Err(HostError { verb })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::run;
    use crate::cli::arguments::{CommandLine, Verb};

    #[test]
    fn a_verb_about_a_host_needs_linux() {
        for (words, verb) in [
            (vec!["pyebpf"], "record"),
            (vec!["pyebpf", "--hz", "10", "--pid", "1234"], "record"),
            (
                vec!["pyebpf", "record", "--", "python3", "app.py"],
                "record",
            ),
            (vec!["pyebpf", "dump", "--pid", "1"], "dump"),
            (vec!["pyebpf", "ps"], "ps"),
            (vec!["pyebpf", "doctor", "--json"], "doctor"),
        ] {
            let Verb::Host(arguments) = CommandLine::parse_from(&words).into_verb() else {
                panic!("{words:?} is about a trace");
            };
            let error = run(arguments).expect_err("cannot run");
            let said = error.to_string();
            assert!(said.starts_with(&format!("{verb} needs Linux; ")), "{said}");
        }
    }
}
