// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds CPythons that no Debian suite has, from Debian's source, and keeps them
//! outside the clone: a free-threaded one, the same rearranged by BOLT, and one with
//! another C library.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, thread};

use anyhow::Context as _;

use crate::apt::PrivateApt;
use crate::bolt;
use crate::cache::{self, remove};
use crate::packages;
use crate::process::{self, say};

/// The variable in which tests find them: paths separated by colons.
pub(crate) const VARIABLE: &str = "PYEBPF_SOURCE_BUILDS";

/// The suite whose source is built: a stable one, since others move on and drop older
/// sources.
const SUITE: &str = "trixie";
const SOURCE: &str = "python3.13";

/// The beginning of the stamp that is written last into a build.
const STAMP: &str = "pyebpf build";
/// The interpreter in a build.
const PYTHON: &str = "python";
/// The same interpreter as rearranged by BOLT.
const REARRANGED: &str = "python-bolt";

/// A build and its configuration.
struct Build {
    name: &'static str,
    /// To be raised when what is built must change.
    revision: u32,
    /// Arguments of `configure`, besides [`CONFIGURED`].
    configured: &'static [&'static str],
    compiler: Compiler,
    /// Whether the build has [`REARRANGED`] as well.
    is_rearranged: bool,
}

enum Compiler {
    Gcc,
    /// Debian's `musl-gcc`, with the headers of the kernel.
    Musl,
}

const BUILDS: [Build; 2] = [
    Build {
        name: "free-threaded",
        revision: 2,
        // BOLT needs the relocations to move functions.
        configured: &["--disable-gil", "LDFLAGS=-Wl,--emit-relocs"],
        compiler: Compiler::Gcc,
        is_rearranged: true,
    },
    Build {
        name: "musl",
        revision: 1,
        configured: &[],
        compiler: Compiler::Musl,
        is_rearranged: false,
    },
];

/// Arguments of `configure` for all builds. Tests only look at these interpreters, so
/// they need not be fast: that halves the time to build them.
const CONFIGURED: [&str; 3] = [
    "--without-ensurepip",
    "--disable-test-modules",
    "CFLAGS=-O1",
];

/// Where Debian has the kernel's headers (`linux-libc-dev`).
const KERNEL_HEADERS: [(&str, &str); 3] = [
    ("linux", "/usr/include/linux"),
    ("asm", "/usr/include/x86_64-linux-gnu/asm"),
    ("asm-generic", "/usr/include/asm-generic"),
];

impl Build {
    fn stamp(&self) -> String {
        format!("{STAMP} {}\n", self.revision)
    }
}

/// Returns the interpreters as a list for [`VARIABLE`], building those that are
/// missing.
pub(crate) fn find_or_make() -> anyhow::Result<OsString> {
    let (cache, _lock) = cache::locked("builds")?;
    let mut pythons = Vec::new();
    for build in &BUILDS {
        let place = cache.join(build.name);
        let stamp = fs::read_to_string(place.join("stamp"));
        if stamp.ok() != Some(build.stamp()) {
            make(build, &place).with_context(|| format!("cannot build {} CPython", build.name))?;
        }
        pythons.push(place.join(PYTHON));
        if build.is_rearranged {
            pythons.push(place.join(REARRANGED));
        }
    }
    env::join_paths(pythons).context("the cache's path has a colon in it")
}

/// Makes the builds and prints their paths.
pub(crate) fn show() -> anyhow::Result<()> {
    for python in env::split_paths(&find_or_make()?) {
        println!("{}", python.display());
    }
    Ok(())
}

/// Builds one beside `place` and renames it to that when it is complete. It runs from
/// its build directory, so nothing has to be installed.
fn make(build: &Build, place: &Path) -> anyhow::Result<()> {
    say(format!(
        "building {} CPython from Debian's {SOURCE} of {SUITE}, some minutes: {}",
        build.name,
        place.display()
    ));
    need_tools()?;
    let partial = place.with_extension("partial");
    remove(&partial)?;
    let tree = partial.join("tree");
    fs::create_dir_all(&tree)?;
    let archive = PrivateApt::with_sources(&partial.join("apt"), SUITE)?.source(SOURCE)?;
    process::run(
        Command::new("tar")
            .args(["--extract", "--strip-components=1", "--file"])
            .arg(archive)
            .arg("--directory")
            .arg(&tree),
    )?;
    let mut configure = Command::new("./configure");
    configure.args(["--quiet"]).args(CONFIGURED);
    configure.args(build.configured);
    configure.env("CC", compiler(build, &partial)?);
    if matches!(build.compiler, Compiler::Musl) {
        // pkg-config would report libraries that are for the other C library.
        configure.env("PKG_CONFIG", "false");
    }
    process::run(configure.current_dir(&tree))?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    process::run(
        Command::new("make")
            .args(["--silent", &format!("--jobs={processors}")])
            .current_dir(&tree)
            .stdout(std::process::Stdio::null()),
    )?;
    // Otherwise tests, which run as root, would leave such files behind.
    process::run(
        Command::new("./python")
            .args(["-m", "compileall", "-q", "-j0"])
            // These directories have files that are meant not to compile.
            .args(["-x", "/(tests?|lib2to3)/", "Lib"])
            .current_dir(&tree),
    )?;
    process::run(
        Command::new("find")
            .args([
                ".", "-name", "*.o", "-delete", "-or", "-name", "*.a", "-delete",
            ])
            .current_dir(&tree),
    )?;
    if build.is_rearranged {
        bolt::rearrange(&tree.join(PYTHON), &tree.join(REARRANGED))?;
    }
    fs::write(tree.join("stamp"), build.stamp())?;
    remove(place)?;
    fs::rename(&tree, place)?;
    remove(&partial)
}

fn need_tools() -> anyhow::Result<()> {
    let purpose = "building CPython";
    for (program, package) in [
        ("xz", "xz-utils"),
        ("gcc", "gcc"),
        ("make", "make"),
        ("musl-gcc", "musl-tools"),
    ] {
        packages::need_program(program, package, purpose)?;
    }
    for (header, package) in [
        ("/usr/include/zlib.h", "zlib1g-dev"),
        ("/usr/include/x86_64-linux-gnu/ffi.h", "libffi-dev"),
    ] {
        if !Path::new(header).exists() {
            packages::install(&[package])?;
        }
    }
    Ok(())
}

/// Returns the command that compiles.
fn compiler(build: &Build, partial: &Path) -> anyhow::Result<OsString> {
    match build.compiler {
        Compiler::Gcc => Ok("gcc".into()),
        Compiler::Musl => musl_compiler(partial).map(Into::into),
    }
}

/// Writes a wrapper of `musl-gcc` and returns its path. `musl-gcc` alone finds no
/// headers but musl's, and names gcc's C library when asked for which one it compiles,
/// which CPython's `configure` rejects.
fn musl_compiler(partial: &Path) -> anyhow::Result<PathBuf> {
    let headers = partial.join("headers");
    fs::create_dir_all(&headers)?;
    for (name, target) in KERNEL_HEADERS {
        std::os::unix::fs::symlink(target, headers.join(name))?;
    }
    let script = partial.join("musl-compiler");
    let text = format!(
        "#!/bin/sh\n\
         [ \"$1\" = --print-multiarch ] && {{ echo x86_64-linux-musl; exit; }}\n\
         exec musl-gcc -idirafter '{}' \"$@\"\n",
        headers.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}
