// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the options that say where a trace is written and in which shape. Formats are
//! kept by the name that was given; [`OutputTarget::path`] is given the extension.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sampler_trace::convert::selection::Split;
use sampler_trace::formats::sink::RowOrder;

use crate::cli::arguments::{OrderArgument, OutputArguments, SplitArgument};
use crate::cli::config::error::UsageError;

/// The longest part of a default file name that comes from a command or a host, in
/// characters.
const LONGEST_SUBJECT: usize = 64;

/// Where one output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
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
    pub destination: Destination,
    /// The name of its format, as given with `-f`; `None` leaves it to the extension.
    pub format: Option<String>,
}

impl OutputTarget {
    /// Returns the file of this output, given the extension of its format without a
    /// leading dot; `None` for standard output.
    pub fn path(&self, extension: &str) -> Option<Cow<'_, Path>> {
        match &self.destination {
            Destination::StandardOutput => None,
            Destination::File(path) => Some(Cow::Borrowed(path)),
            Destination::DefaultName(stem) => {
                Some(Cow::Owned(PathBuf::from(format!("{stem}.{extension}"))))
            }
        }
    }
}

/// All outputs, and the options that apply to every one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// The outputs, at least one.
    pub targets: Vec<OutputTarget>,
    /// The order of rows.
    pub order: RowOrder,
    /// Whether each output is split into a file for each process or thread.
    pub split: Split,
    /// Whether a file is written even if it is too large for a browser.
    pub force: bool,
}

impl OutputConfig {
    /// Checks the output arguments. `default_stem` names the file when no output was
    /// given; without it, one must be.
    pub(super) fn from_arguments(
        arguments: &OutputArguments,
        default_stem: Option<&str>,
    ) -> Result<Self, UsageError> {
        let mut destinations = Vec::new();
        for path in &arguments.output {
            let destination = match path.as_os_str().as_encoded_bytes() {
                b"-" if arguments.split.is_some() => return Err(UsageError::SplitStandardOutput),
                b"-" => Destination::StandardOutput,
                _ => Destination::File(path.clone()),
            };
            if destinations.contains(&destination) {
                return Err(UsageError::OutputTwice { path: path.clone() });
            }
            destinations.push(destination);
        }
        if destinations.is_empty() {
            let stem = default_stem.ok_or(UsageError::NoOutput)?;
            destinations.push(Destination::DefaultName(stem.to_owned()));
        }
        let target = |destination| OutputTarget {
            destination,
            format: arguments.format.clone(),
        };
        Ok(Self {
            targets: destinations.into_iter().map(target).collect(),
            order: match arguments.order {
                OrderArgument::Thread => RowOrder::Thread,
                OrderArgument::Time => RowOrder::Time,
            },
            split: match arguments.split {
                None => Split::No,
                Some(SplitArgument::Process) => Split::Process,
                Some(SplitArgument::Thread) => Split::Thread,
            },
            force: arguments.force,
        })
    }
}

/// Returns the stem of a default file name, such as `web01-2026-01-31T120000Z`: what was
/// recorded and when, in UTC. It has only ASCII letters, digits, dots, dashes and
/// underscores, and no dot or dash in front.
pub(super) fn default_stem(subject: &str, now: SystemTime) -> String {
    let plain: String = subject
        .chars()
        .take(LONGEST_SUBJECT)
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => letter,
            _ => '_',
        })
        .collect();
    let subject = match plain.trim_start_matches(['.', '-']) {
        "" => "pyebpf",
        name => name,
    };
    let date = humantime::format_rfc3339_seconds(now)
        .to_string()
        .replace(':', "");
    format!("{subject}-{date}")
}
