// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets that name files to do harm: files that hang, that are secret, that are
//! endless, and names that a terminal would obey.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Gid, chown, mkfifo};
use tests::interpreters::Interpreter;

use crate::support::dumped::run as run_dump;
use crate::support::machine::{Machine, machine};
use crate::support::ordinary::{ORDINARY, allow, open_directory, public};
use crate::support::programs::copy_program;
use crate::support::recording::{Finished, Recording, TIMELINE, until_busy};
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};
use crate::support::timeline::Timeline;

/// The text of files that the target may not read.
const SECRET: &str = "this is a secret";
/// The text of a file that it may read.
const TEXT: &str = "a line that may be read";

/// Writes a file that has the function for the name at `place`, so that only its
/// permissions keep its third line from being shown.
fn lines(path: &Path, place: usize, text: &str, mode: u32) {
    let head = format!("def named_{place}():\n    number = 1\n");
    fs::write(path, head + &format!("    {text}\n").repeat(10)).expect("our directory");
    allow(path, mode);
}

/// Starts `named_files.py` with these names, as an ordinary user.
fn ordinary_target(machine: &Machine, directory: &Path, names: &[PathBuf]) -> Target {
    Target::start_as(
        ORDINARY,
        directory,
        public(machine),
        "named_files.py",
        names,
    )
}

/// Records a target until all its functions have had their turns, and some more.
fn record_turns(mut command: Command, target: &Target, names: usize) -> Finished {
    command
        .args(["-v", "--hz", "1000", "-o", TIMELINE, "--pid"])
        .arg(target.pid().to_string());
    let mut recording = Recording::spawn(command, Scratch::new());
    recording.wait_until_it_samples();
    let turns = u32::try_from(names).expect("a few") + 10;
    until_busy(target.pid(), Duration::from_millis(30) * turns);
    recording.signal(Signal::SIGINT);
    recording.finish()
}

fn as_root(machine: &Machine) -> Command {
    Command::new(&machine.pyebpf)
}

/// Returns the source lines that are shown of the function for the name at `place`.
/// Fails if it has no rows.
fn sources(timeline: &Timeline, place: usize) -> Vec<String> {
    let function = format!("named_{place}");
    let rows = timeline.stacks();
    let frames = rows.filter_map(|row| row.frames.last());
    let mut found: Vec<_> = frames
        .filter(|frame| frame.function == function)
        .map(|frame| frame.source.clone())
        .collect();
    assert!(!found.is_empty(), "{function} never ran");
    found.dedup();
    found
}

#[test]
#[ignore = "needs root and BPF"]
fn source_files_that_are_traps_are_left_alone() {
    let machine = machine();
    let directory = open_directory("named_files.py");
    let at = |name: &str| directory.path().join(name);
    lines(&at("good.py"), 0, TEXT, 0o644);
    lines(&at("secret"), 4, SECRET, 0o600);
    lines(&at("group_secret"), 5, SECRET, 0o640);
    lines(&at("other_group"), 6, SECRET, 0o640);
    chown(&at("other_group"), None, Some(Gid::from_raw(4242))).expect("root may");
    mkfifo(&at("fifo"), Mode::from_bits_retain(0o666)).expect("our directory");
    allow(&at("fifo"), 0o666);
    let zero = makedev(1, 5);
    mknod(
        &at("zero"),
        SFlag::S_IFCHR,
        Mode::from_bits_retain(0o666),
        zero,
    )
    .expect("root may");
    allow(&at("zero"), 0o666);
    let endless = fs::File::create(at("endless.py")).expect("our directory");
    endless.set_len(10 << 30).expect("it has holes");
    for (link, to) in [
        ("to_secret", at("secret")),
        ("to_group_secret", at("group_secret")),
        ("to_other_group", at("other_group")),
        ("to_fifo", at("fifo")),
        ("to_shadow", "/etc/shadow".into()),
        ("to_sudoers", "/etc/sudoers".into()),
        ("loop", at("loop")),
    ] {
        symlink(to, at(link)).expect("our directory");
    }
    let traps = [
        "fifo",
        "zero",
        "endless.py",
        "to_secret",
        "to_group_secret",
        "to_other_group",
        "to_fifo",
        "to_shadow",
        "to_sudoers",
        "loop",
        ".",
        "no_such_file",
    ];
    let mut names: Vec<PathBuf> = vec![at("good.py")];
    names.extend(traps.iter().map(|name| at(name)));
    names.extend(["/dev/zero", "/dev/tty", "/proc/self/environ", "/proc/kmsg"].map(PathBuf::from));
    let target = ordinary_target(machine, directory.path(), &names);
    assert_eq!(target.ready["uid"], ORDINARY);
    // Groups that root is in must not count for others.
    let mut command = Command::new("setpriv");
    command.args(["--groups", "0,4242"]).arg(&machine.pyebpf);
    let finished = record_turns(command, &target, names.len());
    let timeline = finished.timeline().expect("it is sampled");
    assert_eq!(sources(&timeline, 0), [TEXT]);
    for (place, name) in names.iter().enumerate().skip(1) {
        assert_eq!(sources(&timeline, place), [""], "{}", name.display());
    }
    assert_eq!(timeline.count("sources_unanswered"), 0);
}

