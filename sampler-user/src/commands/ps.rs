// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `ps`: lists the Python processes, and says why some cannot be sampled.
//!
//! The JSON document (`--json`, schema 1):
//!
//! ```json
//! {
//!   "schema": 1,
//!   "processes": [
//!     { "pid": 1, "namespace_pid": 1, "name": "…", "program": "…", "cmdline": "…",
//!       "container": "docker:4f1c5a0de6b7", "unit": null,
//!       "cgroup": "/docker/4f1c5a0de6b7…", "python": "3.12.1", "others": [],
//!       "problem": null }
//!   ]
//! }
//! ```
//!
//! `program` is the script or module of a Python process, else the file name of its
//! program. `python` is null when the version is not known; `problem` is null when the
//! process can be sampled; `container` and `unit` (of systemd) are null for a process
//! that is in none, and `cgroup` is empty for one in the root cgroup. `others` are the
//! versions of further interpreters in the process, which are not sampled.

use std::{fmt, io};

use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::process::identity::{ProcessIdentity, running_pids};
use sampler_trace::escape::escape_for_terminal;
use serde::Serialize;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::process_filter::ProcessFilter;

/// A process that runs Python, or that could not be inspected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListedProcess {
    /// Its pid, in pyebpf's own pid namespace.
    pub pid: u32,
    /// Its pid, in its own pid namespace.
    pub namespace_pid: u32,
    /// Its name in the kernel.
    pub name: String,
    /// Its script, module or program.
    pub program: String,
    /// Its command line.
    pub cmdline: String,
    /// Its container, if it is in one.
    pub container: Option<String>,
    /// Its systemd unit, if it is in one.
    pub unit: Option<String>,
    /// The path of its cgroup; empty for the root.
    pub cgroup: String,
    /// Its version of CPython, if known.
    pub python: Option<String>,
    /// The versions of further interpreters in it, which are not sampled.
    pub others: Vec<String>,
    /// Why it cannot be sampled, if so.
    pub problem: Option<String>,
}

/// The Python processes of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    schema: u32,
    /// In the order of their pids.
    pub processes: Vec<ListedProcess>,
}

impl Listing {
    /// Lists the Python processes that are chosen, except pyebpf itself.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn of_this_host(filter: &ProcessFilter) -> io::Result<Self> {
        let inspector = ProcessInspector::default();
        let mut pids = running_pids()?;
        pids.sort_unstable();
        let own = std::process::id();
        let found = pids
            .into_iter()
            .filter(|pid| *pid != own && filter.wants(*pid, &inspector));
        let processes = found.filter_map(|pid| inspect(&inspector, pid)).collect();
        Ok(Self {
            schema: 1,
            processes,
        })
    }

    /// Returns the JSON document.
    ///
    /// # Errors
    /// Never for these types; the writer's signature allows it.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

fn inspect(inspector: &ProcessInspector, pid: u32) -> Option<ListedProcess> {
    let found = inspector.inspect(pid);
    let mut others = Vec::new();
    let (python, problem) = match found {
        Ok(instance) => {
            others.extend(instance.others.iter().map(ToString::to_string));
            (Some(instance.runtime.version.to_string()), None)
        }
        Err(InspectError::NotPython { .. } | InspectError::Gone { .. }) => return None,
        Err(error) => (None, Some(error.to_string())),
    };
    // Of a process that does not answer, only the pid is known.
    let identity = inspector.identity(pid);
    if identity.is_none() && problem.is_none() {
        return None;
    }
    let identity = identity.unwrap_or_else(|| ProcessIdentity::unknown(pid));
    let place = inspector.cgroups(pid).unwrap_or_default().place();
    Some(ListedProcess {
        pid,
        namespace_pid: identity.namespace_pid,
        name: identity.comm,
        program: identity.program,
        cmdline: identity.command_line,
        container: place.container,
        unit: place.unit,
        cgroup: place.path,
        python,
        others,
        problem,
    })
}

impl ListedProcess {
    fn place(&self) -> &str {
        let name = self.container.as_deref().or(self.unit.as_deref());
        name.unwrap_or(&self.cgroup)
    }
}

