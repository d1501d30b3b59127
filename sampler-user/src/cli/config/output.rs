// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the options that say where a trace is written and in which shape.

use std::time::SystemTime;

use sampler_trace::convert::ConvertOptions;
use sampler_trace::convert::privacy::Privacy;
use sampler_trace::convert::selection::{Selection, Split};
use sampler_trace::formats::sink::{RowOrder, Shape};

use crate::cli::arguments::{OrderArgument, OutputArguments, SplitArgument};
use crate::cli::config::error::UsageError;
use crate::platform::delivery::target::{OutputPlace, OutputTarget};

/// The longest part of a default file name that comes from a command or a host, in
/// characters.
const LONGEST_SUBJECT: usize = 64;

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
        let mut places = Vec::new();
        for path in &arguments.output {
            let place = match path.as_os_str().as_encoded_bytes() {
                b"-" if arguments.split.is_some() => return Err(UsageError::SplitStandardOutput),
                b"-" => OutputPlace::StandardOutput,
                _ => OutputPlace::File(path.clone()),
            };
            if places.contains(&place) {
                return Err(UsageError::OutputTwice { path: path.clone() });
            }
            places.push(place);
        }
        if places.is_empty() {
            let stem = default_stem.ok_or(UsageError::NoOutput)?;
            places.push(OutputPlace::DefaultName(stem.to_owned()));
        }
        let target = |place| OutputTarget {
            place,
            format: arguments.format.clone(),
        };
        Ok(Self {
            targets: places.into_iter().map(target).collect(),
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

    /// Returns the options that write a part of a trace to these outputs.
    pub fn convert_options(&self, selection: Selection) -> ConvertOptions {
        ConvertOptions {
            selection,
            split: self.split,
            shape: Shape {
                order: self.order,
                merge_threads: false,
            },
            privacy: Privacy::default(),
            force: self.force,
        }
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
