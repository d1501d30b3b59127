// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loads the eBPF programs, attaches them and starts their ticks.

use std::os::fd::AsFd as _;
use std::thread;

use aya::maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya::programs::raw_trace_point::RawTracePointLinkId;
use aya::programs::{Iter, PerfEvent, ProgramError, RawTracePoint};
use aya::util::{nr_cpus, online_cpus};
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};
use tracing::{debug, warn};

use crate::capture::bpf::counters::Counters;
use crate::capture::bpf::kernel_log::{self, KernelLog, KernelLogLevel};
use crate::capture::bpf::kernel_types::{KernelTypes, KernelTypesError};
use crate::capture::bpf::known_code::KnownCode;
use crate::capture::bpf::locked_memory::LockedMemory;
use crate::capture::bpf::namespace_offsets;
use crate::capture::bpf::non_python_executables::NonPythonExecutables;
use crate::capture::bpf::processes::ProcessTable;
use crate::capture::bpf::ring::RecordRing;
use crate::capture::bpf::task_iter::TaskIter;
use crate::capture::bpf::task_offsets::TaskOffsets;
use crate::capture::bpf::tick_schedule::ClockPeriods;
use crate::capture::bpf::ticks::Ticks;
use crate::capture::bpf::walk_backend::{WalkBackend, WalkBackendChoice};

/// The compiled eBPF object; empty when this binary was built without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sampler.bpf.o"));

/// Programs for raw tracepoints: the name of the function, and that of its tracepoint.
const LIFECYCLE: [(&str, &str); 3] = [
    ("process_fork", "sched_process_fork"),
    ("process_exec", "sched_process_exec"),
    ("process_exit", "sched_process_exit"),
];

/// The program for the raw tracepoint at which a thread returns to a CPU (Linux 6.15).
const RETURN: (&str, &str) = ("on_return", "sched_exit_tp");

/// The memory that this program has for each CPU.
const RETURN_MAPS: [&str; 4] = [
    "RETURN_SAMPLING",
    "RETURN_DESCRIBING",
    "RETURN_CODE_CACHES",
    "RETURN_GILS",
];

/// Programs for raw tracepoints that are done without where they cannot be attached.
const SIGNALS: [(&str, &str); 2] = [
    ("signal_sent", "signal_generate"),
    ("victim_marked", "mark_victim"),
];

/// Why the eBPF programs do not run.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// This binary was built without them.
    #[error("this pyebpf was built without its eBPF programs; build it with `cargo xtask build`")]
    NotBuiltIn,
    /// The kernel's types cannot be read, or lack a field.
    #[error(transparent)]
    Types(#[from] KernelTypesError),
    /// A privilege is missing.
    #[error(
        "not permitted to {doing}: run pyebpf as root (sudo), or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"
    )]
    NotPermitted {
        /// What was tried.
        doing: &'static str,
    },
    /// The kernel rejected a program; `log` ends with the verifier's reason.
    #[error("the kernel rejected the program {program}: {source}\n{log}")]
    Rejected {
        /// The name of the program.
        program: String,
        /// The kernel's error.
        source: std::io::Error,
        /// The end of the verifier's log.
        log: String,
    },
    /// The object lacks something that this binary expects in it.
    #[error("the eBPF object has no {name}: it belongs to another build of pyebpf")]
    Missing {
        /// The name of the map or program.
        name: &'static str,
    },
    /// Anything else that failed.
    #[error("cannot {doing}: {message}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// The error, with the chain of its causes.
        message: String,
    },
}

impl KernelError {
    /// Whether more privileges or a newer kernel can help.
    pub fn is_about_rights_or_kernel(&self) -> bool {
        !matches!(self, Self::NotBuiltIn | Self::Missing { .. })
    }
}

impl KernelError {
    /// Whether the kernel lacks a feature that was asked of it. False when a privilege is
    /// missing, or something in pyebpf itself.
    pub fn is_about_a_feature(&self) -> bool {
        matches!(self, Self::Rejected { .. } | Self::Failed { .. })
    }

    /// Returns the first line of the message, without the verifier's log.
    pub fn in_one_line(&self) -> String {
        let text = self.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    }
}

/// What must be known before the eBPF programs are loaded.
#[derive(Clone, Debug)]
pub struct KernelOptions {
    /// Follow the children that followed processes fork.
    pub follow_children: bool,
    /// Report every program that starts on the host, not only followed ones.
    pub report_all_execs: bool,
    /// Stop following a process when it starts a program without Python, and follow none
    /// of its children.
    pub skip_non_python: bool,
    /// Size of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Prepare scans of threads that are off CPU.
    pub scans: bool,
    /// Have such threads sample themselves when they return to a CPU, where the kernel tells
    /// of that.
    pub returns: bool,
    /// Report signals that end followed processes, where the kernel tells of them.
    pub signals: bool,
    /// How to get from one frame to the next.
    pub walk_backend: WalkBackendChoice,
    /// What the eBPF programs log.
    pub log: KernelLogLevel,
    /// The inode of the pid namespace in which process ids are reported; `None` for the
    /// initial one.
    pub pid_namespace: Option<u32>,
}

