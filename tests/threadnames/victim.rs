// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts `scripts/thread_names.py` and parses what it prints.

use std::collections::BTreeMap;

use tests::interpreters::Interpreter;
use tests::script::{Script, unhex_text};

const SOURCE: &str = include_str!("../scripts/thread_names.py");

/// A process with many threads, and the names that it reports for them.
pub(crate) struct Victim {
    /// The interpreter that runs it.
    pub(crate) interpreter: Interpreter,
    /// Its pid, which need not be that of the child.
    pub(crate) pid: u32,
    /// The names of its threads, by ident.
    pub(crate) names: BTreeMap<u64, String>,
    /// Ends the process when this is dropped.
    script: Script,
}

impl Victim {
    /// Starts the script and waits until its threads run.
    pub(crate) fn start(interpreter: &Interpreter, argument: &str) -> Self {
        let script = Script::start(interpreter, SOURCE, argument);
        let mut victim = Self {
            interpreter: interpreter.clone(),
            pid: 0,
            names: BTreeMap::new(),
            script,
        };
        for line in &victim.script.lines {
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["process", pid] => victim.pid = pid.parse().expect("a number"),
                ["thread", ident, name] => {
                    let ident = ident.parse().expect("a number");
                    victim.names.insert(ident, unhex_text(name));
                }
                _ => panic!("{interpreter:?} printed {line:?}"),
            }
        }
        victim
    }
}
