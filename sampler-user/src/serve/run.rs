// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that is started as `pyebpf serve`: it supervises the two others.

use std::ffi::OsString;
use std::path::PathBuf;

use sampler_serve::address::ListenAddress;
use sampler_serve::supervisor::child::Program;
use sampler_serve::supervisor::run::{SupervisorConfig, supervise};

use crate::cli::arguments::serve::ServeArguments;
use crate::cli::config::serve::ServeConfig;
use crate::platform::console::CONSOLE;
use crate::serve::error::ServeError;

/// This program, even if its file has been replaced since.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Serves until a signal ends it. `given` are the arguments of the command line alone, and
/// `words` the words that they were; the other two processes get the same.
///
/// # Errors
/// [`ServeError`].
pub fn serve(
    config: &ServeConfig,
    given: &ServeArguments,
    words: &[OsString],
) -> Result<(), ServeError> {
    let program = |name, command: &str| Program {
        name,
        path: PathBuf::from(THIS_PROGRAM),
        arguments: std::iter::once(OsString::from(command))
            .chain(words.iter().cloned())
            .collect(),
    };
    let supervisor = SupervisorConfig {
        state: config.state.clone(),
        listen: config.listen.clone(),
        group: config.group.clone(),
        recorder: program("recorder", "serve-recorder"),
        front: program("front", "serve-front"),
    };
    let prepared = |bound: &[ListenAddress]| {
        for address in bound {
            CONSOLE.note(format_args!("listens on {address}"));
        }
    };
    let check = || {
        let arguments = given.complete(words).map_err(|error| error.to_string())?;
        let checked = ServeConfig::from_arguments(&arguments);
        checked.map(drop).map_err(|error| error.to_string())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::system("start"))?;
    Ok(runtime.block_on(supervise(&supervisor, prepared, check))?)
}
