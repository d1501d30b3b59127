// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads a configuration file, whose keys are the long options of a command. What is given
//! on the command line as well has precedence.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::{Table, Value};

/// Options that have no place in a file.
const ONLY_GIVEN: [&str; 3] = ["config", "help", "version"];

/// What is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFileError {
    /// It is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key is no option.
    #[error("unknown key `{key}`: there is no option `--{key}`")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A value has the wrong type.
    #[error("`{key}` is {wanted}")]
    Type {
        /// The key.
        key: String,
        /// What it has to be.
        wanted: &'static str,
    },
}

/// Returns the options that the text of a file stands for, as they would be written on
/// the command line. `command` defines them, and `given` are those of the command line.
///
/// ```
/// use clap::{Arg, Command};
/// use sampler_user::cli::config_file::options;
///
/// let command = || Command::new("serve").arg(Arg::new("hz").long("hz"));
/// let none = command().get_matches_from(["serve"]);
/// assert_eq!(options(&command(), &none, "hz = 49")?, ["--hz=49"]);
/// let given = command().get_matches_from(["serve", "--hz", "10"]);
/// assert!(options(&command(), &given, "hz = 49")?.is_empty());
/// # Ok::<(), sampler_user::cli::config_file::ConfigFileError>(())
/// ```
///
/// # Errors
/// [`ConfigFileError`]. Whether the values are valid shows when the options are parsed.
pub fn options(
    command: &Command,
    given: &ArgMatches,
    text: &str,
) -> Result<Vec<OsString>, ConfigFileError> {
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigFileError::Syntax(error.to_string()))?;
    let mut options = Vec::new();
    for (key, value) in &table {
        let named = |argument: &&Arg| argument.get_long() == Some(key);
        let argument = command
            .get_arguments()
            .find(named)
            .filter(|_| !ONLY_GIVEN.contains(&key.as_str()))
            .ok_or_else(|| ConfigFileError::UnknownKey { key: key.clone() })?;
        let written = written(argument, key, value)?;
        let id = argument.get_id().as_str();
        if given.value_source(id) != Some(ValueSource::CommandLine) {
            options.extend(written);
        }
    }
    Ok(options)
}

fn written(argument: &Arg, key: &str, value: &Value) -> Result<Vec<OsString>, ConfigFileError> {
    let wrong = |wanted| ConfigFileError::Type {
        key: key.to_owned(),
        wanted,
    };
    let option = |value: &Value| match value {
        Value::String(text) => Ok(format!("--{key}={text}").into()),
        Value::Integer(number) => Ok(format!("--{key}={number}").into()),
        Value::Float(number) => Ok(format!("--{key}={number}").into()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err(wrong("a text or a number"))
        }
    };
    match (argument.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => Ok(vec![format!("--{key}").into()]),
        (ArgAction::SetTrue, Value::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err(wrong("true or false")),
        (ArgAction::Count, Value::Integer(count @ 0..=3)) => {
            Ok((0..*count).map(|_| format!("--{key}").into()).collect())
        }
        (ArgAction::Count, _) => Err(wrong("0, 1, 2 or 3")),
        (ArgAction::Append, Value::Array(values)) => values.iter().map(option).collect(),
        (_, Value::Array(_)) => Err(wrong("one value and no list")),
        (_, value) => Ok(vec![option(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("serve")
            .arg(Arg::new("rate").long("hz"))
            .arg(Arg::new("listen").long("listen").action(ArgAction::Append))
            .arg(
                Arg::new("no-source")
                    .long("no-source")
                    .action(ArgAction::SetTrue),
            )
            .arg(
                Arg::new("verbose")
                    .long("verbose")
                    .short('v')
                    .action(ArgAction::Count),
            )
            .arg(Arg::new("config").long("config"))
    }

    fn read(text: &str, words: &[&str]) -> Result<Vec<OsString>, ConfigFileError> {
        let words = ["serve"].iter().chain(words);
        let given = command().try_get_matches_from(words).expect("valid");
        options(&command(), &given, text)
    }

    #[test]
    fn every_kind_of_option_can_be_written() {
        let text = "
            hz = 49  # a comment
            listen = ['unix:/run/a.sock', '127.0.0.1:6161']
            no-source = true
            verbose = 2
        ";
        let expected = [
            "--hz=49",
            "--listen=unix:/run/a.sock",
            "--listen=127.0.0.1:6161",
            "--no-source",
            "--verbose",
            "--verbose",
        ];
        assert_eq!(read(text, &[]), Ok(expected.map(OsString::from).to_vec()));
        assert_eq!(read("no-source = false\nverbose = 0", &[]), Ok(vec![]));
        assert_eq!(
            read("listen = '[::1]:1'", &[]),
            Ok(vec!["--listen=[::1]:1".into()])
        );
    }

    #[test]
    fn what_is_given_has_precedence_as_a_whole() {
        let text = "listen = ['[::1]:1', '[::1]:2']\nhz = 49";
        let read = read(text, &["--listen", "[::1]:3"]);
        assert_eq!(read, Ok(vec!["--hz=49".into()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("rate = 1", "no option `--rate`"),
            ("config = '/etc/passwd'", "no option `--config`"),
            ("hz = [1, 2]", "`hz` is one value"),
            ("hz = true", "`hz` is a text or a number"),
            ("no-source = 'yes'", "`no-source` is true or false"),
            ("verbose = 9", "`verbose` is 0, 1, 2 or 3"),
            ("[serve]\nhz = 1", "no option `--serve`"),
            ("hz = ", "line 1"),
        ] {
            let error = read(text, &[]).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