/// The loaded eBPF programs. Dropping this detaches and unloads everything.
pub struct Kernel {
    ebpf: Ebpf,
    walk_backend: WalkBackend,
    log: KernelLogLevel,
    /// Whether there is memory for returns, and the kernel tells of them.
    can_follow_returns: bool,
    /// Where the program for returns is attached, while it is.
    returns: Option<RawTracePointLinkId>,
}

/// The maps, each in the type that uses it.
pub struct KernelMaps {
    /// Records from the eBPF programs.
    pub records: RecordRing,
    /// The processes that are followed.
    pub processes: ProcessTable,
    /// The programs whose starts are not reported.
    pub non_python_executables: NonPythonExecutables,
    /// The code objects that need not be described any more.
    pub known: KnownCode,
    /// The counters.
    pub counters: Counters,
    /// What the eBPF programs log, if they were asked to.
    pub log: Option<KernelLog>,
}

impl Kernel {
    /// Loads all programs and attaches those that follow processes. There are no ticks
    /// yet.
    ///
    /// # Errors
    /// [`KernelError`]. Needs Linux 5.8 with BTF, `CAP_BPF` and `CAP_PERFMON`.
    pub fn load(options: KernelOptions) -> Result<Self, KernelError> {
        if OBJECT.is_empty() {
            return Err(KernelError::NotBuiltIn);
        }
        // When it is created, Aya's loader reads all types of the kernel, which takes
        // longer than looking up the few that are needed here. Both are done at once.
        let making = thread::spawn(EbpfLoader::new);
        let types = KernelTypes::of_this_kernel()?;
        let offsets = TaskOffsets::find(&types)?;
        let namespace = match options.pid_namespace {
            Some(inode) => Some(namespace_offsets::find(&types, inode)?),
            None => None,
        };
        let can_follow_returns = options.scans
            && options.returns
            && offsets.has_queueing()
            && types.has_tracepoint(RETURN.1);
        drop(types);
        let places = places_for_cpus()?;
        let follow_children = u32::from(options.follow_children);
        let report_all_execs = u32::from(options.report_all_execs);
        let skip_non_python = u32::from(options.skip_non_python);
        let has_scans = u32::from(options.scans);
        let ring_wake_at = options.ring_bytes / 4;
        let log_level = options.log.in_kernel();
        let mut loader = making.join().unwrap_or_else(|_| EbpfLoader::new());
        loader
            .verifier_log_level(VerifierLogLevel::STATS)
            // Nothing in the object depends on the kernel's types.
            .btf(None)
            .override_global("FOLLOW_CHILDREN", &follow_children, true)
            .override_global("REPORT_ALL_EXECS", &report_all_execs, true)
            .override_global("SKIP_NON_PYTHON", &skip_non_python, true)
            .override_global("HAS_SCANS", &has_scans, true)
            .override_global("RING_WAKE_AT", &ring_wake_at, true)
            .override_global(kernel_log::LEVEL, &log_level, true)
            .map_max_entries("RECORDS", options.ring_bytes)
            .map_max_entries(kernel_log::MAP, options.log.map_size())
            .map_max_entries("CODE_CACHES", places);
        if can_follow_returns {
            for map in RETURN_MAPS {
                loader.map_max_entries(map, places);
            }
        }
        if !options.scans {
            loader.map_max_entries("THREADS", 1);
        }
        let of_namespace = namespace.iter().flatten();
        for (name, value) in offsets.globals.iter().chain(of_namespace) {
            loader.override_global(name, value, true);
        }
        let _raised = LockedMemory::raise();
        let mut ebpf = loader
            .load(OBJECT)
            .map_err(|error| failed("load the kernel side", &error))?;
        for (program, tracepoint) in LIFECYCLE {
            attach(&mut ebpf, program, tracepoint)?;
        }
        if options.signals {
            for (program, tracepoint) in SIGNALS {
                if let Err(error) = attach(&mut ebpf, program, tracepoint) {
                    let reason = error.in_one_line();
                    warn!(tracepoint, reason, "last words lack what this would tell");
                }
            }
        }
        let walk_backend = load_sampler(&mut ebpf, options.walk_backend)?;
        debug!(
            ring_bytes = options.ring_bytes,
            scans = options.scans,
            pid_namespace = options.pid_namespace,
            program = walk_backend.program(),
            without_loop = walk_backend.without_loop(),
            "eBPF programs are loaded"
        );
        Ok(Self {
            ebpf,
            walk_backend,
            log: options.log,
            can_follow_returns,
            returns: None,
        })
    }

