// SPDX-License-Identifier: MIT OR Apache-2.0

//! Probes one thread: its stack, why it waits, and whether it stayed off CPU meanwhile.
//! A stack that could have changed is never returned as proven.
//!
//! A thread that is about to wait counts as sleeping while it still runs, and may find
//! that it need not wait. But `/proc/PID/task/TID/syscall` shows a call only for a thread
//! that has left its CPU (`task_current_syscall`, lib/syscall.c). So a probe reads the
//! count of context switches, the call, the stack, the call again, and the count again.
//! If the thread ran between the two calls, it left its CPU once more, and the counts
//! differ.

use bytemuck::Zeroable;
use sampler_common::code_cache::CodeCache;
use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessConfig;
use sampler_common::sample::{CodeKey, MAX_FRAMES, RawFrame, RecordKind, SampleHeader};
use sampler_common::stop::StopReason;
use sampler_common::thread_state::{self, Search};
use sampler_common::wait::{NO_SYSCALL, Origin, WaitFacts, gil_address};
use sampler_common::walk::{Codes, KnownCode, Walk};

use crate::process::proc_file::ProcessError;
use crate::process::task::{SystemCall, TaskStatus};

/// A thread to probe.
#[derive(Clone, Copy, Debug)]
pub struct RemoteThread {
    /// The process that it belongs to, in our pid namespace.
    pub tgid: u32,
    /// Its number, in our pid namespace.
    pub tid: u32,
    /// Its thread pointer.
    pub pointer: u64,
}

/// Probes threads, one after the other, with the same buffers.
pub struct ThreadProbe(Box<Scratch>);

struct Scratch {
    search: Search,
    walk: Walk,
    cache: CodeCache,
    header: SampleHeader,
    frames: [RawFrame; MAX_FRAMES],
}

/// User space reads names from the process later, so no code object has to be described.
struct NeedsNoDescription;

impl KnownCode for NeedsNoDescription {
    fn is_known(&self, _: CodeKey) -> bool {
        true
    }
}

impl Default for ThreadProbe {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadProbe {
    /// Returns a probe with empty buffers.
    pub fn new() -> Self {
        Self(Box::new(Scratch {
            search: Search::zeroed(),
            walk: Walk::zeroed(),
            cache: CodeCache::zeroed(),
            header: SampleHeader::zeroed(),
            frames: [RawFrame::zeroed(); MAX_FRAMES],
        }))
    }

    /// Probes a thread that waited, or was about to, when `before` was read. If it ran
    /// meanwhile, the result has [`StopReason::RanDuringWalk`] and no frames. The `time` of
    /// the result is 0.
    ///
    /// # Errors
    /// [`ProcessError`] when the thread is gone or cannot be read.
    pub fn off_cpu(
        &mut self,
        memory: &impl UserMemory,
        config: &ProcessConfig,
        thread: RemoteThread,
        before: &TaskStatus,
    ) -> Result<(SampleHeader, &[RawFrame]), ProcessError> {
        let wait = wait_facts(thread, before)?;
        self.walk(memory, config, thread, wait.unwrap_or(WaitFacts::RUNNING));
        let Scratch { header, search, .. } = &mut *self.0;
        header.comm = before.comm;
        if header.thread_state != 0 && i64::from(header.wait.syscall) == libc::SYS_futex {
            header.wait.gil = gil_address(memory, config, &search.state);
        }
        let is_off_cpu = SystemCall::read(thread.tgid, thread.tid)? != SystemCall::Running;
        let after = TaskStatus::read(thread.tgid, thread.tid)?;
        let has_moved = wait.is_none() || !is_off_cpu || after.switches != before.switches;
        if has_moved {
            header.stop = StopReason::RanDuringWalk as u32;
            header.frame_count = 0;
        }
        Ok(self.result())
    }

