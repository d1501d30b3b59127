// SPDX-License-Identifier: MIT OR Apache-2.0

//! Each answer as text, with names that a terminal must not obey.

use sampler_serve::documents::{DiskUse, RecorderHealth};
use sampler_serve::state::entry::{MarkId, RecordingId};
use sampler_trace::container::info::Mode;

use super::*;

/// 2026-11-30T12:00:00Z, in microseconds.
const NOON: u64 = 1_796_040_000_000_000;

fn recording(id: u64) -> RecordingEntry {
    RecordingEntry {
        id: RecordingId(id),
        name: "slow login".into(),
        hz: 100,
        pids: vec![812, 813],
        from_us: NOON,
        to_us: Some(NOON + 90_000_000),
        state: RecordingState::Done,
    }
}

fn mark() -> MarkEntry {
    MarkEntry {
        id: MarkId(7),
        name: "deploy\x1b 42".into(),
        cause: MarkCause::Request,
        at_us: NOON,
        from_us: NOON - 300_000_000,
        to_us: NOON + 60_000_000,
        pid: None,
        details: String::new(),
    }
}

#[test]
fn a_status_says_how_all_is() {
    let running = RecordingEntry {
        state: RecordingState::Running,
        to_us: None,
        ..recording(4)
    };
    let all = Status {
        program: "pyebpf 0.1.0".into(),
        host: "web1".into(),
        mode: Some(Mode::Wall),
        hz: 100,
        base_hz: 10,
        now_us: NOON,
        since_us: Some(NOON),
        kept_from_us: Some(NOON - 60_000_000),
        recorder: RecorderHealth {
            state: RecorderState::Running,
            pid: Some(4711),
            restarts: 2,
            behind_us: 1500,
            cpu_percent: 0.25,
            rss_bytes: 20 << 20,
        },
        disk: DiskUse {
            bytes: 3 << 20,
            max_bytes: 256 << 20,
            keep_s: 86_400,
            chunks: 3,
            damaged_chunks: 1,
        },
        recordings: vec![recording(3), running],
        marks: vec![mark()],
        problems: vec!["the disk is\nslow".into()],
        ..Status::default()
    };
    let expected = "\
pyebpf 0.1.0 on web1: 100 Hz, wall mode, since 2026-11-30T12:00:00Z
recorder    running, pid 4711; 0.2 % of a CPU, 20 MiB, at most 1.5 ms behind
restarts    2
kept        since 2026-11-30T11:59:00Z; at most 24h and 256 MiB
disk        3 MiB in 3 chunks, 1 of them damaged
recordings  2, of which 1 running
marks       1
problem: the disk is\\nslow
";
    assert_eq!(status(&all), expected);
}

#[test]
fn a_status_without_a_recorder_says_so() {
    let away = Status {
        program: "pyebpf 0.1.0".into(),
        host: "web1".into(),
        recorder: RecorderHealth {
            state: RecorderState::Restarting,
            ..RecorderHealth::default()
        },
        ..Status::default()
    };
    let text = status(&away);
    assert!(
        text.starts_with("pyebpf 0.1.0 on web1: nothing is sampled now\n"),
        "{text}"
    );
    assert!(
        text.contains("recorder    restarting or hanging\n"),
        "{text}"
    );
    assert!(text.contains("kept        nothing yet; "), "{text}");
}

#[test]
fn the_busiest_process_comes_first() {
    let process = |pid, cpu_percent| ProcessEntry {
        pid,
        name: "app".into(),
        cmdline: "python app.py".into(),
        python: "3.12.1".into(),
        uid: Some(1000),
        threads: 3,
        cpu_percent,
        ..ProcessEntry::default()
    };
    let ended = ProcessEntry {
        ended: true,
        uid: None,
        ..process(9, 0.0)
    };
    let expected = "\
PID   CPU%  THREADS   UID  PYTHON  NAME  COMMAND
  7   99.5        3  1000  3.12.1  app   python app.py
812    1.0        3  1000  3.12.1  app   python app.py
  9  ended        3        3.12.1  app   python app.py
";
    let text = processes(vec![ended, process(812, 1.0), process(7, 99.5)]);
    assert_eq!(text, expected);
    assert_eq!(processes(vec![]), "no process of yours is sampled\n");
}

#[test]
fn recordings_and_marks_are_listed() {
    let endless = RecordingEntry {
        name: String::new(),
        pids: vec![],
        to_us: None,
        state: RecordingState::Running,
        ..recording(12)
    };
    let expected = "\
ID  STATE     HZ  FROM                  LENGTH  PIDS     NAME
 3  done     100  2026-11-30T12:00:00Z  1m 30s  812,813  slow login
12  running  100  2026-11-30T12:00:00Z
";
    assert_eq!(recordings(&[recording(3), endless]), expected);
    let stall = MarkEntry {
        id: MarkId(8),
        name: "stall".into(),
        cause: MarkCause::Stall,
        pid: Some(812),
        details: "all threads wait\nMainThread: lock".into(),
        at_us: u64::MAX,
        ..mark()
    };
    let expected = "\
ID  AT                    CAUSE    PID  NAME
 7  2026-11-30T12:00:00Z  request       deploy\\u{1b} 42
 8  9999-12-31T23:59:59Z  stall    812  all threads wait
";
    assert_eq!(marks(&[mark(), stall]), expected);
    assert!(recordings(&[]).starts_with("no recordings; "));
    assert!(marks(&[]).starts_with("no marks; "));
}

#[test]
fn what_was_done_is_said_with_what_to_do_next() {
    assert_eq!(
        started(&recording(3)),
        "recording 3 started at 100 Hz, until 2026-11-30T12:01:30Z\n"
    );
    let endless = RecordingEntry {
        to_us: None,
        ..recording(3)
    };
    assert_eq!(
        started(&endless),
        "recording 3 started at 100 Hz, until `pyebpf ctl stop 3`\n"
    );
    assert!(stopped(&recording(3)).contains("`pyebpf ctl trace --recording 3 -o FILE`"));
    assert_eq!(
        marked(&mark()),
        "mark 7 keeps what is sampled from 2026-11-30T11:55:00Z to 2026-11-30T12:01:00Z\n"
    );
}

#[test]
fn many_pids_are_counted() {
    assert_eq!(pids(&[1, 2, 3]), "1,2,3");
    let many: Vec<u32> = (100..120).collect();
    assert_eq!(pids(&many), "100,101,102,103,104,105 and 14 more");
}
