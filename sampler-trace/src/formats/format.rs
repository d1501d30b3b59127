// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the format that a file name, or a name given to `-f`, asks for.

use std::fmt;
use std::path::Path;

/// A format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `.json`: the timeline JSON.
    TimelineJson,
    /// `.pyebpf`: the container.
    Container,
    /// `.html`: a page that shows the trace by itself.
    Html,
    /// `.folded`: collapsed stacks, one per line.
    Folded,
    /// `.svg`: a flame graph.
    FlameGraph,
    /// `.flamechart.svg`: a flame chart, from left to right in time.
    FlameChart,
    /// `.speedscope.json`: for speedscope.
    Speedscope,
    /// `.firefox.json`: for the Firefox Profiler.
    Firefox,
    /// `.chrome.json`: for Perfetto and `chrome://tracing`.
    Chrome,
    /// `.pb.gz`: for pprof and other readers of its files.
    Pprof,
}

/// The names of a format.
struct Naming {
    format: Format,
    /// The ending of its files, without the dot in front.
    ending: &'static str,
    /// Its other names.
    aliases: &'static [&'static str],
    /// What it is for, in messages.
    purpose: &'static str,
}

/// All formats. Where one ending is the end of another, the longer one comes first.
const NAMINGS: [Naming; 10] = [
    naming(
        Format::Speedscope,
        "speedscope.json",
        &["speedscope"],
        "speedscope",
    ),
    naming(
        Format::Firefox,
        "firefox.json",
        &["firefox", "gecko"],
        "Firefox Profiler",
    ),
    naming(
        Format::Chrome,
        "chrome.json",
        &["chrome", "perfetto"],
        "Perfetto",
    ),
    naming(Format::TimelineJson, "json", &["timeline"], "timeline"),
    naming(Format::Html, "html", &["page"], "page"),
    naming(Format::Container, "pyebpf", &[], "compact, lossless"),
    naming(
        Format::FlameChart,
        "flamechart.svg",
        &["flamechart"],
        "flame chart",
    ),
    naming(Format::FlameGraph, "svg", &["flamegraph"], "flame graph"),
    naming(Format::Folded, "folded", &["collapsed"], "collapsed stacks"),
    naming(Format::Pprof, "pb.gz", &["pprof"], "pprof"),
];

const fn naming(
    format: Format,
    ending: &'static str,
    aliases: &'static [&'static str],
    purpose: &'static str,
) -> Naming {
    Naming {
        format,
        ending,
        aliases,
        purpose,
    }
}

/// A file name or a format name for which there is no format to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No format has this ending or name.
    #[error(
        "{asked}: unknown format; choose one by the extension of the file or with -f: {}",
        All
    )]
    Unknown {
        /// The file name or the format's name.
        asked: String,
    },
    /// The format is already compressed, and the name asks for gzip on top.
    #[error("{asked}: .{ending} is already compressed; leave out .gz")]
    PackedTwice {
        /// The file name or the format's name.
        asked: String,
        /// The ending of the format.
        ending: &'static str,
    },
}

/// Displays all formats with their purposes.
struct All;

impl fmt::Display for All {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, naming) in NAMINGS.iter().enumerate() {
            let comma = if position > 0 { ", " } else { "" };
            write!(out, "{comma}.{} ({})", naming.ending, naming.purpose)?;
        }
        write!(out, "; append .gz to compress a text format")
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; NAMINGS.len()] = {
        let mut all = [Self::TimelineJson; NAMINGS.len()];
        let mut position = 0;
        while position < all.len() {
            all[position] = NAMINGS[position].format;
            position += 1;
        }
        all
    };

    /// The ending of its files, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        let own = NAMINGS.iter().find(|naming| naming.format == self);
        own.map_or("", |naming| naming.ending)
    }

    /// Whether the format has a time axis. The other formats add up.
    #[must_use]
    pub const fn is_timeline(self) -> bool {
        !matches!(self, Self::Folded | Self::FlameGraph | Self::Pprof)
    }

    /// Whether its only readers are web pages, which have to hold all of it.
    #[must_use]
    pub const fn is_for_browsers(self) -> bool {
        matches!(self, Self::TimelineJson | Self::Speedscope)
    }

    /// Whether the format itself includes compression.
    const fn is_packed(self) -> bool {
        matches!(self, Self::Container | Self::Html | Self::Pprof)
    }
}

