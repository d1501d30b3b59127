// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running `pyebpf serve`, and what it answers.

use std::ffi::OsString;
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

/// How long the chunks of a server are, and how many it keeps.
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
        chunks: Chunks,
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
        let keep = chunks.seconds * f64::from(chunks.kept);
        command
            .env("PYEBPF_CHUNK_SECONDS", chunks.seconds.to_string())
            .args(["--keep", &format!("{}s", keep.round() as u64)]);
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
        Ok(files_in(&self.state.join("chunks"))?
            .iter()
            .map(|(_, bytes)| bytes)
            .sum())
    }

    /// Returns how many bytes a complete chunk has, on average without the first, at whose
    /// beginning nothing was known of the processes.
    pub(super) fn bytes_of_a_chunk(&self) -> anyhow::Result<f64> {
        let mut chunks = files_in(&self.state.join("chunks"))?;
        chunks.sort();
        // The last one is being written.
        let complete = chunks.len().saturating_sub(1);
        let complete = chunks.get(1..complete).unwrap_or_default();
        anyhow::ensure!(!complete.is_empty(), "no chunk is complete");
        let sum: u64 = complete.iter().map(|(_, bytes)| bytes).sum();
        Ok(sum as f64 / complete.len() as f64)
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

/// Returns the names and sizes of the files in a directory.
fn files_in(directory: &Path) -> anyhow::Result<Vec<(OsString, u64)>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    // One that is deleted meanwhile has no size.
    let files = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.len())));
    Ok(files.collect())
}
