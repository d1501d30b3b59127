// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pyebpf top` in a terminal: it records for itself, and leaves nothing behind.

use std::process::Command;

use tests::terminal::Terminal;

use crate::support::machine::machine;
use crate::support::target::Target;

#[test]
#[ignore = "needs root and BPF"]
fn the_terminal_shows_what_a_process_does() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let mut command = Command::new(&machine.pyebpf);
    command.args(["top", "--pid", &pid, "--hz", "100", "--max-cpu", "off"]);
    let mut terminal = Terminal::start(&mut command, 80, 24);
    let screen =
        terminal.until(|screen| screen.contains("known_chain.py") && screen.contains(" h "));
    assert!(screen.contains(" Hz, wall"), "{screen}");
    terminal.press("2");
    terminal.until(|screen| screen.contains(&pid) && screen.contains("RRR"));
    terminal.press("\r");
    terminal.until(|screen| screen.contains("MainThread"));
    terminal.press("\r");
    terminal.until(|screen| screen.contains("<module> (") && screen.contains("number"));
    terminal.press("q");
    let left = terminal.left();
    assert!(left.status.success() && left.is_restored, "{}", left.text);
}

#[test]
#[ignore = "needs root and BPF"]
fn without_a_process_there_is_a_message_and_no_screen() {
    let machine = machine();
    let mut child = Command::new("true").spawn().expect("every Linux has it");
    child.wait().expect("it is our child");
    let mut command = Command::new(&machine.pyebpf);
    command.args(["top", "--pid", &child.id().to_string()]);
    let left = Terminal::start(&mut command, 80, 24).left();
    assert_eq!(left.status.code(), Some(4), "{}", left.text);
    assert!(
        left.text.contains("does not exist") && left.is_restored,
        "{}",
        left.text
    );
}
