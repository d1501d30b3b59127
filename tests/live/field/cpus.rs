// SPDX-License-Identifier: MIT OR Apache-2.0

//! CPUs that go offline and come back while a recording runs are sampled whenever they
//! are there.
//!
//! The tests take a CPU offline for a moment, for every process of the machine.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::machine::{machine, say};
use crate::support::not_run::not_run;
use crate::support::recording::{Recording, TIMELINE, until_busy};
use crate::support::target::Target;
use crate::support::timeline::Timeline;

/// A CPU that can be taken offline; it is brought back when this is dropped.
struct Cpu {
    number: usize,
    file: PathBuf,
}

impl Cpu {
    /// Returns the last CPU that can be taken offline.
    fn removable() -> Option<Self> {
        let numbers = (1..1024).rev();
        let cpu = |number| Self {
            number,
            file: format!("/sys/devices/system/cpu/cpu{number}/online").into(),
        };
        let is_there = |cpu: &Self| fs::read_to_string(&cpu.file).is_ok_and(|it| it == "1\n");
        numbers.map(cpu).find(is_there)
    }

    fn set(&self, is_online: bool) -> io::Result<()> {
        fs::write(&self.file, if is_online { "1" } else { "0" })
    }

    /// Pins a process to this CPU.
    fn hold(&self, pid: u32) {
        let mut cpus = CpuSet::new();
        cpus.set(self.number).expect("it is not that large");
        let pid = Pid::from_raw(pid.try_into().expect("pids are small"));
        sched_setaffinity(pid, &cpus).expect("it is there");
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        // It may be online already.
        let _ = self.set(true);
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_cpu_that_goes_and_comes_is_sampled_again() {
    let machine = machine();
    let Some(cpu) = Cpu::removable() else {
        not_run("", "this machine has no CPU that can be switched off");
        return;
    };
    if let Err(error) = cpu.set(true).and_then(|()| cpu.set(false)) {
        not_run("", &format!("CPUs cannot be switched off here: {error}"));
        return;
    }
    cpu.set(true).expect("it was there a moment ago");
    // How a CPU is sampled does not depend on the Python version.
    let interpreter = machine.interpreter();
    let target = Target::start::<&str>(interpreter, "known_chain.py", &[]);
    let pid = target.pid();
    let arguments = ["--hz", "100", "--pid", &pid.to_string()];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    for _ in 0..2 {
        cpu.set(false).expect("it could go before");
        cpu.set(true).expect("it was there before");
    }
    cpu.hold(pid);
    let half = std::time::Duration::from_millis(500);
    let before = crate::support::recording::cpu_time(pid);
    until_busy(pid, half);
    let used = crate::support::recording::cpu_time(pid) - before;
    recording.signal(Signal::SIGINT);
    let finished = recording.finish();
    let text = fs::read_to_string(finished.path(TIMELINE)).expect("it was written");
    let timeline = Timeline::parse(&text).expect("a timeline");
    let there = timeline.count("shown");
    let wanted = used.as_secs_f64() * 100.0;
    say(format!(
        "  {there} samples of {wanted:.0} on a CPU that came back"
    ));
    assert!(there as f64 > 0.7 * wanted, "{:?}", timeline.counts);
    let line = format!("CPU {} went offline or came online 4 times", cpu.number);
    assert!(finished.errors.contains(&line), "{}", finished.errors);
    assert_eq!(timeline.count("cpus_changed"), 1);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_cpu_that_comes_late_is_sampled() {
    let machine = machine();
    let Some(cpu) = Cpu::removable() else {
        not_run("", "this machine has no CPU that can be switched off");
        return;
    };
    if let Err(error) = cpu.set(false) {
        not_run("", &format!("CPUs cannot be switched off here: {error}"));
        return;
    }
    let interpreter = machine.interpreter();
    let target = Target::start::<&str>(interpreter, "known_chain.py", &[]);
    let pid = target.pid();
    let arguments = ["--hz", "100", "--pid", &pid.to_string()];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    cpu.set(true).expect("it was there before");
    cpu.hold(pid);
    let before = crate::support::recording::cpu_time(pid);
    until_busy(pid, std::time::Duration::from_millis(500));
    let used = crate::support::recording::cpu_time(pid) - before;
    recording.signal(Signal::SIGINT);
    let finished = recording.finish();
    let text = fs::read_to_string(finished.path(TIMELINE)).expect("it was written");
    let timeline = Timeline::parse(&text).expect("a timeline");
    let there = timeline.count("shown") as f64;
    let wanted = used.as_secs_f64() * 100.0;
    assert!(there > 0.7 * wanted, "{:?}", timeline.counts);
    let line = format!("CPU {} came online after ", cpu.number);
    assert!(finished.errors.contains(&line), "{}", finished.errors);
}
