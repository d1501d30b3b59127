// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! The maps that the eBPF programs share with user space, and the memory that the
//! programs have for themselves.
//!
//! A program in interrupt context writes only to per-CPU memory, to the ring buffer, and
//! by atomic additions to counts that exist already. Taking the lock of a shared hash map
//! there has hung whole machines. Therefore only user space and programs in process
//! context, those of `lifecycle`, the scans and the returns, add and remove entries of such
//! maps. A return is in process context as well: at its tracepoint the lock of the run queue
//! is given up, and interrupts are on.

use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, RingBuf};
use sampler_common::code::CodeRecord;
use sampler_common::code_cache::CodeCache;
use sampler_common::cpu_clocks::CpuClocks;
use sampler_common::describe::Windows;
use sampler_common::edges::EdgeBalance;
use sampler_common::known_code::{BUCKET_COUNT, Bucket};
use sampler_common::lifecycle::ProgramId;
use sampler_common::off_cpu_time::{OffCpuLedger, OffCpuTime};
use sampler_common::process::ProcessConfig;
use sampler_common::sample::SampleRecord;
use sampler_common::scan_order::ScanOrder;
use sampler_common::thread_state::Search;
use sampler_common::wait::KnownGil;
use sampler_common::walk::Walk;

/// The number of unread bytes in the ring buffer above which user space is woken; below,
/// it reads soon enough by itself. Set before loading.
#[unsafe(no_mangle)]
static RING_WAKE_AT: u32 = 1 << 20;
/// Flags of `bpf_ringbuf_output` (`include/uapi/linux/bpf.h`).
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;

/// Records on their way to user space. User space sets the size before loading.
#[map(name = "RECORDS")]
static RECORDS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// The processes that are followed, by thread group id.
#[map(name = "PROCESSES")]
pub(crate) static PROCESSES: HashMap<u32, ProcessConfig> = HashMap::with_max_entries(16384, 0);

/// Programs that were found to have no Python in them. Only user space writes.
#[map(name = "NON_PYTHON")]
pub(crate) static NON_PYTHON: HashMap<ProgramId, u8> = HashMap::with_max_entries(8192, 0);

/// The code objects that user space has the names of. Only user space writes.
#[map(name = "KNOWN")]
pub(crate) static KNOWN: Array<Bucket> = Array::with_max_entries(BUCKET_COUNT as u32, 0);

#[map(name = "SAMPLING")]
static SAMPLING: PerCpuArray<Sampling> = PerCpuArray::with_max_entries(1, 0);

#[map(name = "DESCRIBING")]
static DESCRIBING: PerCpuArray<Describing> = PerCpuArray::with_max_entries(1, 0);

/// Only for ticks without `bpf_loop`.
#[map(name = "STEP_CONTEXT")]
static STEP_CONTEXT: PerCpuArray<StepContext> = PerCpuArray::with_max_entries(1, 0);

#[map(name = "CPU_CLOCKS")]
static CPU_CLOCKS: PerCpuArray<CpuClocks> = PerCpuArray::with_max_entries(1, 0);

/// One table for each CPU, by its number. Not a per-CPU map, whose values have at most 32
/// KiB. User space sets the number of CPUs before loading.
#[map(name = "CODE_CACHES")]
static CODE_CACHES: Array<CodeCache> = Array::with_max_entries(1, 0);

/// The threads that scans have sampled while they were off CPU, by thread id; with returns,
/// all threads. Only scans, returns and the ends of threads add and remove elements, in
/// process context; a tick writes to an existing one.
#[map(name = "THREADS")]
pub(crate) static THREADS: HashMap<u32, SeenThread> = HashMap::with_max_entries(32768, 0);

/// `BPF_NOEXIST` (`include/uapi/linux/bpf.h`): a scan and a return may both add a thread.
pub(crate) const ONLY_NEW: u64 = 1;

#[map(name = "SCAN_SAMPLING")]
static SCAN_SAMPLING: Array<Sampling> = Array::with_max_entries(1, 0);

#[map(name = "SCAN_DESCRIBING")]
static SCAN_DESCRIBING: Array<Describing> = Array::with_max_entries(1, 0);

#[map(name = "SCAN_CODE_CACHE")]
static SCAN_CODE_CACHE: Array<CodeCache> = Array::with_max_entries(1, 0);

