//! Loads the kernel side and starts and stops its ticks. It refuses to read
//! records: `ring` does.

use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use aya::maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya::programs::{Iter, PerfEvent, ProgramError, RawTracePoint};
use aya::util::online_cpus;
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};

use super::counters::Counters;
use super::kernel_types::{KernelTypes, KernelTypesError};
use super::known_code::KnownCode;
use super::locked_memory::LockedMemory;
use super::namespace_offsets;
use super::passes::Passes;
use super::plain_programs::PlainProgramTable;
use super::processes::ProcessTable;
use super::ring::RecordRing;
use super::stepping::{Stepping, SteppingChoice};
use super::task_offsets::TaskOffsets;
use super::ticks::Ticks;

/// The compiled kernel side; empty when this binary was built without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sampler.bpf.o"));

/// Raw tracepoints, which are also the names of their programs' functions.
const LIFECYCLE: [(&str, &str); 3] = [
    ("process_fork", "sched_process_fork"),
    ("process_exec", "sched_process_exec"),
    ("process_exit", "sched_process_exit"),
];

/// Why the kernel side does not run.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Built without the kernel side.
    #[error("this pyebpf was built without its kernel side; build it with `cargo xtask build`")]
    NotBuiltIn,
    /// The kernel's types are not to be had.
    #[error(transparent)]
    Types(#[from] KernelTypesError),
    /// Not allowed.
    #[error(
        "not permitted to {doing}: run pyebpf as root (sudo), or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"
    )]
    NotPermitted {
        /// What was tried.
        doing: &'static str,
    },
    /// The kernel refused a program; `log` ends with the verifier's reason.
    #[error("the kernel refused the program {program}: {source}\n{log}")]
    Refused {
        /// Its name.
        program: String,
        /// What the kernel said.
        source: std::io::Error,
        /// The end of the verifier's log.
        log: String,
    },
    /// The object lacks something that this binary expects of it.
    #[error("the kernel side has no {name}: pyebpf and its kernel side are of different builds")]
    Missing {
        /// The map or program.
        name: &'static str,
    },
    /// Anything else that failed.
    #[error("cannot {doing}: {message}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// The chain of reasons.
        message: String,
    },
}

impl KernelError {
    /// Whether more rights or a newer kernel is the remedy.
    pub fn is_about_rights_or_kernel(&self) -> bool {
        !matches!(self, Self::NotBuiltIn | Self::Missing { .. })
    }
}

impl KernelError {
    /// Whether the kernel does not know something that was asked of it, while
    /// nothing is missing in rights or in pyebpf itself.
    pub fn is_about_a_feature(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Failed { .. })
    }

    /// What happened, without what the verifier looked at.
    pub fn in_one_line(&self) -> String {
        let text = self.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    }
}

/// What the kernel side needs to know before it is loaded.
#[derive(Clone, Debug)]
pub struct KernelOptions {
    /// Follow what followed processes fork.
    pub follow_children: bool,
    /// Report every program that starts on the host, not only followed ones.
    pub report_all_execs: bool,
    /// Follow no process on that starts a program without Python, nor its children.
    pub leave_plain_programs: bool,
    /// Size of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Prepare passes over threads that are off CPU, one for each tick of this
    /// many a second.
    pub passes: Option<u32>,
    /// How to get from frame to frame.
    pub stepping: SteppingChoice,
    /// The inode of the pid namespace that numbers of processes are of; `None` for
    /// the initial one.
    pub pid_namespace: Option<u32>,
}

/// The loaded kernel side. Dropping it detaches and unloads everything.
pub struct Kernel {
    ebpf: Ebpf,
    stepping: Stepping,
    ticks: Option<Ticks>,
}

/// The maps, each with its owner.
pub struct KernelMaps {
    /// Records from the kernel.
    pub records: RecordRing,
    /// The processes it samples.
    pub processes: ProcessTable,
    /// The programs whose starts it does not tell.
    pub plain_programs: PlainProgramTable,
    /// The code objects it need not describe any more.
    pub known: KnownCode,
    /// Its statistics.
    pub counters: Counters,
}

impl Kernel {
    /// Loads all programs and attaches those that follow processes. No tick
    /// happens yet.
    ///
    /// # Errors
    /// [`KernelError`]; needs Linux 5.8 with BTF, `CAP_BPF` and `CAP_PERFMON`.
    pub fn load(options: KernelOptions) -> Result<Self, KernelError> {
        if OBJECT.is_empty() {
            return Err(KernelError::NotBuiltIn);
        }
        // Aya's loader reads all types of the kernel as soon as it is made, which
        // takes longer than to look up ours.
        let making = thread::spawn(EbpfLoader::new);
        let types = KernelTypes::of_this_kernel()?;
        let offsets = TaskOffsets::find(&types)?;
        let namespace = match options.pid_namespace {
            Some(inode) => Some(namespace_offsets::find(&types, inode)?),
            None => None,
        };
        drop(types);
        let follow_children = u32::from(options.follow_children);
        let report_all_execs = u32::from(options.report_all_execs);
        let leave_plain_programs = u32::from(options.leave_plain_programs);
        let report_thread_exits = u32::from(options.passes.is_some());
        let ring_wake_at = options.ring_bytes / 4;
        let half_period = 500_000_000 / options.passes.unwrap_or(1).max(1);
        let mut loader = making.join().unwrap_or_else(|_| EbpfLoader::new());
        loader
            .verifier_log_level(VerifierLogLevel::STATS)
            // Nothing in the object depends on them.
            .btf(None)
            .override_global("FOLLOW_CHILDREN", &follow_children, true)
            .override_global("REPORT_ALL_EXECS", &report_all_execs, true)
            .override_global("LEAVE_PLAIN_PROGRAMS", &leave_plain_programs, true)
            .override_global("HALF_PERIOD", &half_period, true)
            .override_global("REPORT_THREAD_EXITS", &report_thread_exits, true)
            .override_global("RING_WAKE_AT", &ring_wake_at, true)
            .map_max_entries("RECORDS", options.ring_bytes)
            .map_max_entries("CODE_CACHES", places_for_cpus()?);
        if options.passes.is_none() {
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
            let loaded: &mut RawTracePoint = find(&mut ebpf, program)?;
            loaded.load().map_err(|error| refused(program, error))?;
            loaded
                .attach(tracepoint)
                .map_err(|error| refused(program, error))?;
        }
        let stepping = load_sampler(&mut ebpf, options.stepping)?;
        Ok(Self {
            ebpf,
            stepping,
            ticks: None,
        })
    }

