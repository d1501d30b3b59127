//! Looks at the stack of every thread: those that wait from outside, those that
//! run by their own CPUs' ticks. It refuses to wait for a thread to stand still.

use std::collections::BTreeMap;
use std::time::Duration;

use super::DumpedThread;
use super::gather::Gathering;
use super::patience::{Finding, Order};
use super::stacks::{Seen, Stacks, state_outside};
use super::ticks::Ticks;
use crate::bpf::kernel::KernelError;
use crate::cpython::instance::Instance;
use crate::process::identity::ProcessError;
use crate::process::task::{SystemCall, TaskStatus};
use crate::remote::RemoteThread;

/// How often a thread is looked at again because it ran meanwhile.
const ROUNDS: usize = 3;
/// How long threads that run are sampled in one go. The kernel gives each thread
/// its turn within some milliseconds, if the machine is not overloaded.
const TICKING: Duration = Duration::from_millis(20);
/// How often threads are sampled and then looked at again: one that changes all
/// the time between running and waiting is missed by both now and then.
const TURNS: u32 = 5;

impl Gathering<'_> {
    /// Looks at the stack of every thread.
    pub(super) fn look(&self, order: &Order, instance: &Instance) {
        let mut stacks = Stacks::new(self.pid, instance);
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
                    let state = state_outside(&task.status, call, instance.c_library);
                    self.tell(Finding::Thread(self.bare(*tid, task, Some(state))));
                }
            }
        }
        for _ in 0..ROUNDS {
            left.retain(|_, thread| !self.look_at_waiting(&mut stacks, *thread));
        }
        if left.is_empty() {
            return;
        }
        self.tell(Finding::OwnWork);
        match Ticks::start(self.pid, stacks.config()) {
            Ok(mut ticks) => self.look_at_running(&mut stacks, &mut ticks, &mut left),
            Err(KernelError::NotPermitted { .. }) => self.problem(
                "threads that run could not be sampled: that needs root, or CAP_BPF and CAP_PERFMON",
            ),
            Err(error) => {
                let error = error.to_string();
                let first = error.lines().next().unwrap_or_default();
                self.problem(&format!("threads that run could not be sampled: {first}"));
            }
        }
        left.retain(|_, thread| !self.look_at_waiting(&mut stacks, *thread));
        for (tid, thread) in left {
            self.tell(Finding::LookingAt(tid));
            self.saw(tid, stacks.unproven(thread));
        }
    }

    /// Lets the CPUs look at the threads that run, and looks itself at those that
    /// have come to wait.
    fn look_at_running(
        &self,
        stacks: &mut Stacks,
        ticks: &mut Ticks,
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
            left.retain(|_, thread| !self.look_at_waiting(stacks, *thread));
            if turn == 0 {
                for (tid, thread) in left.iter().filter(|(tid, _)| !ticks.hit.contains(tid)) {
                    self.tell(Finding::LookingAt(*tid));
                    without_tick.insert(*tid, stacks.unproven(*thread));
                }
            }
            if left.is_empty() {
                break;
            }
        }
        ticks.stop();
        // One that no tick hit and that left no CPU had none all the time.
        for (tid, seen) in without_tick {
            let now = switches(tid);
            let stood_still = now.is_some() && before.get(&tid) == Some(&now);
            if stood_still && !ticks.hit.contains(&tid) && left.remove(&tid).is_some() {
                self.saw(tid, seen.without_cpu());
            }
        }
    }

    /// Looks at a thread if it is off CPU; whether that is settled now.
    fn look_at_waiting(&self, stacks: &mut Stacks, thread: RemoteThread) -> bool {
        let tid = thread.tid;
        let seen = TaskStatus::read(self.pid, tid).and_then(|status| {
            if status.has_ended() {
                return Err(ProcessError::Gone { pid: self.pid });
            }
            if !status.is_waiting() {
                return Ok(None);
            }
            self.tell(Finding::LookingAt(tid));
            stacks.off_cpu(thread, &status)
        });
        match seen {
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
