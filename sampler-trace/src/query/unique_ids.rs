// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unique process and thread ids, for formats that tell threads apart by their ids alone.

use std::collections::{HashMap, HashSet};

use crate::model::identifiers::{ProcessIndex, TrackId};
use crate::query::view::TraceView;

/// The largest id of a Linux process (`PID_MAX_LIMIT`). Ids above it replace those that
/// are not known or already used.
const LARGEST: u32 = 4_194_304;

/// Gives each process a unique pid and each thread a unique tid.
#[derive(Debug, Default)]
pub(crate) struct UniqueIds {
    pids: HashMap<ProcessIndex, u32>,
    taken_pids: HashSet<u32>,
    taken_tids: HashSet<u32>,
    made_up: u32,
}

/// The ids of a thread, and whether it is the first thread of its process to ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadIds {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    /// Whether its tid is the pid of its process.
    pub(crate) is_main: bool,
    pub(crate) new_process: bool,
}

impl UniqueIds {
    /// The ids of a thread: its own, unless another thread already has them.
    pub(crate) fn of(&mut self, view: &TraceView<'_>, id: TrackId) -> ThreadIds {
        let Some((track, process)) = view.thread(id) else {
            return self.made_up();
        };
        let known = self.pids.get(&track.process).copied();
        let pid = known.unwrap_or_else(|| {
            let pid = unique(process.pid, &mut self.taken_pids, &mut self.made_up);
            self.pids.insert(track.process, pid);
            pid
        });
        let tid = unique(track.tid, &mut self.taken_tids, &mut self.made_up);
        ThreadIds {
            pid,
            tid,
            is_main: track.tid == process.pid,
            new_process: known.is_none(),
        }
    }

    fn made_up(&mut self) -> ThreadIds {
        let pid = unique(0, &mut self.taken_pids, &mut self.made_up);
        let tid = unique(0, &mut self.taken_tids, &mut self.made_up);
        ThreadIds {
            pid,
            tid,
            is_main: false,
            new_process: true,
        }
    }
}

fn unique(id: u32, taken: &mut HashSet<u32>, made_up: &mut u32) -> u32 {
    if id != 0 && taken.insert(id) {
        return id;
    }
    loop {
        *made_up += 1;
        let id = LARGEST.saturating_add(*made_up);
        if taken.insert(id) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unique;

    #[test]
    fn an_id_is_given_once() {
        let (mut taken, mut made_up) = ([4_194_306].into(), 0);
        let mut next = |id| unique(id, &mut taken, &mut made_up);
        assert_eq!([next(7), next(8)], [7, 8]);
        assert_eq!(
            [next(7), next(0), next(0)],
            [4_194_305, 4_194_307, 4_194_308]
        );
    }
}