    /// Returns how the programs get from one frame to the next.
    pub fn walk_backend(&self) -> &WalkBackend {
        &self.walk_backend
    }

    /// Takes the maps out. This works only once.
    ///
    /// # Errors
    /// [`KernelError::Missing`] or [`KernelError::Failed`].
    pub fn take_maps(&mut self) -> Result<KernelMaps, KernelError> {
        let log = match self.log {
            KernelLogLevel::Off => None,
            KernelLogLevel::Stops | KernelLogLevel::Everything => {
                let name = kernel_log::MAP;
                Some(KernelLog::open(&mut self.ebpf).ok_or(KernelError::Missing { name })?)
            }
        };
        let mut take = |name| {
            self.ebpf
                .take_map(name)
                .ok_or(KernelError::Missing { name })
        };
        let bad = |error: aya::maps::MapError| failed("open the kernel side's maps", &error);
        Ok(KernelMaps {
            records: RecordRing::new(RingBuf::try_from(take("RECORDS")?).map_err(bad)?)
                .map_err(|error| failed("wait for the kernel side's records", &error))?,
            processes: ProcessTable::new(
                HashMap::try_from(take("PROCESSES")?).map_err(bad)?,
                HashMap::try_from(take("ACCOUNTS")?).map_err(bad)?,
            ),
            non_python_executables: NonPythonExecutables::new(
                HashMap::try_from(take("NON_PYTHON")?).map_err(bad)?,
            ),
            known: KnownCode::new(Array::try_from(take("KNOWN")?).map_err(bad)?),
            counters: Counters::new(PerCpuArray::try_from(take("COUNTERS")?).map_err(bad)?),
            log,
        })
    }

    /// Loads the program for scans of threads that are off CPU.
    ///
    /// # Errors
    /// [`KernelError`]. Needs Linux 5.18.
    pub fn prepare_scans(&mut self) -> Result<TaskIter, KernelError> {
        let order = self.ebpf.take_map("SCAN_ORDER");
        let order = order.ok_or(KernelError::Missing { name: "SCAN_ORDER" })?;
        let doing = "attach the off-CPU scan";
        // A map of another size is a fault of the object, and no reason to do without
        // scans.
        let order =
            Array::try_from(order).map_err(|_| KernelError::Missing { name: "SCAN_ORDER" })?;
        let types =
            Btf::from_sys_fs().map_err(|error| failed("read the kernel's types", &error))?;
        let program: &mut Iter = find(&mut self.ebpf, "off_cpu")?;
        program
            .load("task", &types)
            .map_err(|error| rejected("off_cpu", error))?;
        let descriptor = program.fd().map_err(|error| failed(doing, &error))?;
        let descriptor = descriptor.as_fd().try_clone_to_owned();
        descriptor
            .and_then(|descriptor| TaskIter::new(descriptor, order))
            .map_err(|error| failed(doing, &error))
    }

    /// Has threads that are off CPU sample themselves when they return, as soon as a scan's
    /// order says so: [`Self::prepare_scans`] must have come before, and what it returned must
    /// be there. Returns why they do not, if so: then scans have to sample them.
    ///
    /// # Errors
    /// [`KernelError`] when that fails although the kernel could do it. Needs Linux 6.15.
    pub fn follow_returns(&mut self) -> Result<Option<String>, KernelError> {
        if !self.can_follow_returns {
            let reason = "the kernel does not tell of the returns of threads to their CPUs, \
                          which it does from 6.15 on";
            return Ok(Some(reason.into()));
        }
        match attach(&mut self.ebpf, RETURN.0, RETURN.1) {
            Ok(link) => {
                self.returns = Some(link);
                Ok(None)
            }
            Err(error) if error.is_about_a_feature() => Ok(Some(error.in_one_line())),
            Err(error) => Err(error),
        }
    }

    /// Detaches the program for returns, if it is attached.
    pub fn stop_returns(&mut self) {
        if let Some(link) = self.returns.take()
            && let Ok(program) = find::<RawTracePoint>(&mut self.ebpf, RETURN.0)
            && let Err(error) = program.detach(link)
        {
            warn!(%error, "the program for returns cannot be detached");
        }
    }

