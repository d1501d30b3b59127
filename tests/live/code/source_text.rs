// SPDX-License-Identifier: MIT OR Apache-2.0

//! The source text of the line that runs: decoded as the file declares, and left out
//! rather than taken from another file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine};
use crate::support::ordinary::open_directory;
use crate::support::recording::{Recording, until_busy};
use crate::support::scratch::Scratch;
use crate::support::target::{Target, command};
use crate::support::timeline::{Frame, Timeline};

const SCRIPT: &str = "source_places.py";

/// Returns a file whose function runs the line `text`. To be sampled, the line should
/// take longer than reading the clock does.
fn module(text: &[u8]) -> Vec<u8> {
    let mut file = b"def work():\n    while clock() < until[0]:\n        ".to_vec();
    file.extend_from_slice(text);
    file.extend_from_slice(b"\n");
    file
}

/// Records the target and returns the frames of its functions: file, line and text.
fn frames(machine: &Machine, target: &Target, turns: u32) -> BTreeSet<(String, u32, String)> {
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
    recording.wait_until_it_samples();
    until_busy(target.pid(), Duration::from_millis(20) * (turns + 10));
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("it is busy");
    own_frames(&timeline)
}

fn own_frames(timeline: &Timeline) -> BTreeSet<(String, u32, String)> {
    let rows = timeline.stacks();
    let frames = rows.flat_map(|row| row.frames.iter());
    let own = frames.filter(|frame: &&Frame| frame.short_name() == "work");
    own.map(|it| (it.file.clone(), it.line, it.source.clone()))
        .collect()
}

/// The texts that are shown for each file, by its name.
type Shown = BTreeMap<String, BTreeSet<String>>;

fn by_name(frames: BTreeSet<(String, u32, String)>) -> Shown {
    let mut shown = Shown::new();
    for (file, _, text) in frames {
        let name = file.rsplit_once('/').map_or(&*file, |(_, name)| name);
        shown.entry(name.to_owned()).or_default().insert(text);
    }
    shown
}

/// Starts the script in `directory`, the only one that private roots see.
fn start(directory: &Scratch, interpreter: &Interpreter, arguments: &[&OsStr]) -> Target {
    Target::start_in(directory.path(), interpreter, SCRIPT, arguments)
}

/// Writes a file with that text below the script's directory; returns the directory of
/// the file.
fn with_file(directory: &Scratch, below: &str, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let place = directory.path().join(below);
    fs::create_dir_all(&place).expect("our directory");
    fs::write(place.join(name), text).expect("our directory");
    place
}

