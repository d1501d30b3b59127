// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sets up the log: which events are wanted, and the form in which they are written to the
//! console. Without `-v` and [`VARIABLE`] there is none, and an event costs a comparison.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::platform::console::{CONSOLE, Console, Level};

/// An environment variable: filters such as `sampler_user::capture=debug`, in the syntax
/// of tracing-subscriber's `EnvFilter`. They add to `-v`.
pub const VARIABLE: &str = "PYEBPF_LOG";

/// What is logged without a filter, and in which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// How often `-v` was given.
    pub verbosity: u8,
    /// Whether each event is a JSON object, rather than a line of text.
    pub is_json: bool,
    /// Whether it is a service, whose log is all that is seen of it: what goes wrong is
    /// logged without being asked for.
    pub is_service: bool,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The variable has no filters in it.
    #[error(
        "{VARIABLE} {value:?}: {source}; write it as debug or sampler_user::capture=trace, \
         separated by commas"
    )]
    Filter {
        /// The value of the variable.
        value: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something in this process has set up a log before.
    #[error("cannot start the log: {0}")]
    Taken(#[from] TryInitError),
}

/// Starts to write the events that the command line and the environment ask for.
///
/// # Errors
/// [`LogError`].
pub fn start(options: LogOptions) -> Result<(), LogError> {
    let filters = env::var_os(VARIABLE);
    let Some(filter) = filter(options, filters.as_deref())? else {
        return Ok(());
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines(&CONSOLE, Level::Info));
    if options.is_json {
        lines.json().flatten_event(true).finish().try_init()?;
    } else {
        lines.finish().try_init()?;
    }
    Ok(())
}

/// What is logged of aya and aya-obj unless [`VARIABLE`] names them: at a lower level they
/// tell of every relocation of the eBPF programs, thousands of lines before the first of ours.
/// A filter of a target holds beside one of everything, such as `debug`.
const LIBRARIES: &str = "aya=warn";

/// Returns the filter for `-v` given so many times and the value of [`VARIABLE`]; `None`
/// if nothing is asked for.
fn filter(options: LogOptions, filters: Option<&OsStr>) -> Result<Option<EnvFilter>, LogError> {
    let level = match options.verbosity {
        0 if options.is_service => "warn,sampler_serve=info",
        0 => "off",
        1 => "warn,sampler_user=info,sampler_serve=info,sampler_ebpf=info",
        2 => "warn,sampler_user=debug,sampler_serve=debug,sampler_ebpf=debug",
        _ => "info,sampler_user=trace,sampler_serve=trace,sampler_ebpf=trace",
    };
    let added = filters.unwrap_or_default().to_string_lossy();
    if level == "off" && added.is_empty() {
        return Ok(None);
    }
    // Of two filters for one target, the later one holds.
    let both = format!("{level},{LIBRARIES},{added}");
    let filter = EnvFilter::builder().parse(both);
    filter.map(Some).map_err(|source| LogError::Filter {
        value: added.into_owned(),
        source,
    })
}

/// Writes each event as a line of a console.
struct Lines<W: 'static>(&'static Console<W>, Level);

impl<'a, W: Write> MakeWriter<'a> for Lines<W> {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self(self.0, self.1)
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self {
        Self(self.0, Level::of_event(*event.level()))
    }
}

impl<W: Write> Write for Lines<W> {
    /// Takes a whole event: that is how tracing-subscriber writes them.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.event(self.1, &String::from_utf8_lossy(event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what `run` logs up to `level`, as text.
#[cfg(test)]
pub(crate) fn logged(level: tracing::Level, run: impl FnOnce()) -> String {
    // A writer has to outlive every subscriber.
    let console: &'static Console<Vec<u8>> = Box::leak(Box::new(Console::new(Vec::new())));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Lines(console, Level::Info))
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    console.written()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tracing::{Level, debug, enabled, info, trace};

    use super::*;
    use crate::platform::console;

    fn with_filter<R>(verbose: u8, filters: Option<&str>, look: impl FnOnce() -> R) -> Option<R> {
        let options = LogOptions {
            verbosity: verbose,
            ..LogOptions::default()
        };
        let filter = filter(options, filters.map(OsStr::new)).expect("a valid filter");
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter?)
            .with_writer(io::sink)
            .finish();
        Some(tracing::subscriber::with_default(subscriber, look))
    }

