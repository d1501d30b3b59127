// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells a thread that has nothing to do from one that is blocked, by what it waits for and
//! the functions of its stack. What only the system call tells is left to
//! [`closer_look`](crate::serve::closer_look).
//!
//! | waits for | idle |
//! |---|---|
//! | SIGCONT | always |
//! | a point in time, a signal, a child process | unless it holds up an event loop |
//! | I/O | in the wait of an event loop, of a server for a connection or the next request, of a consumer for a message, for a child's output, for somebody who types |
//! | a lock | in a wait for an event, a condition, an item of a queue, the end of a thread, unless it holds up an event loop |
//! | a page of memory | never |

use sampler_trace::model::identifiers::StackId;
use sampler_trace::model::row::State;
use sampler_trace::model::symbols::Symbols;

/// Functions that wait for events, connections, requests or messages, by the end of their
/// file's name; an empty name stands for all functions of the file.
const WORK_WAITS: [(&str, &str); 42] = [
    ("selectors.py", "select"),
    ("asyncio/base_events.py", "run_forever"),
    ("asyncio/base_events.py", "run_until_complete"),
    ("asyncio/base_events.py", "_run_once"),
    ("asyncio/runners.py", "run"),
    ("uvloop/__init__.py", ""),
    ("uvicorn/server.py", "run"),
    ("uvicorn/_compat.py", ""),
    ("gevent/hub.py", ""),
    ("gevent/baseserver.py", ""),
    ("eventlet/hubs/hub.py", ""),
    ("eventlet/hubs/poll.py", ""),
    ("twisted/internet/pollreactor.py", ""),
    ("asyncore.py", ""),
    ("wasyncore.py", ""),
    ("socket.py", "accept"),
    ("http/server.py", "handle_one_request"),
    ("gunicorn/http/unreader.py", "read"),
    ("multiprocessing/connection.py", "_recv"),
    ("multiprocessing/connection.py", "accept"),
    ("billiard/connection.py", "_recv"),
    ("billiard/pool.py", ""),
    ("billiard/queues.py", ""),
    ("kombu/utils/eventio.py", ""),
    ("amqp/connection.py", "drain_events"),
    ("amqp/connection.py", "blocking_read"),
    ("pika/adapters/select_connection.py", ""),
    ("redis/client.py", "listen"),
    ("redis/client.py", "get_message"),
    ("redis/commands/core.py", "blpop"),
    ("redis/commands/core.py", "brpop"),
    ("redis/commands/core.py", "blmove"),
    ("redis/commands/core.py", "brpoplpush"),
    ("redis/commands/core.py", "xread"),
    ("redis/commands/core.py", "xreadgroup"),
    ("websockets/sync/connection.py", "recv_events"),
    ("paho/mqtt/client.py", "_loop"),
    ("gi/overrides/GLib.py", ""),
    // For what a child process prints.
    ("subprocess.py", ""),
    // For somebody who types.
    ("_pyrepl/unix_console.py", ""),
    ("code.py", "raw_input"),
    ("cmd.py", "cmdloop"),
];

/// Files, and directories with a slash at the end, whose functions read for those that call
/// them and run no code of applications.
const TRANSPORTS: [&str; 7] = [
    "socket.py",
    "ssl.py",
    "amqp/transport.py",
    "redis/_parsers/",
    "redis/connection.py",
    "redis/retry.py",
    "redis/client.py",
];

/// Functions that wait in C for an item of a queue.
const QUEUE_WAITS: [(&str, &str); 7] = [
    ("queue.py", "get"),
    ("concurrent/futures/thread.py", "_worker"),
    ("logging/handlers.py", "dequeue"),
    ("multiprocessing/queues.py", "get"),
    ("multiprocessing/pool.py", ""),
    ("billiard/queues.py", ""),
    ("billiard/pool.py", ""),
];

/// Functions of event loops that run callbacks and coroutines. A function that they have
/// called, and that waits by itself, holds up all others of the loop.
const LOOPS: [(&str, &str); 2] = [
    ("asyncio/base_events.py", "_run_once"),
    ("uvloop/__init__.py", ""),
];

/// Files that make conditions and events out of locks.
const LOCKS: [&str; 3] = [
    "threading.py",
    "multiprocessing/synchronize.py",
    "billiard/synchronize.py",
];

