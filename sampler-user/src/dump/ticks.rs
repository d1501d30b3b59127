//! Has threads that run sampled by their own CPUs' ticks, for a moment. It
//! refuses to look at threads that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sampler_common::process::ProcessConfig;
use tokio::runtime::Runtime;

use crate::bpf::events::{RawCode, RawRecord, RawSample, decode};
use crate::bpf::kernel::{Kernel, KernelError, KernelMaps, KernelOptions};
use crate::bpf::stepping::SteppingChoice;
use crate::process::namespace::PidNamespace;

/// The time between two ticks of a CPU.
const PERIOD: Duration = Duration::from_millis(1);
/// Bytes of the ring buffer.
const RING_BYTES: u32 = 1 << 20;
/// Records taken in one go.
const BATCH: usize = 1024;
/// How often records are looked for.
const PAUSE: Duration = Duration::from_millis(4);

/// The kernel side, ticking.
pub(super) struct Ticks {
    runtime: Runtime,
    kernel: Kernel,
    maps: KernelMaps,
    /// The first sample with frames of each thread.
    pub(super) samples: BTreeMap<u32, RawSample>,
    /// The threads that were hit, with or without frames.
    pub(super) hit: BTreeSet<u32>,
    /// Code objects that were described on the way.
    pub(super) codes: Vec<RawCode>,
}

impl Ticks {
    /// Begins to sample the process `pid`.
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
            follow_children: false,
            report_all_execs: false,
            leave_plain_programs: false,
            ring_bytes: RING_BYTES,
            passes: None,
            stepping: SteppingChoice::of_environment(),
            pid_namespace: namespace.own_inode(),
        })?;
        let mut maps = {
            let _entered = runtime.enter();
            kernel.take_maps()?
        };
        maps.processes
            .set(pid, config)
            .map_err(|error| failed(&error))?;
        kernel.start_ticks(PERIOD)?;
        Ok(Self {
            runtime,
            kernel,
            maps,
            samples: BTreeMap::new(),
            hit: BTreeSet::new(),
            codes: Vec::new(),
        })
    }

    /// Waits until each of `wanted` has a sample, or the time is over.
    pub(super) fn wait_for(&mut self, wanted: &BTreeSet<u32>, at_most: Duration) {
        let Self {
            runtime,
            maps,
            samples,
            hit,
            codes,
            ..
        } = self;
        let deadline = Instant::now() + at_most;
        runtime.block_on(async {
            while Instant::now() < deadline && !wanted.iter().all(|tid| samples.contains_key(tid)) {
                maps.records.wait(PAUSE).await;
                maps.records.drain(BATCH, |record| match decode(record) {
                    Ok(RawRecord::Sample(sample)) => {
                        let tid = sample.header.tid;
                        hit.insert(tid);
                        if sample.stop.is_trustworthy() && !sample.frames.is_empty() {
                            samples.entry(tid).or_insert(sample);
                        }
                    }
                    Ok(RawRecord::Code(code)) => codes.push(code),
                    Ok(RawRecord::Lifecycle(_)) | Err(_) => {}
                });
            }
        });
    }

    /// Ends it.
    pub(super) fn stop(&mut self) {
        self.kernel.stop_ticks();
    }
}
