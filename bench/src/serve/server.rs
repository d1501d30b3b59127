// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running `pyebpf serve`, and what it answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use nix::unistd::Pid;
use serde_json::Value;

use crate::procfs;
use crate::session::Session;

/// The rate of a server that nobody has asked for another one.
const HZ: &str = "10";

/// How a server keeps its chunks in a soak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// How long a chunk is, in seconds.
    pub(super) seconds: f64,
    /// How many are kept.
    pub(super) kept: u32,
}

/// A running server; dropping it kills it.
pub(super) struct Server {
    session: Session,
    binary: PathBuf,
    socket: PathBuf,
    state: PathBuf,
    /// Supervisor, recorder, front.
    parts: [Pid; 3],
}

impl Server {
    /// Starts a server that samples these processes, and waits until it is ready.
    pub(super) fn start(
        binary: &Path,
        scratch: &Path,
        state: &Path,
        processes: &[Pid],
        chunks: Option<Chunks>,
    ) -> anyhow::Result<Self> {
        let socket = state.with_extension("socket");
        let list: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let mut command = Command::new(binary);
        command
            .args(["serve", "--mode", "wall", "--hz", HZ])
            // Its cost is what the bench measures, so it must not be limited.
            .args(["--max-cpu", "off", "--pid", &list.join(",")])
            .arg("--state-dir")
            .arg(state)
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()));
        if let Some(chunks) = chunks {
            let keep = chunks.seconds * f64::from(chunks.kept);
            command
                .env("PYEBPF_CHUNK_SECONDS", chunks.seconds.to_string())
                .args(["--keep", &format!("{}s", keep.round() as u64)]);
        }
        let is_ready = |_: Pid, _: &str| {
            status(binary, &socket).is_ok_and(|status| status["recorder"]["state"] == "running")
        };
        let session = Session::start("pyebpf serve", &mut command, scratch, is_ready)?;
        let [supervisor, others @ ..] = &procfs::tree(session.pid())[..] else {
            anyhow::bail!("the server has no process");
        };
        let named = |name: &str| {
            let is_it = |pid: &&Pid| {
                let path = format!("/proc/{pid}/comm");
                fs::read_to_string(path).is_ok_and(|comm| comm.trim() == name)
            };
            let found = others.iter().find(is_it).copied();
            found.with_context(|| format!("the server has no {name}"))
        };
        let parts = [
            *supervisor,
            named("pyebpf-recorder")?,
            named("pyebpf-front")?,
        ];
        Ok(Self {
            session,
            binary: binary.to_owned(),
            socket,
            state: state.to_owned(),
            parts,
        })
    }

    /// The process ids of supervisor, recorder and front.
    pub(super) fn parts(&self) -> [Pid; 3] {
        self.parts
    }

    /// The socket that it listens on.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns how many bytes its chunks have.
    pub(super) fn bytes_written(&self) -> anyhow::Result<u64> {
        bytes_in(&self.state.join("chunks"))
    }

    /// Asks how it is.
    pub(super) fn status(&self) -> anyhow::Result<Value> {
        status(&self.binary, &self.socket)
    }

    /// Ends it, and deletes what it kept.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.session.finish()?;
        let state = &self.state;
        fs::remove_dir_all(state).with_context(|| format!("cannot delete {}", state.display()))
    }
}

fn status(binary: &Path, socket: &Path) -> anyhow::Result<Value> {
    let mut command = Command::new(binary);
    command.args(["ctl", "--socket"]).arg(socket);
    let output = command.args(["status", "--json"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "no status: {said}");
    serde_json::from_slice(&output.stdout).context("a status that is no JSON")
}

/// Returns the sum of the sizes of the files in a directory.
fn bytes_in(directory: &Path) -> anyhow::Result<u64> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    // One that is deleted meanwhile has no size.
    let sizes = entries.flatten().filter_map(|entry| entry.metadata().ok());
    Ok(sizes.map(|metadata| metadata.len()).sum())
}
