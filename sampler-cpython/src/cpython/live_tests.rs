// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts every interpreter at hand and walks it from outside: the proof of the layouts.
//! `PYEBPF_TEST_ROOT` can name a root directory with more interpreters, which are then
//! started inside it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sampler_common::code::{CodeHeader, CodeRecord, MAX_TEXT};
use sampler_common::code_cache::CodeCache;
use sampler_common::describe::{Subject, Windows, describe};
use sampler_common::layout::ABSENT;
use sampler_common::life::InterpreterLife;
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::{CodeKey, MAX_FRAMES, RawFrame};
use sampler_common::stop::StopReason;
use sampler_common::thread_state::{self, Search};
use sampler_common::walk::{Codes, KnownCode, Walk};
use sampler_common::window::Window;

use crate::cpython::discovery::Discovery;
use crate::cpython::gil::GilHolders;
use crate::cpython::inspect_error::InspectError;
use crate::cpython::instance::Instance;
use crate::cpython::tls_slot::{ThreadState, thread_states};
use crate::process::memory::ProcessMemory;

/// Two threads, each waiting inside a known chain of calls.
const SCRIPT: &str = "
import os, sys, threading
waiting, wake = os.pipe()
ready = threading.Event()
class Holder:
    def __init__(self):
        self.got = list(generator())
def generator():
    yield inner()
def inner():
    ready.wait()
    print('{}.{}.{}'.format(*sys.version_info[:3]), flush=True)
    os.read(0, 1)
def middle():
    return sorted([1], key=lambda one: Holder())
def outer():
    middle()
def worker():
    ready.set()
    os.read(waiting, 1)
threading.Thread(target=worker, daemon=True).start()
outer()
";

struct Interpreter {
    name: String,
    command: Command,
}

fn interpreters() -> Vec<Interpreter> {
    let mut all = Vec::new();
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    for version in fs::read_dir(home.join(".pyenv/versions"))
        .into_iter()
        .flatten()
    {
        let program = version
            .expect("a directory entry")
            .path()
            .join("bin/python3");
        if program.exists() {
            all.push(Interpreter {
                name: program.display().to_string(),
                command: Command::new(program),
            });
        }
    }
    if Path::new("/usr/bin/python3").exists() {
        all.push(Interpreter {
            name: "/usr/bin/python3".to_owned(),
            command: Command::new("/usr/bin/python3"),
        });
    }
    if let Some(root) = std::env::var_os("PYEBPF_TEST_ROOT").map(PathBuf::from) {
        for minor in 8..=15 {
            let program = format!("usr/bin/python3.{minor}");
            if root.join(&program).exists() {
                let mut command = Command::new("chroot");
                command.arg(&root).arg(format!("/{program}"));
                all.push(Interpreter {
                    name: format!("/{program} in the test root"),
                    command,
                });
            }
        }
    }
    all
}

