// SPDX-License-Identifier: MIT OR Apache-2.0

//! The arguments of `serve`, from the command line and from a configuration file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use clap::{Args, Command, FromArgMatches as _};
use sampler_serve::address::ListenAddress;

use crate::cli::arguments::logging::LogArguments;
use crate::cli::arguments::sampling::{BoundArguments, SamplingArguments};
use crate::cli::config_file::{ConfigFileError, options};
use crate::cli::values::condition::Condition;
use crate::cli::values::stall::StallTime;
use crate::cli::values::{condition, limits, stall, text, time};

/// The file that is read if none is named and it exists.
const USUAL_FILE: &str = "/etc/pyebpf.toml";

const EXAMPLES: &str = "\
Examples:
  sudo pyebpf serve                        every Python process; keeps the last day
  sudo pyebpf serve --name gunicorn --keep 2h
  sudo pyebpf serve --listen 127.0.0.1:6161 --token-file /etc/pyebpf.token
  ssh -L 8080:/run/pyebpf/pyebpf.sock web01        then open http://localhost:8080/
  curl --unix-socket /run/pyebpf/pyebpf.sock 'http://localhost/api/v1/trace?last=10m' -o a.pyebpf

Marks:
  A mark keeps the minutes around a moment for longer than --keep. The server
  sets one when a process stalls, is killed or exceeds a limit. `pyebpf ctl mark`
  sets one now, `pyebpf ctl marks` lists them.

Who may connect:
  Over the socket, root and its group see everything, other users only their
  own processes. Over TCP, every client needs a token.

Signals:
  Ctrl-C, SIGTERM  stop, and keep what was recorded
  SIGHUP           read the configuration file again";

/// Returns the words after the command of this process.
pub fn words_of_command() -> Vec<OsString> {
    std::env::args_os().skip(2).collect()
}

/// The arguments of `serve`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES, mut_arg("mode", |mode| mode.default_value("wall")))]
pub struct ServeArguments {
    /// What is sampled, and how often
    #[command(flatten)]
    pub sampling: SamplingArguments,
    /// Where to listen: unix:/PATH or IP:PORT; can be repeated
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "unix:/run/pyebpf/pyebpf.sock"
    )]
    pub listen: Vec<ListenAddress>,
    /// File with the tokens of TCP clients, one per line
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Host name that TCP clients may use, besides this host's addresses and `localhost`;
    /// can be repeated
    #[arg(long, value_name = "HOST", value_parser = text::not_empty)]
    pub allow_host: Vec<String>,
    /// Group that may use the socket and sees everything [default: pyebpf, if it exists]
    #[arg(long, value_name = "GROUP", value_parser = text::not_empty)]
    pub group: Option<String>,
    /// Send source lines to TCP clients too
    #[arg(long)]
    pub source_over_tcp: bool,
    /// Directory for what is recorded
    #[arg(long, value_name = "DIR", default_value = "/var/lib/pyebpf")]
    pub state_dir: PathBuf,
    /// How long to keep what was recorded, such as 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time::duration)]
    pub keep: Duration,
    /// Disk space for what was recorded, such as 256M or 2G
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = limits::disk)]
    pub max_disk: u64,
    /// Set a mark when a process exceeds a limit, such as 'cpu>80% for 10s',
    /// 'threads>200' or 'rss>2G for 1m'; can be repeated
    #[arg(long, value_name = "CONDITION", value_parser = condition::condition)]
    pub mark: Vec<Condition>,
    /// Set a mark when a process has work to do but no thread of it has made progress for
    /// this long, or `off`; needs wall mode
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = stall::stall)]
    pub stall: StallTime,
    /// Set no mark when a process is killed by SIGKILL, SIGSEGV or SIGABRT, or for lack of
    /// memory
    #[arg(long)]
    pub no_last_words: bool,
    /// What sampling may cost, and what it may keep
    #[command(flatten)]
    pub bounds: BoundArguments,
    /// Read options from this file [default: /etc/pyebpf.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArguments,
}

