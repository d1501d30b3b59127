// SPDX-License-Identifier: MIT OR Apache-2.0

//! Describes a stall: what the threads of the process wait for, and all of their stacks.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use sampler_trace::model::row::State;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;

use crate::record::stillness::StandingThread;
use crate::serve::resting::{frames, is_resting};
use crate::serve::stall::Places;

/// The most threads whose stacks are listed.
const MOST_THREADS: usize = 32;
/// The most frames of a stack: the innermost ones.
const MOST_FRAMES: usize = 24;
/// The most bytes in all, which as JSON stay below what a reader of the state directory
/// takes, whatever they are.
const MOST_BYTES: usize = 8 << 10;
/// The longest name of a function or a file, in characters.
const LONGEST_NAME: usize = 200;

/// Whether a thread has nothing to do.
pub(super) fn rests(symbols: &Symbols, thread: &StandingThread) -> bool {
    let frames = frames(symbols, thread.stillness.stack);
    is_resting(
        thread.stillness.waits_for,
        frames.map(|(file, function, _)| (file, function)),
    )
}

/// The threads that are not idle.
pub(super) fn blocked<'a>(
    symbols: &Symbols,
    threads: &'a [StandingThread],
) -> impl Iterator<Item = &'a StandingThread> {
    let ranked = threads.iter().map(|thread| (rank(symbols, thread), thread));
    ranked.filter_map(|(rank, thread)| (rank != Rank::Idle).then_some(thread))
}

/// Returns where threads are blocked: the same value in every trace file, and for any number
/// of threads in one place.
pub(super) fn places(symbols: &Symbols, threads: &[StandingThread]) -> Places {
    let place = |thread: &StandingThread| {
        let mut hasher = DefaultHasher::new();
        for frame in frames(symbols, thread.stillness.stack) {
            frame.hash(&mut hasher);
        }
        hasher.finish()
    };
    let mut all: Vec<_> = blocked(symbols, threads).map(place).collect();
    all.sort_unstable();
    all.dedup();
    let mut hasher = DefaultHasher::new();
    all.hash(&mut hasher);
    Places(hasher.finish())
}

/// Returns a sentence, and below it the stacks, those of blocked threads first; `blocked` has
/// their ids.
pub(super) fn details(
    (name, length): (&str, Duration),
    (threads, blocked): (&[StandingThread], &[u32]),
    (symbols, tracks): (&Symbols, &Tracks),
) -> String {
    let is_blocked = |thread: &StandingThread| {
        let track = tracks.track(thread.track);
        track.is_some_and(|track| blocked.contains(&track.tid))
    };
    let ranked = threads.iter().map(|thread| match rank(symbols, thread) {
        Rank::Blocked(_) if !is_blocked(thread) => (Rank::Idle, thread),
        rank => (rank, thread),
    });
    let mut threads: Vec<_> = ranked.collect();
    threads.sort_by_key(|(rank, thread)| (*rank, thread.track));
    let mut text = format!("{name} has made no progress for {} s: ", length.as_secs());
    text.push_str(&summary(&threads));
    push_stacks(&mut text, &threads, (symbols, tracks));
    text
}

/// Appends the stacks of threads to a sentence.
pub(super) fn with_stacks(
    sentence: &str,
    threads: &[StandingThread],
    tables: (&Symbols, &Tracks),
) -> String {
    let mut text = sentence.to_owned();
    let threads: Vec<_> = threads.iter().map(|thread| (Rank::Idle, thread)).collect();
    push_stacks(&mut text, &threads, tables);
    text
}

fn push_stacks(
    text: &mut String,
    threads: &[(Rank, &StandingThread)],
    (symbols, tracks): (&Symbols, &Tracks),
) {
    for (number, (_, thread)) in threads.iter().enumerate() {
        let left = threads.len() - number;
        let stack = stack(thread, (symbols, tracks));
        // Room is left for the last line.
        if number == MOST_THREADS || text.len() + stack.len() + 64 > MOST_BYTES {
            write!(text, "\n(and {left} more threads)").expect("a String takes any text");
            break;
        }
        text.push_str(&stack);
    }
}

/// What is said of a thread; the first ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    KeepsGil,
    WaitsForGil,
    Blocked(State),
    Idle,
}

fn rank(symbols: &Symbols, thread: &StandingThread) -> Rank {
    match thread.stillness.waits_for {
        _ if thread.computes() => Rank::KeepsGil,
        State::WaitingForGil => Rank::WaitsForGil,
        _ if rests(symbols, thread) => Rank::Idle,
        state => Rank::Blocked(state),
    }
}

