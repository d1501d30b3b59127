// SPDX-License-Identifier: MIT OR Apache-2.0

//! Records into a pipe, at whose other end the trace is shown while it grows: what `top`
//! starts as `pyebpf top-recorder`. Its standard input is a pipe as well, which ends when it
//! is to end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use sampler_trace::container::error::TraceError;
use tokio::net::unix::pipe::Receiver;

use crate::cli::config::SamplingConfig;
use crate::platform::privileges::Owner;
use crate::record::confinement::tell_blocked;
use crate::record::error::RecordError;
use crate::record::signals::{SignalRequest, Signals};
use crate::record::start::start_recorder;
use crate::record::trace_output::TraceOutput;

/// Standard output, to which the trace goes.
struct StandardOutput;

impl TraceOutput for StandardOutput {
    type File = File;

    fn directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn create(&mut self) -> Result<File, RecordError> {
        own(io::stdout().as_fd()).map_err(system("use the standard output"))
    }

    fn discard(&self, _: File) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Records until the standard input ends, a signal asks for the end, or all targets have
/// ended.
///
/// # Errors
/// [`RecordError`], for example when the kernel does not allow it.
pub fn stream(config: &SamplingConfig) -> Result<(), RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(system("start"))?;
    let outcome = runtime.block_on(record(config));
    tell_blocked();
    match outcome {
        // Whoever looked at it has left, which is how it ends.
        Err(RecordError::Trace(TraceError::Write { source }))
            if source.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

async fn record(config: &SamplingConfig) -> Result<(), RecordError> {
    let mut signals = Signals::listen().map_err(system("listen for signals"))?;
    let viewer = own(io::stdin().as_fd()).and_then(Receiver::from_file);
    let viewer = viewer.map_err(system("wait for the end of the standard input"))?;
    let owner = Owner::of_this_process()?;
    let (mut recorder, _) = start_recorder(config, &owner, &mut StandardOutput)?;
    loop {
        tokio::select! {
            () = recorder.wait(None) => {}
            _ = viewer.readable() => break,
            request = signals.next() => if request == SignalRequest::Stop {
                break;
            },
        }
        recorder.step()?;
        if recorder.is_over() {
            break;
        }
    }
    let (summary, file) = recorder.close();
    Ok(file.finish(&summary.counts()).map(drop)?)
}

fn own(descriptor: BorrowedFd<'_>) -> io::Result<File> {
    descriptor.try_clone_to_owned().map(File::from)
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> RecordError {
    move |source| RecordError::System { doing, source }
}
