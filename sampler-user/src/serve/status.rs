// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the recorder reports about itself and the sampled processes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sampler_common::process::ProcessKey;
use sampler_serve::protocol::message::ProcessEntry;

use crate::capture::targets::followed::FollowedProcess;
use crate::record::recorder::Recorder;
use crate::serve::chunk_file::ChunkFile;

/// Lists the processes, with the CPU time that each has used since the last time.
#[derive(Debug)]
pub(super) struct ProcessList {
    last: HashMap<ProcessKey, Duration>,
    at: Instant,
}

impl ProcessList {
    pub(super) fn new() -> Self {
        Self {
            last: HashMap::new(),
            at: Instant::now(),
        }
    }

    pub(super) fn list(
        &mut self,
        recorder: &Recorder<ChunkFile>,
        with_command_lines: bool,
    ) -> Vec<ProcessEntry> {
        let alive = recorder
            .processes()
            .filter(|(process, _)| !process.has_ended);
        let tgids: Vec<_> = alive.map(|(process, _)| process.tgid).collect();
        let used = recorder.inspector().cpu_times(tgids);
        let now = Instant::now();
        let elapsed = now.duration_since(self.at).as_secs_f64();
        let mut entries = Vec::new();
        let mut last = HashMap::new();
        for (process, threads) in recorder.processes() {
            let used = used.get(&process.tgid).filter(|_| !process.has_ended);
            let before = self.last.get(&process.key);
            let share = used.zip(before).map_or(0.0, |(used, before)| {
                let since = used.saturating_sub(*before).as_secs_f64();
                if elapsed > 0.0 {
                    100.0 * since / elapsed
                } else {
                    0.0
                }
            });
            last.extend(used.map(|used| (process.key, *used)));
            entries.push(ProcessEntry {
                threads,
                cpu_percent: share,
                ..entry(process, with_command_lines)
            });
        }
        (self.last, self.at) = (last, now);
        entries.sort_by_key(|entry| entry.pid);
        entries
    }
}

fn entry(process: &FollowedProcess, with_command_line: bool) -> ProcessEntry {
    let identity = process.identity.as_ref();
    let cgroup = process.cgroup.clone().unwrap_or_default();
    ProcessEntry {
        pid: process.tgid,
        name: identity.map(|it| it.program.clone()).unwrap_or_default(),
        cmdline: process.command_line(with_command_line),
        python: process.python_version(),
        uid: identity.and_then(|it| it.uid),
        container: cgroup.container.unwrap_or_default(),
        cgroup: cgroup.path,
        ended: process.has_ended,
        ..ProcessEntry::default()
    }
}
