//! Puts the compiled kernel side where `bpf/kernel.rs` embeds it from. A build
//! without it works and says at run time that it is missing, so that plain
//! `cargo test` needs no eBPF toolchain.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=PYEBPF_BPF_OBJECT");
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let default = Path::new(&manifest).join("../target/bpf/sampler.bpf.o");
    let object = env::var_os("PYEBPF_BPF_OBJECT").map_or(default, PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    let out = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("sampler.bpf.o");
    let bytes = fs::read(&object).unwrap_or_default();
    fs::write(&out, bytes).expect("cargo's output directory is writable");
}
