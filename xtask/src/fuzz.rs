// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds and runs the fuzz targets with a stable compiler.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, bail};

use crate::process::{self, say};
use crate::workspace::Workspace;
use crate::{cargo, packages};

/// The instrumentation by which libFuzzer sees which code an input reached. The flags
/// are LLVM's own, so no nightly compiler is needed.
const FLAGS: &str = "-Cpasses=sancov-module\
    \u{1f}-Cllvm-args=-sanitizer-coverage-level=4\
    \u{1f}-Cllvm-args=-sanitizer-coverage-inline-8bit-counters\
    \u{1f}-Cllvm-args=-sanitizer-coverage-pc-table\
    \u{1f}-Cllvm-args=-sanitizer-coverage-trace-compares\
    \u{1f}-Ccodegen-units=1\
    \u{1f}--cfg\u{1f}fuzzing";

/// libFuzzer's options: limits for any input (seconds, MB of memory, and bytes of the
/// input), and how much it prints.
const LIMITS: [&str; 5] = [
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-max_len=65536",
    "-print_final_stats=1",
    "-verbosity=0",
];

/// Builds every target as for a long run, and runs each for `seconds`.
pub(crate) fn everything(workspace: &Workspace, seconds: u32) -> anyhow::Result<()> {
    let programs = build(workspace, "release", cargo::command())?;
    run(workspace, &programs, seconds).map(drop)
}

/// Runs every target for `seconds` each, as many at once as there are CPUs, since each
/// uses one. Returns how many there are.
pub(crate) fn run(workspace: &Workspace, programs: &Path, seconds: u32) -> anyhow::Result<u64> {
    let targets = targets(workspace)?;
    let number = targets.len() as u64;
    let waiting = Mutex::new(VecDeque::from(targets));
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let results = thread::scope(|scope| {
        let runner = || -> anyhow::Result<()> {
            while let Some(target) = next() {
                one(workspace, programs, &target, seconds)?;
            }
            Ok(())
        };
        let runners: Vec<_> = (0..at_once).map(|_| scope.spawn(runner)).collect();
        let results = runners.into_iter().map(|runner| runner.join());
        results.collect::<Vec<_>>()
    });
    for result in results {
        result.map_err(|_| anyhow::anyhow!("a thread that runs fuzz targets panicked"))??;
    }
    Ok(number)
}

/// Returns the names of the targets: one for each file.
fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let directory = workspace.root.join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Checks that the targets' own lock file is up to date: they are not part of the
/// workspace.
pub(crate) fn check_lock_file(workspace: &Workspace) -> anyhow::Result<()> {
    let mut command = cargo::command();
    command.args(["tree", "--quiet", "--locked", "--depth", "0"]);
    process::run(command.current_dir(workspace.root.join("fuzz")))
        .context("`cargo metadata` in fuzz/ brings its Cargo.lock up to date")
}

/// Runs one target of those in the directory `programs`, and prints what it said once it
/// has ended. New inputs go to `fuzz/corpus`, inputs that break it to `fuzz/artifacts`.
fn one(workspace: &Workspace, programs: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let fuzz = workspace.root.join("fuzz");
    let corpus = fuzz.join("corpus").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    say(format!("fuzzing {target} for {seconds} s"));
    let mut command = Command::new(programs.join(target));
    command
        .args(LIMITS)
        .arg(format!("-max_total_time={seconds}"));
    command
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(corpus);
    let seeds = fuzz.join("seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let output = command
        .output()
        .with_context(|| format!("cannot start `{}`", process::describe(&command)))?;
    say(format!(
        "{target}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ));
    if !output.status.success() {
        bail!(
            "{target} failed ({}); the input that broke it is in {}",
            output.status,
            artifacts.display()
        );
    }
    Ok(())
}

/// Builds every target with `profile` and a command that runs cargo, and returns the
/// directory of the programs.
pub(crate) fn build(
    workspace: &Workspace,
    profile: &str,
    mut cargo: Command,
) -> anyhow::Result<PathBuf> {
    packages::need_program("c++", "build-essential", "libFuzzer")?;
    // With an explicit target, build scripts and macros stay uninstrumented.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let directory = workspace.target.join("fuzz");
    process::run(
        cargo
            .args([
                "build",
                "--profile",
                profile,
                "--locked",
                "--target",
                &triple,
            ])
            .arg("--target-dir")
            .arg(&directory)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS)
            .current_dir(workspace.root.join("fuzz")),
    )?;
    Ok(directory.join(triple).join(profile))
}