struct Running {
    child: Child,
    version: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .args(["-S", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut version = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut version)
            .expect("it says when it waits");
        Self {
            child,
            version: version.trim().to_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct NothingKnown;

impl KnownCode for NothingKnown {
    fn is_known(&self, _: CodeKey) -> bool {
        false
    }
}

/// Returns the names of the frames of one thread, innermost first.
fn chain(memory: &ProcessMemory, config: &ProcessConfig, state: ThreadState) -> Vec<String> {
    let mut search = Search::zeroed();
    let found = thread_state::find(memory, config, state.thread_pointer, 0, &mut search);
    assert_eq!(found, Ok(state.address), "the usual route");
    let mut walk = Walk::zeroed();
    let mut frames = Box::new(
        [RawFrame {
            key: CodeKey(0),
            code: 0,
            instruction: 0,
            line: 0,
        }; MAX_FRAMES],
    );
    walk.run(
        memory,
        config,
        Codes {
            known: &NothingKnown,
            cache: &mut CodeCache::zeroed(),
        },
        &search.state,
        &mut frames,
    );
    assert_eq!(
        StopReason::from_wire(walk.stop),
        Some(StopReason::Complete),
        "after {} frames, at {:#x}",
        walk.depth,
        walk.stop_address
    );
    let frames = &frames[..walk.depth as usize];
    frames
        .iter()
        .map(|frame| name(memory, config, walk.life, frame))
        .collect()
}

fn name(
    memory: &ProcessMemory,
    config: &ProcessConfig,
    life: InterpreterLife,
    frame: &RawFrame,
) -> String {
    let subject = Subject {
        key: frame.key,
        code: frame.code,
        tgid: 0,
        interpreter: 0,
        life,
    };
    let mut windows = Windows {
        code: Window::zeroed(),
        text: Window::zeroed(),
    };
    let mut record = CodeRecord {
        header: bytemuck::Zeroable::zeroed(),
        text: [0; MAX_TEXT],
    };
    let size = describe(memory, config, subject, &mut windows, &mut record);
    assert!(size > size_of::<CodeHeader>(), "not described");
    let header = &record.header;
    assert_eq!(header.missing, 0);
    assert!(header.first_line > 0);
    let start = usize::from(header.file_name.size).next_multiple_of(8);
    let text = &record.text[start..start + usize::from(header.name.size)];
    String::from_utf8(text.to_vec()).expect("ASCII")
}

/// Checks that the same thread state is found with only the list of threads left. Returns
/// whether it is also found when that list is out of reach.
fn check_routes(memory: &ProcessMemory, config: &ProcessConfig, state: ThreadState) -> bool {
    let find = |config: &ProcessConfig| {
        thread_state::find(
            memory,
            config,
            state.thread_pointer,
            0,
            &mut Search::zeroed(),
        )
    };
    let mut list_only = *config;
    list_only.tls_offset = 0;
    list_only.layout.runtime.tss_struct = ABSENT;
    list_only.layout.runtime.tstate_current = ABSENT;
    assert_eq!(find(&list_only), Ok(state.address), "the list of threads");
    let mut slot_only = *config;
    slot_only.layout.runtime.tstate_current = ABSENT;
    // An offset far from the list.
    slot_only.layout.runtime.interpreters_head = ABSENT;
    find(&slot_only) == Ok(state.address)
}

/// Checks that both threads have their numbers, and that nobody holds the GIL.
fn check_threads(memory: &ProcessMemory, instance: &Instance, pid: u32) {
    let mut numbers = crate::process::proc_file::threads(pid).expect("it runs");
    numbers.sort_unstable();
    let threads = instance.python_threads(memory);
    let found: Vec<u32> = threads.iter().map(|it| it.namespace_tid).collect();
    assert_eq!(found, numbers, "{}", instance.runtime.version);
    let main = threads.first().expect("there are two");
    let states = thread_states(memory, &instance.runtime.layout, instance.runtime_address);
    let last = states.last().expect("there are two");
    assert_eq!(main.thread_pointer, last.thread_pointer, "the first made");
    let nobody = Ok(GilHolders::Held(Vec::new()));
    assert_eq!(instance.gil_holders(memory), nobody);
}

fn inspect(pid: u32) -> Instance {
    Discovery::new()
        .inspect(pid)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn walks_every_interpreter_at_hand() {
    let interpreters = interpreters();
    assert!(
        !interpreters.is_empty(),
        "no interpreter at hand: install python3"
    );
    for mut interpreter in interpreters {
        let running = Running::start(&mut interpreter.command);
        if running.version.is_empty() {
            panic!("{} did not start", interpreter.name);
        }
        let pid = running.child.id();
        let mut instance = inspect(pid);
        let memory = ProcessMemory::new(pid);
        if instance.lacks_tls_offset() {
            instance.learn_tls_offset(&memory);
        }
        let config = instance.config(ProcessKey(1));
        let states = thread_states(&memory, &config.layout, config.runtime);
        assert_eq!(states.len(), 2, "{}", interpreter.name);
        let has_slot: Vec<bool> = states
            .iter()
            .map(|state| check_routes(&memory, &config, *state))
            .collect();
        let chains: Vec<_> = states
            .iter()
            .map(|state| chain(&memory, &config, *state).join(" < "))
            .collect();
        println!(
            "{:9} {} slot {has_slot:?} tls {} program {}\n  {}",
            instance.runtime.version.to_string(),
            interpreter.name,
            config.tls_offset,
            instance.is_program,
            chains.join("\n  ")
        );
        let qualified = config.layout.code.qualname != ABSENT;
        let expected = match qualified {
            true => {
                "inner < generator < Holder.__init__ < middle.<locals>.<lambda> < middle < outer < <module>"
            }
            false => "inner < generator < __init__ < <lambda> < middle < outer < <module>",
        };
        assert!(chains.iter().any(|chain| chain == expected), "{chains:?}");
        assert!(
            chains.iter().any(|chain| chain.starts_with("worker < ")),
            "{chains:?}"
        );
        check_threads(&memory, &instance, pid);
        let version = instance.runtime.version;
        assert_eq!(version.to_string().trim_end_matches('t'), running.version);
        // 3.6 has a key too, but one that the walker does not know.
        assert!(
            version.minor == 6 || has_slot.iter().all(|has| *has),
            "{version}"
        );
    }
}

#[test]
fn a_process_without_python_is_an_ordinary_refusal() {
    let mut discovery = Discovery::new();
    let pid = std::process::id();
    assert_eq!(
        discovery.inspect(pid).err(),
        Some(InspectError::NotPython { pid })
    );
    let nobody = u32::MAX;
    assert_eq!(
        discovery.inspect(nobody).err(),
        Some(InspectError::Gone { pid: nobody })
    );
}