#[test]
#[ignore = "needs root and BPF"]
fn text_is_decoded_as_the_file_declares() {
    let machine = machine();
    let busy: &[(&str, &[u8], &[u8], &str)] = &[
        (
            "latin.py",
            b"# coding: latin-1\n",
            b"x = len('caf\xe9' * 20000)",
            "x = len('café' * 20000)",
        ),
        (
            "turkish.py",
            b"# coding=iso-8859-9\n",
            b"x = len('\xfd' * 20000)",
            "x = len('ı' * 20000)",
        ),
        (
            "page.py",
            b"#!x\n# -*- coding: cp1251 -*-\n",
            b"x = len('\xef' * 20000)",
            "x = len('п' * 20000)",
        ),
        (
            "koi.py",
            b"# coding: koi8-r\n",
            b"x = len('\xd0' * 20000)",
            "x = len('п' * 20000)",
        ),
        (
            "gbk.py",
            b"# coding: gbk\n",
            b"x = len('\xd6\xd0' * 20000)",
            "x = len('中' * 20000)",
        ),
        (
            "gb18030.py",
            b"# coding: gb18030\n",
            b"x = len('\xd6\xd0' * 20000)",
            "x = len('中' * 20000)",
        ),
        (
            "big5.py",
            b"# coding: big5\n",
            b"x = len('\xa4\xa4' * 20000)",
            "x = len('中' * 20000)",
        ),
        (
            "sjis.py",
            b"# vim: set fileencoding=shift_jis :\n",
            b"x = len('\x96{' * 20000)",
            "x = len('本' * 20000)",
        ),
        (
            "eucjp.py",
            b"# coding: euc-jp\n",
            b"x = len('\xcb\xdc' * 20000)",
            "x = len('本' * 20000)",
        ),
        (
            "euckr.py",
            b"# coding: euc_kr\n",
            b"x = len('\xc7\xd1' * 20000)",
            "x = len('한' * 20000)",
        ),
        (
            "utf8.py",
            b"# coding: utf-8\n",
            b"x = len('\xc3\xa9' * 20000)",
            "x = len('é' * 20000)",
        ),
        (
            "mark.py",
            b"\xef\xbb\xbf\n",
            b"x = len('\xc3\xa9' * 20000)",
            "x = len('é' * 20000)",
        ),
        (
            "feed.py",
            b"\x0c\n",
            b"x = len('\x0c' * 20000)",
            "x = len('\x0c' * 20000)",
        ),
    ];
    let directory = open_directory(SCRIPT);
    let texts = directory.path().join("texts");
    fs::create_dir(&texts).expect("our directory");
    let write = |name: &[u8], text: Vec<u8>| {
        fs::write(texts.join(OsStr::from_bytes(name)), text).expect("our directory");
    };
    for (name, head, line, _) in busy {
        write(name.as_bytes(), [head.to_vec(), module(line)].concat());
    }
    let plain = module(b"x = len('a' * 20000)");
    let with_ends = |end: &str| {
        let text = String::from_utf8(plain.clone()).expect("ASCII");
        text.replace('\n', end).into_bytes()
    };
    write(b"carriage.py", with_ends("\r"));
    write(b"both.py", with_ends("\r\n"));
    write(b"caf\xe9.py", plain.clone());
    write(b"new\nline.py", plain.clone());
    write("naïve.py".as_bytes(), plain.clone());
    let mut expected: Vec<(&str, &str)> = busy.iter().map(|it| (it.0, it.3)).collect();
    for name in [
        "carriage.py",
        "both.py",
        "caf\\xe9.py",
        "new\nline.py",
        "naïve.py",
    ] {
        expected.push((name, "x = len('a' * 20000)"));
    }
    machine.with_each("encodings", |interpreter| {
        let arguments = ["texts".as_ref(), texts.as_os_str()];
        let target = start(&directory, interpreter, &arguments);
        let shown = by_name(frames(machine, &target, expected.len() as u32));
        for (name, text) in &expected {
            let found = shown
                .get(*name)
                .ok_or(format!("no frame of {name:?} in {shown:?}"))?;
            let header = "while clock() < until[0]:";
            let is_right = |it: &String| it == text || it == header || it == "def work():";
            if !found.contains(*text) || !found.iter().all(is_right) {
                return Err(format!("{name:?}: {found:?}"));
            }
        }
        Ok(format!("{} files", shown.len()))
    });
}

fn texts(frames: BTreeSet<(String, u32, String)>) -> Vec<String> {
    frames.into_iter().map(|frame| frame.2).collect()
}

