// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds the eBPF object that the release binary carries.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::linker::LINKER;
use crate::packages;
use crate::process::{self, say};
use crate::toolchain::Compiler;
use crate::workspace::Workspace;

const TARGET: &str = "bpfel-unknown-none";
const PACKAGE: &str = "sampler-ebpf";

/// Full debug information, from which the linker makes the BTF that the kernel needs.
/// Without the third flag, zeroing or copying even a few words becomes a call of a loop
/// over bytes, which costs an eighth of a sample's time.
const FLAGS: &str = "-Cdebuginfo=2\u{1f}-Clink-arg=--btf\u{1f}\
    -Clink-arg=--disable-expand-memcpy-in-order";

/// The compiler and the linker of the eBPF object.
pub(crate) struct Tools {
    compiler: Compiler,
    linker_directory: Option<PathBuf>,
}

impl Tools {
    /// Finds or installs the compiler and the linker.
    pub(crate) fn find_or_install() -> anyhow::Result<Self> {
        packages::need_program("cc", "build-essential", "linking")?;
        let compiler = Compiler::find_or_install()?;
        let linker_directory = LINKER.find_or_build()?;
        say(format!(
            "eBPF tools: {}, bpf-linker {}",
            compiler.name, LINKER.version
        ));
        Ok(Self {
            compiler,
            linker_directory,
        })
    }

    /// Builds the object. The file is replaced only if its bytes change, so that
    /// nothing that depends on it is rebuilt needlessly.
    pub(crate) fn build(&self, workspace: &Workspace) -> anyhow::Result<()> {
        say("building the kernel object");
        // A target directory of its own, so that another compiler does not disturb the
        // cache of the ordinary build.
        let directory = workspace.target.join("ebpf");
        process::run(
            self.compiler
                .cargo()
                .args(["build", "--release", "--locked", "-Z", "build-std=core"])
                .args(["--target", TARGET, "--package", PACKAGE, "--target-dir"])
                .arg(&directory)
                .current_dir(&workspace.root)
                .env("CARGO_ENCODED_RUSTFLAGS", FLAGS)
                .env("PATH", self.path()?),
        )?;
        let built = directory.join(TARGET).join("release").join(PACKAGE);
        replace_if_different(&built, &workspace.kernel_object())
    }

    fn path(&self) -> anyhow::Result<OsString> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = self.linker_directory.iter().cloned();
        std::env::join_paths(directories.chain(std::env::split_paths(&path)))
            .context("the directory of bpf-linker cannot stand in PATH")
    }
}

fn replace_if_different(built: &Path, object: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(object).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let directory = object.parent().context("the object has no directory")?;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let temporary = object.with_extension("tmp");
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, object))
        .with_context(|| format!("cannot write {}", object.display()))
}
