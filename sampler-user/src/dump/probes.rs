// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the stack of every thread: at waiting ones from outside, at running ones by
//! the ticks of their own CPUs. No thread is stopped for that.

use std::collections::BTreeMap;
use std::time::Duration;

use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::process::proc_file::ProcessError;
use sampler_cpython::process::task::{SystemCall, TaskStatus};
use sampler_cpython::remote::thread_probe::RemoteThread;
use sampler_trace::model::row::State;

use crate::capture::bpf::kernel::KernelError;
use crate::dump::document::DumpedThread;
use crate::dump::gather::Gathering;
use crate::dump::means::Means;
use crate::dump::stacks::{Seen, Stacks, state_outside};
use crate::dump::ticks::TickSampler;
use crate::dump::timeout::{Finding, WorkOrder};

/// How many times to probe a thread that ran while it was read.
const ROUNDS: usize = 3;
/// How long running threads are sampled in one go. The kernel gives each thread its turn
/// within some milliseconds, unless the machine is overloaded.
const TICKING: Duration = Duration::from_millis(20);
/// How many times threads are sampled and then probed again: one that changes between
/// running and waiting all the time is sometimes missed by both.
const TURNS: u32 = 5;

impl Gathering<'_> {
    /// Reads the stack of every thread.
    pub(super) fn probe_threads(&self, order: &WorkOrder, instance: &Instance) {
        let mut stacks = Stacks::new(self.pid, instance, self.means);
        let mut left = BTreeMap::new();
        let wanted = |tid: &u32| !order.without.contains(tid);
        for (tid, task) in self.tasks.iter().filter(|(tid, _)| wanted(tid)) {
            match task.python {
                Some(python) => {
                    let thread = RemoteThread {
                        tgid: self.pid,
                        tid: *tid,
                        pointer: python.thread_pointer,
                    };
                    left.insert(*tid, thread);
                }
                None => {
                    let call = SystemCall::read(self.pid, *tid).ok();
                    let state = state_outside(self.pid, &task.status, call, instance.c_library);
                    self.tell(Finding::Thread(self.bare(*tid, task, Some(state))));
                }
            }
        }
        for _ in 0..ROUNDS {
            left.retain(|_, thread| !self.probe_waiting(&mut stacks, *thread));
        }
        if left.is_empty() {
            return;
        }
        if self.means == Means::All {
            self.sample_by_ticks(&mut stacks, &mut left);
        }
        left.retain(|_, thread| !self.probe_waiting(&mut stacks, *thread));
        for (tid, thread) in left {
            self.tell(Finding::Probing(tid));
            self.saw(tid, stacks.unproven(thread));
        }
    }

    /// Samples the threads that run by ticks, or says why that cannot be done.
    fn sample_by_ticks(&self, stacks: &mut Stacks, left: &mut BTreeMap<u32, RemoteThread>) {
        self.tell(Finding::OwnWork);
        match TickSampler::start(self.pid, stacks.config()) {
            Ok(mut ticks) => self.sample_running(stacks, &mut ticks, left),
            Err(KernelError::NotPermitted { .. }) => self.problem(
                "threads that run could not be sampled: that needs root, or CAP_BPF and CAP_PERFMON",
            ),
            Err(error) => {
                let error = error.to_string();
                let first = error.lines().next().unwrap_or_default();
                self.problem(&format!("threads that run could not be sampled: {first}"));
            }
        }
    }

    /// Samples the threads that run by ticks, and probes those that have begun to wait.
    fn sample_running(
        &self,
        stacks: &mut Stacks,
        ticks: &mut TickSampler,
        left: &mut BTreeMap<u32, RemoteThread>,
    ) {
        let switches = |tid: u32| TaskStatus::read(self.pid, tid).ok().map(|it| it.switches);
        let before: BTreeMap<u32, _> = left.keys().map(|tid| (*tid, switches(*tid))).collect();
        let mut without_tick = BTreeMap::new();
        for turn in 0..TURNS {
            self.tell(Finding::OwnWork);
            ticks.wait_for(&left.keys().copied().collect(), TICKING);
            for code in ticks.codes.drain(..) {
                stacks.learn(&code);
            }
            for (tid, sample) in std::mem::take(&mut ticks.samples) {
                if left.remove(&tid).is_some() {
                    self.saw(tid, stacks.of_tick(&sample));
                }
            }
            left.retain(|_, thread| !self.probe_waiting(stacks, *thread));
            if turn == 0 {
                for (tid, thread) in left.iter().filter(|(tid, _)| !ticks.hit.contains(tid)) {
                    self.tell(Finding::Probing(*tid));
                    without_tick.insert(*tid, stacks.unproven(*thread));
                }
            }
            if left.is_empty() {
                break;
            }
        }
        ticks.stop();
        // A thread that no tick hit and that left no CPU was on none all the time.
        for (tid, seen) in without_tick {
            let now = switches(tid);
            let stood_still = now.is_some() && before.get(&tid) == Some(&now);
            if stood_still && !ticks.hit.contains(&tid) && left.remove(&tid).is_some() {
                self.saw(tid, seen.without_cpu());
            }
        }
    }

    /// Probes a thread if it is off CPU. Returns whether the thread is settled.
    fn probe_waiting(&self, stacks: &mut Stacks, thread: RemoteThread) -> bool {
        let tid = thread.tid;
        let seen = TaskStatus::read(self.pid, tid).and_then(|status| {
            if status.has_ended() {
                return Err(ProcessError::Gone { pid: self.pid });
            }
            if !status.is_waiting() {
                return Ok(None);
            }
            self.tell(Finding::Probing(tid));
            stacks.off_cpu(thread, &status)
        });
        match seen {
            // It has released the GIL since. If all threads that take turns were seen
            // waiting, each at its own time, nobody could be named as the holder.
            Ok(Some(seen)) if seen.state == State::WaitingForGil && self.holders.contains(&tid) => {
                return false;
            }
            Ok(Some(seen)) => self.saw(tid, seen),
            Ok(None) => return false,
            Err(ProcessError::Gone { .. }) => self.tell(Finding::ThreadEnded(tid)),
            Err(error) => {
                self.tell(Finding::ThreadProblem(tid, error.to_string()));
            }
        }
        true
    }

    fn saw(&self, tid: u32, seen: Seen) {
        if seen.state == State::WaitingForGil {
            self.waiting.borrow_mut().insert(tid);
        }
        if let Some(task) = self.tasks.get(&tid) {
            self.tell(Finding::Thread(DumpedThread {
                stack: seen.stack,
                problem: seen.problem,
                frames: seen.frames,
                ..self.bare(tid, task, Some(seen.state))
            }));
        }
    }
}
