//! The entry point of every tick of every CPU. It refuses to do more than to
//! find out whose tick it is.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;
use sampler_common::counter::Counter;
use sampler_common::process::ProcessState;

use crate::capture::{Thread, capture};
use crate::maps::{PROCESSES, count};
use crate::memory::CurrentTask;
use crate::task::Task;

/// Samples the interrupted thread if its process is followed: one map look-up
/// for every other.
#[perf_event]
fn on_cpu(_context: PerfEventContext) -> u32 {
    let ids = bpf_get_current_pid_tgid();
    let (tgid, tid) = ((ids >> 32) as u32, ids as u32);
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable. If its process
    // ended meanwhile it may turn into another's; then the sample's key and tgid
    // disagree, which user space checks.
    let config = unsafe { &*config };
    if config.state != ProcessState::Sampled as u32 {
        return 0;
    }
    count(Counter::Taken);
    match Task::current().thread_pointer() {
        Some(pointer) => capture(&CurrentTask, config, Thread { tgid, tid, pointer }),
        None => count(Counter::TaskFault),
    }
    0
}
