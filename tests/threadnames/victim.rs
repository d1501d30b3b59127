//! Runs `scripts/thread_names.py` and understands what it prints. It refuses to
//! read the process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use sampler_common::layout::ObjectLayout;
use tests::interpreters::Interpreter;

const SCRIPT: &str = include_str!("../scripts/thread_names.py");

/// A running script, and what it said of itself. It ends when this is dropped.
pub(crate) struct Victim {
    child: Child,
    /// Who runs it.
    pub(crate) interpreter: Interpreter,
    /// Its process, which need not be the child itself.
    pub(crate) pid: u32,
    /// Address of its `PyInterpreterState`.
    pub(crate) interpreter_state: u64,
    /// Offset of `imports.modules` in it.
    pub(crate) imports_modules: u32,
    /// The names of its threads.
    pub(crate) names: BTreeMap<u64, String>,
}

impl Victim {
    /// Starts the script and waits until its threads run.
    pub(crate) fn start(interpreter: &Interpreter, argument: &str) -> Self {
        let mut child = Command::new(&interpreter.path)
            .args(["-c", SCRIPT, argument])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it ran a moment ago");
        let output = child.stdout.take().expect("it was asked for");
        let mut victim = Self {
            child,
            interpreter: interpreter.clone(),
            pid: 0,
            interpreter_state: 0,
            imports_modules: 0,
            names: BTreeMap::new(),
        };
        for line in BufReader::new(output).lines() {
            let line = line.expect("it prints ASCII");
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["process", pid, address, offset] => {
                    victim.pid = pid.parse().expect("a number");
                    victim.interpreter_state = address.parse().expect("a number");
                    victim.imports_modules = offset.parse().expect("a number");
                }
                ["thread", ident, name] => {
                    let ident = ident.parse().expect("a number");
                    victim.names.insert(ident, unhex(name));
                }
                ["ready"] => return victim,
                _ => panic!("{interpreter:?} printed {line:?}"),
            }
        }
        panic!("{interpreter:?} ended early");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself; nothing can be done about it here if it does not.
        let _ = self.child.wait();
    }
}

fn unhex(text: &str) -> String {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map(|pair| {
        let pair = str::from_utf8(pair).expect("it prints ASCII");
        u8::from_str_radix(pair, 16).expect("two digits")
    });
    String::from_utf8(bytes.collect()).expect("it was encoded as UTF-8")
}

/// Where `str` objects of `interpreter` keep what reading a name needs.
pub(crate) fn object_layout(interpreter: &Interpreter) -> ObjectLayout {
    let shift = if interpreter.free_threaded { 16 } else { 0 };
    let (ascii, compact) = match interpreter.minor {
        ..=11 => (48, 72),
        _ => (40 + shift, 56 + shift),
    };
    ObjectLayout {
        ob_type: if interpreter.free_threaded { 24 } else { 8 },
        str_length: 16 + shift,
        str_state: 32 + shift,
        str_ascii_data: ascii,
        str_compact_data: compact,
        bytes_size: 16 + shift,
        bytes_data: 32 + shift,
        str_kind_shift: match (interpreter.free_threaded, interpreter.minor) {
            (true, 14..) => 8,
            _ => 2,
        },
        reserved: 0,
    }
}
