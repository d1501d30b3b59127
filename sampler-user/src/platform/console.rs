// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything that people read on standard error: warnings, errors, the progress line and
//! the summary. What a terminal would obey is escaped here, since others choose the names
//! in it.

use std::fmt::Display;
use std::io::{self, Stderr, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sampler_trace::escape::{escape_for_terminal, escape_lines_for_terminal};

/// Standard error of this process.
pub static CONSOLE: LazyLock<Console<Stderr>> = LazyLock::new(|| Console::new(io::stderr()));

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
    /// Whether the progress line stands on the terminal.
    has_progress: bool,
}

impl<W: Write> Console<W> {
    /// Returns a console that is not quiet.
    pub fn new(out: W) -> Self {
        Self {
            screen: Mutex::new(Screen {
                out,
                quiet: false,
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

    /// Prints something that is good to know, in one line.
    pub fn note(&self, message: impl Display) {
        self.line_unless_quiet(&message);
    }

    /// Prints a warning that `--quiet` leaves out, in one line.
    pub fn caution(&self, message: impl Display) {
        self.line_unless_quiet(&message);
    }

    /// Prints a warning, in one line.
    pub fn warn(&self, message: impl Display) {
        let message = message.to_string();
        self.print(&format!("pyebpf: {}\n", escape_for_terminal(&message)));
    }

    /// Prints why the program fails; the message may have several lines.
    pub fn error(&self, message: impl Display) {
        let message = message.to_string();
        self.print(&format!(
            "pyebpf: {}\n",
            escape_lines_for_terminal(&message)
        ));
    }

    /// Prints which file was written, in one line that scripts can read.
    pub fn result(&self, line: impl Display) {
        let line = line.to_string();
        self.print(&format!("{}\n", escape_for_terminal(&line)));
    }

    /// Prints the closing summary, which has several lines and ends with a line break.
    pub fn summary(&self, text: impl Display) {
        if !self.is_quiet() {
            self.print(&escape_lines_for_terminal(&text.to_string()));
        }
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

    fn line_unless_quiet(&self, message: &dyn Display) {
        if !self.is_quiet() {
            self.warn(message);
        }
    }

    fn print(&self, text: &str) {
        let mut screen = self.screen();
        screen.clear_progress();
        screen.write(text);
    }

    fn screen(&self) -> MutexGuard<'_, Screen<W>> {
        // A thread that panicked has left a whole screen behind: no change of it has two
        // steps.
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Screen<W> {
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
