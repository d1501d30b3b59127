// SPDX-License-Identifier: MIT OR Apache-2.0

//! The files that a recording leaves: the container, written while it runs, and the
//! outputs that are converted from it at the end.

use std::io::{Read, Seek};
use std::path::PathBuf;

use sampler_trace::convert::WrittenFile;
use sampler_trace::convert::error::ConvertError;
use sampler_trace::convert::selection::{Selection, Split};
use sampler_trace::formats::format::Format;

use crate::cli::config::output::OutputConfig;
use crate::platform::console::CONSOLE;
use crate::platform::delivery::{Delivery, warn_of_large};
use crate::platform::outfile::OutputFile;
use crate::platform::outfile::visible::VisibleFile;
use crate::platform::privileges::Owner;
use crate::platform::privileges::role::Role;
use crate::record::error::RecordError;
use crate::record::signals::{SignalRequest, Signals};

/// Where a recording is written to.
pub(super) struct Outputs {
    /// The outputs that are converted from the container.
    derived: Delivery,
    /// The path of the container, if one was asked for.
    asked_for: Option<PathBuf>,
    owner: Owner,
}

impl Outputs {
    /// Decides the formats. The first container that was asked for is written while the
    /// recording runs, unless it is a stream or to be split; all other outputs are
    /// converted from the container.
    pub(super) fn plan(config: &OutputConfig, owner: Owner) -> Result<Self, RecordError> {
        let options = config.convert_options(Selection::default());
        let mut derived = Delivery::plan(&config.targets, options, owner.clone())?;
        let is_container = |format| format == Format::Container;
        let place = derived
            .outputs
            .iter()
            .position(|output| is_container(output.format) && !derived.is_stream(&output.path))
            .filter(|_| config.split == Split::No);
        let asked_for = place.map(|place| derived.outputs.remove(place).path);
        // What cannot be written is reported now, not after the recording.
        for output in &derived.outputs {
            if !derived.is_stream(&output.path) {
                OutputFile::check(&output.path, owner.clone())?;
            }
        }
        Ok(Self {
            derived,
            asked_for,
            owner,
        })
    }

    /// Creates the container. If none was asked for, it lies beside the first output, or
    /// among the temporary files if that output is no file.
    pub(super) fn container(&self) -> Result<VisibleFile, RecordError> {
        if let Some(path) = &self.asked_for {
            return Ok(VisibleFile::create(path, self.owner.clone())?);
        }
        let beside = match self.derived.outputs.first() {
            Some(output) if !self.derived.is_stream(&output.path) => output.path.clone(),
            _ => std::env::temp_dir().join("pyebpf-recording"),
        };
        Ok(VisibleFile::create_working(&beside, self.owner.clone())?)
    }

    /// Returns the directories in which files are still to be written.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let derived = self
            .derived
            .outputs
            .iter()
            .map(|output| output.path.clone());
        let files = derived.chain(self.asked_for.clone()).map(|path| {
            if self.derived.is_stream(&path) {
                return std::env::temp_dir();
            }
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            }
        });
        files.collect()
    }

    /// Writes the outputs from what the container holds so far, while the recording goes
    /// on.
    pub(super) fn snapshot(&self, container: &VisibleFile) {
        if let Some(path) = &self.asked_for {
            CONSOLE.result(format_args!("snapshot in {}", path.display()));
        }
        if self.derived.outputs.is_empty() {
            return;
        }
        let reader = match container.reader() {
            Ok(reader) => reader,
            Err(error) => return CONSOLE.warn(format_args!("no snapshot: {error}")),
        };
        let delivery = self.derived.clone();
        tokio::task::spawn_blocking(move || match deliver(&delivery, reader) {
            Ok(files) => report(&files, &delivery, "snapshot in"),
            Err(error) => CONSOLE.warn(format_args!("no snapshot: {error}")),
        });
    }

    /// Removes the container of a recording without samples.
    pub(super) fn discard(&self, container: VisibleFile) -> Result<(), RecordError> {
        Ok(container.remove()?)
    }

    /// Writes the outputs from the complete container. A signal that asks to stop cancels
    /// this and leaves the container.
    pub(super) async fn derive(
        self,
        container: VisibleFile,
        signals: &mut Signals,
    ) -> Result<(), RecordError> {
        container.sync()?;
        if let Some(path) = &self.asked_for {
            CONSOLE.result(format_args!("written: {}", path.display()));
        }
        if self.derived.outputs.is_empty() {
            return Ok(());
        }
        let path = container.path().to_owned();
        let kept = |message: String| RecordError::kept(message, &path);
        let reader = container.reader();
        let mut reader = reader.map_err(|error| kept(error.to_string()))?;
        let cancelled = self.derived.cancelled.clone();
        let delivery = self.derived;
        let delivered = delivery.clone();
        let mut conversion = tokio::task::spawn_blocking(move || {
            reader.rewind()?;
            deliver(&delivery, reader).map_err(std::io::Error::other)
        });
        let converted = loop {
            tokio::select! {
                converted = &mut conversion => break converted,
                SignalRequest::Stop = signals.next() => {
                    cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                else => {}
            }
        };
        let files = match converted {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => return Err(kept(error.to_string())),
            Err(error) => return Err(kept(error.to_string())),
        };
        warn_of_large(&files);
        report(&files, &delivered, "written:");
        if self.asked_for.is_none() {
            container.remove()?;
        }
        Ok(())
    }
}

/// Writes the outputs, in a thread that has nothing else to do. A privilege that cannot
/// be given up is kept.
fn deliver(delivery: &Delivery, input: impl Read) -> Result<Vec<WrittenFile>, ConvertError> {
    Role::Writing.apply().ok();
    delivery.deliver(input)
}

fn report(files: &[WrittenFile], delivery: &Delivery, what: &str) {
    let written = files.iter().filter(|file| !delivery.is_stream(&file.path));
    for file in written {
        CONSOLE.result(format_args!("{what} {}", file.path.display()));
    }
}
