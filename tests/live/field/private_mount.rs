// SPDX-License-Identifier: MIT OR Apache-2.0

//! An interpreter on a mount that admits nobody but its user, not even root, as those
//! of AppImages do: pyebpf identifies it by what is in memory.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::known_chain::check_known_chain;
use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::record;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};

const SCRIPT: &str = "known_chain.py";

/// The group that the mount admits; root's own is another one.
const GROUP: u32 = 65_533;

#[test]
#[ignore = "needs root and BPF"]
fn shows_an_interpreter_whose_file_nobody_else_may_open() {
    let machine = machine();
    machine.with_each("private mount", |interpreter| {
        let Some(file) = file_of(interpreter) else {
            return Ok("not run: it lies in a root of its own".to_owned());
        };
        let directory = Scratch::new();
        let place = directory
            .path()
            .to_str()
            .expect("the path is UTF-8")
            .to_owned();
        let path = file.to_str().expect("the path is UTF-8").to_owned();
        let arguments = [place, path, GROUP.to_string()];
        let mounted = Target::start(machine.interpreter(), "private_files.py", &arguments);
        let served = directory.path().join(file.file_name().expect("a file"));
        if fs::File::open(&served).is_ok() {
            return Err("the mount lets anybody in".to_owned());
        }
        let target = Target::spawn(&mut command(interpreter, &file, &served));
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(600))?;
        let said = check_known_chain(&timeline, target.pid(), &Marks::read(SCRIPT));
        drop(target);
        drop(mounted);
        said
    });
}

/// Returns the file that the interpreter is in: a library next to the program, or the
/// program itself.
fn file_of(interpreter: &Interpreter) -> Option<PathBuf> {
    if interpreter.path.to_string_lossy().contains("/roots/") {
        return None;
    }
    let program = fs::canonicalize(&interpreter.path).ok()?;
    let library = format!("lib/libpython3.{}.so.1.0", interpreter.minor);
    let library = program.parent()?.parent()?.join(library);
    Some(if library.exists() { library } else { program })
}

/// Returns a command that runs the script with the file `served` in place of `file`.
fn command(interpreter: &Interpreter, file: &Path, served: &Path) -> Command {
    let is_library = file.to_string_lossy().contains(".so");
    let program = if is_library {
        &interpreter.path
    } else {
        served
    };
    let mut command = Command::new("nice");
    command.args(["-n", "-19"]).arg(program);
    command.arg(scripts().join(SCRIPT)).gid(GROUP);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if is_library {
        command.env("LD_PRELOAD", served);
    } else {
        let home = file.parent().and_then(Path::parent);
        command.env("PYTHONHOME", home.expect("a program is in a directory"));
    }
    command
}
