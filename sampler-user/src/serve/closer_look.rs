// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looks closer at a process that seems to stall: whether its threads wait for something to
//! do, by their system calls, and how much CPU time it has used.

use std::time::{Duration, Instant};

use sampler_cpython::process::descriptor::{DescriptorKind, kind};
use sampler_cpython::process::proc_stat::cpu_time;
use sampler_cpython::process::task::SystemCall;

use crate::capture::process_inspector::ProcessInspector;

/// What was seen of a process.
#[derive(Clone, Debug)]
pub(super) struct StallEvidence {
    /// When.
    pub(super) at: Instant,
    /// The CPU time of all its threads so far, also of those that run no Python.
    pub(super) cpu: Duration,
    /// The threads that are indeed blocked, by their ids.
    pub(super) blocked: Vec<u32>,
}

/// Looks at threads of a process that seem to be blocked. `None` if it has ended, cannot be
/// read or does not answer in time.
pub(super) fn look(
    inspector: &ProcessInspector,
    tgid: u32,
    threads: Vec<u32>,
) -> Option<StallEvidence> {
    let answer = inspector.ask(tgid, move |_| {
        // One that cannot be read is believed to be what it seemed to be.
        let is_blocked = |tid: &u32| match SystemCall::read(tgid, *tid) {
            Ok(call) => !waits_for_work(call, |descriptor| kind(tgid, descriptor)),
            Err(_) => true,
        };
        Some(StallEvidence {
            blocked: threads.into_iter().filter(is_blocked).collect(),
            at: Instant::now(),
            cpu: cpu_time(tgid).ok()?,
        })
    });
    answer.ok().flatten()
}

/// Whether a thread in this call waits for something to do, whatever function of Python has
/// called it: for one of several descriptors, a connection, an event, what another process
/// prints, or somebody who types. A library that limits the time of a read polls one
/// descriptor.
fn waits_for_work(call: SystemCall, kind: impl FnOnce(u32) -> DescriptorKind) -> bool {
    let SystemCall::Call { number, argument } = call else {
        return false;
    };
    match i64::from(number) {
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => true,
        libc::SYS_select | libc::SYS_pselect6 => true,
        libc::SYS_accept | libc::SYS_accept4 => true,
        libc::SYS_poll | libc::SYS_ppoll => argument != 1,
        libc::SYS_read | libc::SYS_readv => u32::try_from(argument)
            .is_ok_and(|descriptor| kind(descriptor) != DescriptorKind::Other),
        _ => false,
    }
}
