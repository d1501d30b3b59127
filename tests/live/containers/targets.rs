// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets in containers, which have their own root, pids, users and cgroups.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::interpreters::Interpreter;

use crate::support::container::{Cgroup, Container};
use crate::support::machine::{Machine, is_required, machine, name, tried};
use crate::support::marks::Marks;
use crate::support::not_run::not_run;
use crate::support::output::{json_of, text_of};
use crate::support::recording::{Recording, until_busy};
use crate::support::states::{seconds, share};
use crate::support::target::{Target, scripts};
use crate::support::timeline::{Frame, Timeline};
use crate::support::wall::{named, record_wall};

const SCRIPT: &str = "inside.py";

/// A path that private roots have for the script, and the host does not.
const INSIDE: &str = "/mnt/inside.py";

/// A container's ID as Docker gives it; below, what pyebpf shows of it.
const ID: &str = "4f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0d";
const LABEL: &str = "docker:4f1c5a0de6b7";

/// A target in a container.
struct Contained {
    /// Its pid on the host.
    pid: u32,
    /// Its pid inside.
    inner: u64,
    marks: Marks,
    _target: Target,
    _container: Container,
    _cgroup: Cgroup,
}

impl Contained {
    /// Starts the script in a private root, in new namespaces and in a cgroup such as
    /// Docker creates.
    fn start(interpreter: &Interpreter, options: &[&str]) -> Self {
        let cgroup = Cgroup::make(&format!("docker/{ID}"));
        let container = Container::start(options);
        let mut command = cgroup.enter();
        let enter = container.enter();
        command.arg(enter.get_program()).args(enter.get_args());
        command.arg(&interpreter.path).arg(INSIDE);
        command.env("PYEBPF_SCRIPTS", scripts());
        let target = Target::spawn(&mut command);
        let inner = target.ready["pid"].as_u64().expect("it says so");
        Self {
            pid: container.outer_pid(inner),
            inner,
            marks: Marks::read(SCRIPT).at(INSIDE),
            _target: target,
            _container: container,
            _cgroup: cgroup,
        }
    }

    /// Checks that a timeline shows it in its container and with its stacks. Returns
    /// the number of rows.
    fn check(&self, timeline: &Timeline) -> Result<usize, String> {
        let mut rows = 0;
        for thread in timeline.of_process(self.pid) {
            if thread.namespace_pid != Some(self.inner) || thread.container != LABEL {
                return Err(format!("not where it is: {thread:?}"));
            }
            for row in thread.stacks() {
                self.marks.check(row, Frame::is_library)?;
                rows += 1;
            }
        }
        if rows == 0 {
            return Err("it has no samples".to_owned());
        }
        Ok(rows)
    }
}

/// Returns the interpreters in private roots.
fn in_roots(machine: &Machine) -> Vec<&Interpreter> {
    let in_root = |it: &&Interpreter| it.path.to_string_lossy().contains("/inside/");
    let found: Vec<_> = machine.interpreters.iter().filter(in_root).collect();
    assert!(!Path::new(INSIDE).exists(), "the host has {INSIDE}");
    if found.is_empty() {
        assert!(
            !is_required(),
            "there is no private root to make a container of"
        );
        not_run("", "there is no private root (`cargo xtask roots`)");
    }
    found
}