    /// Starts ticks by `periods` on every CPU that is online.
    ///
    /// # Errors
    /// [`KernelError::NotPermitted`], [`KernelError::Failed`] or
    /// [`KernelError::Missing`].
    pub fn start_ticks(&mut self, periods: ClockPeriods) -> Result<Ticks, KernelError> {
        let places = places_for_cpus()?;
        let name = self.walk_backend.program();
        let sampler: &mut PerfEvent = find(&mut self.ebpf, name)?;
        let program = sampler.fd().map_err(|error| rejected(name, error))?;
        let program = program.as_fd().try_clone_to_owned();
        program
            .and_then(|program| Ticks::start(program, places, periods))
            .map_err(|error| of_ticks("start the ticks of the CPUs", error))
    }

    /// Returns how many instructions of each program the verifier looked at. Needs Linux
    /// 5.16.
    pub fn verified_instructions(&mut self) -> Vec<(String, u32)> {
        self.ebpf
            .programs()
            .filter_map(|(name, program)| {
                let count = program.info().ok()?.verified_instruction_count()?;
                Some((name.to_owned(), count))
            })
            .collect()
    }
}

/// Loads a program for a raw tracepoint and attaches it.
fn attach(
    ebpf: &mut Ebpf,
    program: &'static str,
    tracepoint: &'static str,
) -> Result<RawTracePointLinkId, KernelError> {
    let loaded: &mut RawTracePoint = find(ebpf, program)?;
    loaded.load().map_err(|error| rejected(program, error))?;
    loaded
        .attach(tracepoint)
        .map_err(|error| rejected(program, error))
}

/// Loads the program for ticks: the one with `bpf_loop` if that is wanted and the kernel
/// accepts it, otherwise the one with calls.
fn load_sampler(ebpf: &mut Ebpf, choice: WalkBackendChoice) -> Result<WalkBackend, KernelError> {
    let reason = match choice {
        WalkBackendChoice::GlobalFunctions(reason) => reason,
        WalkBackendChoice::Best => match load_perf_event(ebpf, WalkBackend::BpfLoop) {
            Err(error) if error.is_about_a_feature() => {
                let error = error.in_one_line();
                format!("the kernel has no bpf_loop, which came with 5.17 ({error})")
            }
            other => return other,
        },
    };
    load_perf_event(ebpf, WalkBackend::GlobalFunctions(reason))
}

fn load_perf_event(ebpf: &mut Ebpf, walk_backend: WalkBackend) -> Result<WalkBackend, KernelError> {
    let program: &mut PerfEvent = find(ebpf, walk_backend.program())?;
    program
        .load()
        .map_err(|error| rejected(walk_backend.program(), error))?;
    Ok(walk_backend)
}

fn find<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, KernelError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let program = ebpf
        .program_mut(name)
        .ok_or(KernelError::Missing { name })?;
    program
        .try_into()
        .map_err(|_| KernelError::Missing { name })
}

fn rejected(program: &str, error: ProgramError) -> KernelError {
    match error {
        ProgramError::LoadError { io_error, .. }
            if io_error.kind() == std::io::ErrorKind::PermissionDenied
                && io_error.raw_os_error() == Some(libc::EPERM) =>
        {
            KernelError::NotPermitted {
                doing: "load a BPF program",
            }
        }
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            KernelError::Rejected {
                program: program.into(),
                source: io_error,
                log: tail,
            }
        }
        other => failed("attach the kernel side", &other),
    }
}

fn of_ticks(doing: &'static str, error: std::io::Error) -> KernelError {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return KernelError::NotPermitted { doing };
    }
    KernelError::Failed {
        doing,
        message: error.to_string(),
    }
}

/// Returns how many slots a table by CPU number needs, for the CPUs that get ticks and
/// those that may come later. Some virtual machines could have hundreds of CPUs, and each
/// slot costs memory.
fn places_for_cpus() -> Result<u32, KernelError> {
    let online = online_cpus().map_err(|(_, error)| failed("list the CPUs", &error))?;
    let possible = nr_cpus().map_err(|(_, error)| failed("list the CPUs", &error))?;
    let online = online.into_iter().max().map_or(1, |last| last + 1);
    let possible = u32::try_from(possible).unwrap_or(u32::MAX);
    Ok(possible.clamp(online, online + SPARE_CPUS))
}

/// Slots for CPUs that may come later.
const SPARE_CPUS: u32 = 16;

fn failed(doing: &'static str, error: &dyn std::error::Error) -> KernelError {
    let mut message = error.to_string();
    let mut next = error.source();
    let mut not_permitted = false;
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            not_permitted |= io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        message = format!("{message}: {cause}");
        next = cause.source();
    }
    if not_permitted {
        KernelError::NotPermitted { doing }
    } else {
        KernelError::Failed { doing, message }
    }
}
