// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a dump says of a process and its threads.
//!
//! The JSON document (`--json`, schema 1), which stays the same from version to
//! version except for new fields:
//!
//! ```json
//! {
//!   "schema": 1, "time": 1790000000.25,
//!   "pid": 1234, "namespace_pid": 7, "name": "python3", "cmdline": "python3 app.py",
//!   "container": "docker:4f1c5a0de6b7", "cgroup": "/docker/4f1c5a0de6b7…",
//!   "python": "3.12.1", "gil_holders": [1240],
//!   "threads": [
//!     { "tid": 1240, "namespace_tid": 9, "ident": 140245672912576, "name": "worker-1",
//!       "state": "running", "holds_gil": true, "stack": "whole", "problem": null,
//!       "frames": [{ "file": "/srv/app.py", "line": 59, "function": "sign",
//!                    "source": "digest = hashlib.sha256(body).digest()" }] }
//!   ],
//!   "problems": []
//! }
//! ```
//!
//! * `pid` and `tid` are ids in pyebpf's own pid namespace, `namespace_…` those in the
//!   process's. Threads are in the order of `tid`.
//! * `container` is empty for a process that is in none, `cgroup` for one in the root
//!   cgroup.
//! * `python` is null when the process could not be inspected; `problems` then
//!   says why.
//! * `gil_holders`: the threads that held the GIL just before the stacks were read
//!   or, if some wait for it, just after, and that are not among those that wait: none or
//!   one, unless interpreters have their own GILs. Null when there is no GIL or it could
//!   not be read. `holds_gil` is derived from it.
//! * `ident` is `threading.get_ident()`; null for a thread that runs no Python.
//! * `state` is one of those of a timeline (`running`, `runnable`, `waiting for GIL`,
//!   `lock`, `I/O`, `sleeping`, `stopped`, `page fault`, `waiting`), or `ended` for a
//!   thread of which only the id is left. Without the rights that sampling needs,
//!   `runnable` threads are shown as `running`.
//! * `stack`: `whole`, when the thread did not run while it was read, or was sampled
//!   by a tick of its own CPU; `cut`, the same without some outer frames; `unproven`,
//!   when it ran while it was read, so that the frames may not belong together;
//!   `none`, with the reason in `problem` unless the thread runs no Python.
//! * `frames` are innermost first. `line` 0 and an empty `file` or `source` mean
//!   that it is not known.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The version of the JSON schema.
pub(super) const SCHEMA: u32 = 1;

/// The state of a thread of which only the id is left.
pub(super) const ENDED: &str = "ended";

/// A process and all its threads, as they were found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dump {
    pub(super) schema: u32,
    /// The Unix time at which the dump began, in seconds.
    pub time: f64,
    /// Its pid, in pyebpf's own pid namespace.
    pub pid: u32,
    /// Its pid, in its own pid namespace.
    pub namespace_pid: u32,
    /// Its name in the kernel.
    pub name: String,
    /// Its command line.
    pub cmdline: String,
    /// Its container, such as `docker:4f1c5a0de6b7`; empty for none.
    pub container: String,
    /// The path of its cgroup; empty for the root.
    pub cgroup: String,
    /// Its version of CPython; `None` when the process could not be inspected.
    pub python: Option<String>,
    /// The threads that hold a GIL, by `tid`; `None` when there is none or it could not
    /// be read.
    pub gil_holders: Option<Vec<u32>>,
    /// In the order of their `tid`.
    pub threads: Vec<DumpedThread>,
    /// What could not be found out, in words.
    pub problems: Vec<String>,
}

/// One thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DumpedThread {
    /// Its thread id, in pyebpf's own pid namespace.
    pub tid: u32,
    /// Its thread id, in its own pid namespace.
    pub namespace_tid: u32,
    /// `threading.get_ident()`, if it runs Python.
    pub ident: Option<u64>,
    /// Its name in Python, or the kernel's.
    pub name: String,
    /// What it does, as listed in the module's documentation.
    pub state: Cow<'static, str>,
    /// Whether it holds a GIL.
    pub holds_gil: bool,
    /// How far its frames can be trusted.
    pub stack: StackQuality,
    /// Why there are no frames, or only some, in words.
    pub problem: Option<String>,
    /// Innermost first.
    pub frames: Vec<DumpedFrame>,
}

/// One frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DumpedFrame {
    /// The path, as the code object has it.
    pub file: String,
    /// The line, from 1; 0 when it is not known.
    pub line: u32,
    /// The qualified name; up to 3.10 the bare name.
    pub function: String,
    /// The text of the line, without the white space around it.
    pub source: String,
}

/// How far a stack can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StackQuality {
    /// The stack as it was at one moment.
    Whole,
    /// The same, without some outer frames.
    Cut,
    /// The thread ran while it was read.
    Unproven,
    /// No frames.
    #[default]
    None,
}

impl Dump {
    /// Returns the JSON document.
    ///
    /// # Errors
    /// Never for these types; the writer's signature allows it.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}