    /// How it gets from frame to frame.
    pub fn stepping(&self) -> &Stepping {
        &self.stepping
    }

    /// Takes the maps out; once.
    ///
    /// # Errors
    /// [`KernelError::Missing`] or [`KernelError::Failed`].
    pub fn take_maps(&mut self) -> Result<KernelMaps, KernelError> {
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
            plain_programs: PlainProgramTable::new(
                HashMap::try_from(take("PLAIN_PROGRAMS")?).map_err(bad)?,
            ),
            known: KnownCode::new(Array::try_from(take("KNOWN")?).map_err(bad)?),
            counters: Counters::new(PerCpuArray::try_from(take("COUNTERS")?).map_err(bad)?),
        })
    }

    /// Loads what passes over threads that are off CPU.
    ///
    /// # Errors
    /// [`KernelError`]; needs Linux 5.18.
    pub fn prepare_passes(&mut self) -> Result<Passes, KernelError> {
        let types =
            Btf::from_sys_fs().map_err(|error| failed("read the kernel's types", &error))?;
        let program: &mut Iter = find(&mut self.ebpf, "off_cpu")?;
        program
            .load("task", &types)
            .map_err(|error| refused("off_cpu", error))?;
        let doing = "attach the passes over threads";
        let descriptor = program.fd().map_err(|error| failed(doing, &error))?;
        let descriptor = descriptor.as_fd().try_clone_to_owned();
        descriptor
            .and_then(Passes::new)
            .map_err(|error| failed(doing, &error))
    }

    /// Starts a tick each `period` on every CPU that is online.
    ///
    /// # Errors
    /// [`KernelError::NotPermitted`] or [`KernelError::Failed`].
    pub fn start_ticks(&mut self, period: Duration) -> Result<(), KernelError> {
        let cpus = online_cpus().map_err(|(_, error)| failed("list the CPUs", &error))?;
        let name = self.stepping.program();
        let sampler: &mut PerfEvent = find(&mut self.ebpf, name)?;
        let program = sampler.fd().map_err(|error| refused(name, error))?;
        let ticks = Ticks::start(program.as_fd(), &cpus, period);
        self.ticks = Some(ticks.map_err(|error| of_ticks("start the ticks of the CPUs", error))?);
        Ok(())
    }

    /// From now on there is a tick each `period`.
    ///
    /// # Errors
    /// [`KernelError::Failed`].
    pub fn set_period(&mut self, period: Duration) -> Result<(), KernelError> {
        let Some(ticks) = &self.ticks else {
            return Ok(());
        };
        ticks
            .set_period(period)
            .map_err(|error| of_ticks("change the rate of the ticks", error))
    }

    /// Stops the ticks. Records already in the ring buffer stay there.
    pub fn stop_ticks(&mut self) {
        self.ticks = None;
    }

    /// Instructions that the verifier looked at, by program. Linux 5.16.
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

/// Loads the program for ticks: the one that loops, if that is wanted and the
/// kernel takes it, else the one that calls.
fn load_sampler(ebpf: &mut Ebpf, choice: SteppingChoice) -> Result<Stepping, KernelError> {
    let reason = match choice {
        SteppingChoice::Calls(reason) => reason,
        SteppingChoice::Best => match load_perf_event(ebpf, Stepping::Loop) {
            Err(error) if error.is_about_a_feature() => {
                let error = error.in_one_line();
                format!("the kernel has no bpf_loop, which came with 5.17 ({error})")
            }
            other => return other,
        },
    };
    load_perf_event(ebpf, Stepping::Calls(reason))
}

fn load_perf_event(ebpf: &mut Ebpf, stepping: Stepping) -> Result<Stepping, KernelError> {
    let program: &mut PerfEvent = find(ebpf, stepping.program())?;
    program
        .load()
        .map_err(|error| refused(stepping.program(), error))?;
    Ok(stepping)
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

fn refused(program: &str, error: ProgramError) -> KernelError {
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
            KernelError::Refused {
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

/// How many places a table by the numbers of CPUs needs, for those that get ticks.
fn places_for_cpus() -> Result<u32, KernelError> {
    let online = online_cpus().map_err(|(_, error)| failed("list the CPUs", &error))?;
    Ok(online.into_iter().max().map_or(1, |last| last + 1))
}

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
