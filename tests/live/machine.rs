//! What this machine lets the tests do. It refuses to know what they check.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tests::interpreters::{Interpreter, interpreters, source_builds};

/// A machine on which processes can be sampled.
pub(crate) struct Machine {
    /// The program under test.
    pub(crate) pyebpf: PathBuf,
    /// The interpreters to sample: 3.8 and later.
    pub(crate) interpreters: Vec<Interpreter>,
    /// More of a version that is among them: without the GIL, with another C library.
    source_builds: Vec<Interpreter>,
}

/// The oldest minor version that the tests are written for.
const OLDEST: u8 = 8;

/// Finds out once. `None` when nothing can be sampled here, which has been said
/// then.
///
/// # Panics
/// When nothing can be sampled and `PYEBPF_REQUIRE_BPF` is 1.
pub(crate) fn machine() -> Option<&'static Machine> {
    static FOUND: OnceLock<Result<Machine, String>> = OnceLock::new();
    match FOUND.get_or_init(find) {
        Ok(machine) => Some(machine),
        Err(reason) => {
            let is_required = env::var_os("PYEBPF_REQUIRE_BPF").is_some_and(|value| value == "1");
            assert!(!is_required, "live tests cannot run: {reason}");
            say(format!("live test not run: {reason}"));
            None
        }
    }
}

fn find() -> Result<Machine, String> {
    let pyebpf = env::var_os("PYEBPF_BIN").map(PathBuf::from);
    let pyebpf = pyebpf.ok_or("PYEBPF_BIN names no pyebpf; run them by `cargo xtask test`")?;
    // This process is no Python, which is found out after the kernel side runs.
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
    /// One interpreter, for what does not depend on the version: the newest of
    /// the host's own.
    pub(crate) fn interpreter(&self) -> &Interpreter {
        let host = |it: &&Interpreter| !it.path.to_string_lossy().contains("/roots/");
        self.interpreters
            .iter()
            .rfind(host)
            .or(self.interpreters.last())
            .expect("one was found")
    }

    /// Does `test` with every interpreter, one after the other, and shows what
    /// each gives to say.
    ///
    /// # Panics
    /// When it failed with any, with all failures.
    pub(crate) fn with_each(
        &self,
        title: &str,
        test: impl Fn(&Interpreter) -> Result<String, String>,
    ) {
        with(self.interpreters.iter(), title, test);
    }

    /// As [`Machine::with_each`], and with the builds from source as well.
    ///
    /// # Panics
    /// As that.
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
        let name = name(interpreter);
        match test(interpreter) {
            Ok(result) => say(format!("  {title}, {name}: {result}")),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{title}:\n{}", failed.join("\n"));
}

/// How many times slower than hardware this machine is, as `PYEBPF_SLOWNESS` says
/// where it is emulated.
pub(crate) fn slowness() -> u32 {
    let said = env::var("PYEBPF_SLOWNESS");
    said.map_or(1, |it| it.parse().expect("a number of times"))
}

/// `most` where this machine is emulated, and nothing on hardware: how many of what a
/// page that is not in memory can spoil are allowed.
pub(crate) fn when_emulated(most: u64) -> u64 {
    if slowness() > 1 { most } else { 0 }
}

/// `3.12.1 (path)`.
pub(crate) fn name(interpreter: &Interpreter) -> String {
    let Interpreter { minor, patch, .. } = interpreter;
    format!("3.{minor}.{patch} ({})", interpreter.path.display())
}

/// Prints a line even if the test passes.
pub(crate) fn say(line: impl AsRef<str>) {
    // Losing it harms nobody.
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}