/// Whether a thread that waits so has nothing to do. `frames` are the file and the function
/// of each frame, innermost first.
pub(super) fn is_resting<'a>(
    waits_for: State,
    frames: impl Iterator<Item = (&'a str, &'a str)>,
) -> bool {
    // From 3.11 on, names of functions have those of their classes in front.
    let unqualified = |function: &'a str| match function.rsplit_once('.') {
        Some((_, name)) => name,
        None => function,
    };
    let mut frames = frames.map(|(file, function)| (file, unqualified(function)));
    match waits_for {
        State::None | State::Stopped => true,
        State::Sleeping | State::Waiting => !frames.any(|frame| is_in(frame, &LOOPS)),
        State::Running | State::Runnable | State::WaitingForGil | State::PageFault => false,
        State::Io => {
            let Some(mut frame) = frames.next() else {
                // It is none of Python's business.
                return true;
            };
            loop {
                if is_in(frame, &WORK_WAITS) {
                    return true;
                }
                let is_transport = TRANSPORTS.iter().any(|place| is_at(frame.0, place));
                match frames.next().filter(|_| is_transport) {
                    Some(caller) => frame = caller,
                    None => return false,
                }
            }
        }
        State::Lock => {
            let frames: Vec<_> = frames.collect();
            !frames.iter().any(|frame| is_in(*frame, &LOOPS)) && rests_at_lock(frames.into_iter())
        }
    }
}

fn rests_at_lock<'a>(mut frames: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    let Some(mut frame) = frames.next() else {
        return true;
    };
    let (mut is_condition, mut is_lock) = (false, false);
    while LOCKS.iter().any(|file| is_of_file(frame.0, file)) {
        // A semaphore waits for a condition, and is a lock all the same.
        is_lock |= matches!(frame.1, "acquire" | "__enter__");
        is_condition = true;
        let Some(caller) = frames.next() else {
            return !is_lock;
        };
        frame = caller;
    }
    match is_condition && !is_lock {
        // Whoever waits for the result of another thread is blocked only if that one may be
        // waiting for a thread to run in: if the pool waits for itself. Otherwise the other
        // one tells whether something goes on.
        true if is_in(frame, &FUTURES) => {
            !frames.any(|(file, _)| is_of_file(file, "concurrent/futures/thread.py"))
        }
        true => true,
        false => is_in(frame, &QUEUE_WAITS),
    }
}

/// Waits for the result of another thread.
const FUTURES: [(&str, &str); 2] = [
    ("concurrent/futures/_base.py", "result"),
    ("concurrent/futures/_base.py", "exception"),
];

fn is_in((file, function): (&str, &str), table: &[(&str, &str)]) -> bool {
    let is_it = |(of_file, name): &(&str, &str)| {
        is_of_file(file, of_file) && (name.is_empty() || *name == function)
    };
    table.iter().any(is_it)
}

/// Whether a path ends with these components, or has them, if they end with a slash.
fn is_at(path: &str, place: &str) -> bool {
    match place.strip_suffix('/') {
        Some(directory) => path
            .rsplit_once('/')
            .is_some_and(|(above, _)| is_of_file(above, directory)),
        None => is_of_file(path, place),
    }
}

/// Whether a path ends with these whole components.
fn is_of_file(path: &str, end: &str) -> bool {
    let before = path.strip_suffix(end);
    before.is_some_and(|before| before.is_empty() || before.ends_with(['/', ' ']))
}

