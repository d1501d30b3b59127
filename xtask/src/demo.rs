// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask demo`: samples a small service and shows where its time went.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::process::{self, say};
use crate::workspace::Workspace;
use crate::{build, interpreters, packages, sudo, time_table};

/// How long the service is sampled, in seconds.
const DURATION: &str = "8";
/// The rate of sampling, in Hz.
const HZ: &str = "10";

/// Builds pyebpf, starts the service, samples it, and prints the result.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let binary = build::everything(workspace)?;
    let directory = workspace.target.join("demo");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let file = directory.join("timeline.json");
    let service = Service::start(workspace)?;
    say(format!(
        "sampling the service (process {}) for {DURATION} s",
        service.process.id()
    ));
    let sampled = sample(&binary, &service, &file);
    service.stop()?;
    sampled?;
    let timeline = fs::read_to_string(&file)
        .with_context(|| format!("cannot read what was recorded, {}", file.display()))?;
    println!(
        "\nWhere the time went:\n\n{}",
        time_table::table(&timeline)?
    );
    println!("The timeline is {}.", file.display());
    println!("It is one JSON array: one row for each change of a thread's stack.");
    println!("Any timeline viewer for this format opens it; docs/formats.md describes the rows.");
    Ok(())
}

fn sample(binary: &Path, service: &Service, file: &Path) -> anyhow::Result<()> {
    let mut command = sudo::command(binary, &[])?;
    command
        .args(["--hz", HZ, "--duration", DURATION, "--pid"])
        .arg(service.process.id().to_string());
    process::run(command.arg("-o").arg(file))
}

/// The running service; it ends when its standard input closes.
pub(crate) struct Service {
    process: Child,
}

impl Service {
    pub(crate) fn start(workspace: &Workspace) -> anyhow::Result<Self> {
        let script = workspace.root.join("tests/scripts/demo_service.py");
        let python = match interpreters::for_demo() {
            Some(python) => python,
            None => {
                packages::install(&["python3"])?;
                interpreters::for_demo().context("no Python 3.8 or newer was found to sample")?
            }
        };
        say(format!(
            "starting {} {}",
            python.display(),
            script.display()
        ));
        let mut process = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let output = process
            .stdout
            .take()
            .context("a piped output can be taken")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() != "ready" {
            let status = process.wait()?;
            bail!("the service did not start ({status})");
        }
        Ok(Self { process })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if !status.success() {
            bail!("the service ended badly ({status})");
        }
        Ok(())
    }
}
