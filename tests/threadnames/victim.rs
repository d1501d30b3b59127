//! Understands what `scripts/thread_names.py` prints. It refuses to read the
//! process.

use std::collections::BTreeMap;

use tests::interpreters::Interpreter;
use tests::script::{Script, unhex_text};

const SOURCE: &str = include_str!("../scripts/thread_names.py");

/// A process with many threads, and what it says of them.
pub(crate) struct Victim {
    /// Who runs it.
    pub(crate) interpreter: Interpreter,
    /// Its process, which need not be the child itself.
    pub(crate) pid: u32,
    /// The names of its threads.
    pub(crate) names: BTreeMap<u64, String>,
    /// Ends when this is dropped.
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
