// SPDX-License-Identifier: MIT OR Apache-2.0

//! Freezes one process of every layout, from the interpreters found. The expected
//! stacks are those that the interpreters themselves report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use sampler_common::layout::ABSENT;
use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::stop::StopReason;
use sampler_common::window::WINDOW_SIZE;
use sampler_cpython::cpython::discovery::Discovery;
use sampler_cpython::cpython::line_table::LineTableKind;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::process::proc_file::threads;
use tests::frozen::file::{FrozenProcess, FrozenRead, FrozenThread, directory};
use tests::frozen::replay::replay;
use tests::interpreters::{Interpreter, interpreters};

/// The script that the interpreters run.
const SCRIPT: &str = include_str!("../../scripts/frozen_chain.py");
/// Runs the script under a file name that is the same everywhere.
const START: &str = "import sys; exec(compile(sys.argv[1], '/srv/app/chain.py', 'exec'))";
/// The number of threads of the script.
const THREADS: usize = 2;
/// How long an interpreter may take until all its threads wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// A fixed key, so that a file changes only where the process differs.
const KEY: ProcessKey = ProcessKey(0x0f20_5e40_0000_0001);

fn main() {
    let mut found = BTreeMap::new();
    for interpreter in interpreters() {
        // Patch releases of one minor version share a layout; the newest is frozen.
        found.insert((interpreter.minor, interpreter.free_threaded), interpreter);
    }
    for interpreter in found.values() {
        let frozen = freeze(interpreter);
        let path = frozen.write(&directory()).expect("it can be written");
        let size = fs::metadata(&path).expect("it was written").len();
        println!(
            "{}: {} threads, {} reads, {size} bytes in {}",
            frozen.version,
            frozen.threads.len(),
            frozen.reads.len(),
            path.display()
        );
    }
}

fn freeze(interpreter: &Interpreter) -> FrozenProcess {
    let (running, threads) = Running::start(interpreter);
    let pid = running.0.id();
    let mut instance = Discovery::new()
        .inspect(pid)
        .unwrap_or_else(|error| panic!("{error}"));
    let process = ProcessMemory::new(pid);
    if instance.lacks_tls_offset() {
        instance.learn_tls_offset(&process);
    }
    let config = instance.config(KEY);
    let runtime = &instance.runtime;
    let mut frozen = FrozenProcess::new(runtime.version.to_string(), &config, runtime.line_table);
    let memory = Recorder::new(&process, &config);
    for thread in &threads {
        for config in routes(&config) {
            let found = replay(&memory, &config, runtime.line_table, thread.thread_pointer);
            assert_eq!(found.shown, Ok(thread.frames.clone()), "{}", frozen.version);
            // Records also what a search reads that finds no matching thread state.
            let mut stranger = config;
            stranger.layout.thread.thread_id = config.layout.thread.interp;
            let pointer = thread.thread_pointer;
            let none = replay(&memory, &stranger, runtime.line_table, pointer);
            assert_eq!(none.shown, Err(StopReason::NoThreadState));
        }
        note_base_frame(&memory, &config, runtime.line_table, thread);
    }
    let mut type_object = vec![0; WINDOW_SIZE];
    memory
        .read_bytes(config.code_type, &mut type_object)
        .expect("it has the type of its code objects");
    frozen.threads = threads;
    frozen.reads = memory.into_reads();
    frozen
}

/// Reads the frame that ends the chain of a thread (3.15). A walk reads it only if it
/// does not know it as the end.
fn note_base_frame(
    memory: &Recorder<'_>,
    config: &ProcessConfig,
    line_table: LineTableKind,
    thread: &FrozenThread,
) {
    let layout = &config.layout;
    if layout.thread.base_frame == ABSENT {
        return;
    }
    let found = replay(memory, config, line_table, thread.thread_pointer);
    let place = found.thread_state + u64::from(layout.thread.base_frame);
    let base_frame = memory.read_u64(place).expect("it has one");
    let mut bytes = vec![0; layout.frame.read_size.into()];
    memory
        .read_bytes(base_frame, &mut bytes)
        .expect("a whole process");
}

/// Returns the configuration as it is, and two copies with only one way left to find a
/// thread: its thread-local slot, or the list of all threads.
fn routes(config: &ProcessConfig) -> [ProcessConfig; 3] {
    let mut slot_only = *config;
    slot_only.layout.runtime.tstate_current = ABSENT;
    let mut list_only = slot_only;
    list_only.tls_offset = 0;
    list_only.layout.runtime.tss_struct = ABSENT;
    [*config, slot_only, list_only]
}

struct Running(Child);

impl Running {
    /// Starts the script and waits until all its threads wait.
    fn start(interpreter: &Interpreter) -> (Self, Vec<FrozenThread>) {
        let mut child = Command::new(&interpreter.path)
            .args(["-S", "-c", START, SCRIPT])
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it ran a moment ago");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let running = Self(child);
        let lines = output.lines().take(THREADS);
        let threads: Vec<FrozenThread> = lines
            .map(|line| serde_json::from_str(&line.expect("text")).expect("a thread"))
            .collect();
        assert_eq!(threads.len(), THREADS, "{}", interpreter.path.display());
        let start = Instant::now();
        while !running.is_at_rest() {
            assert!(start.elapsed() < PATIENCE, "its threads do not wait");
            yield_now();
        }
        (running, threads)
    }

    /// Whether every thread is in the system call `read`, which is number 0.
    fn is_at_rest(&self) -> bool {
        let pid = self.0.id();
        let is_reading = |tid: u32| {
            let call = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"));
            call.expect("it is our child").starts_with("0 ")
        };
        threads(pid)
            .expect("it is our child")
            .into_iter()
            .all(is_reading)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; the assertions above have noticed that.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Memory of a process that records what is read from it, by address and size.
struct Recorder<'process> {
    process: &'process ProcessMemory,
    /// The read sizes of a thread state and of a frame.
    narrow: [u16; 2],
    /// The read size of a code object, the largest structure.
    wide: u16,
    reads: RefCell<BTreeMap<(u64, usize), Vec<u8>>>,
}

impl<'process> Recorder<'process> {
    fn new(process: &'process ProcessMemory, config: &ProcessConfig) -> Self {
        let layout = &config.layout;
        Self {
            process,
            narrow: [layout.thread.read_size, layout.frame.read_size],
            wide: layout.code.read_size,
            reads: RefCell::default(),
        }
    }

    fn into_reads(self) -> Vec<FrozenRead> {
        let reads = self.reads.into_inner().into_iter();
        reads
            .map(|((address, size), bytes)| FrozenRead {
                address,
                size: size as u64,
                bytes,
            })
            .collect()
    }
}

impl UserMemory for Recorder<'_> {
    /// Records more bytes where a smaller structure is: a damaged pointer to it may
    /// make the walker read it as the largest one.
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        self.process.read_bytes(address, destination)?;
        let size = destination.len();
        let mut bytes = destination.to_vec();
        if self
            .narrow
            .iter()
            .any(|narrow| usize::from(*narrow) == size)
        {
            let mut wide = vec![0; size.max(self.wide.into())];
            if self.process.read_bytes(address, &mut wide).is_ok() {
                bytes = wide;
            }
        }
        self.reads.borrow_mut().insert((address, size), bytes);
        Ok(())
    }
}
