// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a trace as it comes from the server. A file appears under its name only if all of
//! the trace has come.

use std::io;
use std::path::Path;

use sampler_serve::client::ApiClient;
use sampler_trace::convert::ConvertOptions;
use sampler_trace::convert::error::DestinationError;
use sampler_trace::formats::format::FileFormat;

use crate::cli::arguments::ctl::TraceArguments;
use crate::commands::ctl::error::CtlError;
use crate::commands::ctl::query;
use crate::platform::delivery::Delivery;
use crate::platform::delivery::target::{OutputPlace, OutputTarget};
use crate::platform::privileges::Owner;

/// The path that means standard output.
const STANDARD_OUTPUT: &str = "-";

/// Asks for a trace and writes it.
pub(super) async fn save(client: &ApiClient, wanted: &TraceArguments) -> Result<(), CtlError> {
    if wanted.follow && wanted.output != Path::new(STANDARD_OUTPUT) {
        return Err(CtlError::FollowFile);
    }
    let delivery = Delivery::plan(
        &[target(wanted)],
        ConvertOptions::default(),
        Owner::of_this_process()?,
    )?;
    let failed = |path: &Path, source: DestinationError| CtlError::Destination {
        path: path.to_owned(),
        source,
    };
    for output in &delivery.outputs {
        let format = FileFormat {
            format: output.format,
            gzip: output.gzip,
        };
        let path = query::path(wanted, &format.extension());
        let mut answer = client.get(&path).await?;
        let mut destination = delivery
            .create(&output.path)
            .map_err(|source| failed(&output.path, source))?;
        while let Some(piece) = answer.piece().await.map_err(CtlError::CutOff)? {
            let mut written = destination.write_all(&piece);
            if wanted.follow {
                written = written.and_then(|()| destination.flush());
                // The reader has quit.
                if is_closed(&written) {
                    return Ok(());
                }
            }
            written.map_err(|source| failed(&output.path, source.into()))?;
        }
        destination
            .commit()
            .map_err(|source| failed(&output.path, source))?;
    }
    Ok(())
}

/// Whether the reader is gone.
fn is_closed(written: &io::Result<()>) -> bool {
    let error = written.as_ref().err();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Where the trace goes. What is not for a file is a `.pyebpf` unless another format is
/// named: the server then needs no memory for it.
fn target(wanted: &TraceArguments) -> OutputTarget {
    if wanted.output == Path::new(STANDARD_OUTPUT) {
        let format = wanted.format.clone();
        return OutputTarget {
            place: OutputPlace::StandardOutput,
            format: format.or_else(|| Some("pyebpf".into())),
        };
    }
    OutputTarget {
        place: OutputPlace::File(wanted.output.clone()),
        format: wanted.format.clone(),
    }
}
