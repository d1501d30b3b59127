//! CPythons that no suite of Debian has, built from its source and kept outside
//! the clone: one without the GIL, the same as BOLT rearranges it, one with another C
//! library. It refuses to know which tests use them.

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

/// Where tests find them: paths separated by colons.
pub(crate) const VARIABLE: &str = "PYEBPF_SOURCE_BUILDS";

/// Whose source it is: of a stable suite, since others move on and leave none.
const SUITE: &str = "trixie";
const SOURCE: &str = "python3.13";

/// Begins what is written last into a build.
const STAMP: &str = "pyebpf build";
/// The interpreter in a build, and the same as BOLT has rearranged it.
const PYTHON: &str = "python";
const REARRANGED: &str = "python-bolt";

/// A way of building it.
struct Build {
    name: &'static str,
    /// Raised when what it must be changes.
    revision: u32,
    /// What configures it, besides [`CONFIGURED`].
    configured: &'static [&'static str],
    compiler: Compiler,
    /// Whether there is also [`REARRANGED`].
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
        // What BOLT needs to move functions.
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

/// They are built to be looked at, not to be fast: that halves the time.
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

/// Gives the interpreters, building those that are missing; as a list for
/// [`VARIABLE`].
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

/// Makes the builds and prints where they are.
pub(crate) fn show() -> anyhow::Result<()> {
    for python in env::split_paths(&find_or_make()?) {
        println!("{}", python.display());
    }
    Ok(())
}

/// Builds one beside its place and moves it there when it is whole. It runs from
/// the directory that it was built in, so nothing has to be installed.
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
        // It would tell of libraries that are there for the other C library.
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
    // Tests run as root, and would leave such files behind.
    process::run(
        Command::new("./python")
            .args(["-m", "compileall", "-q", "-j0"])
            // There are files that must not compile.
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

/// The command that compiles.
fn compiler(build: &Build, partial: &Path) -> anyhow::Result<OsString> {
    match build.compiler {
        Compiler::Gcc => Ok("gcc".into()),
        Compiler::Musl => musl_compiler(partial).map(Into::into),
    }
}

/// `musl-gcc` finds no headers but musl's, and gives gcc's answer when it is asked
/// for which C library it compiles, which CPython's `configure` does not take.
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
