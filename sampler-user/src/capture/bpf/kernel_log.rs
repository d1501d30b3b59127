// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the eBPF programs log of the walks of stacks. They do so only if it is asked for
//! when they are loaded: otherwise the kernel removes that part of them.

use aya::Ebpf;
use aya_log::{EbpfLogger, Level};
use log::{Log, Metadata, Record};
use tracing::{debug, enabled, trace};

/// The map through which events arrive.
pub(super) const MAP: &str = "AYA_LOGS";
/// The read-only variable of the eBPF programs that holds the level.
pub(super) const LEVEL: &str = aya_log::LEVEL;

/// What the eBPF programs log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelLogLevel {
    /// Nothing, at no cost.
    #[default]
    Off,
    /// Walks that ended before the outermost frame, although there was a stack.
    Stops,
    /// In addition walks that found no Python stack.
    Everything,
}

impl KernelLogLevel {
    /// Returns what this process's log has a use for.
    pub fn wanted() -> Self {
        if enabled!(target: "sampler_ebpf", tracing::Level::TRACE) {
            Self::Everything
        } else if enabled!(target: "sampler_ebpf", tracing::Level::DEBUG) {
            Self::Stops
        } else {
            Self::Off
        }
    }

    /// Returns the value of [`LEVEL`].
    pub(super) fn in_kernel(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Stops => Level::Debug.into(),
            Self::Everything => Level::Trace.into(),
        }
    }

    /// Returns the size of [`MAP`] in bytes; the kernel cannot do without it. A CPU logs
    /// a few events of a quarter of a KiB a second, and they are read twice a second.
    pub(super) fn map_size(self) -> u32 {
        match self {
            Self::Off => 1,
            Self::Stops | Self::Everything => 1 << 18,
        }
    }
}

/// Takes events of the eBPF programs into the log.
pub struct KernelLog(EbpfLogger<Forward>);

impl KernelLog {
    /// Returns what the programs log; `None` if they have no such map.
    pub(super) fn open(ebpf: &mut Ebpf) -> Option<Self> {
        let logger = EbpfLogger::init_with_logger(ebpf, Forward);
        logger.ok().map(Self)
    }

    /// Logs the events that are there.
    pub fn take(&mut self) {
        self.0.flush();
    }
}

/// Passes events on. The eBPF programs pad names with spaces.
struct Forward;

impl Log for Forward {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let text = text.trim_end();
        if record.level() == log::Level::Trace {
            trace!(target: "sampler_ebpf", "{text}");
        } else {
            debug!(target: "sampler_ebpf", "{text}");
        }
    }

    fn flush(&self) {}
}
