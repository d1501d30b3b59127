// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask test`: every check and every test, in the order in which they fail
//! soonest.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::live::Which;
use crate::process::{probe, say};
use crate::readers::Readers;
use crate::real_clients::RealClients;
use crate::roots::RootPython;
use crate::tally::{Tally, TestCounts};
use crate::workspace::Workspace;
use crate::{
    build, cargo, fuzz, interpreters, licence, live, live_packages, other_systems, packages,
    process, real_clients, roots, slowest, source_builds, sudo, supply_chain, systemd, viewer,
};

/// The workspace member that has the integration tests.
const TESTS: &str = "tests";

/// All packages that have other tests than unit tests.
const WITH_TESTS: [&str; 3] = [TESTS, "pyebpf", "sampler-serve"];

/// The integration test that needs root and BPF; the others need neither.
const LIVE: &str = "live";

/// The package with the tests of the HTTP interface, which of its test programs has them,
/// and its directory.
const HTTP: (&str, &[&str], &str) = ("sampler-serve", &["--test", "server"], "sampler-serve");

/// The same of all test programs some of whose tests need root.
const ROOT: [(&str, &[&str], &str); 2] = [("pyebpf", &["--lib"], "sampler-user"), HTTP];

/// What the names of these tests contain.
const AS_ROOT: &str = "::as_root::";

/// How long each fuzz target runs as part of the tests, in seconds.
const FUZZ_SECONDS: u32 = 15;

/// How many live tests may fail and be tried a second time, alone. They measure real
/// processes, and a machine that stands still for a moment fails one or two of them; if
/// more fail, it is not the machine.
const SECOND_TRIES: usize = 4;

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
    tally.step("unit and host tests", || {
        unit_and_host_tests(workspace, &pythons)
    });
    if quick {
        viewer::quick_checks(workspace, &mut tally);
        return tally.finish();
    }
    tally.step("tests as root", || tests_as_root(workspace));
    real_clients_of_the_server(workspace, &mut tally);
    units_of_the_server(workspace, &mut tally);
    let mut binary = None;
    tally.step("kernel object and binary", || {
        binary = Some(build::tested(workspace)?);
        Ok(TestCounts::check(true))
    });
    let (mut programs, mut deny) = (None, None);
    let build_in_spare_time = || {
        let cargo = cargo::command_in_spare_time();
        programs = Some(fuzz::build(workspace, build::TESTED, cargo)?);
        deny = Some(supply_chain::find_or_build()?);
        Ok(TestCounts::check(true))
    };
    // These use one CPU most of the time.
    tally.beside("build of fuzz targets", build_in_spare_time, |tally| {
        if let Some(binary) = &binary {
            foreign_readers(workspace, binary, tally);
            tally.step("large traces", || large_traces(workspace, binary));
            viewer::all_tests(workspace, binary, tally);
        }
    });
    if let Some(programs) = &programs {
        tally.step("fuzz targets", || {
            let passed = fuzz::run(workspace, programs, FUZZ_SECONDS)?;
            Ok(TestCounts {
                passed,
                ..TestCounts::default()
            })
        });
    }
    if let Some(deny) = &deny {
        tally.step("licences and sources of dependencies", || {
            supply_chain::check(workspace, deny).map(|()| TestCounts::check(true))
        });
    }
    match &binary {
        Some(binary) => live_tests(workspace, binary, &roots, &mut tally),
        None => tally.left_out("live tests", "there is no binary to test", true),
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
    other_systems::check(workspace, in_ci, tally);
    tally.step("licence lines", || {
        licence::check(workspace).map(|()| TestCounts::check(true))
    });
    tally.step("lock file of the fuzz targets", || {
        fuzz::check_lock_file(workspace).map(|()| TestCounts::check(true))
    });
    tally.step("documentation", || {
        let mut command = cargo::command();
        command.args(["doc", "--locked", "--no-deps", "--document-private-items"]);
        check(workspace, command.env("RUSTDOCFLAGS", "-D warnings"))
    });
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty())
}

fn check(workspace: &Workspace, command: &mut Command) -> anyhow::Result<TestCounts> {
    process::run(command.current_dir(&workspace.root)).map(|()| TestCounts::check(true))
}

/// Returns the Pythons of other suites. If they cannot be had, that is a failure only
/// if the run has to be complete.
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