fn summary(threads: &[(Rank, &StandingThread)]) -> String {
    let mut parts: Vec<(Rank, u32)> = Vec::new();
    for (rank, _) in threads {
        match parts.last_mut().filter(|(last, _)| last == rank) {
            Some((_, count)) => *count += 1,
            None => parts.push((*rank, 1)),
        }
    }
    let words = parts.into_iter().map(|(rank, count)| {
        let threads = if count == 1 { "thread" } else { "threads" };
        match rank {
            Rank::KeepsGil => format!("{count} {threads} running in one place"),
            Rank::WaitsForGil => format!("{count} {threads} waiting for the GIL"),
            Rank::Blocked(state) => format!("{count} {threads} blocked ({})", state.name()),
            Rank::Idle => format!("{count} {threads} idle"),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Returns the lines of a thread, each with a line break in front of it.
fn stack(thread: &StandingThread, (symbols, tracks): (&Symbols, &Tracks)) -> String {
    let (name, tid) = tracks
        .track(thread.track)
        .map_or(("", 0), |track| (&*track.name, track.tid));
    let state = match thread.computes() {
        true => State::Running,
        false => thread.stillness.waits_for,
    };
    let mut text = format!("\n{} ({tid}): {}", shortened(name), state.name());
    let depth = usize::from(symbols.depth(thread.stillness.stack));
    for (file, function, line) in frames(symbols, thread.stillness.stack).take(MOST_FRAMES) {
        let (file, function) = (shortened(file), shortened(function));
        write!(text, "\n  {function} ({file}:{line})").expect("a String takes any text");
    }
    if depth > MOST_FRAMES {
        let left = depth - MOST_FRAMES;
        write!(text, "\n  ({left} more frames)").expect("a String takes any text");
    }
    text
}

/// Returns a name on one line, of which the end is the more telling part.
fn shortened(name: &str) -> String {
    let skipped = name.chars().count().saturating_sub(LONGEST_NAME);
    let kept = name.chars().skip(skipped);
    kept.map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use sampler_trace::model::identifiers::{KernelTime, ProcessIndex, StackId};
    use sampler_trace::model::symbols::{Frame, StackNode};
    use sampler_trace::model::track::{ProcessInfo, Track};

    use super::*;
    use crate::record::stillness::Stillness;

    /// Returns tables with the stack main, function, both in files of these names.
    fn tables(function: &str, file: &str) -> (Symbols, StackId) {
        let mut symbols = Symbols::default();
        let mut parent = StackId::EMPTY;
        for (function, file, line) in [("main", "/app.py", 3), (function, file, 9)] {
            let file = symbols.push_string(file).expect("room");
            let function = symbols.push_string(function).expect("room");
            let frame = Frame {
                file,
                function,
                line,
                ..Frame::default()
            };
            let frame = symbols.push_frame(frame).expect("room");
            parent = symbols
                .push_stack(StackNode { parent, frame })
                .expect("room");
        }
        (symbols, parent)
    }

    fn threads(number: u32, stack: StackId, state: State) -> (Tracks, Vec<StandingThread>) {
        let mut tracks = Tracks::default();
        let process = tracks.add_process(ProcessInfo::titled(7, "app.py"));
        let standing = (0..number)
            .map(|number| StandingThread {
                track: tracks.add_track(named(process, number)),
                state,
                stillness: Stillness {
                    stack,
                    waits_for: state,
                    since: KernelTime(1),
                    ..Stillness::default()
                },
            })
            .collect();
        (tracks, standing)
    }

    fn named(process: ProcessIndex, number: u32) -> Track {
        Track {
            process,
            tid: 70 + number,
            ident: 1,
            name: format!("worker\n{number}"),
        }
    }

    #[test]
    fn the_sentence_counts_and_the_stacks_follow() {
        let (symbols, stack) = tables("charge", "/shop.py");
        let (tracks, mut threads) = threads(3, stack, State::Lock);
        threads[0].stillness.waits_for = State::Sleeping;
        threads[0].state = State::Sleeping;
        let length = Duration::from_millis(10_400);
        let blocked = [71, 72];
        let text = details(
            ("app.py", length),
            (&threads, &blocked),
            (&symbols, &tracks),
        );
        let expected = "\
app.py has made no progress for 10 s: 2 threads blocked (lock), 1 thread idle
worker 1 (71): lock
  charge (/shop.py:9)
  main (/app.py:3)
worker 2 (72): lock
  charge (/shop.py:9)
  main (/app.py:3)
worker 0 (70): sleeping
  charge (/shop.py:9)
  main (/app.py:3)";
        assert_eq!(text, expected);
        assert!(!rests(&symbols, &threads[1]) && rests(&symbols, &threads[0]));
        // By its system call, one of them waits for something to do.
        let text = details(("app.py", length), (&threads, &[72]), (&symbols, &tracks));
        let sentence = text.lines().next().unwrap_or_default();
        assert!(
            sentence.ends_with("1 thread blocked (lock), 2 threads idle"),
            "{text}"
        );
    }

    #[test]
    fn it_stays_within_its_bounds() {
        let long = "x".repeat(8000);
        let (symbols, stack) = tables(&long, &long);
        let (tracks, threads) = threads(1000, stack, State::WaitingForGil);
        let text = details(
            ("app.py", Duration::ZERO),
            (&threads, &[]),
            (&symbols, &tracks),
        );
        assert!(text.len() <= MOST_BYTES, "{}", text.len());
        assert!(
            text.contains("1000 threads waiting for the GIL\n"),
            "{text}"
        );
        assert!(text.ends_with(" more threads)"), "{text}");
    }

    #[test]
    fn places_are_the_same_in_another_trace_and_in_another_order() {
        let (symbols, stack) = tables("charge", "/shop.py");
        let (_, here) = threads(2, stack, State::Lock);
        let (mut others, _) = tables("idle", "/shop.py");
        let found = places(&symbols, &here);
        let file = others.push_string("/shop.py").expect("room");
        let function = others.push_string("charge").expect("room");
        let frame = Frame {
            file,
            function,
            line: 9,
            ..Frame::default()
        };
        let frame = others.push_frame(frame).expect("room");
        let main = StackId(1);
        let node = StackNode {
            parent: main,
            frame,
        };
        let stack = others.push_stack(node).expect("room");
        let (_, there) = threads(2, stack, State::Lock);
        assert_eq!(places(&others, &there), found);
        assert_eq!(places(&others, &there[..1]), found);
        let (_, elsewhere) = threads(2, StackId(2), State::Lock);
        assert_ne!(places(&others, &elsewhere), found);
    }

    #[test]
    fn the_end_of_a_long_name_is_kept() {
        let name = format!("{}end", "x".repeat(300));
        let short = shortened(&name);
        assert_eq!(short.chars().count(), LONGEST_NAME);
        assert!(short.ends_with("end"));
    }
}