/// Returns file, function and line of each frame of a stack, innermost first.
pub(super) fn frames(symbols: &Symbols, stack: StackId) -> impl Iterator<Item = (&str, &str, u32)> {
    let node = move |id| symbols.stack(id);
    let nodes = std::iter::successors(node(stack), move |it| node(it.parent));
    nodes.filter_map(move |node| {
        let frame = symbols.frame(node.frame)?;
        let text = |id| symbols.string(id);
        Some((text(frame.file), text(frame.function), frame.line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "/usr/lib/python3.12/";

    fn rests(waits_for: State, frames: &[(&str, &str)]) -> bool {
        let frames = frames.iter().map(|(file, function)| {
            let file = match file.strip_prefix("~/") {
                Some(file) => format!("{LIBRARY}{file}"),
                None => (*file).to_owned(),
            };
            (file, *function)
        });
        let frames: Vec<_> = frames.collect();
        is_resting(
            waits_for,
            frames.iter().map(|(file, function)| (&**file, *function)),
        )
    }

    #[test]
    fn event_loops_servers_and_pools_rest_in_their_waits() {
        for frame in [
            ("~/selectors.py", "select"),
            ("~/asyncio/base_events.py", "run_forever"),
            ("~/socket.py", "accept"),
            ("~/site-packages/gevent/hub.py", "run"),
            ("~/multiprocessing/connection.py", "_recv"),
            ("selectors.py", "select"),
            ("~/selectors.py", "EpollSelector.select"),
            ("~/site-packages/kombu/utils/eventio.py", "poll"),
            ("~/_pyrepl/unix_console.py", "get_event"),
        ] {
            assert!(rests(State::Io, &[frame, ("/app.py", "main")]), "{frame:?}");
        }
        let read = ("~/socket.py", "readinto");
        for frames in [
            &[read, ("~/http/server.py", "handle_one_request")][..],
            &[
                ("~/ssl.py", "read"),
                read,
                ("~/gunicorn/http/unreader.py", "read"),
            ],
            &[
                ("~/redis/_parsers/socket.py", "_read_from_socket"),
                ("~/redis/connection.py", "read_response"),
                ("~/redis/client.py", "execute_command"),
                ("~/redis/commands/core.py", "blpop"),
            ],
        ] {
            assert!(rests(State::Io, frames), "{frames:?}");
        }
        // A handler that reads from somebody else, and a reply that does not come.
        for frames in [
            &[
                read,
                ("/app.py", "do_GET"),
                ("~/http/server.py", "handle_one_request"),
            ][..],
            &[
                ("~/redis/_parsers/socket.py", "_read_from_socket"),
                ("~/redis/client.py", "execute_command"),
                ("~/redis/commands/core.py", "get"),
            ],
        ] {
            assert!(!rests(State::Io, frames), "{frames:?}");
        }
        for frame in [
            ("~/socket.py", "readinto"),
            ("~/ssl.py", "read"),
            ("/app/selectors.py", "query"),
            ("/app/my_selectors.py", "select"),
            ("/app.py", "select"),
        ] {
            assert!(
                !rests(State::Io, &[frame, ("/app.py", "main")]),
                "{frame:?}"
            );
        }
    }

    #[test]
    fn a_wait_for_work_rests_and_a_wait_for_a_lock_does_not() {
        let wait = ("~/threading.py", "wait");
        for frames in [
            &[wait, ("~/queue.py", "get"), ("/app.py", "run")][..],
            &[wait, wait, ("/app.py", "every_minute")],
            &[("~/threading.py", "join"), ("/app.py", "main")],
            &[("~/threading.py", "_shutdown")],
            &[("~/concurrent/futures/thread.py", "_worker"), wait],
            &[("~/multiprocessing/queues.py", "get")],
            &[
                ("~/multiprocessing/synchronize.py", "__enter__"),
                ("~/multiprocessing/queues.py", "get"),
                ("~/multiprocessing/pool.py", "worker"),
            ],
            &[wait, ("~/queue.py", "put"), ("/app.py", "prefetch")],
            &[("~/logging/handlers.py", "QueueListener.dequeue")],
            &[
                wait,
                ("~/concurrent/futures/_base.py", "result"),
                ("/app.py", "main"),
            ],
        ] {
            assert!(rests(State::Lock, frames), "{frames:?}");
        }
        for frames in [
            &[("/app.py", "with_lock")][..],
            &[wait, ("~/threading.py", "acquire"), ("/app.py", "f")],
            &[("~/threading.py", "Condition.__enter__"), ("/app.py", "f")],
            &[
                ("~/threading.py", "Condition.wait"),
                ("~/threading.py", "Semaphore.acquire"),
                ("/app.py", "f.<locals>.g"),
            ],
            &[
                ("~/multiprocessing/synchronize.py", "__enter__"),
                ("/app.py", "f"),
            ],
            &[
                wait,
                ("~/concurrent/futures/_base.py", "result"),
                ("/app.py", "task"),
                ("~/concurrent/futures/thread.py", "run"),
            ],
        ] {
            assert!(!rests(State::Lock, frames), "{frames:?}");
        }
    }

    #[test]
    fn what_an_event_loop_has_called_does_not_rest() {
        let callback = [
            ("/app.py", "handler"),
            ("~/asyncio/events.py", "Handle._run"),
            ("~/asyncio/base_events.py", "BaseEventLoop._run_once"),
            ("~/asyncio/base_events.py", "BaseEventLoop.run_forever"),
        ];
        let of_uvloop = [
            ("/app.py", "handler"),
            ("~/site-packages/uvloop/__init__.py", "run.<locals>.wrapper"),
        ];
        for state in [State::Sleeping, State::Waiting, State::Io] {
            assert!(!rests(state, &callback), "{state:?}");
        }
        assert!(!rests(State::Sleeping, &of_uvloop));
        let waits = [("~/threading.py", "Event.wait")];
        assert!(!rests(State::Lock, &[&waits[..], &callback].concat()));
        assert!(rests(State::Lock, &[&waits[..], &callback[..1]].concat()));
        // The loop itself, and one that runs in a callback of another.
        let select = [("~/selectors.py", "EpollSelector.select")];
        assert!(rests(State::Io, &[&select[..], &callback[2..]].concat()));
        assert!(rests(State::Io, &[&select[..], &callback].concat()));
    }

    #[test]
    fn a_sleep_rests_elsewhere_and_a_wait_for_memory_nowhere() {
        let frames = &[("~/selectors.py", "select")];
        for state in [State::Sleeping, State::Stopped, State::Waiting] {
            assert!(rests(state, &[("/app.py", "f")]), "{state:?}");
        }
        for state in [State::PageFault, State::WaitingForGil, State::Running] {
            assert!(!rests(state, frames), "{state:?}");
        }
        assert!(rests(State::Io, &[]) && rests(State::Lock, &[]));
    }
}
