// SPDX-License-Identifier: MIT OR Apache-2.0

//! A server whose live page is to be seen, for a limited time.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::Context as _;

use crate::demo::Service;
use crate::process::{self, say};
use crate::sudo;
use crate::workspace::Workspace;

/// How long it serves, in seconds. It ends by itself: only root may end a process of root.
const SECONDS: &str = "45";
/// What clients have to know. It protects nothing.
const TOKEN: &str = "only-for-these-pictures";

/// The demo's service, and a server that samples it.
pub(super) struct Served {
    service: Service,
    server: Child,
    port: u16,
}

impl Served {
    /// Starts both.
    ///
    /// # Errors
    /// One of them cannot be started.
    pub(super) fn start(workspace: &Workspace, binary: &Path) -> anyhow::Result<Self> {
        let directory = workspace.target.join("viewer-server");
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        // With what an earlier server kept, the page would begin ten minutes ago.
        let state = directory.join("state");
        let remove = &mut sudo::command(Path::new("/usr/bin/rm"), &[])?;
        process::run(remove.arg("-rf").arg(&state))?;
        let token = directory.join("token");
        fs::write(&token, TOKEN)?;
        // Free when it was asked for, which is enough for a picture.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let service = Service::start(workspace)?;
        let mut command = sudo::command(Path::new("/usr/bin/timeout"), &[])?;
        command.args(["--signal=TERM", SECONDS]).arg(binary);
        command.args(["serve", "--pid", &service.pid().to_string()]);
        command
            .arg("--state-dir")
            .arg(state)
            .arg("--token-file")
            .arg(&token);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        say(format!("serving the demo's service for {SECONDS} s"));
        let server = command.spawn().context("the server cannot be started")?;
        Ok(Self {
            service,
            server,
            port,
        })
    }

    /// Tells a command where the server is.
    pub(super) fn name_to(&self, command: &mut Command) {
        command
            .env("PYEBPF_SERVER", format!("http://127.0.0.1:{}/", self.port))
            .env("PYEBPF_TOKEN", TOKEN);
    }

    /// Waits for the server's end, and ends the service.
    ///
    /// # Errors
    /// As of waiting.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.server.wait()?;
        self.service.stop()
    }
}
