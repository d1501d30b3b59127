// SPDX-License-Identifier: MIT OR Apache-2.0

//! What this machine lets the tests do, and the interpreters that they run.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tests::interpreters::{Interpreter, interpreters, source_builds};

use crate::support::not_run::{NOT_RUN, not_run};

/// A machine on which processes can be sampled.
pub(crate) struct Machine {
    /// The program under test.
    pub(crate) pyebpf: PathBuf,
    /// The interpreters to sample: 3.8 and later.
    pub(crate) interpreters: Vec<Interpreter>,
    /// Other builds of these versions: free-threaded, or with another C library.
    source_builds: Vec<Interpreter>,
}

/// The oldest minor version that the tests are written for.
const OLDEST: u8 = 8;

/// Inspects the machine once.
///
/// # Panics
/// If nothing can be sampled here.
pub(crate) fn machine() -> &'static Machine {
    static FOUND: OnceLock<Result<Machine, String>> = OnceLock::new();
    match FOUND.get_or_init(find) {
        Ok(machine) => machine,
        Err(reason) => panic!("live tests cannot run: {reason}"),
    }
}

/// Whether everything has to be tried, so that what cannot be is a failure.
pub(crate) fn is_required() -> bool {
    env::var_os("PYEBPF_REQUIRE_BPF").is_some_and(|value| value == "1")
}

fn find() -> Result<Machine, String> {
    let pyebpf = env::var_os("PYEBPF_BIN").map(PathBuf::from);
    let pyebpf = pyebpf.ok_or("PYEBPF_BIN names no pyebpf; run them by `cargo xtask test`")?;
    // This process is not Python, which pyebpf finds out only once its eBPF program runs.
    let output = Command::new(&pyebpf)
        .args(["--pid", &std::process::id().to_string()])
        .output()
        .map_err(|error| format!("{} does not run: {error}", pyebpf.display()))?;
    if output.status.code() != Some(4) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pyebpf cannot sample here: {}", said.trim()));
    }
    let mut interpreters = interpreters();
    interpreters.retain(|interpreter| interpreter.minor >= OLDEST);
    Ok(Machine {
        pyebpf,
        interpreters,
        source_builds: source_builds(),
    })
}

impl Machine {
    /// Returns the interpreter for what does not depend on the version: the newest that
    /// is not in a private root.
    pub(crate) fn interpreter(&self) -> &Interpreter {
        let host = |it: &&Interpreter| !it.path.to_string_lossy().contains("/roots/");
        self.interpreters
            .iter()
            .rfind(host)
            .or(self.interpreters.last())
            .expect("one was found")
    }

    /// Runs `test` with every interpreter, one after the other, and prints what each
    /// returns.
    ///
    /// # Panics
    /// If it fails with any; the message has all failures.
    pub(crate) fn with_each(
        &self,
        title: &str,
        test: impl Fn(&Interpreter) -> Result<String, String>,
    ) {
        with(self.interpreters.iter(), title, test);
    }

    /// Does the same as [`Machine::with_each`], including the builds from source.
    ///
    /// # Panics
    /// As [`Machine::with_each`].
    pub(crate) fn with_each_build(
        &self,
        title: &str,
        test: impl Fn(&Interpreter) -> Result<String, String>,
    ) {
        let all = self.interpreters.iter().chain(&self.source_builds);
        with(all, title, test);
    }
}

fn with<'a>(
    interpreters: impl Iterator<Item = &'a Interpreter>,
    title: &str,
    test: impl Fn(&Interpreter) -> Result<String, String>,
) {
    let mut failed = Vec::new();
    for interpreter in interpreters {
        match test(interpreter) {
            Ok(result) => tried(title, interpreter, &result),
            Err(error) => failed.push(format!("{}: {error}", name(interpreter))),
        }
    }
    assert!(failed.is_empty(), "{title}:\n{}", failed.join("\n"));
}

/// Prints what a test found with an interpreter, or by name that it was not run.
pub(crate) fn tried(title: &str, interpreter: &Interpreter, result: &str) {
    match result.strip_prefix(NOT_RUN) {
        Some(reason) => not_run(&version(interpreter), reason),
        None => say(format!("  {title}, {}: {result}", name(interpreter))),
    }
}

/// Returns how many times slower than hardware this machine is, as `PYEBPF_SLOWNESS`
/// says where it is emulated.
pub(crate) fn slowness() -> u32 {
    let said = env::var("PYEBPF_SLOWNESS");
    said.map_or(1, |it| it.parse().expect("a number of times"))
}

/// Returns `most` if this machine is emulated, and 0 on hardware: the number of
/// failures allowed that come from pages not in memory.
pub(crate) fn when_emulated(most: u64) -> u64 {
    if slowness() > 1 { most } else { 0 }
}

/// Returns a name without a path, such as `3.12.1`, or `3.13.0 free-threaded`.
pub(crate) fn version(interpreter: &Interpreter) -> String {
    let Interpreter { minor, patch, .. } = interpreter;
    let mut version = format!("3.{minor}.{patch}");
    if interpreter.free_threaded {
        version.push_str(" free-threaded");
    }
    if interpreter.musl {
        version.push_str(" musl");
    }
    version
}

/// Returns a name such as `3.12.1 (path)`.
pub(crate) fn name(interpreter: &Interpreter) -> String {
    let Interpreter { minor, patch, .. } = interpreter;
    format!("3.{minor}.{patch} ({})", interpreter.path.display())
}

/// Prints a line even if the test passes.
pub(crate) fn say(line: impl AsRef<str>) {
    // A lost line harms nobody.
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}
