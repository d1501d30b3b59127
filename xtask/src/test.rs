//! `cargo xtask test`: every check and every test, in the order in which they
//! fail soonest. It refuses to know what the tests assert.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::process::{probe, say};
use crate::readers::Readers;
use crate::roots::RootPython;
use crate::tally::{Counts, Tally};
use crate::workspace::Workspace;
use crate::{
    build, cargo, fuzz, interpreters, live, live_packages, packages, process, roots, source_builds,
    viewer,
};

/// The workspace member whose integration tests these are.
const TESTS: &str = "tests";

/// The integration test that needs root and BPF; the others need neither.
const LIVE: &str = "live";

/// How long each fuzz target runs as part of the tests, in seconds.
const FUZZ_SECONDS: u32 = 15;

/// Runs everything, or with `quick` only what needs neither root nor BPF nor
/// other interpreters.
pub(crate) fn everything(workspace: &Workspace, quick: bool) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    checks(workspace, &mut tally);
    let roots = if quick {
        Vec::new()
    } else {
        other_pythons(&mut tally)
    };
    tally.step("a Python of this host", some_python);
    let pythons = interpreters::for_host_tests(&roots)?;
    tally.step("unit tests", || unit_tests(workspace, &pythons));
    tally.step("host tests", || host_tests(workspace, &pythons));
    if quick {
        viewer::quick_checks(workspace, &mut tally);
        return tally.finish();
    }
    let mut binary = None;
    tally.step("kernel object and binary", || {
        binary = Some(build::everything(workspace)?);
        Ok(Counts::check(true))
    });
    match &binary {
        Some(binary) => {
            foreign_readers(workspace, binary, &mut tally);
            tally.step("large traces", || large_traces(workspace, binary));
            viewer::all_tests(workspace, binary, &mut tally);
            live_tests(workspace, binary, &roots, &mut tally);
        }
        None => tally.left_out("live tests", "there is no binary to test", true),
    }
    for target in fuzz::targets(workspace)? {
        tally.step(&format!("fuzz {target}"), || {
            fuzz::one(workspace, &target, FUZZ_SECONDS).map(|()| Counts::check(true))
        });
    }
    tally.finish()
}

fn checks(workspace: &Workspace, tally: &mut Tally) {
    let in_ci = in_ci();
    let component = |tally: &mut Tally, name: &str, subcommand: &str, arguments: &[&str]| {
        if probe(cargo::command().args([subcommand, "--version"])).is_none() {
            let reason = format!("missing: `rustup component add {name}` installs it");
            tally.left_out(name, &reason, in_ci);
            return;
        }
        tally.step(name, || {
            check(workspace, cargo::command().arg(subcommand).args(arguments))
        });
    };
    component(tally, "rustfmt", "fmt", &["--all", "--check"]);
    let clippy = ["--locked", "--all-targets", "--", "-D", "warnings"];
    component(tally, "clippy", "clippy", &clippy);
    tally.step("documentation", || {
        let mut command = cargo::command();
        command.args(["doc", "--locked", "--no-deps", "--document-private-items"]);
        check(workspace, command.env("RUSTDOCFLAGS", "-D warnings"))
    });
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty())
}

fn check(workspace: &Workspace, command: &mut Command) -> anyhow::Result<Counts> {
    process::run(command.current_dir(&workspace.root)).map(|()| Counts::check(true))
}

/// Pythons of other suites, where this host can have them. It need not, unless
/// the run has to be complete.
fn other_pythons(tally: &mut Tally) -> Vec<RootPython> {
    roots::find_or_make(false).unwrap_or_else(|error| {
        let reason = format!("{error:#}");
        say(format!(
            "going on without Pythons of other Debian suites: {reason}"
        ));
        tally.left_out("Pythons of other suites", &reason, live::is_required());
        Vec::new()
    })
}

/// Pythons that only building gives. A host need not have them, unless the run has
/// to be complete.
fn source_builds(tally: &mut Tally) -> OsString {
    source_builds::find_or_make().unwrap_or_else(|error| {
        let reason = format!("{error:#}");
        say(format!(
            "going on without Pythons built from source: {reason}"
        ));
        tally.left_out("Pythons built from source", &reason, live::is_required());
        OsString::new()
    })
}

/// Tests look at interpreters: where this host has none, Debian's is installed.
fn some_python() -> anyhow::Result<Counts> {
    if interpreters::of_host().is_empty() {
        packages::install(&["python3"]).context("there is no Python to look at")?;
    }
    Ok(Counts::check(!interpreters::of_host().is_empty()))
}

fn unit_tests(workspace: &Workspace, pythons: &OsString) -> anyhow::Result<Counts> {
    let mut command = cargo::command();
    command.args(["test", "--locked", "--no-fail-fast", "--workspace"]);
    command.args(["--exclude", "sampler-ebpf", "--exclude", TESTS]);
    counted(
        command
            .env(interpreters::VARIABLE, pythons)
            .current_dir(&workspace.root),
    )
}

fn host_tests(workspace: &Workspace, pythons: &OsString) -> anyhow::Result<Counts> {
    let mut command = cargo::command();
    command.args([
        "test",
        "--locked",
        "--no-fail-fast",
        "--package",
        TESTS,
        "--lib",
    ]);
    for target in workspace
        .test_targets(TESTS)
        .iter()
        .filter(|target| *target != LIVE)
    {
        command.args(["--test", target]);
    }
    counted(
        command
            .env(interpreters::VARIABLE, pythons)
            .current_dir(&workspace.root),
    )
}

/// Our files, read by the programs that people open them with. A host without
/// registries need not have those, unless the run has to be complete.
fn foreign_readers(workspace: &Workspace, binary: &Path, tally: &mut Tally) {
    match Readers::find_or_install(workspace) {
        Ok(readers) => tally.step("foreign readers", || readers.check(workspace, binary)),
        Err(error) => {
            let required = live::is_required() || in_ci();
            tally.left_out("foreign readers", &format!("{error:#}"), required);
        }
    }
}

/// Ten million rows to every format: in time, and in little memory.
fn large_traces(workspace: &Workspace, binary: &Path) -> anyhow::Result<Counts> {
    let mut command = cargo::command();
    command.args(["test", "--locked", "--release", "--package", TESTS]);
    command.args(["--test", "host", "ten_million_rows"]);
    command.args(["--", "--ignored", "--nocapture"]);
    counted(
        command
            .env("PYEBPF_BIN", binary)
            .current_dir(&workspace.root),
    )
}

fn live_tests(workspace: &Workspace, binary: &Path, roots: &[RootPython], tally: &mut Tally) {
    if !workspace
        .test_targets(TESTS)
        .iter()
        .any(|target| target == LIVE)
    {
        tally.left_out("live tests", "this clone has none", live::is_required());
        return;
    }
    let source_builds = source_builds(tally);
    tally.step("live tests", || {
        let pythons = interpreters::for_live_tests(roots)?;
        let packages = live_packages::find_or_install(workspace, &pythons)?;
        let given = live::Given {
            binary,
            pythons: &pythons,
            source_builds: &source_builds,
            packages: &packages,
        };
        counted(&mut live::command(workspace, TESTS, LIVE, &given)?)
    });
}

/// Runs test programs; failures among their tests are counted, anything else
/// that goes wrong is an error.
fn counted(command: &mut Command) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let succeeded = process::run_reading(command, |line| counts.read(line))?;
    if !succeeded && counts.failed == 0 {
        anyhow::bail!("`{}` failed outside its tests", process::describe(command));
    }
    Ok(counts)
}
