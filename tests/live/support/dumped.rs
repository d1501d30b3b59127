// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs `pyebpf dump --json`, parses its document and checks it against the schema.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::machine::Machine;
use crate::support::states;
use crate::support::timeline::{Frame, Row};

/// A dump of one process.
#[derive(Debug)]
pub(crate) struct Dumped {
    pub(crate) python: Option<String>,
    pub(crate) gil_holders: Option<Vec<u64>>,
    pub(crate) threads: Vec<DumpedThread>,
    pub(crate) problems: Vec<String>,
}

/// One thread of a dump.
#[derive(Debug)]
pub(crate) struct DumpedThread {
    pub(crate) name: String,
    pub(crate) tid: u64,
    pub(crate) ident: Option<u64>,
    pub(crate) state: String,
    pub(crate) holds_gil: bool,
    pub(crate) stack: String,
    pub(crate) problem: Option<String>,
    /// The frames, outermost first as in a timeline.
    pub(crate) row: Row,
}

/// Whether `name` is a state that a dump may give: it knows the state of every thread.
fn is_state(name: &str) -> bool {
    name == "ended" || states::NAMES.contains(&name) && name != "none"
}

/// Runs `pyebpf dump` on a process.
pub(crate) fn run(program: &Path, pid: u32, arguments: &[&str]) -> Output {
    // The targets keep every CPU busy, at the same priority.
    Command::new("nice")
        .args(["-n", "-19"])
        .arg(program)
        .args(["dump", "--pid", &pid.to_string()])
        .args(arguments)
        .output()
        .expect("pyebpf ran before")
}

/// Takes a dump that must succeed.
pub(crate) fn dump(machine: &Machine, pid: u32) -> Result<Dumped, String> {
    let output = run(&machine.pyebpf, pid, &["--json"]);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("it ended with {}: {said}", output.status));
    }
    Dumped::parse(&output.stdout, pid)
}

impl Dumped {
    pub(crate) fn parse(document: &[u8], pid: u32) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(document).map_err(|it| it.to_string())?;
        if document["schema"] != 1 || document["pid"] != pid {
            return Err(format!("another document: {document}"));
        }
        document["time"].as_f64().ok_or("no time")?;
        for text in ["name", "cmdline"] {
            document[text].as_str().ok_or("no name")?;
        }
        let threads = array(&document["threads"])?;
        let numbers = |value: &Value| value.as_array()?.iter().map(Value::as_u64).collect();
        let dump = Self {
            python: document["python"].as_str().map(ToOwned::to_owned),
            gil_holders: numbers(&document["gil_holders"]),
            threads: threads.iter().map(thread).collect::<Result<_, _>>()?,
            problems: array(&document["problems"])?
                .iter()
                .map(text)
                .collect::<Result<_, _>>()?,
        };
        for thread in &dump.threads {
            let is_holder = dump
                .gil_holders
                .iter()
                .flatten()
                .any(|it| *it == thread.tid);
            if thread.holds_gil != is_holder {
                return Err(format!("who holds the GIL is said in two ways: {dump:?}"));
            }
        }
        if !dump.threads.is_sorted_by_key(|thread| thread.tid) {
            return Err("the threads are not in order".into());
        }
        Ok(dump)
    }

    /// Returns the thread of that name, of which there must be exactly one.
    pub(crate) fn thread(&self, name: &str) -> Result<&DumpedThread, String> {
        let mut found = self.threads.iter().filter(|thread| thread.name == name);
        match (found.next(), found.next()) {
            (Some(thread), None) => Ok(thread),
            _ => Err(format!("not one thread {name}: {self:?}")),
        }
    }
}

fn thread(value: &Value) -> Result<DumpedThread, String> {
    let frames = array(&value["frames"])?;
    let frames = frames
        .iter()
        .rev()
        .map(frame)
        .collect::<Result<Vec<_>, _>>()?;
    let thread = DumpedThread {
        name: text(&value["name"])?,
        tid: number(&value["tid"])?,
        ident: value["ident"].as_u64(),
        state: text(&value["state"])?,
        holds_gil: value["holds_gil"].as_bool().ok_or("no holds_gil")?,
        stack: text(&value["stack"])?,
        problem: value["problem"].as_str().map(ToOwned::to_owned),
        row: Row {
            time: 0.0,
            frames,
            state: value["state"].clone(),
        },
    };
    number(&value["namespace_tid"])?;
    let has_frames = match thread.stack.as_str() {
        "whole" | "cut" | "unproven" => true,
        "none" => false,
        _ => return Err(format!("an unknown kind of stack: {value}")),
    };
    let is_explained = has_frames || thread.problem.is_some() || thread.ident.is_none();
    let is_right = has_frames != thread.row.frames.is_empty() && is_explained;
    if is_right && is_state(&thread.state) {
        Ok(thread)
    } else {
        Err(format!("a thread that cannot be: {value}"))
    }
}

fn frame(value: &Value) -> Result<Frame, String> {
    Ok(Frame {
        file: text(&value["file"])?,
        line: number(&value["line"])? as u32,
        function: text(&value["function"])?,
        source: text(&value["source"])?,
    })
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("no array: {value}"))
}

fn number(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("no number: {value}"))
}

fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| format!("no text: {value}"))
}
