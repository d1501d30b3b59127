//! Takes a trace to the files that were asked for: joins what convert writes
//! with where outfile puts it. It refuses to know a format's bytes.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::{ConvertConfig, Destination as Place, ExitStatus, OutputConfig};
use crate::convert::{
    ConvertError, ConvertOptions, Destination, DestinationError, Output, Privacy, Selection,
    Written, read_trace, write_trace,
};
use crate::escape::escape_for_terminal;
use crate::outfile::OutputFile;
use crate::output::{FileFormat, Format, FormatError, Shape};
use crate::privileges::{Owner, PrivilegeError};
use crate::trace::Trace;

/// What stands for standard output where a path is wanted.
const STANDARD_OUTPUT: &str = "-";
/// And standard input.
const STANDARD_INPUT: &str = "-";

/// Why a trace was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// A format that is not written.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Threads together in a format that shows them one beside the other.
    #[error(
        "--merge-threads: a .{ending} shows each thread by itself; it is for .folded, .svg and .pb.gz"
    )]
    MergedTimeline {
        /// The ending of the format.
        ending: &'static str,
    },
    /// The input cannot be opened.
    #[error("cannot open {path}: {source}", path = path.display())]
    Open {
        /// The input.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The caller of sudo cannot be found out.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
}

impl DeliveryError {
    /// The exit status of the program.
    pub fn exit_status(&self) -> ExitStatus {
        if matches!(self, Self::Format(_) | Self::MergedTimeline { .. }) {
            ExitStatus::USAGE
        } else {
            ExitStatus::ERROR
        }
    }
}

/// Where a trace goes, and how.
#[derive(Clone)]
pub struct Delivery {
    /// The files and their formats.
    pub outputs: Vec<Output>,
    /// What of the trace, in which order.
    pub options: ConvertOptions,
    owner: Owner,
    /// Set to give up in the middle of writing.
    pub cancelled: Arc<AtomicBool>,
}

impl Delivery {
    /// Decides the formats.
    ///
    /// # Errors
    /// [`DeliveryError::Format`].
    pub fn plan(
        config: &OutputConfig,
        options: ConvertOptions,
        owner: Owner,
    ) -> Result<Self, DeliveryError> {
        let mut outputs = Vec::new();
        for target in &config.targets {
            let named = target
                .format
                .as_deref()
                .map(FileFormat::from_name)
                .transpose()?;
            let unnamed = FileFormat {
                format: Format::TimelineJson,
                gzip: false,
            };
            let (path, found) = match &target.destination {
                Place::StandardOutput => (STANDARD_OUTPUT.into(), named.unwrap_or(unnamed)),
                Place::DefaultName(_) => {
                    let found = named.unwrap_or(unnamed);
                    let path = target.path(&found.extension()).unwrap_or_default();
                    (path.into_owned(), found)
                }
                Place::File(path) => (
                    path.clone(),
                    named.map_or_else(|| FileFormat::from_path(path), Ok)?,
                ),
            };
            let FileFormat { format, gzip } = found;
            if options.shape.merge_threads && format.is_timeline() {
                return Err(DeliveryError::MergedTimeline {
                    ending: format.extension(),
                });
            }
            outputs.push(Output { path, format, gzip });
        }
        Ok(Self {
            outputs,
            options,
            owner,
            cancelled: Arc::default(),
        })
    }

    /// Reads a trace and writes it everywhere.
    ///
    /// # Errors
    /// [`ConvertError`]; outputs that are complete stay.
    pub fn deliver(&self, input: impl Read) -> Result<Vec<Written>, ConvertError> {
        self.deliver_trace(&mut read_trace(BufReader::new(input))?)
    }

    /// Writes a trace everywhere, without what is to be left out.
    fn deliver_trace(&self, trace: &mut Trace) -> Result<Vec<Written>, ConvertError> {
        self.options.privacy.apply(trace);
        write_trace(trace, &self.outputs, &self.options, |path| {
            self.create(path)
        })
    }