#[test]
#[ignore = "needs root and BPF"]
fn a_daemon_that_changed_its_directory_shows_no_other_file() {
    let machine = machine();
    let own = module(b"x = len('the true text' * 20000)");
    let same = module(b"x = len('a wrong text' * 20000)");
    let unlike = b"WRONG 1\nWRONG 2\nWRONG 3\n".to_vec();
    for (other, is_alike) in [(unlike, false), (same, true)] {
        let directory = open_directory(SCRIPT);
        let from = with_file(&directory, "own", "plug.cfg", &own);
        let to = with_file(&directory, "other", "plug.cfg", other);
        machine.with_each("another directory", |interpreter| {
            let (from, to) = (from.as_os_str(), to.as_os_str());
            let arguments = ["chdir".as_ref(), from, to, "plug.cfg".as_ref()];
            let target = start(&directory, interpreter, &arguments);
            let found = texts(frames(machine, &target, 5));
            // The directory in the environment (`PWD`) may be neither of them. Then
            // pyebpf believes the second one if its file has the function.
            let is_wrong = |it: &String| it.contains("WRONG") || !is_alike && it.contains("wrong");
            if found.iter().any(is_wrong) {
                return Err(format!("{found:?}"));
            }
            // Shells of private roots set a `PWD` of their own.
            if interpreter.path.to_string_lossy().contains("/roots/") {
                return Ok(format!("{found:?}"));
            }
            let mut service = command(directory.path(), interpreter, SCRIPT, &arguments);
            let target = Target::spawn(service.env("PWD", from));
            let found = texts(frames(machine, &target, 5));
            let is_wrong = |it: &String| it.to_lowercase().contains("wrong");
            // Of the two lines of its function, one is rarely seen.
            let is_own = |it: &String| own.windows(it.len()).any(|of| of == it.as_bytes());
            let is_own = |it: &String| !it.is_empty() && is_own(it);
            if found.iter().any(is_wrong) || !is_alike && !found.iter().any(is_own) {
                return Err(format!("with PWD: {found:?}"));
            }
            Ok(format!("{found:?}"))
        });
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_changed_root_and_a_template_show_no_other_file() {
    let machine = machine();
    let directory = open_directory(SCRIPT);
    let own = module(b"x = len('the true text' * 20000)");
    let path = with_file(&directory, "own", "app.py", own).join("app.py");
    let inside = path.strip_prefix("/").expect("it is absolute");
    let inside = Path::new("jail").join(inside.parent().expect("it has one"));
    let inside = inside.to_string_lossy();
    with_file(&directory, &inside, "app.py", "WRONG 1\nWRONG 2\nWRONG 3\n");
    let jail = directory.path().join("jail");
    let text = "WRONG 1\nWRONG 2\n\n[WRONG 4]\nlambda WRONG 5\n";
    let page = with_file(&directory, "pages", "page.html", text).join("page.html");
    machine.with_each("another root, a template", |interpreter| {
        let in_jail = ["chroot".as_ref(), jail.as_os_str(), path.as_os_str()];
        let of_page = ["template".as_ref(), page.as_os_str()];
        for arguments in [&in_jail[..], &of_page[..]] {
            let target = start(&directory, interpreter, arguments);
            let found = texts(frames(machine, &target, 5));
            if found.iter().any(|it| !it.is_empty()) {
                return Err(format!("{arguments:?}: {found:?}"));
            }
        }
        Ok("no text".to_owned())
    });
}

/// The old code continues to run, but its lines are in no file any more.
#[test]
#[ignore = "needs root and BPF"]
fn a_file_that_was_replaced_has_no_text_to_show() {
    let machine = machine();
    machine.with_each("a replaced file", |interpreter| {
        let directory = open_directory(SCRIPT);
        let own = module(b"x = len('the true text' * 20000)");
        let texts_of = with_file(&directory, "texts", "app.py", own);
        let arguments = ["texts".as_ref(), texts_of.as_os_str()];
        let target = start(&directory, interpreter, &arguments);
        let found = texts(frames(machine, &target, 5));
        if !found
            .iter()
            .any(|it| it == "x = len('the true text' * 20000)")
        {
            return Err(format!("before: {found:?}"));
        }
        with_file(
            &directory,
            "texts",
            "app.py",
            module(b"x = len('not the text' * 20000)"),
        );
        let found = texts(frames(machine, &target, 5));
        if found.iter().any(|it| !it.is_empty()) {
            return Err(format!("after: {found:?}"));
        }
        Ok("none after, its own before".to_owned())
    });
}
