// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which part of the chunks is wanted.

use std::collections::BTreeSet;

use regex::Regex;

use crate::convert::privacy::Privacy;
use crate::convert::selection::matches_process;
use crate::model::track::ProcessInfo;

/// Which part of the chunks is wanted. The default is all of it.
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    /// Unix time in microseconds. What lies before is left out.
    pub from_us: Option<u64>,
    /// Unix time in microseconds. What lies after is left out. The weight of a row is then
    /// written once its end is known, so an endless stream should have no end.
    pub to_us: Option<u64>,
    /// Which processes are wanted.
    pub processes: ProcessSelection,
    /// Has to match somewhere in the name of a thread.
    pub thread: Option<Regex>,
    /// What is left out everywhere.
    pub privacy: Privacy,
}

/// Which processes are wanted: those for which everything holds that is given.
#[derive(Clone, Debug, Default)]
pub struct ProcessSelection {
    /// The pid is one of these.
    pub pids: Option<BTreeSet<u32>>,
    /// Matches as in [`Selection::process`](crate::convert::selection::Selection::process).
    pub name: Option<Regex>,
    /// The process runs as this user. One whose user is not known is not wanted.
    pub uid: Option<u32>,
}

impl ProcessSelection {
    /// Whether a process is wanted.
    #[must_use]
    pub fn wants(&self, process: &ProcessInfo) -> bool {
        self.pids
            .as_ref()
            .is_none_or(|pids| pids.contains(&process.pid))
            && self.uid.is_none_or(|uid| process.uid == Some(uid))
            && self
                .name
                .as_ref()
                .is_none_or(|name| matches_process(name, process))
    }
}
