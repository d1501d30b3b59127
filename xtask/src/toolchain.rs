// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds a Rust compiler that fits the eBPF program, or installs one.
//!
//! `core` is compiled for the BPF target from source, so the compiler must come with
//! exactly its own `rust-src`, and bpf-linker must be able to read its LLVM.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::{self, probe, say};
use crate::{cargo, packages};

/// The newest nightly known to fit [`crate::linker::LINKER`]. A later one has an LLVM
/// that the linker cannot read.
const NIGHTLY: &str = "nightly-2026-05-20";

/// The major version of LLVM that bpf-linker reads.
const LLVM: &str = "22";

/// Debian's packages of the compiler and, in `rust-web-src`, of its own source.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A compiler that can build the eBPF program.
pub(crate) struct Compiler {
    /// Its name in messages.
    pub(crate) name: String,
    rustc: PathBuf,
    cargo: OsString,
}

impl Compiler {
    /// Returns a compiler that is there; otherwise installs one with rustup, or else
    /// with apt.
    pub(crate) fn find_or_install() -> anyhow::Result<Self> {
        if let Some(found) = Self::from_rustup().or_else(Self::from_debian) {
            return Ok(found);
        }
        let by_rustup = match install_by_rustup() {
            Ok(()) => match Self::from_rustup() {
                Some(compiler) => return Ok(compiler),
                None => format!("{NIGHTLY} was installed but does not fit"),
            },
            Err(error) => format!("{error:#}"),
        };
        say(format!("no eBPF compiler from rustup: {by_rustup}"));
        packages::install(&DEBIAN_PACKAGES).with_context(|| {
            format!(
                "no Rust compiler with its own source and LLVM {LLVM}: run \
                 `rustup toolchain install {NIGHTLY} --profile minimal -c rust-src`, or on \
                 Debian 12 `sudo apt-get install {}`",
                DEBIAN_PACKAGES.join(" ")
            )
        })?;
        Self::from_debian()
            .with_context(|| format!("{DEBIAN_RUSTC} still has not its own source and LLVM {LLVM}"))
    }

    fn from_rustup() -> Option<Self> {
        let which = |program: &str| {
            probe(Command::new("rustup").args(["which", "--toolchain", NIGHTLY, program]))
        };
        let rustc = PathBuf::from(which("rustc")?);
        let cargo = which("cargo")?.into();
        fits(&rustc).then(|| Self {
            name: format!("rustup's {NIGHTLY}"),
            rustc,
            cargo,
        })
    }

    fn from_debian() -> Option<Self> {
        let rustc = PathBuf::from(DEBIAN_RUSTC);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        fits(&rustc).then(|| Self {
            name: "Debian's rustc".to_owned(),
            rustc,
            cargo,
        })
    }

    /// Returns a cargo that compiles with this compiler. `RUSTC_BOOTSTRAP` makes a
    /// stable compiler accept `-Z build-std`.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo::without_our_own_variables(&self.cargo);
        for name in [
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTUP_TOOLCHAIN",
        ] {
            command.env_remove(name);
        }
        command
            .env("RUSTC", &self.rustc)
            .env("RUSTC_BOOTSTRAP", "1");
        command
    }
}

/// Whether `rustc` has an LLVM that the linker reads and its own library source.
fn fits(rustc: &Path) -> bool {
    let Some(version) = probe(Command::new(rustc).arg("-vV")) else {
        return false;
    };
    let llvm = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "));
    let Some(sysroot) = probe(Command::new(rustc).args(["--print", "sysroot"])) else {
        return false;
    };
    llvm.and_then(|llvm| llvm.split('.').next()) == Some(LLVM)
        && Path::new(&sysroot)
            .join("lib/rustlib/src/rust/library/core/src/lib.rs")
            .is_file()
}

fn install_by_rustup() -> anyhow::Result<()> {
    if !process::on_path("rustup") {
        bail!("rustup is not on PATH");
    }
    say(format!("installing {NIGHTLY} with rust-src by rustup"));
    process::run(
        Command::new("rustup")
            .args(["toolchain", "install", NIGHTLY])
            .args([
                "--profile",
                "minimal",
                "--component",
                "rust-src",
                "--no-self-update",
            ]),
    )
}
