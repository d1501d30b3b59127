//! The verb record, from its arguments to its exit status. It refuses to know how
//! a recording is set up, goes on and is closed.

use super::confinement::tell_refused;
use super::error::RecordError;
use super::start::start;
use crate::config::{ExitStatus, RecordConfig};

/// Records as `config` says, until it is over, and writes all outputs.
///
/// # Errors
/// [`RecordError`]; what was recorded before stays in the container.
pub fn record(config: &RecordConfig) -> Result<ExitStatus, RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|source| RecordError::System {
            doing: "start",
            source,
        })?;
    let status = runtime.block_on(run(config));
    tell_refused();
    // Not waiting for a conversion that a second Ctrl-C has given up.
    runtime.shutdown_background();
    status
}

async fn run(config: &RecordConfig) -> Result<ExitStatus, RecordError> {
    let (mut recording, mut command) = start(config)?;
    let container = recording.session.container().path().to_owned();
    let outcome = match recording.until_end(command.as_mut()).await {
        Ok(end) => recording.close(end).await,
        Err(error) => Err(error),
    };
    // What the container has so far is not lost with a full disk.
    outcome.map_err(|error| match error {
        RecordError::Trace(error) => RecordError::kept(error.to_string(), &container),
        other => other,
    })
}
