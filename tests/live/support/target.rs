// SPDX-License-Identifier: MIT OR Apache-2.0

//! A Python process to be sampled, which ends with its test.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tests::interpreters::Interpreter;

/// Returns the directory of the scripts; interpreters in private roots see it too.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

/// A process that runs a script and exchanges lines with the test.
pub(crate) struct Target {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The first line that the script printed, when it was ready.
    pub(crate) ready: Value,
}

impl Target {
    /// Starts `scripts/<script>` and waits until it says that it is ready.
    pub(crate) fn start<A: AsRef<OsStr>>(
        interpreter: &Interpreter,
        script: &str,
        arguments: &[A],
    ) -> Self {
        Self::start_in(&scripts(), interpreter, script, arguments)
    }

    /// Does the same for a script of another directory.
    pub(crate) fn start_in<A: AsRef<OsStr>>(
        directory: &Path,
        interpreter: &Interpreter,
        script: &str,
        arguments: &[A],
    ) -> Self {
        Self::spawn(&mut command(directory, interpreter, script, arguments))
    }

    /// Does the same as another user, who is in no group but their own.
    pub(crate) fn start_as<A: AsRef<OsStr>>(
        user: u32,
        directory: &Path,
        interpreter: &Interpreter,
        script: &str,
        arguments: &[A],
    ) -> Self {
        let mut command = Command::new(&interpreter.path);
        command
            .arg(directory.join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir("/")
            .uid(user)
            .gid(user);
        Self::spawn(&mut command)
    }

    /// Does the same in another root, which contains nothing but what the
    /// interpreter needs and what the test has put there.
    pub(crate) fn start_in_root<A: AsRef<OsStr>>(
        root: &Path,
        interpreter: &Interpreter,
        script: &str,
        arguments: &[A],
    ) -> Self {
        let mut command = Command::new("unshare");
        // The mounts end with their namespace.
        let prepare = "root=$1; shift; \
            for place in usr lib lib64 bin dev; do \
                test -e /$place || continue; mkdir -p $root/$place; \
                mount --rbind /$place $root/$place; \
            done; exec chroot $root \"$@\"";
        command
            .args([
                "--mount",
                "--propagation",
                "slave",
                "sh",
                "-ec",
                prepare,
                "sh",
            ])
            .arg(root)
            .arg(&interpreter.path)
            .arg(Path::new("/").join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Self::spawn(&mut command)
    }

    /// Starts `command`, and waits until it says that it is ready.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut target = Self::run_silent(command);
        target.ready = target.next_line();
        target
    }

    /// Does the same as [`Self::spawn`].
    pub(crate) fn run(mut command: Command) -> Self {
        Self::spawn(&mut command)
    }

    /// Starts `command`, which says nothing.
    pub(crate) fn run_silent(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            input: child.stdin.take().expect("it was asked for"),
            output: BufReader::new(child.stdout.take().expect("it was asked for")),
            child,
            ready: Value::Null,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads the next line that the process prints, which is JSON.
    ///
    /// # Panics
    /// If the process ends without one.
    pub(crate) fn next_line(&mut self) -> Value {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("its output is ours");
        assert!(!line.is_empty(), "process {} ended early", self.child.id());
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it reads");
    }

    /// Kills the process and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Waits for its end; returns whether it succeeded.
    pub(crate) fn wait(&mut self) -> bool {
        self.child.wait().expect("it is our child").success()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command that runs a program.
pub(crate) fn program_command(program: &Path) -> Command {
    // Other processes of this machine must not use up the time that is measured.
    let mut command = Command::new("nice");
    command.args(["-n", "-19"]).arg(program);
    command
}

/// Returns the command that runs a script.
pub(crate) fn command<A: AsRef<OsStr>>(
    directory: &Path,
    interpreter: &Interpreter,
    script: &str,
    arguments: &[A],
) -> Command {
    let mut command = program_command(&interpreter.path);
    command
        .arg(directory.join(script))
        .args(arguments)
        .env("PYEBPF_SCRIPTS", directory)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
