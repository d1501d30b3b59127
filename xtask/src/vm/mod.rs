// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask vm`: runs the live tests on Debian's kernels, in emulated machines.

mod archive;
mod guest;
mod kernels;
mod modules;
mod outcome;
mod paths;
mod plan;
mod table;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::bail;

use crate::interpreters::{self, Interpreter};
use crate::process::say;
use crate::workspace::Workspace;
use crate::{build, live, packages, readme, roots};
use kernels::GuestKernel;
use outcome::{DOCTOR, Outcome, Reader, TESTS};
use table::Row;

/// How many times slower than hardware an emulated machine is assumed to be: tests
/// record this many times longer, at rates this many times lower.
const SLOWNESS: u32 = 2;

/// How many samples of each interpreter the tests for impossible stacks take.
const ORACLE_SAMPLES: u32 = 1000;

/// Runs the tests on the kernels `names`, or on all if there are none, and prints the
/// table. With `into_readme`, puts their rows into docs/supported.md.
pub(crate) fn run(
    workspace: &Workspace,
    names: &[String],
    into_readme: bool,
) -> anyhow::Result<()> {
    let all: Vec<String> = kernels::SUITES.map(|(name, _)| name.to_owned()).to_vec();
    let names = if names.is_empty() { &all } else { names };
    packages::need_program(
        "qemu-system-x86_64",
        "qemu-system-x86",
        "booting another kernel",
    )?;
    let kernels = names
        .iter()
        .map(|name| kernels::find_or_fetch(name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let binary = build::everything(workspace)?;
    let tests = live::build(workspace, "tests", &["--release", "--test", "live"])?;
    let roots = roots::find_or_make(false)?;
    let found = interpreters::with_versions(&roots);
    let pythons = plan::choose(&found);
    let mut rows = Vec::new();
    for kernel in &kernels {
        let job = job(workspace, kernel, &binary, &tests, &pythons);
        let directory = workspace.target.join("vm").join(&kernel.release);
        // A failure on one kernel says nothing about the others.
        let outcome = boot(kernel, &job, &directory).unwrap_or_else(Outcome::of_error);
        rows.push(Row {
            name: kernel.name.clone(),
            release: kernel.release.clone(),
            pythons: pythons.iter().map(|it| it.minor).collect(),
            outcome,
        });
    }
    println!("\n{}", table::render(&rows, ""));
    if into_readme {
        let place = workspace.root.join("docs/supported.md");
        let old = readme::read(&place, "kernels")?;
        readme::replace(&place, "kernels", &table::render(&rows, &old))?;
    }
    let failed: Vec<String> = rows
        .iter()
        .flat_map(|row| {
            row.failures()
                .map(|name| format!("{}: {name}", row.release))
        })
        .collect();
    if !failed.is_empty() {
        bail!("failed:\n  {}", failed.join("\n  "));
    }
    Ok(())
}

fn boot(kernel: &GuestKernel, job: &str, directory: &Path) -> anyhow::Result<Outcome> {
    say(format!("booting {}", kernel.release));
    let mut reader = Reader::default();
    guest::run(kernel, job, directory, |line| {
        println!("{line}");
        reader.take(line);
    })?;
    Ok(reader.finish())
}

/// Returns what a guest does, as a shell script.
fn job(
    workspace: &Workspace,
    kernel: &GuestKernel,
    binary: &Path,
    tests: &Path,
    pythons: &[&Interpreter],
) -> String {
    let paths: Vec<String> = pythons
        .iter()
        .map(|it| it.path.display().to_string())
        .collect();
    let variables = [
        ("PYEBPF_REQUIRE_BPF", "1".to_owned()),
        ("PYEBPF_BIN", binary.display().to_string()),
        ("PYEBPF_PYTHONS", paths.join(":")),
        ("PYEBPF_SLOWNESS", SLOWNESS.to_string()),
        ("PYEBPF_ORACLE_SAMPLES", ORACLE_SAMPLES.to_string()),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        // Keeps tests from finding other interpreters than these.
        ("HOME", "/nonexistent".to_owned()),
    ];
    let mut job = String::new();
    let mut line = |text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(job, "{text}");
    };
    for (name, value) in variables {
        line(format!("export {name}={}", quoted(&value)));
    }
    let place = workspace.root.join("tests");
    line(format!("cd {}", quoted(&place.display().to_string())));
    line("uname -r".to_owned());
    line(format!("echo '{DOCTOR}'"));
    line("\"$PYEBPF_BIN\" doctor --json".to_owned());
    line(format!("echo '{TESTS}'"));
    let mut run = quoted(&tests.display().to_string());
    run.push_str(" --include-ignored --test-threads=1 --nocapture --color=never --exact");
    for test in plan::tests(kernel.version) {
        run.push(' ');
        run.push_str(test);
    }
    line(run);
    job
}

/// Quotes `text` as one word of a shell command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("/a b"), "'/a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