/// The columns of the text, apart from the command line, which ends a line.
const HEADS: [&str; 5] = ["PID", "NSPID", "PYTHON", "NAME", "CGROUP"];
/// The greatest width of a column; longer cells shift the rest of their line.
const WIDEST: usize = 45;

impl fmt::Display for Listing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.processes.is_empty() {
            return writeln!(out, "no Python process is running");
        }
        let cells: Vec<[String; 5]> = self.processes.iter().map(cells).collect();
        // Empty columns are left out.
        let widths: Vec<Option<usize>> = (0..HEADS.len())
            .map(|column| {
                let widths = cells.iter().map(|cells| cells[column].chars().count());
                let widest = widths.max().filter(|width| *width > 0)?;
                Some(widest.max(HEADS[column].len()).min(WIDEST))
            })
            .collect();
        let mut line = |cells: &[&str], command: &str| {
            let mut text = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let Some(width) = *width else { continue };
                // Numbers are right-aligned.
                if column < 2 {
                    text.push_str(&format!("{cell:>width$}  "));
                } else {
                    text.push_str(&format!("{cell:<width$}  "));
                }
            }
            text.push_str(command);
            writeln!(out, "{}", text.trim_end())
        };
        line(&HEADS, "COMMAND")?;
        for (process, cells) in self.processes.iter().zip(&cells) {
            let cells = cells.each_ref().map(String::as_str);
            line(&cells, &escape_for_terminal(&process.cmdline))?;
            if let Some(problem) = &process.problem {
                let problem = escape_for_terminal(problem);
                line(&[""; 2], &format!("cannot be sampled: {problem}"))?;
            }
            if !process.others.is_empty() {
                let others = process.others.join(" and ");
                line(
                    &[""; 2],
                    &format!("also runs {others}, which is not sampled"),
                )?;
            }
        }
        Ok(())
    }
}

fn cells(process: &ListedProcess) -> [String; 5] {
    let is_inside = process.namespace_pid != process.pid;
    [
        process.pid.to_string(),
        match is_inside {
            true => process.namespace_pid.to_string(),
            false => String::new(),
        },
        process.python.as_deref().unwrap_or("?").to_owned(),
        escape_for_terminal(&process.program).into_owned(),
        escape_for_terminal(process.place()).into_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_the_host() -> ListedProcess {
        ListedProcess {
            pid: 812,
            namespace_pid: 812,
            name: "python3".into(),
            program: "app.py".into(),
            cmdline: "python3 app.py".into(),
            python: Some("3.12.1".into()),
            ..ListedProcess::default()
        }
    }

    fn text(processes: Vec<ListedProcess>) -> String {
        Listing {
            schema: 1,
            processes,
        }
        .to_string()
    }

    #[test]
    fn a_host_without_containers_has_no_columns_for_them() {
        let expected = "\
PID  PYTHON  NAME    COMMAND
812  3.12.1  app.py  python3 app.py
";
        assert_eq!(text(vec![on_the_host()]), expected);
        assert_eq!(text(vec![]), "no Python process is running\n");
    }

    #[test]
    fn inner_pids_and_containers_stand_beside() {
        let inside = ListedProcess {
            pid: 4711,
            namespace_pid: 7,
            container: Some("docker:4f1c5a0de6b7".into()),
            cgroup: "/docker/4f1c\x1b".into(),
            ..on_the_host()
        };
        let unit = ListedProcess {
            pid: 99,
            namespace_pid: 99,
            unit: Some("web\x1b.service".into()),
            python: None,
            problem: Some("it is too old".into()),
            ..on_the_host()
        };
        let two = ListedProcess {
            others: vec!["3.13.0".into()],
            ..on_the_host()
        };
        let expected = "\x20PID  NSPID  PYTHON  NAME    CGROUP               COMMAND
 812         3.12.1  app.py                       python3 app.py
4711      7  3.12.1  app.py  docker:4f1c5a0de6b7  python3 app.py
  99         ?       app.py  web\\u{1b}.service    python3 app.py
             cannot be sampled: it is too old
 812         3.12.1  app.py                       python3 app.py
             also runs 3.13.0, which is not sampled
";
        assert_eq!(text(vec![on_the_host(), inside, unit, two]), expected);
    }
}