/// Returns the Pythons that have to be built. If they cannot be, that is a failure only
/// if the run has to be complete.
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

/// Installs Debian's Python if this host has none, since tests look at interpreters.
fn some_python() -> anyhow::Result<TestCounts> {
    if interpreters::of_host().is_empty() {
        packages::install(&["python3"]).context("there is no Python to look at")?;
    }
    Ok(TestCounts::check(!interpreters::of_host().is_empty()))
}

/// What `cargo test` builds everything with that does not need root. Whatever builds only
/// a part of it names all of it too: with another choice of packages, dependencies would
/// have other features and be built again.
const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "sampler-ebpf"];

/// Runs the unit tests of all packages, the other tests that need no root, and the examples
/// in documentation.
fn unit_and_host_tests(workspace: &Workspace, pythons: &OsString) -> anyhow::Result<TestCounts> {
    let mut command = cargo_test(workspace);
    command.arg("--no-fail-fast").args(PACKAGES);
    command.args(["--lib", "--bins"]);
    let targets = WITH_TESTS.map(|package| workspace.test_targets(package));
    for target in targets.iter().flatten().filter(|target| *target != LIVE) {
        command.args(["--test", target]);
    }
    command.env(interpreters::VARIABLE, pythons);
    let mut counts = counted(timed(&mut command))?;
    // Examples in documentation are run by rustdoc, which tells no times.
    let mut examples = cargo_test(workspace);
    examples.arg("--no-fail-fast").arg("--doc").args(PACKAGES);
    counted_into(&mut examples, &mut counts)?;
    Ok(counts)
}

/// Runs the tests that the others leave ignored, since they act as several users.
fn tests_as_root(workspace: &Workspace) -> anyhow::Result<TestCounts> {
    let mut counts = TestCounts::default();
    for (package, which, directory) in ROOT {
        let program = live::build(workspace, package, &[&PACKAGES[..], which].concat())?;
        let mut command = sudo::command(program, &[(slowest::VARIABLE, OsStr::new("1"))])?;
        command.args(slowest::OPTIONS).args(["--ignored", AS_ROOT]);
        counted_into(
            command.current_dir(workspace.root.join(directory)),
            &mut counts,
        )?;
    }
    Ok(counts)
}

fn cargo_test(workspace: &Workspace) -> Command {
    let mut command = cargo::command();
    command
        .args(["test", "--locked"])
        .current_dir(&workspace.root);
    command
}

/// Adds what makes the test programs of `cargo test` print how long each test took.
fn timed(command: &mut Command) -> &mut Command {
    command
        .args(["--config", slowest::RUNNER, "--"])
        .args(slowest::OPTIONS)
}

/// Checks exported files with the programs that people open them with. A host without
/// access to registries may lack these, unless the run has to be complete or is in CI.
fn foreign_readers(workspace: &Workspace, binary: &Path, tally: &mut Tally) {
    match Readers::find_or_install(workspace) {
        Ok(readers) => tally.step("foreign readers", || readers.check(workspace, binary)),
        Err(error) => {
            let required = live::is_required() || in_ci();
            tally.left_out("foreign readers", &format!("{error:#}"), required);
        }
    }
}

/// Asks the server with the programs that people use. As with foreign readers, a host may
/// lack these, unless the run has to be complete.
fn real_clients_of_the_server(workspace: &Workspace, tally: &mut Tally) {
    let clients = match RealClients::find_or_fetch() {
        Ok(clients) => clients,
        Err(error) => {
            let required = live::is_required() || in_ci();
            return tally.left_out(
                "real clients of the server",
                &format!("{error:#}"),
                required,
            );
        }
    };
    tally.step("real clients of the server", || {
        let (package, which, directory) = HTTP;
        let program = live::build(workspace, package, &[&PACKAGES[..], which].concat())?;
        let mut command = Command::new(program);
        command
            .args(["--ignored", real_clients::TESTS])
            .env(real_clients::GO, &clients.go)
            .env(real_clients::PROMETHEUS, &clients.prometheus)
            .current_dir(workspace.root.join(directory));
        counted(&mut command)
    });
}

