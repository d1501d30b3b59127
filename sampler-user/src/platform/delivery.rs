// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a trace to the outputs that were asked for: connects the formats of
//! `sampler_trace` with the files of [`outfile`](crate::platform::outfile).

pub mod target;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sampler_trace::container::load::Trace;
use sampler_trace::convert::error::{ConvertError, DestinationError};
use sampler_trace::convert::input::read_trace;
use sampler_trace::convert::selection::Split;
use sampler_trace::convert::{ConvertOptions, Destination, Output, WrittenFile, write_trace};
use sampler_trace::escape::escape_for_terminal;
use sampler_trace::formats::format::{FileFormat, Format, FormatError};

use crate::platform::console::CONSOLE;
use crate::platform::delivery::target::{OutputPlace, OutputTarget};
use crate::platform::full_pipe;
use crate::platform::outfile::OutputFile;
use crate::platform::outfile::stream::Stream;
use crate::platform::outfile_error::OutfileError;
use crate::platform::privileges::{Owner, PrivilegeError};

/// The path that means standard output.
const STANDARD_OUTPUT: &str = "-";
/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

/// Why a trace was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The format is not known, or cannot be written as asked for.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// `--merge-threads` is given with a format that shows each thread by itself.
    #[error(
        "--merge-threads is for .folded, .svg and .pb.gz: a .{ending} shows each thread by itself"
    )]
    MergedTimeline {
        /// The extension of the format.
        ending: &'static str,
    },
    /// `--split` is given with an output that is not a file.
    #[error("--split writes several files, but {path:?} is not a file: name one with -o")]
    SplitStream {
        /// The output.
        path: PathBuf,
    },
    /// Two outputs go to the same place.
    #[error("{path:?} is already an output")]
    SameStream {
        /// The second one.
        path: PathBuf,
    },
    /// An output cannot be written.
    #[error(transparent)]
    Outfile(#[from] OutfileError),
    /// The input cannot be opened.
    #[error("cannot open {path}: {source}", path = path.display())]
    Open {
        /// The input.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The caller of sudo cannot be determined.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
}

/// Where a trace is written, and how.
#[derive(Clone)]
pub struct Delivery {
    /// The files and their formats.
    pub outputs: Vec<Output>,
    /// Which part of the trace is written, in which order.
    pub options: ConvertOptions,
    owner: Owner,
    /// The outputs that are not files, opened.
    streams: Vec<(PathBuf, Arc<File>)>,
    /// When set, further writes fail.
    pub cancelled: Arc<AtomicBool>,
}

impl Delivery {
    /// Decides the formats, and opens the outputs that are not files to be created.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub fn plan(
        targets: &[OutputTarget],
        options: ConvertOptions,
        owner: Owner,
    ) -> Result<Self, DeliveryError> {
        let mut outputs: Vec<Output> = Vec::new();
        let mut streams = Vec::new();
        for target in targets {
            let named = target
                .format
                .as_deref()
                .map(FileFormat::from_name)
                .transpose()?;
            let unnamed = FileFormat {
                format: Format::TimelineJson,
                gzip: false,
            };
            let (path, found) = match &target.place {
                OutputPlace::StandardOutput => (STANDARD_OUTPUT.into(), named.unwrap_or(unnamed)),
                OutputPlace::DefaultName(_) => {
                    let found = named.unwrap_or(unnamed);
                    let path = target.path(&found.extension()).unwrap_or_default();
                    (path.into_owned(), found)
                }
                OutputPlace::File(path) => {
                    let of_path = FileFormat::from_path(path);
                    let stream = Stream::at(path, &owner)?;
                    if stream.is_some() && options.split != Split::No {
                        return Err(DeliveryError::SplitStream { path: path.clone() });
                    }
                    match stream {
                        Some(Stream::Standard) => {
                            (STANDARD_OUTPUT.into(), named.unwrap_or(unnamed))
                        }
                        Some(Stream::Open(file)) => {
                            streams.push((path.clone(), Arc::new(file)));
                            let found = named.or(of_path.ok()).unwrap_or(unnamed);
                            (path.clone(), found)
                        }
                        None => (path.clone(), named.map_or(of_path, Ok)?),
                    }
                }
            };
            let is_stream =
                path == Path::new(STANDARD_OUTPUT) || streams.iter().any(|(it, _)| *it == path);
            if is_stream && outputs.iter().any(|output| output.path == path) {
                return Err(DeliveryError::SameStream { path });
            }
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
            streams,
            cancelled: Arc::default(),
        })
    }

    /// Whether this output is not a file: nothing is created in its place or beside it.
    pub fn is_stream(&self, path: &Path) -> bool {
        path == Path::new(STANDARD_OUTPUT) || self.stream(path).is_some()
    }

    fn stream(&self, path: &Path) -> Option<&Arc<File>> {
        let mut streams = self.streams.iter();
        streams.find_map(|(it, file)| (it == path).then_some(file))
    }

    /// Reads a trace and writes it to all outputs.
    ///
    /// # Errors
    /// [`ConvertError`]; outputs that are complete by then stay.
    pub fn deliver(&self, input: impl Read) -> Result<Vec<WrittenFile>, ConvertError> {
        self.deliver_trace(&mut read_trace(BufReader::new(input))?)
    }

    /// Writes a trace to all outputs, without what is to be left out.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub fn deliver_trace(&self, trace: &mut Trace) -> Result<Vec<WrittenFile>, ConvertError> {
        self.options.privacy.apply(trace);
        write_trace(trace, &self.outputs, &self.options, |path| {
            self.create(path)
        })
    }

    /// Creates what takes the bytes of the output at `path`, which is one of
    /// [`outputs`](Self::outputs).
    ///
    /// # Errors
    /// As [`OutputFile::create`].
    pub fn create(&self, path: &Path) -> Result<Box<dyn Destination>, DestinationError> {
        let cancelled = self.cancelled.clone();
        let target = if path == Path::new(STANDARD_OUTPUT) {
            Target::Standard(BufWriter::new(io::stdout()))
        } else if let Some(file) = self.stream(path) {
            Target::Stream(BufWriter::with_capacity(1 << 16, Arc::clone(file)))
        } else {
            Target::of_file(path, &self.owner)?
        };
        Ok(Box::new(Cancellable { target, cancelled }))
    }
}

