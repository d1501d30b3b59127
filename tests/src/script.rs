// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs a Python script that prints facts about itself and then waits, while a test
//! looks at it from outside.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::interpreters::Interpreter;

/// A running script, which ends when this is dropped.
#[derive(Debug)]
pub struct Script {
    child: Child,
    /// The lines that it printed before it was ready.
    pub lines: Vec<String>,
}

impl Script {
    /// Runs `source` and waits until it prints the line "ready". The script must end by
    /// itself when its standard input ends.
    ///
    /// # Panics
    /// If it cannot be started or ends before that.
    pub fn start(interpreter: &Interpreter, source: &str, argument: &str) -> Self {
        let mut command = Command::new(&interpreter.path);
        // Not as a file, since a private root does not contain it.
        command.args(["-c", source, argument]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = Self {
            child: command.spawn().expect("it ran a moment ago"),
            lines: Vec::new(),
        };
        let output = script.child.stdout.take().expect("it was asked for");
        for line in BufReader::new(output).lines() {
            let line = line.expect("it prints ASCII");
            if line == "ready" {
                return script;
            }
            script.lines.push(line);
        }
        panic!("{interpreter:?} ended early");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself; if it does not, nothing can be done about it here.
        let _ = self.child.wait();
    }
}

/// Decodes `text`, which has two hexadecimal digits for each byte.
///
/// # Panics
/// If it has anything else.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map(|pair| {
        let pair = str::from_utf8(pair).expect("it prints ASCII");
        u8::from_str_radix(pair, 16).expect("two digits")
    });
    bytes.collect()
}

/// Decodes `text` by [`unhex`], and the bytes as UTF-8.
///
/// # Panics
/// If [`unhex`] does, or if the bytes are not UTF-8.
pub fn unhex_text(text: &str) -> String {
    String::from_utf8(unhex(text)).expect("it was encoded as UTF-8")
}
