// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens outputs that exist already and are not files: descriptors, named pipes,
//! terminals, the null device.

use std::fs::File;
use std::path::Path;

use crate::platform::outfile_error::OutfileError;
use crate::platform::portable::privileges::Owner;

/// An output that is not a file to be created.
#[derive(Debug)]
pub enum Stream {
    /// Standard output.
    Standard,
    /// Anything else that is open for writing.
    Open(File),
}

impl Stream {
    /// Opens what exists at `path`; `None` where a file is to be created. Waits for the
    /// reader of a named pipe.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn at(path: &Path, _owner: &Owner) -> Result<Option<Self>, OutfileError> {
        if is_standard_output(path) {
            return Ok(Some(Self::Standard));
        }
        if !is_stream(path) {
            return Ok(None);
        }
        let opened = File::options().write(true).open(path);
        let file = opened.map_err(|source| OutfileError::write(path, source))?;
        Ok(Some(Self::Open(file)))
    }
}

#[cfg(unix)]
fn is_standard_output(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}

/// Whether this is one of the devices that are harmless to open, or a named pipe.
#[cfg(unix)]
fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let devices = ["/dev/null", "/dev/stderr", "/dev/tty"];
    let is_pipe = || {
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|status| status.file_type().is_fifo())
    };
    path.parent() == Some(Path::new("/dev/fd"))
        || devices.iter().any(|name| path == Path::new(name))
        || is_pipe()
}

#[cfg(not(unix))]
fn is_standard_output(_path: &Path) -> bool {
    false
}

/// Whether this is the null device of Windows.
#[cfg(not(unix))]
fn is_stream(path: &Path) -> bool {
    path.as_os_str().eq_ignore_ascii_case("NUL")
}
