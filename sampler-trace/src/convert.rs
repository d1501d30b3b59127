// SPDX-License-Identifier: MIT OR Apache-2.0

//! Converts a trace: reads any supported format, selects a part of the trace, and writes
//! it in one or more formats. How a file is created and put in its place is up to the
//! caller ([`Destination`]).

pub mod error;
pub mod frames;
pub mod input;
pub mod module;
mod parts;
pub mod privacy;
pub mod selection;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::container::load::Trace;
use crate::convert::error::{ConvertError, DestinationError};
use crate::convert::input::read_trace;
use crate::convert::privacy::Privacy;
use crate::convert::selection::{Selection, Split};
use crate::formats::chrome::ChromeTrace;
use crate::formats::container::ContainerSink;
use crate::formats::firefox::FirefoxProfile;
use crate::formats::flame::{Flame, FlameSvg};
use crate::formats::folded::Folded;
use crate::formats::format::{FileFormat, Format};
use crate::formats::html::HtmlSink;
use crate::formats::pprof::Pprof;
use crate::formats::sink::{Shape, SinkError, TraceSink, drive};
use crate::formats::size::projected_bytes;
use crate::formats::speedscope::Speedscope;
use crate::formats::timeline_json::TimelineJson;
use crate::query::view::TraceView;

/// JSON above this many bytes is written with a warning: browsers need seconds to load it.
pub const LARGE: u64 = 100_000_000;
/// JSON above this many bytes is written only when forced: no browser can load it.
pub const TOO_LARGE: u64 = 500_000_000;

/// Where the bytes of an output go. If it is dropped without a commit, it leaves nothing behind.
pub trait Destination: Write {
    /// Puts the file in its place, after all bytes were written.
    ///
    /// # Errors
    /// Whatever prevents that.
    fn commit(self: Box<Self>) -> Result<(), DestinationError>;
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its path. What `-` means is up to the caller's code that creates files.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Whether it is compressed with gzip.
    pub gzip: bool,
}

impl Output {
    fn file_format(&self) -> FileFormat {
        FileFormat {
            format: self.format,
            gzip: self.gzip,
        }
    }
}

/// How a trace is written.
#[derive(Clone, Debug, Default)]
pub struct ConvertOptions {
    /// Which part of the trace to write.
    pub selection: Selection,
    /// How many files to split it into.
    pub split: Split,
    /// The order of its rows, and what is added up.
    pub shape: Shape,
    /// What to remove from it first.
    pub privacy: Privacy,
    /// Whether to write JSON that no browser can load.
    pub force: bool,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its path.
    pub path: PathBuf,
    /// How many threads are in it.
    pub threads: usize,
    /// Its projected size in bytes, if that exceeds [`LARGE`]: worth a warning that
    /// suggests `.pyebpf`.
    pub large: Option<u64>,
}

/// Reads a trace and writes it to every output.
///
/// `create` creates the file of a path. All sizes are checked before the first file is
/// created. A file that fails is not committed; those before it stay.
///
/// # Errors
/// [`ConvertError`].
pub fn convert(
    input: impl Read,
    outputs: &[Output],
    options: &ConvertOptions,
    create: impl FnMut(&Path) -> Result<Box<dyn Destination>, DestinationError>,
) -> Result<Vec<WrittenFile>, ConvertError> {
    let mut trace = read_trace(input)?;
    options.privacy.apply(&mut trace);
    write_trace(&trace, outputs, options, create)
}

/// Writes a trace to every output as [`convert`] does, but does not apply
/// [`ConvertOptions::privacy`].
///
/// # Errors
/// [`ConvertError`].
pub fn write_trace(
    trace: &Trace,
    outputs: &[Output],
    options: &ConvertOptions,
    mut create: impl FnMut(&Path) -> Result<Box<dyn Destination>, DestinationError>,
) -> Result<Vec<WrittenFile>, ConvertError> {
    let whole = options.selection.of(trace)?;
    let mut planned = Vec::new();
    for output in outputs {
        let ending = output.file_format().extension();
        for (path, view) in parts::split(&whole, &output.path, &ending, options.split) {
            let size = projected_bytes(&view, output.format);
            if size > TOO_LARGE && output.format.is_for_browsers() && !options.force {
                return Err(ConvertError::TooLarge {
                    path,
                    megabytes: size / 1_000_000,
                });
            }
            let large = (size > LARGE).then_some(size);
            planned.push((
                WrittenFile {
                    path,
                    threads: view.tracks().len(),
                    large,
                },
                output,
                view,
            ));
        }
    }
    let mut written = Vec::new();
    for (file, output, view) in planned {
        let failed = |source| ConvertError::Destination {
            path: file.path.clone(),
            source,
        };
        let mut destination = create(&file.path).map_err(failed)?;
        write_packed(&view, output, options.shape, &mut *destination).map_err(|source| {
            ConvertError::Sink {
                path: file.path.clone(),
                source,
            }
        })?;
        destination.commit().map_err(failed)?;
        written.push(file);
    }
    Ok(written)
}

fn write_packed(
    view: &TraceView<'_>,
    output: &Output,
    shape: Shape,
    destination: &mut dyn Destination,
) -> Result<(), SinkError> {
    if !output.gzip {
        return write_view(view, output.format, shape, destination);
    }
    let mut packer = GzEncoder::new(destination, Compression::fast());
    write_view(view, output.format, shape, &mut packer)?;
    Ok(packer.finish()?.flush()?)
}

/// Writes a part of a trace in one format.
///
/// # Errors
/// [`SinkError`].
pub fn write_view(
    view: &TraceView<'_>,
    format: Format,
    shape: Shape,
    output: impl Write,
) -> Result<(), SinkError> {
    let sink: Box<dyn TraceSink + '_> = match format {
        Format::TimelineJson => Box::new(TimelineJson::new(output, view, shape.order)),
        Format::Container => Box::new(ContainerSink::new(output, view)?),
        Format::Html => Box::new(HtmlSink::new(output, view)?),
        Format::Folded => Box::new(Folded::new(output, view, shape)),
        Format::FlameGraph => Box::new(FlameSvg::new(output, view, Flame::Graph, shape)),
        Format::FlameChart => Box::new(FlameSvg::new(output, view, Flame::Chart, shape)),
        Format::Speedscope => Box::new(Speedscope::new(output, view)),
        Format::Chrome => Box::new(ChromeTrace::new(output, view)),
        Format::Pprof => Box::new(Pprof::new(output, view, shape)),
        Format::Firefox => Box::new(FirefoxProfile::new(output, view)),
    };
    drive(view, sink)
}
