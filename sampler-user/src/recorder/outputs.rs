//! The files that a recording leaves: the container while it runs, and what is
//! derived from it when it ends. It refuses to know what is in them.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use super::error::RecordError;
use super::signals::{Request, Signals};
use crate::config::OutputConfig;
use crate::convert::{ConvertError, Selection, Split, Written};
use crate::delivery::{Delivery, warn_of_large, written_as};
use crate::outfile::VisibleFile;
use crate::output::Format;
use crate::privileges::{Owner, Role};

/// Where a recording goes.
pub(super) struct Outputs {
    /// What is derived from the container.
    derived: Delivery,
    /// The container, if it was asked for.
    asked_for: Option<PathBuf>,
    owner: Owner,
}

impl Outputs {
    /// Decides the formats; one container that was asked for is written as the
    /// recording runs, all else is derived from it.
    pub(super) fn plan(config: &OutputConfig, owner: Owner) -> Result<Self, RecordError> {
        let options = written_as(config, Selection::default());
        let mut derived = Delivery::plan(config, options, owner.clone())?;
        let is_container = |format| format == Format::Container;
        let place = derived
            .outputs
            .iter()
            .position(|output| is_container(output.format) && output.path != Path::new("-"))
            .filter(|_| config.split == Split::No);
        let asked_for = place.map(|place| derived.outputs.remove(place).path);
        Ok(Self {
            derived,
            asked_for,
            owner,
        })
    }

    /// Makes the container. One that was not asked for lies beside the first
    /// output, or with the temporary files if that is standard output.
    pub(super) fn container(&self) -> Result<VisibleFile, RecordError> {
        if let Some(path) = &self.asked_for {
            return Ok(VisibleFile::create(path, self.owner.clone())?);
        }
        let beside = match self.derived.outputs.first() {
            Some(output) if output.path != Path::new("-") => output.path.clone(),
            _ => std::env::temp_dir().join("pyebpf-recording"),
        };
        Ok(VisibleFile::create_working(&beside, self.owner.clone())?)
    }

    /// The directories in which files are still to be written.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let derived = self
            .derived
            .outputs
            .iter()
            .map(|output| output.path.clone());
        let files = derived.chain(self.asked_for.clone()).map(|path| {
            if path == Path::new("-") {
                return std::env::temp_dir();
            }
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            }
        });
        files.collect()
    }

    /// Writes the outputs from what the container has so far, beside the
    /// recording that goes on.
    pub(super) fn snapshot(&self, container: &VisibleFile) {
        if let Some(path) = &self.asked_for {
            eprintln!("snapshot in {}", path.display());
        }
        if self.derived.outputs.is_empty() {
            return;
        }
        let reader = match container.reader() {
            Ok(reader) => reader,
            Err(error) => return eprintln!("pyebpf: no snapshot: {error}"),
        };
        let delivery = self.derived.clone();
        tokio::task::spawn_blocking(move || match deliver(&delivery, reader) {
            Ok(files) => report(&files, "snapshot in"),
            Err(error) => eprintln!("pyebpf: no snapshot: {error}"),
        });
    }

    /// Removes the container of a recording without samples.
    pub(super) fn discard(&self, container: VisibleFile) -> Result<(), RecordError> {
        Ok(container.remove()?)
    }

    /// Writes the outputs from the complete container. A signal gives up and
    /// leaves the container.
    pub(super) async fn derive(
        self,
        container: VisibleFile,
        signals: &mut Signals,
    ) -> Result<(), RecordError> {
        container.sync()?;
        if let Some(path) = &self.asked_for {
            eprintln!("written: {}", path.display());
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
        let mut conversion = tokio::task::spawn_blocking(move || {
            reader.rewind()?;
            deliver(&delivery, reader).map_err(std::io::Error::other)
        });
        let converted = loop {
            tokio::select! {
                converted = &mut conversion => break converted,
                Request::Stop = signals.next() => {
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
        report(&files, "written:");
        if self.asked_for.is_none() {
            container.remove()?;
        }
        Ok(())
    }
}

/// In a thread that has nothing else to do. What it cannot give up is kept.
fn deliver(delivery: &Delivery, input: impl Read) -> Result<Vec<Written>, ConvertError> {
    Role::Writing.take_up().ok();
    delivery.deliver(input)
}

fn report(files: &[Written], what: &str) {
    for file in files.iter().filter(|file| file.path != Path::new("-")) {
        eprintln!("{what} {}", file.path.display());
    }
}
