// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples running threads by the ticks of their own CPUs, for a moment. Waiting threads
//! get no sample.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sampler_common::layout::FrameLayout;
use sampler_common::process::ProcessConfig;
use sampler_common::stop::StopReason;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::process::namespace::PidNamespace;
use tokio::runtime::Runtime;

use crate::capture::bpf::events::{RawCode, RawRecord, RawSample};
use crate::capture::bpf::kernel::{Kernel, KernelError, KernelMaps, KernelOptions};
use crate::capture::bpf::kernel_log::KernelLogLevel;
use crate::capture::bpf::processes::ProcessMap as _;
use crate::capture::bpf::tick_schedule::ClockPeriods;
use crate::capture::bpf::ticks::Ticks;
use crate::capture::bpf::walk_backend::WalkBackendChoice;
use crate::capture::symbolize::paged_out::read_frames;

/// The time between two ticks of a CPU.
const PERIOD: Duration = Duration::from_millis(1);
/// The size of the ring buffer, in bytes.
const RING_BYTES: u32 = 1 << 20;
/// The most records taken in one go.
const BATCH: usize = 1024;
/// The longest wait before records are read again.
const PAUSE: Duration = Duration::from_millis(4);

/// The eBPF program, loaded and ticking.
pub(super) struct TickSampler {
    runtime: Runtime,
    _kernel: Kernel,
    clocks: Option<Ticks>,
    maps: KernelMaps,
    memory: ProcessMemory,
    frame: FrameLayout,
    /// For each thread, the first sample with all its frames, or else the last one with
    /// some.
    pub(super) samples: BTreeMap<u32, RawSample>,
    /// The threads that a tick hit, with or without frames.
    pub(super) hit: BTreeSet<u32>,
    /// Code objects that the eBPF program described along the way.
    pub(super) codes: Vec<RawCode>,
}

impl TickSampler {
    /// Starts to sample the process `pid`.
    ///
    /// # Errors
    /// [`KernelError`] when sampling is not possible here.
    pub(super) fn start(pid: u32, config: &ProcessConfig) -> Result<Self, KernelError> {
        let failed = |error: &dyn std::error::Error| KernelError::Failed {
            doing: "wait for samples",
            message: error.to_string(),
        };
        let namespace = PidNamespace::ours().map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|error| failed(&error))?;
        let mut kernel = Kernel::load(KernelOptions {
            log: KernelLogLevel::Off,
            follow_children: false,
            report_all_execs: false,
            skip_non_python: false,
            ring_bytes: RING_BYTES,
            scans: false,
            returns: false,
            signals: false,
            walk_backend: WalkBackendChoice::from_environment(),
            pid_namespace: namespace.own_inode(),
        })?;
        let mut maps = {
            let _entered = runtime.enter();
            kernel.take_maps()?
        };
        maps.processes
            .set(pid, config)
            .map_err(|error| failed(&error))?;
        let clocks = kernel.start_ticks(ClockPeriods::random(PERIOD))?;
        Ok(Self {
            runtime,
            _kernel: kernel,
            clocks: Some(clocks),
            maps,
            memory: ProcessMemory::new(pid),
            frame: config.layout.frame,
            samples: BTreeMap::new(),
            hit: BTreeSet::new(),
            codes: Vec::new(),
        })
    }

    /// Waits until each of `wanted` has a whole sample, but no longer than `at_most`.
    pub(super) fn wait_for(&mut self, wanted: &BTreeSet<u32>, at_most: Duration) {
        let Self {
            runtime,
            maps,
            clocks,
            samples,
            hit,
            codes,
            memory,
            frame,
            ..
        } = self;
        let deadline = Instant::now() + at_most;
        runtime.block_on(async {
            while Instant::now() < deadline
                && !wanted
                    .iter()
                    .all(|tid| samples.get(tid).is_some_and(is_whole))
            {
                maps.records.wait(PAUSE).await;
                // A clock that cannot be set goes on ticking as it is.
                let _ = clocks.as_mut().map(Ticks::settle);
                maps.records.drain(BATCH, |record| match record {
                    Ok(RawRecord::Sample(sample)) => {
                        let tid = sample.header.tid;
                        let header = &sample.header;
                        if hit.insert(tid) && header.stop_address != 0 && header.thread_state != 0 {
                            // Reads memory that may be paged out, so that the next tick
                            // can find it there.
                            read_frames(memory, frame, header.stop_address);
                        }
                        let has_frames = sample.stop.is_trustworthy() && !sample.frames.is_empty();
                        if !has_frames || samples.get(&tid).is_some_and(is_whole) {
                            return;
                        }
                        samples.insert(tid, sample);
                    }
                    Ok(RawRecord::Code(code)) => codes.push(code),
                    Ok(RawRecord::Lifecycle(_) | RawRecord::Signal(_)) | Err(_) => {}
                });
            }
        });
    }

    /// Stops the ticks.
    pub(super) fn stop(&mut self) {
        self.clocks = None;
    }
}

fn is_whole(sample: &RawSample) -> bool {
    sample.stop != StopReason::Fault
}
