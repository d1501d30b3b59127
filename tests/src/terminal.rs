// SPDX-License-Identifier: MIT OR Apache-2.0

//! A program in a terminal of its own: types keys, and reads what is on the screen. Every
//! wait has a deadline.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use vt100::Parser;

/// How long a program may take for everything, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that runs in a terminal.
pub struct Terminal {
    child: Child,
    device: File,
    before: Termios,
    screen: Parser,
    deadline: Instant,
}

/// What was left when the program ended.
pub struct Left {
    /// Its exit status.
    pub status: ExitStatus,
    /// What is on the screen.
    pub text: String,
    /// Whether the terminal is as it was: its modes, its screen, its cursor.
    pub is_restored: bool,
}

impl Terminal {
    /// Starts a program in a terminal of this size.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let some = |number| NonZero::new(number).expect("a terminal has some");
        let OpenptyResult { master, slave } = openpty(&size, None).expect("every Linux has some");
        let before = tcgetattr(&master).expect("it is a terminal");
        let own = |side: &OwnedFd| Stdio::from(side.try_clone().expect("a descriptor is free"));
        let child = command
            .stdin(own(&slave))
            .stdout(own(&slave))
            .stderr(own(&slave))
            .env("TERM", "xterm-256color")
            .spawn()
            .expect("the program exists");
        // The command keeps descriptors of the program's side, which would never close.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            child,
            device: File::from(master),
            before,
            screen: Parser::new(some(rows), some(columns), 0),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Waits until the screen is as wanted, and returns it.
    ///
    /// # Panics
    /// When it never is.
    pub fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(self.read(), "it ended with this screen:\n{text}");
        }
    }

    /// Types keys.
    ///
    /// # Panics
    /// When the program has ended.
    pub fn press(&mut self, keys: &str) {
        let typed = self.device.write_all(keys.as_bytes());
        typed.expect("it still runs");
    }

    /// Returns the process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn left(mut self) -> Left {
        while self.read() {}
        let status = self.child.wait().expect("it is our child");
        let screen = self.screen.screen();
        let now = tcgetattr(&self.device).expect("it is a terminal");
        Left {
            status,
            text: self.text(),
            is_restored: now == self.before && !screen.alternate_screen() && !screen.hide_cursor(),
        }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits for output and takes it in. Returns false when there will be no more.
    fn read(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).expect("two minutes fit");
        let mut ready = [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)];
        let count = poll(&mut ready, timeout).expect("a descriptor of ours");
        assert!(count > 0, "it hangs with this screen:\n{}", self.text());
        let mut bytes = [0; 4096];
        // Linux reports an error once nobody has the other side open.
        let length = self.device.read(&mut bytes).unwrap_or(0);
        self.screen.process(&bytes[..length]);
        length > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
