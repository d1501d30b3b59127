//! Which format a file name asks for. It refuses to know a format's bytes.

use std::path::Path;

/// A format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.json`: the timeline JSON.
    TimelineJson,
    /// `.pyebpf`: the container.
    Container,
}

/// A file name or a name of a format that asks for nothing this program writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A format known to exist, that this version does not write.
    #[error(
        "{asked}: this version does not write that format; it writes .json (timeline) and .pyebpf"
    )]
    NotYet {
        /// The file name or the format's name.
        asked: String,
    },
    /// Nothing known.
    #[error("{asked}: no known format; name the file .json (timeline) or .pyebpf, or give one")]
    Unknown {
        /// The file name or the format's name.
        asked: String,
    },
}

/// Endings of formats that other versions write, longest first where one ends
/// with another.
const NOT_YET: [&str; 8] = [
    "speedscope.json",
    "firefox.json",
    "chrome.json",
    "json.gz",
    "html",
    "svg",
    "pb.gz",
    "folded",
];

impl Format {
    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn from_path(path: &Path) -> Result<Self, FormatError> {
        let asked = path.display().to_string();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        let ends = |ending: &str| {
            name.strip_suffix(ending)
                .is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
        };
        if NOT_YET.iter().any(|ending| ends(ending)) {
            Err(FormatError::NotYet { asked })
        } else if ends("json") {
            Ok(Self::TimelineJson)
        } else if ends("pyebpf") {
            Ok(Self::Container)
        } else {
            Err(FormatError::Unknown { asked })
        }
    }

    /// The format with this name, as `-f` takes it: its ending.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn from_name(name: &str) -> Result<Self, FormatError> {
        let asked = name.to_owned();
        match name.trim_start_matches('.') {
            "json" | "timeline" => Ok(Self::TimelineJson),
            "pyebpf" => Ok(Self::Container),
            other if NOT_YET.contains(&other) => Err(FormatError::NotYet { asked }),
            _ => Err(FormatError::Unknown { asked }),
        }
    }

    /// The ending of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::TimelineJson => "json",
            Self::Container => "pyebpf",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Format, FormatError};

    #[test]
    fn the_ending_tells_the_format() {
        let format = |name: &str| Format::from_path(Path::new(name));
        assert_eq!(format("a/b.c.json"), Ok(Format::TimelineJson));
        assert_eq!(format("b.PYEBPF"), Ok(Format::Container));
        for name in [
            "b.speedscope.json",
            "b.firefox.json",
            "b.svg",
            "b.json.gz",
            "b.folded",
        ] {
            let error = format(name).unwrap_err();
            assert!(matches!(error, FormatError::NotYet { .. }), "{name}");
            assert!(error.to_string().contains(".json (timeline) and .pyebpf"));
        }
        for name in ["b", ".json", "json", "b.json.old", ""] {
            assert!(
                matches!(format(name), Err(FormatError::Unknown { .. })),
                "{name}"
            );
        }
        assert_eq!(Format::from_name("json"), Ok(Format::TimelineJson));
        assert!(Format::from_name("svg").is_err());
    }
}
