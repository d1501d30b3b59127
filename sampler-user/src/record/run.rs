// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `record` command, from its arguments to its exit status.

use crate::cli::config::RecordConfig;
use crate::cli::config::exit::ExitStatus;
use crate::record::confinement::tell_blocked;
use crate::record::error::RecordError;
use crate::record::start::start;

/// Records as `config` says, until the recording is over, and writes all outputs.
///
/// # Errors
/// [`RecordError`]. What was recorded until then stays in the container.
pub fn record(config: &RecordConfig) -> Result<ExitStatus, RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|source| RecordError::System {
            doing: "start",
            source,
        })?;
    let status = runtime.block_on(run(config));
    tell_blocked();
    // Does not wait for a conversion that a second Ctrl-C has cancelled.
    runtime.shutdown_background();
    status
}

async fn run(config: &RecordConfig) -> Result<ExitStatus, RecordError> {
    let (mut recording, mut command) = start(config)?;
    let container = recording.recorder.pipeline.container().path().to_owned();
    let outcome = match recording.until_end(command.as_mut()).await {
        Ok(end) => recording.close(end).await,
        Err(error) => Err(error),
    };
    // When the container can no longer be written, for example on a full disk, it keeps
    // what it holds so far, and the message names it.
    outcome.map_err(|error| match error {
        RecordError::Trace(error) => RecordError::kept(error.to_string(), &container),
        other => other,
    })
}