    /// What is enabled: our own debug and trace events, the eBPF programs' debug events,
    /// debug events of the library that has most of them, and events of another.
    fn wanted() -> [bool; 5] {
        [
            enabled!(target: "sampler_user::record", Level::DEBUG),
            enabled!(target: "sampler_user::record", Level::TRACE),
            enabled!(target: "sampler_ebpf::capture", Level::DEBUG),
            enabled!(target: "aya_obj::relocation", Level::DEBUG),
            enabled!(target: "tokio::runtime", Level::INFO),
        ]
    }

    #[test]
    fn more_vs_log_more() {
        assert_eq!(with_filter(0, None, wanted), None);
        assert_eq!(with_filter(0, Some(""), wanted), None);
        assert_eq!(with_filter(1, None, wanted), Some([false; 5]));
        assert_eq!(
            with_filter(2, None, wanted),
            Some([true, false, true, false, false])
        );
        let all_of_ours = Some([true, true, true, false, true]);
        assert_eq!(with_filter(3, None, wanted), all_of_ours);
        assert_eq!(with_filter(9, None, wanted), all_of_ours);
        let info = with_filter(1, None, || enabled!(target: "sampler_user", Level::INFO));
        assert_eq!(info, Some(true));
    }

    #[test]
    fn a_service_logs_what_goes_wrong_without_being_asked() {
        let options = LogOptions {
            is_service: true,
            ..LogOptions::default()
        };
        let filter = filter(options, None).expect("valid").expect("a log");
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::sink)
            .finish();
        let wanted = tracing::subscriber::with_default(subscriber, || {
            [
                enabled!(target: "sampler_user::record", Level::WARN),
                enabled!(target: "sampler_serve::supervisor", Level::INFO),
                enabled!(target: "sampler_user::record", Level::INFO),
            ]
        });
        assert_eq!(wanted, [true, true, false]);
    }

    #[test]
    fn the_variable_filters_by_module_and_adds_to_v() {
        let ours = "sampler_user::record=trace";
        assert_eq!(
            with_filter(0, Some(ours), wanted),
            Some([true, true, false, false, false])
        );
        assert_eq!(
            with_filter(0, Some("sampler_ebpf=debug"), wanted),
            Some([false, false, true, false, false])
        );
        assert_eq!(
            with_filter(2, Some("sampler_user=info"), wanted),
            Some([false, false, true, false, false])
        );
        assert_eq!(
            with_filter(0, Some("debug"), wanted),
            Some([true, false, true, false, true])
        );
        assert_eq!(
            with_filter(3, Some("aya_obj=debug"), wanted),
            Some([true; 5])
        );
    }

    #[test]
    fn what_is_no_filter_is_an_error() {
        for wrong in ["sampler_user=loud", "a=b=c", "[{"] {
            let options = LogOptions::default();
            let error = filter(options, Some(OsStr::new(wrong))).expect_err("not a filter");
            let words = error.to_string();
            assert!(
                words.starts_with(&format!("{VARIABLE} {wrong:?}: ")),
                "{words}"
            );
        }
    }

    static JSON: LazyLock<Console<Vec<u8>>> = LazyLock::new(|| Console::new(Vec::new()));

    fn emit() {
        let name = "e\x1b[2J\nvil\u{202e}\u{e0041}";
        info!(pid = 7, name, "found");
        debug!(address = format_args!("{:#x}", 0x7f00u64), "cut");
        trace!("not wanted");
    }

    #[test]
    fn an_event_is_one_line_that_no_name_can_break() {
        let written = logged(Level::DEBUG, emit);
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 2, "{written}");
        assert!(lines[0].contains(" INFO "), "{written}");
        assert!(lines[0].contains(": found pid=7 name="), "{written}");
        assert!(lines[1].ends_with(": cut address=0x7f00"), "{written}");
        assert!(!written.contains(['\x1b', '\u{202e}']), "{written:?}");
    }

    #[test]
    fn an_event_is_a_json_object_with_what_was_said() {
        JSON.write_json();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_writer(Lines(&JSON, console::Level::Info))
            .json()
            .flatten_event(true)
            .finish();
        tracing::subscriber::with_default(subscriber, emit);
        let written = JSON.written();
        let events: Vec<serde_json::Value> = written
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        assert_eq!(events.len(), 2, "{written}");
        assert_eq!(events[0]["message"], "found");
        assert_eq!(events[0]["pid"], 7);
        assert_eq!(events[0]["name"], "e\x1b[2J\nvil\u{202e}\u{e0041}");
        assert_eq!(events[0]["level"], "INFO");
        assert_eq!(events[1]["address"], "0x7f00");
        assert!(written.is_ascii(), "{written:?}");
    }
}