/// `/proc/self` is the process that opens it: not even root's own targets may make
/// pyebpf show what is its own.
#[test]
#[ignore = "needs root and BPF"]
fn what_the_kernel_makes_up_for_us_is_not_shown() {
    let machine = machine();
    let names = [
        "/proc/self/environ",
        "/proc/self/cmdline",
        "/proc/self/maps",
    ];
    let target = Target::start(machine.interpreter(), "named_files.py", &names);
    let finished = record_turns(as_root(machine), &target, names.len());
    let timeline = finished.timeline().expect("it is sampled");
    for (place, name) in names.iter().enumerate() {
        assert_eq!(sources(&timeline, place), [""], "{name}");
    }
}

/// Absolute links and `..` are resolved inside the target's root.
#[test]
#[ignore = "needs root and BPF"]
fn links_stay_inside_the_root_of_the_target() {
    let machine = machine();
    let root = Scratch::new();
    allow(root.path(), 0o755);
    for (place, file) in ["secret.py", "link_goal.py"].into_iter().enumerate() {
        lines(&root.path().join(file), place, TEXT, 0o644);
    }
    // A file outside of that root, which no name may reach.
    let outside = PathBuf::from(format!("/pyebpf-outside-{}.py", std::process::id()));
    lines(&outside, 2, SECRET, 0o644);
    symlink("/link_goal.py", root.path().join("absolute.py")).expect("our directory");
    symlink(&outside, root.path().join("out.py")).expect("our directory");
    let up = format!("../../../..{}", outside.display());
    symlink(&up, root.path().join("up.py")).expect("our directory");
    fs::copy(
        scripts().join("named_files.py"),
        root.path().join("named_files.py"),
    )
    .expect("our directory");
    let names = ["/secret.py", "/absolute.py", "/out.py", "/up.py", &up].map(OsString::from);
    let target = Target::start_in_root(root.path(), public(machine), "named_files.py", &names);
    let finished = record_turns(as_root(machine), &target, names.len());
    fs::remove_file(&outside).expect("it is ours");
    let timeline = finished.timeline().expect("it is sampled");
    for (place, expected) in [TEXT, TEXT, "", "", ""].into_iter().enumerate() {
        assert_eq!(sources(&timeline, place), [expected], "{:?}", names[place]);
    }
}

/// A mounted file system that never answers.
struct HangingDisk {
    server: Target,
    place: Scratch,
}

