// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether complete chunks become smaller and say the same.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use sampler_trace::container::index::read_index;
use sampler_trace::container::reader::TraceReader;

use crate::serve::server::{Server, command, is_closed};
use crate::support::machine::machine;
use crate::support::scratch::Scratch;
use crate::support::target::Target;

/// Returns how many segments a complete chunk has.
fn segments(chunk: &Path) -> Option<usize> {
    let mut file = File::open(chunk).ok()?;
    let info = TraceReader::open(BufReader::new(&file))
        .ok()?
        .info()
        .clone();
    let index = read_index(&mut file, &info).ok()?;
    index.map(|index| index.len())
}

#[test]
#[ignore = "needs root and BPF"]
fn a_complete_chunk_becomes_one_segment() {
    let target = Target::start::<&str>(machine().interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    // Some segments a chunk, and enough rows that it is worth it.
    let mut command = command(machine(), &directory, &target, &["--hz", "1000"]);
    command.env("PYEBPF_CHUNK_SECONDS", "7");
    let server = Server::spawn(machine(), directory, command);
    server.hear("READY=1");
    let first = server.state().join("chunks/00000001.pyebpf");
    server.status_when(|_| (segments(&first) == Some(1)).then_some(()));
    assert!(is_closed(&first));
    let status = server.status_when(|status| Some(status.clone()));
    assert_eq!(status["disk"]["damaged_chunks"], 0, "{status}");
    // What is downloaded, of all chunks, is one trace of this process.
    let timeline = server.timeline(&[]);
    assert!(timeline.threads.iter().all(|it| it.pid == target.pid()));
}

#[test]
#[ignore = "needs root and BPF"]
fn what_a_killed_recorder_left_of_it_is_deleted() {
    let target = Target::start::<&str>(machine().interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    let folder = directory.path().join("state/chunks");
    std::fs::create_dir_all(&folder).expect("a new directory");
    let rest = folder.join("unfinished");
    std::fs::write(&rest, b"left over").expect("a new file");
    let server = Server::start_in(machine(), directory, &target, &[]);
    assert!(!rest.exists());
    server.timeline(&[]);
    assert_eq!(server.chunks().len(), 1);
}