/// Creates a file that belongs to `owner`, to take the bytes of one output.
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
    Stream(BufWriter<Arc<File>>),
    File(BufWriter<OutputFile>),
}

impl Target {
    fn of_file(path: &Path, owner: &Owner) -> Result<Self, DestinationError> {
        let file = OutputFile::create(path, owner.clone())?;
        Ok(Self::File(BufWriter::with_capacity(1 << 16, file)))
    }
}

/// A destination whose writes fail once it is cancelled.
struct Cancellable {
    target: Target,
    cancelled: Arc<AtomicBool>,
}

impl Cancellable {
    /// Repeats a write until its descriptor, which may be non-blocking, has room for it. It
    /// must not have taken any bytes where it fails.
    fn until_there_is_room<T>(
        &mut self,
        mut write: impl FnMut(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(io::Error::other("given up"));
            }
            match write(self.target.writer()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.target.wait_for_room(error)?;
                }
                done => return done,
            }
        }
    }
}

impl Target {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Standard(output) => output,
            Self::Stream(output) => output,
            Self::File(file) => file,
        }
    }

    fn wait_for_room(&self, error: io::Error) -> io::Result<()> {
        match self {
            Self::Standard(_) => full_pipe::wait_for_standard_output(),
            Self::Stream(output) => full_pipe::wait_for(output.get_ref()),
            Self::File(_) => Err(error),
        }
    }
}

impl Write for Cancellable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_there_is_room(|output| output.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.until_there_is_room(|output| output.flush())
    }
}

impl Destination for Cancellable {
    fn commit(mut self: Box<Self>) -> Result<(), DestinationError> {
        if !matches!(self.target, Target::File(_)) {
            self.flush()?;
        }
        match self.target {
            Target::Standard(_) | Target::Stream(_) => Ok(()),
            Target::File(file) => Ok(file
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .commit()?),
        }
    }
}

/// Opens a trace for reading; `-` is standard input.
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

/// Returns a path for a message; for `-`, the name of the stream that it means.
pub fn named(path: &Path, stream: &str) -> String {
    if path == Path::new(STANDARD_OUTPUT) {
        stream.to_owned()
    } else {
        escape_for_terminal(&path.to_string_lossy()).into_owned()
    }
}

/// Warns about files that are too large to be opened comfortably.
pub fn warn_of_large(files: &[WrittenFile]) {
    for file in files {
        if let Some(bytes) = file.large {
            CONSOLE.warn(format_args!(
                "{} has {} MB, which browsers open slowly; .pyebpf is far smaller",
                named(&file.path, "standard output"),
                bytes / 1_000_000
            ));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::unistd::pipe;

    use super::*;

    const BYTES: usize = 1 << 20;

    /// An output whose writer does not wait for room, and its reader.
    fn non_blocking() -> (File, Cancellable) {
        let (reader, writer) = pipe().expect("a pipe");
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe may be that");
        let file = Arc::new(File::from(writer));
        let output = Cancellable {
            target: Target::Stream(BufWriter::with_capacity(1000, file)),
            cancelled: Arc::default(),
        };
        (reader.into(), output)
    }

    #[test]
    fn a_full_pipe_is_waited_for_even_if_it_is_non_blocking() {
        let (mut reader, mut output) = non_blocking();
        let text: Vec<u8> = (0..BYTES).map(|number| (number % 251) as u8).collect();
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        for part in text.chunks(777) {
            output.write_all(part).expect("there will be room");
        }
        Box::new(output).commit().expect("there will be room");
        assert!(reading.join().expect("it ends").expect("a pipe") == text);
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (reader, mut output) = non_blocking();
        drop(reader);
        let error = output.write_all(&[0; BYTES]).expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}
