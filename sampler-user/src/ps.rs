//! The verb ps: which Python processes there are, and why some cannot be
//! sampled. It refuses to sample.
//!
//! The JSON document (`--json`, schema 1):
//! `{"schema":1, "processes":[{"pid":1, "namespace_pid":1, "name":"…",
//! "program":"…", "cmdline":"…", "container":"docker:4f1c5a0de6b7", "unit":null,
//! "cgroup":"/docker/4f1c5a0de6b7…", "python":"3.12.1", "problem":null}]}`.
//! `program` is the script or module of a Python, else the file name of the
//! program. `python` is null when the version is not known; `problem` is null when
//! the process can be sampled; `container` and `unit` (of systemd) are null for a
//! process in none, and `cgroup` is empty for one in the root.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::cpython::refusal::Refusal;
use crate::escape::escape_for_terminal;
use crate::process::identity::{ProcessIdentity, running_pids};
use crate::scout::Scout;
use crate::targets::Choice;

/// A process that has Python in it, or something like it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListedProcess {
    /// Its number, as seen from here.
    pub pid: u32,
    /// Its number in its own pid namespace.
    pub namespace_pid: u32,
    /// The kernel's name of it.
    pub name: String,
    /// Its script, module or program.
    pub program: String,
    /// Its command line.
    pub cmdline: String,
    /// Its container.
    pub container: Option<String>,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// The path of its cgroup.
    pub cgroup: String,
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
    /// Looks at every process that is chosen.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn of_this_host(choice: &Choice) -> io::Result<Self> {
        let scout = Scout::default();
        let mut pids = running_pids()?;
        pids.sort_unstable();
        let own = std::process::id();
        let found = pids
            .into_iter()
            .filter(|pid| *pid != own && choice.wants(*pid, &scout));
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
    let identity = identity.unwrap_or_else(|| ProcessIdentity::unknown(pid));
    let place = scout.cgroups(pid).unwrap_or_default().place();
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
        problem,
    })
}

impl ListedProcess {
    fn place(&self) -> &str {
        let name = self.container.as_deref().or(self.unit.as_deref());
        name.unwrap_or(&self.cgroup)
    }
}

/// Columns of the text, apart from the command line, which ends a line.
const HEADS: [&str; 5] = ["PID", "NSPID", "PYTHON", "NAME", "CGROUP"];
/// The widest that a column is made; what is longer moves the rest of its line.
const WIDEST: usize = 45;

impl fmt::Display for Listing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.processes.is_empty() {
            return writeln!(out, "no Python process is running");
        }
        let cells: Vec<[String; 5]> = self.processes.iter().map(cells).collect();
        // A column without anything in it is left out.
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
                // Numbers to the right.
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
        let expected = "\x20PID  NSPID  PYTHON  NAME    CGROUP               COMMAND
 812         3.12.1  app.py                       python3 app.py
4711      7  3.12.1  app.py  docker:4f1c5a0de6b7  python3 app.py
  99         ?       app.py  web\\u{1b}.service    python3 app.py
             cannot be sampled: it is too old
";
        assert_eq!(text(vec![on_the_host(), inside, unit]), expected);
    }
}
