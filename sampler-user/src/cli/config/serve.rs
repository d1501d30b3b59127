// SPDX-License-Identifier: MIT OR Apache-2.0

//! The checked arguments of `serve`.

use std::path::PathBuf;
use std::time::Duration;

use sampler_serve::address::ListenAddress;

use crate::cli::arguments::serve::ServeArguments;
use crate::cli::config::SamplingConfig;
use crate::cli::config::error::UsageError;
use crate::cli::values::condition::Condition;

/// The checked arguments of `serve`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServeConfig {
    /// What is sampled, and how.
    pub sampling: SamplingConfig,
    /// Where to listen, unless the service manager has opened sockets.
    pub listen: Vec<ListenAddress>,
    /// The file with the tokens of clients over TCP.
    pub token_file: Option<PathBuf>,
    /// Names that the server answers to over TCP, besides its addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// The group that may use sockets in the file system.
    pub group: Option<String>,
    /// Whether source text leaves the host over TCP.
    pub source_over_tcp: bool,
    /// The directory that keeps what was recorded.
    pub state: PathBuf,
    /// How long that is kept.
    pub keep: Duration,
    /// How many bytes that may have.
    pub max_bytes: u64,
    /// What sets a mark.
    pub conditions: Vec<Condition>,
    /// How long a process has to stand still to be marked; `None` if no stall is.
    pub stall: Option<Duration>,
}

/// How often the account is written to a chunk, beside its end. This reads the CPU time of every
/// thread, and accounts of a chunk that is being written replace each other.
const ACCOUNT_EVERY: Duration = Duration::from_secs(30);

impl ServeConfig {
    /// Checks the arguments of `serve`.
    ///
    /// # Errors
    /// The first argument that is invalid.
    pub fn from_arguments(arguments: &ServeArguments) -> Result<Self, UsageError> {
        let over_tcp = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp(_));
        if let (Some(address), None) = (
            arguments.listen.iter().find(over_tcp),
            &arguments.token_file,
        ) {
            return Err(UsageError::NoToken {
                address: address.to_string(),
            });
        }
        Ok(Self {
            sampling: SamplingConfig {
                last_words: !arguments.no_last_words,
                stillness: arguments.stall.0.is_some() || !arguments.no_last_words,
                account_every: ACCOUNT_EVERY,
                ..SamplingConfig::from_arguments(&arguments.sampling, &arguments.bounds, &[])?
            },
            listen: arguments.listen.clone(),
            token_file: arguments.token_file.clone(),
            allowed_hosts: arguments.allow_host.clone(),
            group: arguments.group.clone(),
            source_over_tcp: arguments.source_over_tcp,
            state: arguments.state_dir.clone(),
            keep: arguments.keep,
            max_bytes: arguments.max_disk,
            conditions: arguments.mark.clone(),
            stall: arguments.stall.0,
        })
    }
}
