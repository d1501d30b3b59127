// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outer frames that are paged out, as those of a thread that computes for hours on a
//! host short of memory: pyebpf brings them back, and stacks are whole again.

use nix::sys::signal::Signal;

use crate::support::dumped::{Dumped, dump};
use crate::support::machine::machine;
use crate::support::marks::names;
use crate::support::paged_out::{PagedOut, is_whole};
use crate::support::programs::library;
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;

/// The maximum number of times that memory may have to be read: one read brings back a
/// whole chain.
const MOST_READ: u64 = 5;

/// The maximum number of dumps until one shows the whole stack.
const MOST_DUMPS: usize = 5;

fn shows_whole(dump: &Dumped) -> bool {
    dump.threads.iter().any(|thread| is_whole(&thread.row))
}

#[test]
#[ignore = "needs root and BPF"]
fn frames_that_are_paged_out_are_brought_back() {
    let machine = machine();
    let directory = Scratch::new();
    let library = library(directory.path(), "paged_out.c");
    machine.with_each("paged out", |interpreter| {
        let mut paged_out = PagedOut::start(&library, interpreter)?;
        let target = &mut paged_out.target;
        let pid = target.pid().to_string();
        // What a dump samples of a thread that runs is cut too, until its memory is back.
        let mut dumps = Vec::new();
        while dumps.len() < MOST_DUMPS && !dumps.last().is_some_and(shows_whole) {
            dumps.push(dump(machine, target.pid())?);
        }
        if !dumps.last().is_some_and(shows_whole) {
            return Err(format!("dumps show {dumps:?}"));
        }
        target.say("out");
        target.next_line();
        let mut recording = Recording::start(machine, &["--hz", "200", "--pid", &pid]);
        recording.wait_until_it_shows(|timeline| timeline.stacks().any(is_whole));
        recording.signal(Signal::SIGINT);
        let timeline = recording.finish().timeline()?;
        for row in timeline.stacks().filter(|row| !is_whole(row)) {
            if !row.is_cut() || names(row)[1..].iter().any(|it| *it != "layer") {
                return Err(format!("a stack that cannot be: {:?}", names(row)));
            }
        }
        // In 3.11 and 3.12 the innermost frame, which is not on the data stack, is
        // known to belong to the chain only by its outer ones.
        let cut = timeline.count_if_any("cut_by_fault") + timeline.count_if_any("unlinked");
        let read = timeline.count("paged_in");
        if cut == 0 || read == 0 || read > MOST_READ {
            return Err(format!("{cut} cut, {read} readings: {:?}", timeline.counts));
        }
        Ok(format!("{cut} cut, then whole after {read} readings"))
    });
}