/// The memory of returns, one place for each CPU, by its number: a tick may interrupt one,
/// and has its own. User space sets the number of CPUs before loading where there are
/// returns.
#[map(name = "RETURN_SAMPLING")]
static RETURN_SAMPLING: Array<Sampling> = Array::with_max_entries(1, 0);

#[map(name = "RETURN_DESCRIBING")]
static RETURN_DESCRIBING: Array<Describing> = Array::with_max_entries(1, 0);

#[map(name = "RETURN_CODE_CACHES")]
static RETURN_CODE_CACHES: Array<CodeCache> = Array::with_max_entries(1, 0);

#[map(name = "RETURN_GILS")]
static RETURN_GILS: Array<KnownGil> = Array::with_max_entries(1, 0);

/// The orders for the current scan. Only user space writes them.
#[map(name = "SCAN_ORDER")]
static SCAN_ORDER: Array<ScanOrder> = Array::with_max_entries(1, 0);

#[map(name = "SCAN_GIL")]
static SCAN_GIL: Array<KnownGil> = Array::with_max_entries(1, 0);

/// Which thread each CPU sampled last, by the CPU's number. A CPU writes only its own
/// place; a scan reads the place of the CPU that a thread was on.
#[map(name = "LAST_ON_CPU")]
static LAST_ON_CPU: Array<LastOnCpu> = Array::with_max_entries(CPUS, 0);

/// The number of places for CPUs; on a host with more CPUs, two share one.
const CPUS: u32 = 512;

/// The last sample that a CPU took. Every CPU has a cache line of its own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct LastOnCpu {
    /// When it was taken: `CLOCK_MONOTONIC` in nanoseconds.
    pub(crate) time: u64,
    /// The thread that was sampled.
    pub(crate) tid: u32,
}

/// Returns the place of a CPU.
#[inline(always)]
pub(crate) fn last_on_cpu(cpu: u32) -> Option<*mut LastOnCpu> {
    LAST_ON_CPU.get_ptr_mut(cpu % CPUS)
}

/// A thread as it was when a scan sampled it, and what its returns have counted.
///
/// Where there are returns, only the thread itself changes its times, at its returns, and a
/// scan only what is remembered of its last look. Both take and add the sums to report.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SeenThread {
    /// When it started, which tells it from a later thread with the same id.
    pub(crate) start_time: u64,
    /// How often it had left a CPU.
    pub(crate) switches: u64,
    /// Its `__state`.
    pub(crate) task_state: u64,
    /// The address of its `PyThreadState`.
    pub(crate) thread_state: u64,
    /// How many ticks have sampled it since the last scan.
    pub(crate) ticks: u64,
    /// By how much its ticks represent more time than there was between scans, in
    /// nanoseconds; later scans represent that much less.
    pub(crate) ahead: u64,
    /// With returns, by how much ticks and edges differ.
    pub(crate) balance: EdgeBalance,
    /// The time for which scans have found it asleep since then, and that no record has
    /// reported yet, in nanoseconds. As an `i64` it may be negative for a while, where two
    /// have reported it at the same moment.
    pub(crate) unchanged: u64,
    /// The same for the time for which they have found it waiting for a CPU.
    pub(crate) queued: u64,
    /// How that time is shared out. Only scans use it, or only returns.
    pub(crate) ledger: OffCpuLedger,
    /// With returns, the time up to which ticks and edges represent all of its time.
    pub(crate) accounted: u64,
    /// When it last came back to a CPU, as far as is known.
    pub(crate) arrival: u64,
    /// Its CPU time then, in nanoseconds.
    pub(crate) runtime: u64,
    /// How often it had given up a CPU by then.
    pub(crate) voluntary: u64,
    /// When a tick last sampled it.
    pub(crate) last_tick: u64,
}

/// Memory of one sample, which is too large for the 512 bytes of a BPF stack.
#[repr(C)]
pub(crate) struct Sampling {
    pub(crate) sample: SampleRecord,
    pub(crate) walk: Walk,
    pub(crate) search: Search,
    /// What a scan or a return will remember of the thread.
    pub(crate) seen: SeenThread,
    /// When the thread left its CPU, as far as is known.
    pub(crate) left: u64,
    /// The times of earlier waits that the sample reports.
    pub(crate) reported: OffCpuTime,
}

/// Memory for describing code objects. It has a map of its own, since a per-CPU value has
/// at most 32 KiB.
#[repr(C)]
pub(crate) struct Describing {
    pub(crate) record: CodeRecord,
    pub(crate) windows: Windows,
    pub(crate) position: u32,
}

