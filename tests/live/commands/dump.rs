// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pyebpf dump`: every thread once, with its state and its whole stack.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::all_states::{THREAD, check_row, target_in_all_states, until};
use crate::support::chains::check_chains;
use crate::support::dumped::{Dumped, DumpedThread, dump, run};
use crate::support::machine::machine;
use crate::support::marks::{Marks, names};
use crate::support::programs::copy_program;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};
use crate::support::timeline::Frame;

fn pid(target: &Target) -> Pid {
    Pid::from_raw(i32::try_from(target.pid()).expect("pids are small"))
}

/// Checks that a thread of `dump_states.py` has exactly the stack that it must have.
fn check_stack(thread: &DumpedThread, marks: &Marks) -> Result<(), String> {
    check_row(&thread.name, &thread.row, marks)?;
    if thread.stack == "whole" && thread.problem.is_none() {
        Ok(())
    } else {
        Err(format!("not whole: {thread:?}"))
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_what_every_thread_does() {
    let machine = machine();
    let marks = Marks::read("dump_states.py");
    machine.with_each("dump", |interpreter| {
        let (target, dump) = target_in_all_states(machine, interpreter)?;
        for thread in &dump.threads {
            check_stack(thread, &marks)?;
            if thread.holds_gil != (thread.name == "holder") {
                return Err(format!("who holds the GIL: {thread:?}"));
            }
        }
        let version = format!("3.{}.{}", interpreter.minor, interpreter.patch);
        if !dump.problems.is_empty() || dump.python.as_ref() != Some(&version) {
            return Err(format!("{:?}, {:?}", dump.python, dump.problems));
        }
        let text = run(&machine.pyebpf, target.pid(), &[]);
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        for part in [
            "holder: running, holds the GIL\n",
            "time.sleep(3600)",
            "; the GIL is held by ",
        ] {
            if !text.contains(part) {
                return Err(format!("{part:?} is not in {text}"));
            }
        }
        Ok(format!("{} threads", dump.threads.len()))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_process_that_is_stopped() {
    let machine = machine();
    let marks = Marks::read("dump_states.py");
    machine.with_each("dump of a stopped process", |interpreter| {
        let (target, _) = target_in_all_states(machine, interpreter)?;
        kill(pid(&target), Signal::SIGSTOP).expect("it is our child");
        // The threads do not all stop at the same moment.
        let dump = until(|| {
            let dump = dump(machine, target.pid())?;
            match dump.threads.iter().find(|thread| thread.state != "stopped") {
                Some(other) => Err(format!("not stopped: {other:?}")),
                None => Ok(dump),
            }
        })?;
        for thread in &dump.threads {
            check_stack(thread, &marks)?;
        }
        let holder = dump.thread("holder")?;
        (dump.gil_holders == Some(vec![holder.tid]))
            .then(|| "all stacks".to_owned())
            .ok_or_else(|| format!("who holds the GIL: {:?}", dump.gil_holders))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_process_that_hangs_uninterruptibly() {
    let machine = machine();
    let marks = Marks::read("dump_stuck.py");
    machine.with_each("dump of a hanging process", |interpreter| {
        let target = Target::start::<&str>(interpreter, "dump_stuck.py", &[]);
        let result = until(|| {
            let status =
                |tid| fs::read_to_string(format!("/proc/{}/task/{tid}/status", target.pid()));
            let dump = dump(machine, target.pid())?;
            let stuck = dump.thread("stuck")?;
            let text = status(stuck.tid).map_err(|error| error.to_string())?;
            if !text.contains("\nState:\tD") || !stuck.holds_gil || stuck.state != "waiting" {
                return Err(format!("not stuck: {stuck:?}"));
            }
            marks.check(&stuck.row, Frame::is_library)?;
            let found = names(&stuck.row);
            let expected = [&THREAD[..], &["stuck"]].concat();
            (found == expected && stuck.stack == "whole")
                .then_some(dump.threads.len())
                .ok_or_else(|| format!("{stuck:?}"))
        });
        // Its child must end too.
        killpg(pid(&target), Signal::SIGKILL).expect("it made a group");
        result.map(|threads| format!("{threads} threads"))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn no_stack_of_a_busy_thread_is_impossible() {
    let machine = machine();
    let marks = Marks::read("chains.py");
    machine.with_each("dumps of alternating chains", |interpreter| {
        let target = Target::start::<&str>(interpreter, "chains.py", &[]);
        let mut proven = 0;
        for _ in 0..10 {
            for thread in dump(machine, target.pid())?.threads {
                if thread.stack == "whole" {
                    check_chains(&thread.row, &marks)?;
                    proven += 1;
                }
            }
        }
        (proven >= 9)
            .then(|| format!("{proven} stacks of 10"))
            .ok_or_else(|| format!("only {proven} stacks of 10 are proven"))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_fifty_threads_that_take_turns() {
    let machine = machine();
    machine.with_each("dump of fifty threads", |interpreter| {
        let target = Target::start::<&str>(interpreter, "named_threads.py", &[]);
        let dump = dump(machine, target.pid())?;
        let known = target.ready.as_array().ok_or("no list of threads")?;
        let mut proven = 0;
        for thread in known {
            let name = thread[0].as_str().ok_or("no name")?;
            let found = dump.thread(name)?;
            if thread[1] != found.ident.unwrap_or(0) || thread[2] != found.tid {
                return Err(format!("{thread} is {found:?}"));
            }
            if names(&found.row).last() != Some(&"work") {
                return Err(format!("{thread} shows {found:?}"));
            }
            proven += usize::from(found.stack == "whole");
        }
        if dump.threads.len() != known.len() + 1 || proven * 10 < known.len() * 9 {
            return Err(format!("{proven} of {} proven", dump.threads.len()));
        }
        Ok(format!("{proven} of {} proven", known.len()))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_may_end_meanwhile() {
    let machine = machine();
    for _ in 0..30 {
        let mut child = Command::new(&machine.interpreter().path)
            .args(["-S", "-c", "sum(range(300000))"])
            .spawn()
            .expect("it ran before");
        let output = run(&machine.pyebpf, child.id(), &["--json"]);
        child.wait().expect("it is our child");
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => drop(Dumped::parse(&output.stdout, child.id()).expect("a document")),
            Some(4) => assert!(said.starts_with("pyebpf: process "), "{said}"),
            other => panic!("exit status {other:?}: {said}"),
        }
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn what_cannot_be_dumped_is_said() {
    let machine = machine();
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let own = run(&machine.pyebpf, std::process::id(), &[]);
    assert_eq!(own.status.code(), Some(4), "{}", said(&own));
    assert!(said(&own).contains("does not run Python"), "{}", said(&own));
    let nobody = run(&machine.pyebpf, 4_194_304, &[]);
    assert_eq!(nobody.status.code(), Some(4), "{}", said(&nobody));
    assert!(
        said(&nobody).contains("does not exist"),
        "{}",
        said(&nobody)
    );
    let wrong = Command::new(&machine.pyebpf)
        .args(["dump", "--pid", "x"])
        .output();
    let wrong = wrong.expect("it ran before");
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    // The ordinary user may not be allowed into the program's directory.
    let program = directory.path().join("pyebpf");
    copy_program(&machine.pyebpf, &program);
    let mut command = Command::new(&program);
    command.args(["dump", "--pid", &target.pid().to_string()]);
    let refused = command.uid(65534).gid(65534).output().expect("it can run");
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("root"), "{}", said(&refused));
}

#[test]
#[ignore = "needs root and BPF"]
fn needs_no_bpf_for_a_process_of_ones_own() {
    let machine = machine();
    let marks = Marks::read("known_chain.py");
    let directory = Scratch::new();
    let program = directory.path().join("pyebpf");
    copy_program(&machine.pyebpf, &program);
    let mut child = Command::new("/usr/bin/python3");
    child
        .arg(scripts().join("known_chain.py"))
        .uid(65534)
        .gid(65534);
    let Ok(mut child) = child.stdout(std::process::Stdio::piped()).spawn() else {
        panic!("the host has no python3 that everyone may run");
    };
    let mut line = String::new();
    let output = child.stdout.take().expect("it was asked for");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)
        .expect("it says when it is ready");
    let mut command = Command::new(&program);
    command.args(["dump", "--json", "--pid", &child.id().to_string()]);
    let output = command.uid(65534).gid(65534).output().expect("it can run");
    let pid = child.id();
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    let said = String::from_utf8_lossy(&output.stderr);
    // Yama may deny this even to the owner (admin-guide/LSM/Yama.rst).
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !matches!(scope.trim(), "" | "0") {
        assert_eq!(output.status.code(), Some(3), "{said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    let dump = Dumped::parse(&output.stdout, pid).expect("a document");
    let [thread] = dump.threads.as_slice() else {
        panic!("one thread: {dump:?}");
    };
    assert_eq!(thread.state, "running");
    assert_eq!(thread.stack, "unproven");
    marks
        .check(&thread.row, |_| false)
        .expect("its loop only changes the innermost line");
    assert!(
        dump.problems.iter().any(|it| it.contains("CAP_BPF")),
        "{:?}",
        dump.problems
    );
}
