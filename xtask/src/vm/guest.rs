// SPDX-License-Identifier: MIT OR Apache-2.0

//! Boots a kernel in qemu and has it do a job.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::archive::Archive;
use super::kernels::GuestKernel;
use crate::process::{self, say};

/// How long a guest may run; one that hangs is ended.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long to wait for a line before the time is checked.
const PAUSE: Duration = Duration::from_millis(500);

/// Memory of a guest, in MiB; it has to hold the files that the tests write.
const MEMORY: &str = "3072";
/// Number of CPUs of a guest.
const CPUS: &str = "2";

const INIT: &str = include_str!("init.sh");

/// Boots `kernel`, has it run the shell script `job` over the host's files, and passes
/// each line of the output to `take`. Files of the boot go to `directory`.
///
/// The guest sees the whole host, read-only; what it writes stays in its memory.
pub(super) fn run(
    kernel: &GuestKernel,
    job: &str,
    directory: &Path,
    mut take: impl FnMut(&str),
) -> anyhow::Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let initial = directory.join("initramfs");
    fs::write(&initial, archive(kernel, job)?)?;
    let console = directory.join("console.log");
    let mut qemu = qemu(kernel, &initial, &console)?;
    let started = Instant::now();
    let mut guest = Guest::start(&mut qemu)?;
    let is_whole = guest.read(&mut take)?;
    say(format!(
        "{} ran for {:.0} s",
        kernel.release,
        started.elapsed().as_secs_f64()
    ));
    if is_whole {
        return Ok(());
    }
    let console = fs::read(&console).unwrap_or_default();
    let console = String::from_utf8_lossy(&console);
    let lines: Vec<&str> = console.lines().collect();
    let tail = lines[lines.len().saturating_sub(30)..].join("\n");
    bail!("the guest ended before its job did; its console says:\n{tail}")
}

/// The job's last line.
pub(super) const DONE: &str = "pyebpf-vm: done";

fn archive(kernel: &GuestKernel, job: &str) -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["proc", "sys", "dev", "host", "layer", "root", "modules"] {
        archive.directory(directory);
    }
    archive.file("busybox", &fs::read(kernel.shell())?);
    archive.file("init", INIT.as_bytes());
    archive.file("job", format!("{job}\necho '{DONE}'\n").as_bytes());
    let mut order = String::new();
    for module in kernel.modules()? {
        let name = module.file_name().and_then(|it| it.to_str());
        let name = name.context("a module's name is text")?;
        archive.file(&format!("modules/{name}"), &fs::read(&module)?);
        order.push_str(name);
        order.push('\n');
    }
    archive.file("modules/order", order.as_bytes());
    Ok(archive.finish())
}

fn qemu(kernel: &GuestKernel, initial: &Path, console: &Path) -> anyhow::Result<Command> {
    let text = |path: &Path| -> anyhow::Result<String> {
        let text = path.to_str().context("the cache's path is no UTF-8")?;
        // qemu reads a doubled comma as one.
        Ok(text.replace(',', ",,"))
    };
    let mut qemu = Command::new("qemu-system-x86_64");
    // One thread emulates both CPUs. If each had its own, a CPU could execute half of
    // an instruction that another one is patching: attaching eBPF programs patches the
    // kernel's scheduler, which from 6.12 on ends in a panic now and then.
    qemu.args(["-accel", "tcg,thread=single", "-cpu", "max"])
        .args(["-smp", CPUS, "-m", MEMORY])
        .args(["-display", "none", "-nic", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(initial)
        .args([
            "-append",
            "console=ttyS0 loglevel=4 panic=-1 mitigations=off",
        ])
        .args(["-serial", &format!("file:{}", text(console)?)])
        .args(["-serial", "stdio"])
        .args([
            "-virtfs",
            "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ]);
    Ok(qemu)
}

/// A running qemu; dropping this kills it.
struct Guest(Child);

impl Guest {
    fn start(qemu: &mut Command) -> anyhow::Result<Self> {
        let child = qemu
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", process::describe(qemu)))?;
        Ok(Self(child))
    }

    /// Passes its lines to `take` until it ends. Returns whether its job finished.
    fn read(&mut self, take: &mut impl FnMut(&str)) -> anyhow::Result<bool> {
        use std::io::{BufRead as _, BufReader};

        let output = self.0.stdout.take().context("it was asked for")?;
        let (sender, lines) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                if sender.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let mut is_whole = false;
        loop {
            match lines.recv_timeout(PAUSE) {
                Ok(line) if line == DONE => is_whole = true,
                Ok(line) => take(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() > deadline {
                bail!("the guest did not end within {} s", PATIENCE.as_secs());
            }
        }
        self.0.wait()?;
        // The thread ends when the output does.
        let _ = reader.join();
        Ok(is_whole)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
