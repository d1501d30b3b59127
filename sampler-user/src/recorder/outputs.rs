//! The files that a recording leaves: the container while it runs, and what is
//! derived from it. It refuses to know what is in them.

use std::path::{Path, PathBuf};

use super::error::RecordError;
use super::signals::Signals;
use crate::config::OutputConfig;
use crate::outfile::VisibleFile;
use crate::privileges::Owner;

pub(super) struct Outputs {
    path: PathBuf,
    owner: Owner,
}
impl Outputs {
    pub(super) fn plan(output: &OutputConfig, owner: Owner) -> Result<Self, RecordError> {
        let path = output.targets[0]
            .path("pyebpf")
            .map(|p| p.into_owned())
            .unwrap_or_else(|| Path::new("x.pyebpf").into());
        Ok(Self { path, owner })
    }
    pub(super) fn container(&self) -> Result<VisibleFile, RecordError> {
        Ok(VisibleFile::create(&self.path, self.owner.clone())?)
    }
    pub(super) fn snapshot(&self) {}
    pub(super) fn discard(&self, container: VisibleFile) -> Result<(), RecordError> {
        Ok(container.remove()?)
    }
    pub(super) async fn derive(
        self,
        container: VisibleFile,
        _signals: &mut Signals,
    ) -> Result<(), RecordError> {
        container.sync()?;
        Ok(())
    }
}
