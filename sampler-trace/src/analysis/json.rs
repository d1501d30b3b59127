// SPDX-License-Identifier: MIT OR Apache-2.0

//! The documents of `pyebpf report --json`, which `docs/report-json.md` describes. They
//! are complete: only the text limits how much it lists.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::compare::{Comparison, FunctionChange};
use crate::analysis::functions::FunctionTimes;
use crate::analysis::heaviest::PathStep;
use crate::analysis::place::CodePlace;
use crate::analysis::threads::{ProcessTimes, ThreadTimes};
use crate::analysis::times::StateTimes;
use crate::analysis::{Analysis, TraceOverview};
use crate::container::info::{Counts, ThreadCpuTime};
use crate::convert::module::module_of;

/// The version of the documents. Fields may be added without a new version.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    trace: About<'a>,
    total_us: u64,
    states_us: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    cpu: Cpu,
    processes: Vec<Process<'a>>,
    functions: Vec<Function<'a>>,
    heaviest_path: Vec<Step<'a>>,
    counts: &'a Counts,
}

#[derive(Serialize)]
struct About<'a> {
    start_unix_us: u64,
    length_us: u64,
    hz: u32,
    mode: &'static str,
    host: &'a str,
    kernel: &'a str,
    program: &'a str,
    command: &'a [String],
    threads: usize,
    torn: bool,
    rates: Vec<Rate>,
}

#[derive(Serialize)]
struct Rate {
    at_us: u64,
    hz: f64,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    name: &'a str,
    cmdline: &'a str,
    python: &'a str,
    namespace_pid: u32,
    container: &'a str,
    cgroup: &'a str,
    total_us: u64,
    states_us: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    cpu: Cpu,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<Kernel>,
    threads: Vec<Thread<'a>>,
    counts: &'a Counts,
}

#[derive(Serialize)]
struct Thread<'a> {
    tid: u32,
    name: &'a str,
    total_us: u64,
    states_us: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    cpu: Cpu,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<Kernel>,
    base: Vec<Location<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(flatten)]
    location: Location<'a>,
    module: String,
    own_us: u64,
    own_running_us: u64,
    user_us: u64,
    system_us: u64,
    total_us: u64,
    with_base_us: u64,
}

/// The time on a CPU according to the samples.
#[derive(Serialize)]
struct Cpu {
    user_us: u64,
    system_us: u64,
}

/// The time on a CPU according to the kernel.
#[derive(Serialize)]
struct Kernel {
    cpu_us: u64,
    user_us: u64,
    system_us: u64,
}

fn kernel(time: &ThreadCpuTime) -> Kernel {
    Kernel {
        cpu_us: time.cpu_us(),
        user_us: time.user_us,
        system_us: time.system_us,
    }
}

fn cpu(times: &StateTimes) -> Cpu {
    Cpu {
        user_us: times.user(),
        system_us: times.system(),
    }
}

#[derive(Serialize)]
struct Location<'a> {
    function: &'a str,
    file: &'a str,
    line: u32,
    source: &'a str,
}

#[derive(Serialize)]
struct Step<'a> {
    #[serde(flatten)]
    location: Location<'a>,
    total_us: u64,
    own_us: u64,
}

#[derive(Serialize)]
struct Compared<'a> {
    schema: u32,
    a: Side<'a>,
    b: Side<'a>,
    functions: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Side<'a> {
    trace: About<'a>,
    total_us: u64,
    states_us: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    cpu: Cpu,
}

#[derive(Serialize)]
struct Change<'a> {
    function: &'a str,
    file: &'a str,
    a: Shares,
    b: Shares,
}

#[derive(Serialize)]
struct Shares {
    own_us: u64,
    own_share: f64,
    total_us: u64,
    total_share: f64,
}

fn states(times: &StateTimes) -> BTreeMap<&'static str, u64> {
    times
        .iter()
        .map(|(state, microseconds)| (state.name(), microseconds))
        .collect()
}

