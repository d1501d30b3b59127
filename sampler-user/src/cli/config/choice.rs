// SPDX-License-Identifier: MIT OR Apache-2.0

//! The options `--cgroup` and `--name`: which processes of a host to record or to list.

use regex::Regex;

use crate::cli::arguments::ChoiceArguments;
use crate::cli::config::error::UsageError;
use crate::cli::config::pattern::pattern;

/// Which processes of a host are chosen; the default is all.
#[derive(Clone, Debug, Default)]
pub struct ChoiceConfig {
    /// Cgroups, by path or name: a process must be in one of them or below. Empty for
    /// any.
    pub cgroups: Vec<String>,
    /// Must match somewhere in the process's name; `None` for any name.
    pub name: Option<Regex>,
}

impl ChoiceConfig {
    /// Checks `--cgroup` and `--name`.
    ///
    /// # Errors
    /// [`UsageError::Empty`] or [`UsageError::Pattern`].
    pub fn from_arguments(arguments: &ChoiceArguments) -> Result<Self, UsageError> {
        if arguments.cgroup.iter().any(String::is_empty) {
            return Err(UsageError::Empty { option: "--cgroup" });
        }
        Ok(Self {
            cgroups: arguments.cgroup.clone(),
            name: pattern("--name", &arguments.name)?,
        })
    }

    /// Whether all processes are chosen.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.cgroups.is_empty() && self.name.is_none()
    }

    /// Returns the choice as the end of a sentence: `in cgroup web.service with a name
    /// like "celery"`.
    #[must_use]
    pub fn in_words(&self) -> String {
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

impl PartialEq for ChoiceConfig {
    fn eq(&self, other: &Self) -> bool {
        let text = |choice: &Self| choice.name.as_ref().map(ToString::to_string);
        self.cgroups == other.cgroups && text(self) == text(other)
    }
}

impl Eq for ChoiceConfig {}
