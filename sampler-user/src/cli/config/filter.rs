// SPDX-License-Identifier: MIT OR Apache-2.0

//! The options `--cgroup` and `--name`: which processes of a host to record or to list.

use regex::Regex;

use crate::cli::arguments::sampling::FilterArguments;
use crate::cli::config::pattern::any_of;

/// Which processes of a host are wanted; the default is all.
#[derive(Clone, Debug, Default)]
pub struct FilterSpec {
    /// Cgroups, by path or name: a process must be in one of them or below. Empty for
    /// any.
    pub cgroups: Vec<String>,
    /// Must match somewhere in the process's name; `None` for any name.
    pub name: Option<Regex>,
}

impl FilterSpec {
    /// Takes over `--cgroup` and `--name`.
    #[must_use]
    pub fn from_arguments(arguments: &FilterArguments) -> Self {
        Self {
            cgroups: arguments.cgroup.clone(),
            name: any_of(&arguments.name),
        }
    }

    /// Whether all processes match.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.cgroups.is_empty() && self.name.is_none()
    }

    /// Returns the filter as the end of a sentence: `in cgroup web.service with a name
    /// like "celery"`.
    #[must_use]
    pub fn describe(&self) -> String {
        let cgroups = match self.cgroups.as_slice() {
            [] => String::new(),
            [one] => format!(" in cgroup {one}"),
            many => format!(" in the cgroups {}", many.join(", ")),
        };
        let name = self.name.as_ref();
        let name = name.map_or(String::new(), |name| format!(" with a name like {name}"));
        format!("{cgroups}{name}").trim_start().to_owned()
    }
}

impl PartialEq for FilterSpec {
    fn eq(&self, other: &Self) -> bool {
        let text = |filter: &Self| filter.name.as_ref().map(ToString::to_string);
        self.cgroups == other.cgroups && text(self) == text(other)
    }
}

impl Eq for FilterSpec {}