impl HangingDisk {
    fn new(machine: &Machine) -> Self {
        let place = Scratch::new();
        let server = Target::start(public(machine), "hanging_files.py", &[place.path()]);
        Self { server, place }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        // Lets go whoever waits for it.
        self.server.kill();
        // A mount that stays does little harm.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.place.path())
            .status();
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_file_system_that_hangs_costs_its_sources_and_no_more() {
    let machine = machine();
    let mut disk = HangingDisk::new(machine);
    let directory = open_directory("named_files.py");
    let good = directory.path().join("good.py");
    lines(&good, 0, TEXT, 0o644);
    let mut names = vec![good.clone()];
    names.extend((0..20).map(|number| disk.file(&format!("{number}.py"))));
    let target = Target::start(machine.interpreter(), "named_files.py", &names);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
    recording.wait_until_it_samples();
    until_busy(target.pid(), Duration::from_millis(30 * 31));
    recording.signal(Signal::SIGINT);
    recording.wait_for_line("did not answer in time");
    recording.wait_for_line("written: ");
    // The kernel does not release a thread before the file system answers.
    recording.wait_for_line("for a file system that does not answer");
    disk.server.kill();
    let timeline = recording.finish().timeline().expect("a whole file");
    assert_eq!(sources(&timeline, 0), [TEXT]);
    for place in 1..names.len() {
        assert_eq!(sources(&timeline, place), [""]);
    }
    assert_eq!(timeline.count("sources_unanswered"), 20);
}

/// A part of the program lies on a file system that hangs.
#[test]
#[ignore = "needs root and BPF"]
fn a_program_that_hangs_is_left_out() {
    let machine = machine();
    let mut disk = HangingDisk::new(machine);
    let hanging = Target::start(
        machine.interpreter(),
        "hanging_program.py",
        &[disk.file("libpython3.so")],
    );
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pids = format!("{},{}", hanging.pid(), target.pid());
    let mut recording = Recording::start(machine, &["--hz", "500", "--pid", &pids]);
    recording.wait_for_line("no answer within");
    recording.wait_until_it_samples();
    until_busy(target.pid(), Duration::from_millis(300));
    recording.signal(Signal::SIGINT);
    recording.wait_for_line("written: ");
    recording.wait_for_line("one thread still waits");
    disk.server.kill();
    let timeline = recording.finish().timeline().expect("a whole file");
    assert!(timeline.of_process(hanging.pid()).next().is_none());
    assert!(timeline.of_process(target.pid()).next().is_some());
}

/// Runs every command that prints for people on a target with names that a terminal would
/// obey.
#[test]
#[ignore = "needs root and BPF"]
fn no_name_of_a_target_reaches_the_terminal_as_it_is() {
    let machine = machine();
    let directory = open_directory("evil_names.py");
    let name = "e\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}.py";
    let script = directory.path().join(name);
    fs::rename(directory.path().join("evil_names.py"), script).expect("our directory");
    let interpreter = machine.interpreter();
    let mut target = Target::start_in::<&str>(directory.path(), interpreter, name, &[]);
    let pid = target.pid();
    let finished = record_turns(as_root(machine), &target, 1);
    assert!(finished.timeline().is_ok(), "{}", finished.errors);
    let mut printed = vec![finished.errors.clone().into_bytes()];
    let dump = run_dump(&machine.pyebpf, pid, &[]);
    let command = |arguments: &[&str]| {
        let output = Command::new(&machine.pyebpf)
            .args(arguments)
            .arg(finished.path(TIMELINE))
            .output();
        output.expect("it ran before").stdout
    };
    printed.extend([dump.stdout, dump.stderr, command(&["report"])]);
    let ps = Command::new(&machine.pyebpf).arg("ps").output();
    printed.push(ps.expect("it ran before").stdout);
    target.kill();
    for text in printed {
        let text = String::from_utf8(text).expect("text");
        let obeyed = ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'];
        assert!(!text.contains(obeyed), "{text:?}");
    }
}

/// The program is another file, or none, by the time that pyebpf looks at it.
#[test]
#[ignore = "needs root and BPF"]
fn a_target_that_renames_its_program_is_still_known() {
    let machine = machine();
    let directory = open_directory("known_chain.py");
    let interpreter = public(machine);
    let program = directory.path().join("python3");
    copy_program(&interpreter.path, &program);
    let interpreter = Interpreter {
        path: program.clone(),
        ..interpreter.clone()
    };
    let target = Target::start_in::<&str>(directory.path(), &interpreter, "known_chain.py", &[]);
    for way in ["a FIFO", "another program", "nothing"] {
        let elsewhere = directory.path().join(format!("moved for {way}"));
        match way {
            "a FIFO" => {
                fs::rename(&program, &elsewhere).expect("our directory");
                mkfifo(&program, Mode::from_bits_retain(0o666)).expect("our directory");
            }
            "another program" => {
                fs::remove_file(&program).expect("our directory");
                copy_program(Path::new("/bin/sh"), &program);
            }
            _ => {
                fs::remove_file(&program).expect("our directory");
                fs::remove_file(directory.path().join("moved for a FIFO")).expect("ours");
            }
        }
        let timeline = record_turns(as_root(machine), &target, 1).timeline();
        let timeline = timeline.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert!(timeline.count("shown") > 20, "{way}: {:?}", timeline.counts);
    }
}