fn in_every_root(title: &str, test: impl Fn(&Machine, &Interpreter) -> Result<String, String>) {
    let machine = machine();
    for interpreter in in_roots(machine) {
        match test(machine, interpreter) {
            Ok(result) => tried(title, interpreter, &result),
            Err(error) => panic!("{title}, {}: {error}", name(interpreter)),
        }
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_container_is_sampled_and_named() {
    in_every_root("in a container", |machine, interpreter| {
        let target = Contained::start(interpreter, &["--mount-proc", "--cgroup", "--uts"]);
        let pid = target.pid.to_string();
        let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
        recording.wait_until_it_samples();
        until_busy(target.pid, Duration::from_millis(300));
        recording.signal(nix::sys::signal::Signal::SIGINT);
        let finished = recording.finish();
        let rows = target.check(&finished.timeline()?)?;
        let inside = format!("pid {} inside {LABEL}", target.inner);
        if !finished.errors.contains(&inside) {
            return Err(format!(
                "no {inside:?} in the summary:\n{}",
                finished.errors
            ));
        }
        reported(
            machine,
            &finished.path(crate::support::recording::TIMELINE),
            &target,
        )?;
        Ok(format!("{rows} rows, {inside}"))
    });
}

/// Checks that a report finds the process by its container, and shows where it runs.
fn reported(machine: &Machine, trace: &Path, target: &Contained) -> Result<(), String> {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&machine.pyebpf);
        command.arg("report").arg(trace).args(arguments);
        text_of(&mut command)
    };
    let text = run(&["--process", "docker:4f1c"])?;
    let json: Value = serde_json::from_str(&run(&["--json"])?).map_err(|it| it.to_string())?;
    let process = &json["processes"][0];
    let is_named = text.contains(&format!("pid {} inside {LABEL}", target.inner));
    let is_placed = process["namespace_pid"] == target.inner
        && process["container"] == LABEL
        && process["cgroup"]
            .as_str()
            .is_some_and(|it| it.ends_with(ID));
    if is_named && is_placed {
        Ok(())
    } else {
        Err(format!(
            "the report does not say where it is: {text}\n{process}"
        ))
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_container_shows_what_waits() {
    in_every_root("waiting in a container", |machine, interpreter| {
        let target = Contained::start(interpreter, &["--mount-proc"]);
        let timeline = record_wall(machine, target.pid, 100, Duration::from_millis(700))?;
        target.check(&timeline)?;
        let sleeping = share(&seconds(named(&timeline, "sleeper")?[0]), "sleeping");
        if sleeping < 0.95 {
            return Err(format!("the sleeper sleeps {sleeping} of the time"));
        }
        Ok(format!("{:.0} % asleep", sleeping * 100.0))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_user_namespace_is_no_obstacle() {
    in_every_root("in a user namespace", |machine, interpreter| {
        let options = ["--map-root-user", "--mount-proc", "--cgroup"];
        let target = Contained::start(interpreter, &options);
        let timeline = record_wall(machine, target.pid, 100, Duration::from_millis(700))?;
        Ok(format!("{} rows", target.check(&timeline)?))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_container_is_dumped_and_listed() {
    in_every_root("dump of a container", |machine, interpreter| {
        let target = Contained::start(interpreter, &["--mount-proc"]);
        let pid = target.pid.to_string();
        let text = text_of(pyebpf(machine).args(["dump", "--pid", &pid]))?;
        let head = format!("process {pid} (pid {} inside {LABEL}): ", target.inner);
        if !text.starts_with(&head) {
            return Err(format!("no {head:?}: {text}"));
        }
        let dump = crate::support::dumped::dump(machine, target.pid)?;
        for thread in &dump.threads {
            target.marks.check(&thread.row, Frame::is_library)?;
        }
        let json = json_of(pyebpf(machine).args(["dump", "--json", "--pid", &pid]))?;
        is_placed(&json, &target)?;
        let list = json_of(pyebpf(machine).args(["ps", "--json"]))?;
        let list = list["processes"].as_array().ok_or("no list")?;
        let entry = list.iter().find(|it| it["pid"] == target.pid);
        let entry = entry.ok_or("it is not listed")?;
        is_placed(entry, &target)?;
        if entry["program"] != SCRIPT {
            return Err(format!("another program: {entry}"));
        }
        Ok(format!("{} threads", dump.threads.len()))
    });
}

fn is_placed(document: &Value, target: &Contained) -> Result<(), String> {
    let is_right = document["namespace_pid"] == target.inner
        && document["container"] == LABEL
        && document["cgroup"]
            .as_str()
            .is_some_and(|it| it.ends_with(ID));
    match is_right {
        true => Ok(()),
        false => Err(format!("it does not say where it is: {document}")),
    }
}

/// Runs pyebpf itself in a container that sees the host's processes, as with
/// `docker run --pid=host`, with the capabilities that it has there.
#[test]
#[ignore = "needs root and BPF"]
fn runs_inside_a_container_with_the_hosts_pids() {
    let machine = machine();
    let roots = in_roots(machine);
    let Some(interpreter) = roots.first() else {
        return not_run("", "there is no root with a Python in it");
    };
    let root: PathBuf = interpreter.path.ancestors().skip(2).take(1).collect();
    let root = root.join("root");
    let target = Target::start::<&str>(machine.interpreter(), SCRIPT, &[]);
    let directory = crate::support::scratch::Scratch::new();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "--cgroup", "sh", "-ec", CHROOT, "sh"]);
    command
        .arg(&root)
        .arg(directory.path())
        .arg(&machine.pyebpf);
    let pid = target.pid().to_string();
    command.args(["-v", "--mode", "wall", "--hz", "200", "-d", "700ms"]);
    command.args(["-o", "/tmp/trace.json", "--pid", &pid]);
    command.env("RIGHTS", RIGHTS);
    let timeline = Recording::spawn(command, directory).finish().timeline();
    let timeline = timeline.expect("it has the rights that it needs");
    let marks = Marks::read(SCRIPT);
    assert!(timeline.stacks().count() > 0);
    for row in timeline.stacks() {
        marks.check(row, Frame::is_library).expect("a known chain");
    }
    named(&timeline, "sleeper").expect("it waits");
    assert_eq!(timeline.of_process(target.pid()).count(), 2);
}

/// The arguments: root, scratch directory, program and its arguments.
const CHROOT: &str = r#"
root=$1 scratch=$2 program=$3
shift 3
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/sys"
mount --rbind /sys "$root/sys"
mount --bind "$scratch" "$root/tmp"
mount --bind "$(dirname "$program")" "$root/mnt"
exec setpriv --bounding-set="-all,$RIGHTS" chroot "$root" "/mnt/$(basename "$program")" "$@"
"#;

/// The capabilities that Docker lets root have, and those that docs/containers.md adds with
/// `--cap-add`.
const RIGHTS: &str = "+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
    +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap,\
    +bpf,+perfmon,+sys_ptrace,+dac_read_search";

fn pyebpf(machine: &Machine) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "-19"]).arg(&machine.pyebpf);
    command
}