/// What the steps of one tick share, where they get no pointers.
#[repr(C)]
pub(crate) struct StepContext {
    /// The process, as it was when the sample began.
    pub(crate) config: ProcessConfig,
    /// The thread pointer of the interrupted thread.
    pub(crate) thread_pointer: u64,
}

/// All the memory that a sample needs.
pub(crate) struct Scratch {
    pub(crate) sampling: &'static mut Sampling,
    pub(crate) describing: &'static mut Describing,
    pub(crate) cache: &'static mut CodeCache,
}

/// Returns this CPU's memory for one tick.
#[inline(always)]
pub(crate) fn tick_scratch() -> Option<Scratch> {
    // SAFETY: the values are zeroed plain data, valid for the life of the program;
    // perf-event programs do not nest on one CPU (`bpf_prog_active`) and stay on it,
    // and no other program uses these maps.
    unsafe {
        Some(Scratch {
            sampling: &mut *SAMPLING.get_ptr_mut(0)?,
            describing: &mut *DESCRIBING.get_ptr_mut(0)?,
            cache: &mut *CODE_CACHES.get_ptr_mut(bpf_get_smp_processor_id())?,
        })
    }
}

/// Returns the clocks of this CPU.
#[inline(always)]
pub(crate) fn cpu_clocks() -> Option<&'static mut CpuClocks> {
    // SAFETY: as for `tick_scratch`.
    unsafe { Some(&mut *CPU_CLOCKS.get_ptr_mut(0)?) }
}

/// Returns this CPU's memory for one return.
#[inline(always)]
pub(crate) fn return_scratch() -> Option<(Scratch, &'static mut KnownGil)> {
    // SAFETY: the values are zeroed plain data, valid for the life of the program; a return
    // stays on its CPU, which makes one at a time, and no other program uses these maps.
    unsafe {
        let cpu = bpf_get_smp_processor_id();
        let scratch = Scratch {
            sampling: &mut *RETURN_SAMPLING.get_ptr_mut(cpu)?,
            describing: &mut *RETURN_DESCRIBING.get_ptr_mut(cpu)?,
            cache: &mut *RETURN_CODE_CACHES.get_ptr_mut(cpu)?,
        };
        Some((scratch, &mut *RETURN_GILS.get_ptr_mut(cpu)?))
    }
}

/// Returns what the steps of this CPU's tick share.
#[inline(always)]
pub(crate) fn step_context() -> Option<&'static mut StepContext> {
    // SAFETY: as for `tick_scratch`.
    unsafe { Some(&mut *STEP_CONTEXT.get_ptr_mut(0)?) }
}

/// Returns the memory of a scan. There is one for all CPUs, since a scan may sleep and go
/// on elsewhere.
#[inline(always)]
pub(crate) fn scan_scratch() -> Option<Scratch> {
    // SAFETY: the values are zeroed plain data, valid for the life of the program;
    // user space runs one scan at a time, and no other program uses these maps.
    unsafe {
        Some(Scratch {
            sampling: &mut *SCAN_SAMPLING.get_ptr_mut(0)?,
            describing: &mut *SCAN_DESCRIBING.get_ptr_mut(0)?,
            cache: &mut *SCAN_CODE_CACHE.get_ptr_mut(0)?,
        })
    }
}

/// Returns the orders for the current scan.
#[inline(always)]
pub(crate) fn scan_order() -> Option<&'static ScanOrder> {
    SCAN_ORDER.get(0)
}

/// Returns what a scan remembers of the GIL.
#[inline(always)]
pub(crate) fn scan_gil() -> Option<&'static mut KnownGil> {
    // SAFETY: as for `scan_scratch`.
    unsafe { Some(&mut *SCAN_GIL.get_ptr_mut(0)?) }
}

/// How soon user space should see a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// With the next ones.
    Whenever,
    /// At once.
    Now,
}

/// Hands a record to user space. Returns false when the ring buffer is full.
#[inline(always)]
pub(crate) fn send(record: &[u8], urgency: Urgency) -> bool {
    let flags = if urgency == Urgency::Now || RECORDS.query(BPF_RB_AVAIL_DATA.into()) > wake_at() {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    };
    RECORDS.output::<[u8]>(record, flags).is_ok()
}

#[inline(always)]
fn wake_at() -> u64 {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    u64::from(unsafe { core::ptr::read_volatile(&raw const RING_WAKE_AT) })
}
