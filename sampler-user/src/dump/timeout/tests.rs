// SPDX-License-Identifier: MIT OR Apache-2.0

//! Workers that hang, and what the dump then has.

use super::*;

fn thread(tid: u32, stack: StackQuality) -> DumpedThread {
    DumpedThread {
        tid,
        namespace_tid: tid,
        ident: None,
        name: String::new(),
        state: "sleeping".into(),
        holds_gil: false,
        stack,
        problem: None,
        frames: Vec::new(),
    }
}

/// A worker that finds three threads, and hangs at those in `hanging`.
fn worker(hanging: &'static [u32]) -> impl Fn(WorkOrder, &Findings) + Send + Sync {
    move |order, findings| {
        let send = |finding| findings.send(finding).is_ok();
        let none = StackQuality::None;
        send(Finding::Threads(
            [1, 2, 3].map(|tid| thread(tid, none)).into(),
        ));
        send(Finding::Gil(Some(vec![3])));
        for tid in [1, 2, 3] {
            if order.without.contains(&tid) {
                continue;
            }
            send(Finding::Probing(tid));
            if hanging.contains(&tid) {
                loop {
                    thread::park();
                }
            }
            send(Finding::Thread(thread(tid, StackQuality::Whole)));
        }
        send(Finding::Done);
    }
}

/// Long enough for a worker that does not hang to get a CPU of a busy machine.
const SHORT: Duration = Duration::from_secs(2);

fn seen(dump: &Dump) -> Vec<bool> {
    let threads = dump.threads.iter();
    threads
        .map(|it| it.stack == StackQuality::Whole && it.problem.is_none())
        .collect()
}

#[test]
fn all_threads_are_there() {
    let dump = collect(1, PATIENT, worker(&[])).expect("there are threads");
    assert_eq!(seen(&dump), [true; 3]);
    assert!(dump.threads[2].holds_gil && !dump.threads[0].holds_gil);
    assert_eq!(dump.problems, [""; 0]);
}

const PATIENT: Duration = Duration::from_secs(60);

#[test]
fn a_thread_that_cannot_be_read_leaves_the_others() {
    let dump = collect(1, SHORT, worker(&[2])).expect("there are threads");
    assert_eq!(seen(&dump), [true, false, true]);
    let problem = dump.threads[1].problem.as_deref();
    assert!(problem.is_some_and(|it| it.contains("could not be read")));
}

#[test]
fn a_process_without_any_answer_still_has_threads() {
    let hanging = |_: WorkOrder, findings: &Findings| {
        let none = StackQuality::None;
        drop(findings.send(Finding::Threads(vec![thread(1, none)])));
        loop {
            thread::park();
        }
    };
    let dump = collect(1, SHORT, hanging).expect("there is a thread");
    assert_eq!(seen(&dump), [false]);
    assert_eq!(dump.problems.len(), 1, "{:?}", dump.problems);
}

#[test]
fn a_refusal_is_an_error_unless_something_was_seen() {
    let refused = collect(7, PATIENT, |_, findings: &Findings| {
        drop(findings.send(Finding::Inspect(InspectError::Gone { pid: 7 })));
    });
    assert!(matches!(refused, Err(DumpError::Inspect(_))));
    let ended = collect(7, PATIENT, |_, findings: &Findings| {
        drop(findings.send(Finding::Threads(Vec::new())));
        drop(findings.send(Finding::Done));
    });
    assert!(matches!(ended, Err(DumpError::Ended { pid: 7 })));
}