    /// Probes a thread that may be running, twice. The result has [`StopReason::RanDuringWalk`]
    /// unless both times it sees the same frames, apart from the position in the innermost
    /// one. That makes a true stack likely, and does not prove it.
    pub fn unproven(
        &mut self,
        memory: &impl UserMemory,
        config: &ProcessConfig,
        thread: RemoteThread,
    ) -> (SampleHeader, &[RawFrame]) {
        self.walk(memory, config, thread, WaitFacts::RUNNING);
        let (header, frames) = self.result();
        let (stop, first) = (header.stop, frames.to_vec());
        self.walk(memory, config, thread, WaitFacts::RUNNING);
        let (header, frames) = self.result();
        let is_same = header.stop == stop && are_alike(&first, frames);
        let header = &mut self.0.header;
        if !is_same {
            header.stop = StopReason::RanDuringWalk as u32;
            header.frame_count = 0;
        }
        self.result()
    }

    fn result(&self) -> (SampleHeader, &[RawFrame]) {
        let Scratch { header, frames, .. } = &*self.0;
        let count = header.frame_count as usize;
        (*header, frames.get(..count).unwrap_or_default())
    }

    fn walk(
        &mut self,
        memory: &impl UserMemory,
        config: &ProcessConfig,
        thread: RemoteThread,
        wait: WaitFacts,
    ) {
        let scratch = &mut *self.0;
        scratch.header = SampleHeader {
            kind: RecordKind::Sample as u32,
            process: config.key,
            tgid: thread.tgid,
            tid: thread.tid,
            thread_id: thread.pointer,
            wait,
            ..SampleHeader::zeroed()
        };
        let header = &mut scratch.header;
        match thread_state::find(memory, config, thread.pointer, 0, &mut scratch.search) {
            Ok(state) => {
                header.thread_state = state;
                let codes = Codes {
                    known: &NeedsNoDescription,
                    cache: &mut scratch.cache,
                };
                let state = &scratch.search.state;
                scratch
                    .walk
                    .run(memory, config, codes, state, &mut scratch.frames);
                header.stop = scratch.walk.stop;
                header.stop_address = scratch.walk.stop_address;
                header.interpreter = scratch.walk.interpreter;
                header.life = scratch.walk.life;
                let stop = StopReason::from_wire(header.stop);
                if stop.is_some_and(StopReason::is_trustworthy) {
                    header.frame_count = scratch.walk.depth;
                }
            }
            Err(reason) => {
                header.stop = reason as u32;
                header.stop_address = scratch.search.unread;
            }
        }
    }
}

/// Returns why a thread waits; `None` for one that runs by now.
pub(super) fn wait_facts(
    thread: RemoteThread,
    status: &TaskStatus,
) -> Result<Option<WaitFacts>, ProcessError> {
    let (syscall, argument) = match SystemCall::read(thread.tgid, thread.tid)? {
        SystemCall::Running => return Ok(None),
        SystemCall::None => (NO_SYSCALL, 0),
        SystemCall::Call { number, argument } => (number, argument),
    };
    Ok(Some(WaitFacts {
        origin: Origin::OffCpu as u32,
        task_state: status.task_state(),
        syscall,
        argument,
        ..WaitFacts::RUNNING
    }))
}

/// Whether two stacks, innermost frame first, differ at most in the position in that
/// frame.
fn are_alike(one: &[RawFrame], other: &[RawFrame]) -> bool {
    let is_same_code = match (one.first(), other.first()) {
        (Some(one), Some(other)) => (one.key, one.code) == (other.key, other.code),
        (None, None) => true,
        _ => false,
    };
    is_same_code && one.get(1..) == other.get(1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u64, instruction: i32) -> RawFrame {
        RawFrame {
            key: CodeKey(code),
            code,
            instruction,
            line: 0,
        }
    }

    #[test]
    fn only_the_innermost_frame_may_move_on() {
        let stack = [frame(1, 5), frame(2, 7)];
        assert!(are_alike(&stack, &[frame(1, 9), frame(2, 7)]));
        assert!(!are_alike(&stack, &[frame(1, 5), frame(2, 8)]));
        assert!(!are_alike(&stack, &[frame(3, 5), frame(2, 7)]));
        assert!(!are_alike(&stack, &[frame(2, 7)]));
        assert!(!are_alike(&stack, &[]));
        assert!(are_alike(&[], &[]));
    }
}
