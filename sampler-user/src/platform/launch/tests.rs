// SPDX-License-Identifier: MIT OR Apache-2.0

//! A command waits, runs as its owner, and its end is reported.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::platform::privileges::tests::nobody;
use crate::platform::tempdir::tempdir;

fn words(command: &[&str]) -> Vec<OsString> {
    command.iter().map(OsString::from).collect()
}

fn run(command: &[&str]) -> Result<ExitStatus, LaunchError> {
    let running = spawn(&words(command), &Owner::ourselves())?.release()?;
    Ok(status(running))
}

/// Returns how a command ends.
fn status(running: RunningCommand) -> ExitStatus {
    let status = running.ended.blocking_recv();
    status
        .expect("its end is told")
        .expect("nobody else reaps it")
}

fn executable(pid: u32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/exe")).expect("the process is there")
}

#[test]
fn waits_for_its_release_and_then_runs() {
    let directory = tempdir("launch");
    let witness = directory.join("witness");
    let touch = words(&["touch", witness.to_str().expect("is text")]);
    let held = spawn(&touch, &Owner::ourselves()).expect("is made");
    let (pid, ourselves) = (held.pid(), std::env::current_exe().expect("we are"));
    // Still a copy of this process: the program is not loaded, so nothing of it has run.
    assert_eq!(executable(pid), ourselves);
    let running = held.release().expect("is loaded");
    assert_eq!(running.pid, pid);
    assert!(status(running).success());
    assert!(witness.exists());
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn never_runs_when_it_is_dropped() {
    let directory = tempdir("dropped");
    let witness = directory.join("witness");
    let touch = words(&["touch", witness.to_str().expect("is text")]);
    let held = spawn(&touch, &Owner::ourselves()).expect("is made");
    let HeldCommand {
        pid,
        release,
        started,
        ..
    } = held;
    drop(release);
    let failure = started
        .recv()
        .expect("the thread tells")
        .expect_err("it did not start");
    assert_eq!(
        failure.raw_os_error(),
        Some(nix::errno::Errno::ECANCELED as i32)
    );
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!witness.exists());
    fs::remove_dir_all(directory).expect("is removed");
}

#[test]
fn it_is_told_how_it_ends() {
    assert!(run(&["true"]).expect("runs").success());
    assert_eq!(run(&["sh", "-c", "exit 7"]).expect("runs").code(), Some(7));
    // Not a signal that is ignored if these tests run in the background.
    let ended = run(&["sh", "-c", "kill -TERM $$"]).expect("runs");
    assert_eq!(ended.signal(), Some(libc::SIGTERM));
    let ended = run(&["sh", "-c", "kill -KILL $$"]).expect("runs");
    assert_eq!(ended.signal(), Some(libc::SIGKILL));
}

#[test]
fn what_cannot_start_says_why() {
    for (program, is_there) in [
        ("no-such-program-anywhere", false),
        ("/no/such/program", false),
        ("/etc/passwd", true),
        ("/etc", true),
    ] {
        let error = run(&[program]).expect_err("does not start");
        match error {
            LaunchError::NotFound { .. } => assert!(!is_there, "{error}"),
            LaunchError::NotExecutable { .. } => assert!(is_there, "{error}"),
            _ => panic!("{error}"),
        }
        assert!(error.to_string().contains(program));
    }
    assert!(matches!(
        spawn(&[], &Owner::ourselves()),
        Err(LaunchError::NoProgram)
    ));
    let nul = run(&["true", "a\0b"]).expect_err("no argument holds a null");
    assert!(matches!(nul, LaunchError::Process { .. }), "{nul:?}");
}

#[test]
fn a_directory_of_path_that_is_closed_to_us_does_not_hide_that_nothing_is_found() {
    let denied = || std::io::Error::from(nix::errno::Errno::EACCES);
    let owner = Owner::ourselves();
    let error = error::classify("no-such-program-anywhere".into(), &owner, denied());
    assert!(matches!(error, LaunchError::NotFound { .. }), "{error}");
    let error = error::classify("sh".into(), &owner, denied());
    assert!(
        matches!(error, LaunchError::NotExecutable { .. }),
        "{error}"
    );
    let error = error::classify("./closed".into(), &owner, denied());
    assert!(
        matches!(error, LaunchError::NotExecutable { .. }),
        "{error}"
    );
}

#[test]
fn a_process_killed_while_it_waits_is_told_as_killed() {
    let held = spawn(&words(&["true"]), &Owner::ourselves()).expect("is made");
    let pid = nix::unistd::Pid::from_raw(held.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("is ours");
    let running = held.release().expect("its end tells");
    assert_eq!(status(running).signal(), Some(libc::SIGKILL));
}

/// Tests that act as several users: `cargo xtask test` runs them as root.
mod as_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn runs_as_the_caller_of_sudo() {
        let directory = tempdir("identity");
        std::os::unix::fs::chown(&directory, Some(65534), Some(65534)).expect("root may");
        let file = directory.join("seen");
        let script = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; pwd; \
         grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status; ls /proc/self/fd | wc -l";
        let script = format!("({script}) > {}", file.display());
        let held = spawn(&words(&["sh", "-c", &script]), &Owner::account_of(nobody()));
        let running = held.expect("is made").release().expect("runs");
        assert!(status(running).success());
        let seen = fs::read_to_string(&file).expect("it has written");
        let seen: Vec<_> = seen.lines().collect();
        let here = std::env::current_dir()
            .expect("is there")
            .display()
            .to_string();
        assert_eq!(
            seen[..5],
            ["65534", "65534", "65534", "/ nobody nobody", here.as_str()]
        );
        for capabilities in &seen[5..8] {
            assert!(
                capabilities.ends_with("\t0000000000000000"),
                "{capabilities}"
            );
        }
        // No pipe of pyebpf is left open in it: as many files as in any other child.
        let other = std::process::Command::new("sh")
            .args(["-c", "ls /proc/self/fd | wc -l"])
            .output();
        let other = String::from_utf8(other.expect("runs").stdout).expect("is text");
        assert_eq!(seen[8], other.trim());
        fs::remove_dir_all(directory).expect("is removed");
    }
}