    fn create(&self, path: &Path) -> Result<Box<dyn Destination>, DestinationError> {
        let cancelled = self.cancelled.clone();
        let target = if path == Path::new(STANDARD_OUTPUT) {
            Target::Standard(BufWriter::new(io::stdout()))
        } else {
            Target::of_file(path, &self.owner)?
        };
        Ok(Box::new(Cancellable { target, cancelled }))
    }
}

/// A file of `owner`'s that takes the bytes of one output.
///
/// # Errors
/// As [`OutputFile::create`].
pub fn destination(path: &Path, owner: &Owner) -> Result<Box<dyn Destination>, DestinationError> {
    Ok(Box::new(Cancellable {
        target: Target::of_file(path, owner)?,
        cancelled: Arc::default(),
    }))
}

enum Target {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<OutputFile>),
}

impl Target {
    fn of_file(path: &Path, owner: &Owner) -> Result<Self, DestinationError> {
        let file = OutputFile::create(path, owner.clone())?;
        Ok(Self::File(BufWriter::with_capacity(1 << 16, file)))
    }
}

/// A destination that stops taking bytes when it is told to.
struct Cancellable {
    target: Target,
    cancelled: Arc<AtomicBool>,
}

impl Cancellable {
    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.target {
            Target::Standard(output) => output,
            Target::File(file) => file,
        }
    }
}

impl Write for Cancellable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("given up"));
        }
        self.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}

impl Destination for Cancellable {
    fn commit(self: Box<Self>) -> Result<(), DestinationError> {
        match self.target {
            Target::Standard(mut output) => Ok(output.flush()?),
            Target::File(file) => Ok(file
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .commit()?),
        }
    }
}

/// How a part of a trace is written to these outputs.
pub fn written_as(config: &OutputConfig, selection: Selection) -> ConvertOptions {
    ConvertOptions {
        selection,
        split: config.split,
        shape: Shape {
            order: config.order,
            merge_threads: false,
        },
        privacy: Privacy::default(),
        force: config.force,
    }
}

/// The verb convert.
///
/// # Errors
/// [`DeliveryError`].
pub fn convert_file(config: &ConvertConfig) -> Result<(), DeliveryError> {
    let owner = Owner::of_this_process()?;
    let mut options = written_as(&config.output, config.selection.clone());
    options.shape.merge_threads = config.merge_threads;
    options.privacy = config.privacy;
    let delivery = Delivery::plan(&config.output, options, owner)?;
    let mut trace = read_trace(open_input(&config.input)?)?;
    if let Some(torn) = trace.torn {
        let (path, at) = (named(&config.input, "standard input"), torn.at);
        eprintln!("pyebpf: {path} is cut off: what its first {at} bytes hold is converted");
    }
    warn_of_large(&delivery.deliver_trace(&mut trace)?);
    Ok(())
}

/// A trace to read; `-` is standard input.
///
/// # Errors
/// [`DeliveryError::Open`].
pub fn open_input(path: &Path) -> Result<Box<dyn Read>, DeliveryError> {
    if path == Path::new(STANDARD_INPUT) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let input = File::open(path).map_err(|source| DeliveryError::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(Box::new(input))
}

/// A path in a message; `-` is the stream that it stands for.
fn named(path: &Path, stream: &str) -> String {
    if path == Path::new(STANDARD_OUTPUT) {
        stream.to_owned()
    } else {
        escape_for_terminal(&path.to_string_lossy()).into_owned()
    }
}

/// Says which files are too large to be opened comfortably.
pub fn warn_of_large(files: &[Written]) {
    for file in files {
        if let Some(bytes) = file.large {
            eprintln!(
                "pyebpf: {} has {} MB, which browsers open slowly; .pyebpf is far smaller",
                named(&file.path, "standard output"),
                bytes / 1_000_000
            );
        }
    }
}

#[cfg(test)]
mod tests;
