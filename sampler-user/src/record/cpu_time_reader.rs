// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads from `/proc` how long processes and their threads have run.

use std::io::Write;

use sampler_common::process::ProcessKey;
use sampler_cpython::process::cpu_time;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::followed::FollowedProcess;
use crate::record::cpu_times::CpuTimes;
use crate::record::trace_file::TraceFile;

/// Reads CPU times on the inspector's thread, since a process may never answer.
pub(super) struct CpuTimeReader {
    inspector: ProcessInspector,
}

impl CpuTimeReader {
    pub(super) fn new(inspector: ProcessInspector) -> Self {
        Self { inspector }
    }

    /// Begins to count a process, unless it is counted already.
    pub(super) fn begin(&self, process: &FollowedProcess, cpu_times: &mut CpuTimes) {
        if cpu_times.has(process.key) {
            return;
        }
        let tgid = process.tgid;
        let now = self
            .inspector
            .ask(tgid, move |_| cpu_time::of_process(tgid, None));
        match now {
            Ok(Ok(now)) => cpu_times.begin(process.key, now),
            _ => cpu_times.leave_unknown(process.key),
        }
    }

    /// Reads how long the threads of these processes, by key and process id, have run.
    pub(super) fn read<W: Write>(
        &self,
        processes: Vec<(ProcessKey, u32)>,
        file: &mut TraceFile<W>,
    ) {
        let cpu_times = &mut file.cpu_times;
        let questions: Vec<_> = processes
            .iter()
            .map(|(key, tgid)| (*tgid, cpu_times.take_read(*key)))
            .collect();
        let answers = self.inspector.ask(std::process::id(), move |_| {
            let questions = questions.into_iter();
            questions
                .map(|(tgid, before)| cpu_time::of_process(tgid, before.as_ref()))
                .collect::<Vec<_>>()
        });
        for ((key, _), now) in processes.into_iter().zip(answers.unwrap_or_default()) {
            if let Ok(now) = now {
                file.learn_cpu_times(key, now);
            }
        }
    }
}
