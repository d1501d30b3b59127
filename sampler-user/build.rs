// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes the compiled eBPF object available to the crate, as `sampler.bpf.o` in
//! `OUT_DIR`: an empty file if none was built yet. `cargo xtask build` builds the object.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// An environment variable that names another object than the one in the target
/// directory.
const VARIABLE: &str = "PYEBPF_BPF_OBJECT";

fn main() {
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        // Nothing is sampled there.
        println!("cargo::rerun-if-changed=build.rs");
        return;
    }
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let object = match env::var_os(VARIABLE) {
        Some(path) => named_object(Path::new(&path)),
        None => built_object(&out),
    };
    let copy = out.join("sampler.bpf.o");
    if let Err(error) = fs::write(&copy, object) {
        panic!("cannot write {}: {error}", copy.display());
    }
}

fn named_object(path: &Path) -> Vec<u8> {
    println!("cargo::rerun-if-changed={}", path.display());
    match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{VARIABLE} names {}: {error}", path.display()),
    }
}

/// Reads the object from where `cargo xtask build` puts it. Watches the directory instead
/// of the file, because cargo would run this script every time for a file that does not
/// exist.
fn built_object(out: &Path) -> Vec<u8> {
    let directory = target_directory(out).join("bpf");
    if !directory.is_dir()
        && let Err(error) = create_aged(&directory)
    {
        panic!("cannot create {}: {error}", directory.display());
    }
    println!("cargo::rerun-if-changed={}", directory.display());
    fs::read(directory.join("sampler.bpf.o")).unwrap_or_default()
}

/// Creates the directory and makes it look as old as this script, because cargo runs a
/// script again when what it watches is newer than the script's last start.
fn create_aged(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    let started = fs::metadata(env::current_exe()?)?.modified()?;
    fs::File::open(directory)?.set_modified(started)
}

/// Returns the target directory: `OUT_DIR` is `<target>[/<triple>]/<profile>/build/…`.
fn target_directory(out: &Path) -> &Path {
    let build = out.ancestors().skip(1).find(|path| path.ends_with("build"));
    let base = build
        .and_then(|build| build.parent()?.parent())
        .expect("cargo runs build scripts below <target>/<profile>/build");
    let triple = env::var("TARGET").expect("cargo sets TARGET");
    match base.parent() {
        Some(parent) if base.ends_with(&triple) => parent,
        _ => base,
    }
}
