// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wall-clock mode on kernels that do not tell of the returns of threads to their CPUs, where
//! scans sample waiting threads, and on those without the task iterator, where the scans are
//! made from user space. `PYEBPF_PASSES` forces both on any kernel.

use std::process::Command;

use crate::support::all_states::{THREADS, check_row, target_in_all_states};
use crate::support::machine::{machine, slowness};
use crate::support::marks::Marks;
use crate::support::recording::{Recording, TIMELINE};
use crate::support::scratch::Scratch;
use crate::support::states::{seconds, share};

#[test]
#[ignore = "needs root and BPF"]
fn shows_the_same_without_the_task_iterator() {
    shows_the_same("user", 1);
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_the_same_by_scans_of_the_kernel() {
    shows_the_same("kernel", 0);
}

fn shows_the_same(scans: &str, from_user_space: u64) {
    let machine = machine();
    let marks = Marks::read("dump_states.py");
    machine.with_each(&format!("scans by {scans}"), |interpreter| {
        let (target, _) = target_in_all_states(machine, interpreter)?;
        let directory = Scratch::new();
        let mut command = Command::new("nice");
        command.args(["-n", "-19"]).arg(&machine.pyebpf);
        command.args(["--mode", "wall", "--hz", "100", "-d", "1500ms", "--pid"]);
        command.arg(target.pid().to_string());
        command.arg("-o").arg(directory.path().join(TIMELINE));
        command.env("PYEBPF_PASSES", scans);
        let finished = Recording::spawn(command, directory).finish();
        let timeline = finished.timeline()?;
        let said = "from user space: PYEBPF_PASSES";
        if timeline.count("passes_from_user_space") != from_user_space
            || finished.errors.contains(said) != (from_user_space == 1)
        {
            return Err(format!("not by {scans}: {}", finished.errors));
        }
        let skipped = timeline.count_if_any("passes_skipped");
        if timeline.count("returns") != 0 || timeline.count("passes") + skipped < 50 {
            return Err(format!("not by scans: {:?}", timeline.counts));
        }
        let mut least = 1.0_f64;
        for (name, state) in THREADS {
            let mut found = timeline.threads.iter().filter(|it| it.name == name);
            let (Some(thread), None) = (found.next(), found.next()) else {
                return Err(format!("not one thread {name}"));
            };
            for row in thread.stacks() {
                check_row(name, row, &marks)?;
            }
            let seconds = seconds(thread);
            let mut right = share(&seconds, state);
            if state == "running" || from_user_space == 0 {
                // The machine is busy, too, and scans of the kernel see it with any thread.
                right += share(&seconds, "runnable");
            }
            if state != "running" && slowness() > 1 && skipped > 0 && right > 0.0 {
                // A thread that a tick has hit counts as running until the next
                // scan, and on an emulated processor nearly all scans are left
                // out.
                right += share(&seconds, "running");
            }
            if right < 0.95 {
                return Err(format!("{name} is not {state}: {seconds:?}"));
            }
            least = least.min(right);
        }
        if timeline.threads.len() != THREADS.len() {
            return Err(format!("{} threads", timeline.threads.len()));
        }
        Ok(format!("{:.0} % right at least", least * 100.0))
    });
}
