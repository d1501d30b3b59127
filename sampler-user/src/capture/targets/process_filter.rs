// SPDX-License-Identifier: MIT OR Apache-2.0

//! Filters the processes of a host by their cgroup and their name, whether or not
//! they run Python.

use regex::Regex;
use sampler_cpython::process::cgroup::Cgroups;
use sampler_cpython::process::cgroup_selector::{CgroupSelector, NoSuchCgroup};
use sampler_cpython::process::identity::ProcessIdentity;

use crate::capture::process_inspector::ProcessInspector;

/// The conditions that a process must meet; the default has none.
#[derive(Clone, Debug, Default)]
pub struct ProcessFilter {
    /// It is in one of these or below; empty for any.
    cgroups: Vec<CgroupSelector>,
    /// Matches somewhere in one of its names; `None` for any.
    name: Option<Regex>,
}

impl ProcessFilter {
    /// Chooses processes that are in one of `cgroups`, if there are any, and have a name
    /// that `name` matches, if it is given.
    ///
    /// # Errors
    /// [`NoSuchCgroup`] when one of them does not exist now.
    pub fn find(cgroups: &[String], name: Option<Regex>) -> Result<Self, NoSuchCgroup> {
        let cgroups = cgroups.iter().map(|given| CgroupSelector::find(given));
        Ok(Self {
            cgroups: cgroups.collect::<Result<_, _>>()?,
            name,
        })
    }

    /// Whether the process `pid` matches, as it is now. Reads one of its files for the
    /// cgroup, and three for the name. A process that is gone meets no condition.
    #[must_use]
    pub fn wants(&self, pid: u32, inspector: &ProcessInspector) -> bool {
        let is_inside = |cgroups: Cgroups| self.cgroups.iter().any(|it| it.holds(&cgroups));
        if !self.cgroups.is_empty() && !inspector.cgroups(pid).is_some_and(is_inside) {
            return false;
        }
        let Some(name) = &self.name else {
            return true;
        };
        let identity = inspector.identity(pid);
        identity.is_some_and(|identity| is_called(&identity, name))
    }
}

/// Whether `name` matches a name of the process: its script, module or program, the
/// kernel's name for it, or the whole command line.
fn is_called(identity: &ProcessIdentity, name: &Regex) -> bool {
    let names = [&identity.program, &identity.comm, &identity.command_line];
    names.iter().any(|text| name.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(name: &str) -> bool {
        let identity = ProcessIdentity {
            pid: 7,
            namespace_pid: 7,
            start_time: 1,
            comm: "python3".into(),
            program: "gunicorn".into(),
            command_line: "/usr/bin/python3 /usr/bin/gunicorn --bind :80 app:main".into(),
            executable: None,
            uid: None,
        };
        is_called(&identity, &Regex::new(name).expect("it is one"))
    }

    #[test]
    fn a_name_is_any_that_a_user_would_give() {
        for name in ["^gunicorn$", "^python3$", "unic", "app:main", "bind :80"] {
            assert!(matches(name), "{name}");
        }
        for name in ["^unic", "celery", "^app"] {
            assert!(!matches(name), "{name}");
        }
    }

    #[test]
    fn both_conditions_must_hold() {
        let own = std::process::id();
        let name = |text| Some(Regex::new(text).expect("it is one"));
        let anything = ProcessFilter::default();
        let inspector = ProcessInspector::default();
        assert!(anything.wants(own, &inspector));
        let everywhere = ["/".to_owned()];
        let with = |text| ProcessFilter::find(&everywhere, name(text)).expect("the root is there");
        assert!(with(".").wants(own, &inspector));
        assert!(!with("^no such process$").wants(own, &inspector));
        assert!(!with(".").wants(u32::MAX, &inspector));
        assert!(ProcessFilter::find(&["/no/such/cgroup".to_owned()], None).is_err());
    }
}