/// Why the arguments cannot be completed from a file.
#[derive(Debug, thiserror::Error)]
pub enum ServeFileError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it is no option.
    #[error("{path}: {source}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it is.
        source: ConfigFileError,
    },
    /// A value is invalid, or options do not go together.
    #[error("{path}: {message}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What the parser of the command line says.
        message: String,
    },
}

impl ServeArguments {
    /// Completes these arguments, which were given as the words `words`, from the
    /// configuration file: the one that they name or, if it exists, the usual one.
    ///
    /// # Errors
    /// [`ServeFileError`].
    pub fn complete(&self, words: &[OsString]) -> Result<Self, ServeFileError> {
        let path = self.config.as_deref().unwrap_or(Path::new(USUAL_FILE));
        match fs::read_to_string(path) {
            Ok(text) => Self::with_file(words, path, &text),
            Err(error) if self.config.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Self::with_file(words, path, "")
            }
            Err(source) => Err(ServeFileError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn with_file(words: &[OsString], path: &Path, text: &str) -> Result<Self, ServeFileError> {
        let command = || Self::augment_args(Command::new("serve").no_binary_name(true));
        let value = |error: clap::Error| ServeFileError::Value {
            path: path.to_owned(),
            message: error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned(),
        };
        let given = command().try_get_matches_from(words).map_err(value)?;
        let of_file = options(&command(), &given, text).map_err(|source| {
            let path = path.to_owned();
            ServeFileError::Content { path, source }
        })?;
        let all = of_file.iter().chain(words);
        let matches = command().try_get_matches_from(all).map_err(value)?;
        Self::from_arg_matches(&matches).map_err(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::sampling::RecordMode;

    fn read(words: &[&str], text: &str) -> Result<ServeArguments, ServeFileError> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        ServeArguments::with_file(&words, Path::new("/etc/x.toml"), text)
    }

    #[test]
    fn waiting_threads_are_sampled_unless_that_is_not_wanted() {
        let usual = read(&[], "").expect("valid");
        assert_eq!(
            (usual.sampling.mode, usual.sampling.hz),
            (RecordMode::Wall, 10)
        );
        let cpu = read(&[], "mode = 'cpu'").expect("valid");
        assert_eq!(cpu.sampling.mode, RecordMode::Cpu);
    }

    #[test]
    fn the_command_line_has_precedence_over_the_file() {
        let text = "hz = 49\nkeep = '2h'\nlisten = ['127.0.0.1:6161']\nno-source = true";
        let both = read(&["--hz", "20"], text).expect("valid");
        assert_eq!((both.sampling.hz, both.keep.as_secs()), (20, 7200));
        assert!(both.bounds.no_source && !both.listen[0].to_string().starts_with("unix"));
        let given = read(&["--listen", "unix:/run/a.sock"], text).expect("valid");
        assert_eq!(given.listen.len(), 1);
    }

    #[test]
    fn conditions_can_be_repeated_and_be_in_the_file() {
        let given = read(&["--mark", "cpu>80%", "--mark", "rss>1G for 5s"], "").expect("valid");
        assert_eq!(given.mark.len(), 2);
        let of_file = read(&[], "mark = ['threads>200 for 1m']").expect("valid");
        assert_eq!(of_file.mark[0].text, "threads>200 for 1m");
        let seconds = |read: ServeArguments| read.stall.0.map(|time| time.as_secs());
        assert_eq!((seconds(given), seconds(of_file)), (Some(10), Some(10)));
        let off = read(&[], "stall = 'off'").expect("valid");
        assert_eq!(seconds(off), None);
    }

    #[test]
    fn a_value_that_is_wrong_is_named_with_its_file() {
        for (text, expected) in [
            ("hz = 0", "--hz"),
            ("mark = ['cpu']", "there is no `>`"),
            ("speed = 1", "no option `--speed`"),
        ] {
            let error = read(&[], text).expect_err(text).to_string();
            assert!(
                error.starts_with("/etc/x.toml: ") && error.contains(expected),
                "{error}"
            );
        }
    }
}
