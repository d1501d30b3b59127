// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where an output goes that was asked for, before it is opened. Formats are kept by the
//! name that was given; [`OutputTarget::path`] is given the extension.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Where one output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputPlace {
    /// Standard output.
    StandardOutput,
    /// A file.
    File(PathBuf),
    /// A file in the current directory with this stem and the extension of its format,
    /// because none was given.
    DefaultName(String),
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTarget {
    /// Where it goes.
    pub place: OutputPlace,
    /// The name of its format as given with `-f`; `None` leaves it to the extension.
    pub format: Option<String>,
}

impl OutputTarget {
    /// Returns the file of this output, given the extension of its format without a
    /// leading dot; `None` for standard output.
    pub fn path(&self, extension: &str) -> Option<Cow<'_, Path>> {
        match &self.place {
            OutputPlace::StandardOutput => None,
            OutputPlace::File(path) => Some(Cow::Borrowed(path)),
            OutputPlace::DefaultName(stem) => {
                Some(Cow::Owned(PathBuf::from(format!("{stem}.{extension}"))))
            }
        }
    }
}
