// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything that is read on standard error: warnings, errors, the progress line, the
//! summary and the log, as text or as JSON. What a terminal would obey is escaped here,
//! since others choose the names in it.

use std::fmt::Display;
use std::io::{self, Stderr, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sampler_trace::escape::{
    escape_for_terminal, escape_json_for_terminal, escape_lines_for_terminal,
};
use serde::Serialize;

/// Standard error of this process.
pub static CONSOLE: LazyLock<Console<Stderr>> = LazyLock::new(|| Console::new(io::stderr()));

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    /// Returns the level of an event of the log.
    pub(super) fn of_event(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Self::Debug,
        }
    }

    /// Returns what a line of this level begins with in the journal (`sd-daemon(3)`).
    fn prefix(self) -> &'static str {
        match self {
            Self::Error => "<3>",
            Self::Warn => "<4>",
            Self::Info => "<6>",
            Self::Debug => "<7>",
        }
    }
}

/// A message as JSON, in the form of an event of the log.
#[derive(Serialize)]
struct Record<'a> {
    timestamp: String,
    level: Level,
    message: &'a str,
    target: &'static str,
}

/// Writes whole lines, and below them at most one line that is rewritten again and again.
/// What cannot be written is left out, because the recording matters more.
#[derive(Debug)]
pub struct Console<W> {
    screen: Mutex<Screen<W>>,
}

#[derive(Debug)]
struct Screen<W> {
    out: W,
    quiet: bool,
    /// Whether each line is a JSON object; then there is no progress line.
    json: bool,
    /// Whether the journal reads it, so that each line begins with its level.
    journal: bool,
    /// Whether the progress line stands on the terminal.
    has_progress: bool,
}

impl<W: Write> Console<W> {
    /// Returns a console that is not quiet, for text.
    pub fn new(out: W) -> Self {
        Self {
            screen: Mutex::new(Screen {
                out,
                quiet: false,
                json: false,
                journal: false,
                has_progress: false,
            }),
        }
    }

    /// Leaves out what `--quiet` leaves out: all but errors and losses.
    pub fn be_quiet(&self) {
        self.screen().quiet = true;
    }

    /// Whether [`Console::be_quiet`] was called.
    pub fn is_quiet(&self) -> bool {
        self.screen().quiet
    }

    /// Writes every message as a line of JSON from now on.
    pub fn write_json(&self) {
        self.screen().json = true;
    }

    /// Begins every line with its level from now on, as the journal likes it.
    pub fn write_for_the_journal(&self) {
        self.screen().journal = true;
    }

    /// Whether a progress line would be out of place.
    pub fn is_without_progress(&self) -> bool {
        let screen = self.screen();
        screen.quiet || screen.json || screen.journal
    }

    /// Prints something that is good to know, in one line.
    pub fn note(&self, message: impl Display) {
        if !self.is_quiet() {
            self.line(Level::Info, &message);
        }
    }

    /// Prints a warning that `--quiet` leaves out, in one line.
    pub fn caution(&self, message: impl Display) {
        if !self.is_quiet() {
            self.line(Level::Warn, &message);
        }
    }

    /// Prints a warning, in one line.
    pub fn warn(&self, message: impl Display) {
        self.line(Level::Warn, &message);
    }

    /// Prints why the program fails; the message may have several lines.
    pub fn error(&self, message: impl Display) {
        self.print(Level::Error, &message.to_string(), |message| {
            format!("pyebpf: {}\n", escape_lines_for_terminal(message))
        });
    }

    /// Prints which file was written, in one line that scripts can read.
    pub fn result(&self, line: impl Display) {
        self.print(Level::Info, &line.to_string(), |line| {
            format!("{}\n", escape_for_terminal(line))
        });
    }

    /// Prints the closing summary, which has several lines and ends with a line break.
    pub fn summary(&self, text: impl Display) {
        if !self.is_quiet() {
            self.print(Level::Info, &text.to_string(), escape_lines_for_terminal);
        }
    }

    /// Writes an event of the log, which has the form of a line already.
    pub(super) fn event(&self, level: Level, line: &str) {
        let line = line.trim_end_matches('\n');
        let mut screen = self.screen();
        let line = if screen.json {
            escape_json_for_terminal(line)
        } else {
            escape_for_terminal(line)
        };
        screen.write_above(level, &format!("{line}\n"));
    }

    /// Rewrites the progress line, which must be shorter than the terminal is wide.
    /// `line` is written as it is: it may have colours.
    pub fn progress(&self, line: &str) {
        let mut screen = self.screen();
        screen.write(&format!("\r{line}\x1b[K"));
        screen.has_progress = true;
    }

    /// Removes the progress line.
    pub fn clear_progress(&self) {
        self.screen().clear_progress();
    }

    #[cfg(test)]
    pub(crate) fn into_inner(self) -> W {
        let screen = self.screen.into_inner();
        screen.unwrap_or_else(PoisonError::into_inner).out
    }

    fn line(&self, level: Level, message: &dyn Display) {
        self.print(level, &message.to_string(), |message| {
            format!("pyebpf: {}\n", escape_for_terminal(message))
        });
    }