/// A format, and whether the file is compressed with gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFormat {
    /// The format.
    pub format: Format,
    /// Whether the file is compressed with gzip.
    pub gzip: bool,
}

impl FileFormat {
    /// Finds the format that the ending of a file's name asks for.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn from_path(path: &Path) -> Result<Self, FormatError> {
        let asked = path.display().to_string();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_ascii_lowercase();
        Self::find(asked, &name, |name, naming| ends_with(name, naming.ending))
    }

    /// Finds the format with this name, as `-f` takes it: its ending or one of its other names.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn from_name(name: &str) -> Result<Self, FormatError> {
        let plain = name.trim_start_matches('.').to_ascii_lowercase();
        Self::find(name.to_owned(), &plain, |name, naming| {
            naming.ending == name || naming.aliases.contains(&name)
        })
    }

    fn find(
        asked: String,
        name: &str,
        is: impl Fn(&str, &Naming) -> bool,
    ) -> Result<Self, FormatError> {
        if let Some(naming) = NAMINGS.iter().find(|naming| is(name, naming)) {
            let format = naming.format;
            return Ok(Self {
                format,
                gzip: false,
            });
        }
        let inner = name.strip_suffix(".gz").unwrap_or_default();
        if let Some(naming) = NAMINGS.iter().find(|naming| is(inner, naming)) {
            let Naming { format, ending, .. } = *naming;
            return if format.is_packed() {
                Err(FormatError::PackedTwice { asked, ending })
            } else {
                Ok(Self { format, gzip: true })
            };
        }
        Err(FormatError::Unknown { asked })
    }

    /// The ending of its files, without the dot.
    #[must_use]
    pub fn extension(self) -> String {
        let packed = if self.gzip { ".gz" } else { "" };
        format!("{}{packed}", self.format.extension())
    }
}

/// Whether a file name has a stem, a dot and this ending.
fn ends_with(name: &str, ending: &str) -> bool {
    name.strip_suffix(ending)
        .is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FileFormat, Format, FormatError, NAMINGS};

    fn of_path(name: &str) -> Result<(Format, bool), FormatError> {
        FileFormat::from_path(Path::new(name)).map(|found| (found.format, found.gzip))
    }

    #[test]
    fn the_ending_tells_the_format() {
        for (name, format, gzip) in [
            ("a/b.c.json", Format::TimelineJson, false),
            ("b.PYEBPF", Format::Container, false),
            ("b.json.gz", Format::TimelineJson, true),
            ("b.speedscope.json", Format::Speedscope, false),
            ("b.firefox.json.gz", Format::Firefox, true),
            ("b.svg", Format::FlameGraph, false),
            ("b.flamechart.svg", Format::FlameChart, false),
            ("flamechart.svg", Format::FlameGraph, false),
            ("b.folded.gz", Format::Folded, true),
            ("b.pb.gz", Format::Pprof, false),
        ] {
            assert_eq!(of_path(name), Ok((format, gzip)), "{name}");
        }
        for name in [
            "b",
            ".json",
            "json",
            "b.json.old",
            "",
            "b.gz",
            ".pb.gz",
            "b.pb",
        ] {
            let error = of_path(name).unwrap_err();
            assert!(matches!(error, FormatError::Unknown { .. }), "{name}");
            assert!(error.to_string().contains(".json (timeline), .html (page)"));
        }
        assert_eq!(of_path("b.html"), Ok((Format::Html, false)));
        for name in ["b.pyebpf.gz", "b.html.gz", "b.pb.gz.gz"] {
            let error = of_path(name).unwrap_err();
            assert!(matches!(error, FormatError::PackedTwice { .. }), "{name}");
        }
    }

    #[test]
    fn every_format_is_found_by_each_of_its_names() {
        for naming in &NAMINGS {
            let path = format!("x.{}", naming.ending);
            assert_eq!(of_path(&path), Ok((naming.format, false)));
            assert_eq!(naming.format.extension(), naming.ending);
            for name in naming.aliases.iter().chain([&naming.ending]) {
                let found = FileFormat::from_name(name).unwrap();
                assert_eq!((found.format, found.gzip), (naming.format, false), "{name}");
            }
        }
        assert_eq!(
            FileFormat::from_name("json.gz").unwrap().extension(),
            "json.gz"
        );
        assert!(FileFormat::from_name("pdf").is_err());
    }
}