fn about(recording: &TraceOverview) -> About<'_> {
    let info = &recording.info;
    About {
        start_unix_us: recording.start_us,
        length_us: recording.length_us,
        hz: info.hz,
        mode: recording.mode,
        host: &info.host,
        kernel: &info.kernel,
        program: &info.program,
        command: &info.command,
        threads: recording.threads,
        torn: recording.torn,
        rates: recording
            .rates
            .iter()
            .map(|rate| Rate {
                at_us: info.microseconds(rate.time),
                hz: rate.hz(),
            })
            .collect(),
    }
}

fn location(place: &CodePlace) -> Location<'_> {
    Location {
        function: &place.function,
        file: &place.file,
        line: place.line,
        source: &place.source,
    }
}

fn thread(of: &ThreadTimes) -> Thread<'_> {
    Thread {
        tid: of.tid,
        name: &of.name,
        total_us: of.times.total(),
        states_us: states(&of.times),
        cpu: cpu(&of.times),
        kernel: of.cpu.as_ref().map(kernel),
        base: of.base.iter().map(location).collect(),
    }
}

fn process(of: &ProcessTimes) -> Process<'_> {
    Process {
        pid: of.pid,
        name: &of.name,
        cmdline: &of.cmdline,
        python: &of.python,
        namespace_pid: of.place.namespace_pid,
        container: &of.place.container,
        cgroup: &of.place.cgroup,
        total_us: of.times.total(),
        states_us: states(&of.times),
        cpu: cpu(&of.times),
        kernel: of.cpu.map(|cpu| Kernel {
            cpu_us: cpu.user_us.saturating_add(cpu.system_us),
            user_us: cpu.user_us,
            system_us: cpu.system_us,
        }),
        threads: of.threads.iter().map(thread).collect(),
        counts: &of.counts,
    }
}

fn function(of: &FunctionTimes) -> Function<'_> {
    Function {
        location: location(&of.place),
        module: module_of(&of.place.file),
        own_us: of.own_us,
        own_running_us: of.own_running_us,
        user_us: of.own_running_us.saturating_sub(of.own_system_us),
        system_us: of.own_system_us,
        total_us: of.total_us,
        with_base_us: of.with_base_us,
    }
}

fn step(of: &PathStep) -> Step<'_> {
    Step {
        location: location(&of.place),
        total_us: of.total_us,
        own_us: of.own_us,
    }
}

fn change(of: &FunctionChange) -> Change<'_> {
    let [a, b] = of.sides.map(|side| Shares {
        own_us: side.own_us,
        own_share: side.own_share,
        total_us: side.total_us,
        total_share: side.total_share,
    });
    Change {
        function: &of.function,
        file: &of.file,
        a,
        b,
    }
}

impl Analysis {
    /// Returns the document of one trace.
    ///
    /// # Errors
    /// None that is known: the document is made of texts and numbers.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Report {
            schema: SCHEMA_VERSION,
            trace: about(&self.recording),
            total_us: self.times.total(),
            states_us: states(&self.times),
            cpu: cpu(&self.times),
            processes: self.processes.iter().map(process).collect(),
            functions: self.functions.iter().map(function).collect(),
            heaviest_path: self.heaviest.iter().map(step).collect(),
            counts: &self.counts,
        })
    }
}

impl Comparison<'_> {
    /// Returns the document of the comparison.
    ///
    /// # Errors
    /// As [`Analysis::to_json`].
    pub fn to_json(&self) -> serde_json::Result<String> {
        let [a, b] = self.sides.map(|side| Side {
            trace: about(&side.recording),
            total_us: side.times.total(),
            states_us: states(&side.times),
            cpu: cpu(&side.times),
        });
        serde_json::to_string_pretty(&Compared {
            schema: SCHEMA_VERSION,
            a,
            b,
            functions: self.functions.iter().map(change).collect(),
        })
    }
}