    /// Prints a message: `as_text` gives it its form, unless it is written as JSON.
    fn print(&self, level: Level, message: &str, as_text: impl FnOnce(&str) -> String) {
        let mut screen = self.screen();
        let text = if screen.json {
            let record = Record {
                timestamp: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
                level,
                message: message.trim_end_matches('\n'),
                target: "pyebpf",
            };
            let json = serde_json::to_string(&record).expect("texts can be written as JSON");
            format!("{}\n", escape_json_for_terminal(&json))
        } else {
            as_text(message)
        };
        screen.write_above(level, &text);
    }

    fn screen(&self) -> MutexGuard<'_, Screen<W>> {
        // A thread that panicked has left a whole screen behind: no change of it has two
        // steps.
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Console<Vec<u8>> {
    /// Returns what was written so far.
    pub(super) fn written(&self) -> String {
        String::from_utf8(self.screen().out.clone()).expect("is text")
    }
}

impl<W: Write> Screen<W> {
    /// Writes lines where the progress line is, which the next update brings back.
    fn write_above(&mut self, level: Level, lines: &str) {
        self.clear_progress();
        if !self.journal {
            return self.write(lines);
        }
        // A line without a level would get the usual one.
        let lines = lines.lines();
        let marked: String = lines
            .map(|line| format!("{}{line}\n", level.prefix()))
            .collect();
        self.write(&marked);
    }

    fn clear_progress(&mut self) {
        if self.has_progress {
            self.write("\r\x1b[K");
            self.has_progress = false;
        }
    }

    fn write(&mut self, text: &str) {
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: impl Fn(&Console<Vec<u8>>)) -> String {
        let console = Console::new(Vec::new());
        print(&console);
        String::from_utf8(console.into_inner()).expect("is text")
    }

    #[test]
    fn each_kind_of_line_has_its_form() {
        let text = printed(|console| {
            console.note("in a container");
            console.caution("no sandbox");
            console.warn("slow");
            console.error("failed:\nat once");
            console.result("written: a.json");
            console.summary("all\nshown\n");
        });
        assert_eq!(
            text,
            "pyebpf: in a container\npyebpf: no sandbox\npyebpf: slow\n\
             pyebpf: failed:\nat once\nwritten: a.json\nall\nshown\n"
        );
    }

    #[test]
    fn every_line_for_the_journal_has_its_level() {
        let text = printed(|console| {
            console.write_for_the_journal();
            console.note("begun");
            console.warn("slow");
            console.error("failed:\nat once");
            console.event(Level::Debug, "looked\n");
        });
        assert_eq!(
            text,
            "<6>pyebpf: begun\n<4>pyebpf: slow\n<3>pyebpf: failed:\n<3>at once\n<7>looked\n"
        );
    }

    #[test]
    fn a_quiet_one_prints_errors_and_losses_only() {
        let text = printed(|console| {
            console.be_quiet();
            console.note("a");
            console.caution("b");
            console.summary("c\n");
            console.warn("lost");
            console.error("failed");
            console.result("written: a.json");
        });
        assert_eq!(text, "pyebpf: lost\npyebpf: failed\nwritten: a.json\n");
    }

    #[test]
    fn nothing_in_a_message_moves_the_cursor_or_forges_a_line() {
        let evil = "e\x1b[2J\r\npyebpf: all is well\u{202e}";
        let escaped = "e\\u{1b}[2J\\r\\npyebpf: all is well\\u{202e}\n";
        for print in [
            |console: &Console<Vec<u8>>, text: &str| console.note(text),
            |console: &Console<Vec<u8>>, text: &str| console.caution(text),
            |console: &Console<Vec<u8>>, text: &str| console.warn(text),
        ] {
            let text = printed(|console| print(console, evil));
            assert_eq!(text, format!("pyebpf: {escaped}"));
        }
        assert_eq!(printed(|console| console.result(evil)), escaped);
        for text in [
            printed(|console| console.error(evil)),
            printed(|console| console.summary(evil)),
        ] {
            assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn lines_stand_above_the_progress_line() {
        let text = printed(|console| {
            console.progress("1 sample");
            console.progress("2 samples");
            console.warn("slow");
            console.warn("slower");
            console.progress("3 samples");
            console.clear_progress();
            console.clear_progress();
        });
        assert_eq!(
            text,
            "\r1 sample\x1b[K\r2 samples\x1b[K\r\x1b[Kpyebpf: slow\npyebpf: slower\n\
             \r3 samples\x1b[K\r\x1b[K"
        );
    }

    #[test]
    fn every_message_can_be_a_line_of_json() {
        let evil = "two\nlines\x1b[2J\u{202e}";
        let text = printed(|console| {
            console.write_json();
            assert!(console.is_without_progress());
            console.note(evil);
            console.caution("no sandbox");
            console.warn("slow");
            console.error("failed");
            console.result("written: a.json");
            console.summary("all\nshown\n");
        });
        assert!(text.is_ascii(), "{text:?}");
        let records: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        let of = |name: &str| -> Vec<_> {
            let values = records.iter().map(|it| it[name].as_str());
            values.map(|it| it.expect("a text").to_owned()).collect()
        };
        assert_eq!(
            of("level"),
            ["INFO", "WARN", "WARN", "ERROR", "INFO", "INFO"]
        );
        assert_eq!(of("message")[0], evil);
        assert_eq!(of("message")[5], "all\nshown");
        for time in of("timestamp") {
            assert!(humantime::parse_rfc3339(&time).is_ok(), "{time}");
        }
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let console = Console::new(Gone);
        console.warn("nobody reads this");
        console.progress("nor this");
        assert!(!console.is_quiet());
    }
}
