//! The verb ps: which Python processes there are, and why some cannot be
//! sampled. It refuses to sample.
//!
//! The JSON document (`--json`, schema 1):
//! `{"schema":1, "processes":[{"pid":1, "namespace_pid":1, "name":"…",
//! "cmdline":"…", "python":"3.12.1", "problem":null}]}`. `python` is null when
//! the version is not known; `problem` is null when the process can be sampled.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::cpython::refusal::Refusal;
use crate::escape::escape_for_terminal;
use crate::process::identity::running_pids;
use crate::scout::Scout;

/// A process that has Python in it, or something like it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedProcess {
    /// Its number, as seen from here.
    pub pid: u32,
    /// Its number in its own pid namespace.
    pub namespace_pid: u32,
    /// The kernel's name of it.
    pub name: String,
    /// Its command line.
    pub cmdline: String,
    /// Its version of CPython.
    pub python: Option<String>,
    /// Why it cannot be sampled.
    pub problem: Option<String>,
}

/// The Python processes of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    schema: u32,
    /// By pid.
    pub processes: Vec<ListedProcess>,
}

impl Listing {
    /// Looks at every process.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn of_this_host() -> io::Result<Self> {
        let scout = Scout::default();
        let mut pids = running_pids()?;
        pids.sort_unstable();
        let own = std::process::id();
        let found = pids.into_iter().filter(|pid| *pid != own);
        let processes = found.filter_map(|pid| look(&scout, pid)).collect();
        Ok(Self {
            schema: 1,
            processes,
        })
    }

    /// The JSON document.
    ///
    /// # Errors
    /// Never for these types; the writer's signature allows it.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

fn look(scout: &Scout, pid: u32) -> Option<ListedProcess> {
    let found = scout.inspect(pid);
    let (python, problem) = match found {
        Ok(instance) => (Some(instance.runtime.version.to_string()), None),
        Err(Refusal::NotPython { .. } | Refusal::Gone { .. }) => return None,
        Err(refusal) => (None, Some(refusal.to_string())),
    };
    // One that does not answer is known by its number alone.
    let identity = scout.identity(pid);
    if identity.is_none() && problem.is_none() {
        return None;
    }
    let identity = identity.as_ref();
    Some(ListedProcess {
        pid,
        namespace_pid: identity.map_or(pid, |it| it.namespace_pid),
        name: identity.map(|it| it.comm.clone()).unwrap_or_default(),
        cmdline: identity
            .map(|it| it.command_line.clone())
            .unwrap_or_default(),
        python,
        problem,
    })
}

impl fmt::Display for Listing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.processes.is_empty() {
            return writeln!(out, "no Python process is running");
        }
        writeln!(out, "{:>8}  {:<9} {:<16} COMMAND", "PID", "PYTHON", "NAME")?;
        for process in &self.processes {
            let python = process.python.as_deref().unwrap_or("?");
            let name = escape_for_terminal(&process.name);
            let command = escape_for_terminal(&process.cmdline);
            writeln!(out, "{:>8}  {python:<9} {name:<16} {command}", process.pid)?;
            if let Some(problem) = &process.problem {
                writeln!(
                    out,
                    "{:>8}  cannot be sampled: {}",
                    "",
                    escape_for_terminal(problem)
                )?;
            }
        }
        Ok(())
    }
}