/// Checks the units of the server with the tools of systemd, which a host may lack, unless the
/// run has to be complete.
fn units_of_the_server(workspace: &Workspace, tally: &mut Tally) {
    match systemd::find_or_fetch() {
        Ok(tools) => tally.step("units of the server", || {
            let which = [&PACKAGES[..], &["--test", "host"]].concat();
            let mut command = Command::new(live::build(workspace, TESTS, &which)?);
            command
                .args(["--ignored", systemd::TESTS])
                .env(systemd::VARIABLE, tools)
                .current_dir(workspace.root.join(TESTS));
            counted(&mut command)
        }),
        Err(error) => {
            let required = live::is_required() || in_ci();
            tally.left_out("units of the server", &format!("{error:#}"), required);
        }
    }
}

/// Converts ten million rows to every format, with limits of time and memory.
fn large_traces(workspace: &Workspace, binary: &Path) -> anyhow::Result<TestCounts> {
    let mut command = cargo_test(workspace);
    command.args(["--profile", build::TESTED, "--package", TESTS]);
    command.args(["--test", "host", "ten_million_rows"]);
    let command = timed(command.env("PYEBPF_BIN", binary));
    counted(command.args(["--ignored", "--nocapture"]))
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
    if let Err(error) = live::check(binary) {
        let reason = format!("{error:#}");
        tally.left_out("live tests", &reason, live::is_required());
        tally.step("ignored live tests", || {
            let program = live::program(workspace, TESTS, LIVE)?;
            counted(&mut Command::new(program))
        });
        return;
    }
    let source_builds = source_builds(tally);
    tally.step("live tests", || {
        let which = [Which::AtOnce, Which::Alone];
        run_live(workspace, binary, roots, &source_builds, &which, 1)
    });
}

/// Runs each choice of live tests in turn.
fn run_live(
    workspace: &Workspace,
    binary: &Path,
    roots: &[RootPython],
    source_builds: &OsStr,
    choices: &[Which],
    field_runs: u32,
) -> anyhow::Result<TestCounts> {
    let pythons = interpreters::for_live_tests(roots)?;
    let packages = live_packages::find_or_install(&pythons)?;
    let systemd = systemd::find_or_fetch()?;
    let clients = real_clients::RealClients::find_or_fetch()?;
    let given = live::Given {
        binary,
        pythons: &pythons,
        source_builds,
        packages: &packages,
        systemd: &systemd,
        go: &clients.go,
        field_runs,
    };
    let program = live::program(workspace, TESTS, LIVE)?;
    let mut counts = TestCounts::default();
    for which in choices {
        let mut command = live::command(workspace, TESTS, &program, which, &given)?;
        counted_into(&mut command, &mut counts)?;
    }
    let failed = counts.failures.names();
    if (1..=SECOND_TRIES).contains(&failed.len()) {
        say(format!(
            "live tests that failed run once more, alone: {}",
            failed.join(", ")
        ));
        let which = Which::Exactly(failed);
        let mut command = live::command(workspace, TESTS, &program, &which, &given)?;
        counts.settle(&counted(&mut command)?);
    }
    Ok(counts)
}

/// Runs the live tests of situations from the field with all interpreters found, and
/// records each case of time `runs` times.
pub(crate) fn field(workspace: &Workspace, runs: u32) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    let roots = other_pythons(&mut tally);
    tally.step("a Python of this host", some_python);
    let source_builds = source_builds(&mut tally);
    let mut binary = None;
    tally.step("kernel object and binary", || {
        binary = Some(build::tested(workspace)?);
        Ok(TestCounts::check(true))
    });
    if let Some(binary) = &binary {
        tally.step("situations from the field", || {
            let which = [Which::Named("field::")];
            run_live(workspace, binary, &roots, &source_builds, &which, runs)
        });
    }
    tally.finish()
}

/// Runs test programs. Failures among their tests are counted; anything else that goes
/// wrong is an error.
fn counted(command: &mut Command) -> anyhow::Result<TestCounts> {
    let mut counts = TestCounts::default();
    counted_into(command, &mut counts)?;
    Ok(counts)
}

/// Does the same, and adds to `counts`.
fn counted_into(command: &mut Command, counts: &mut TestCounts) -> anyhow::Result<()> {
    let before = counts.failed;
    let succeeded = process::run_reading(command, |line| counts.read(line))?;
    if !succeeded && counts.failed == before {
        anyhow::bail!("`{}` failed outside its tests", process::describe(command));
    }
    Ok(())
}
