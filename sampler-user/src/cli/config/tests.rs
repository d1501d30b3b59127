// SPDX-License-Identifier: MIT OR Apache-2.0

//! What every kind of typed argument means, or why it is refused.

use std::time::UNIX_EPOCH;

use clap::Parser;
use sampler_trace::convert::selection::TimePoint;

use super::*;
use crate::cli::arguments::{CommandLine, HostVerb, Verb};

fn environment() -> Environment<'static> {
    Environment {
        host: "web01",
        now: UNIX_EPOCH + Duration::from_secs(1_352_241_181),
    }
}

fn record(words: &[&str]) -> Result<RecordConfig, UsageError> {
    let words = ["pyebpf"].iter().chain(words);
    match CommandLine::try_parse_from(words)
        .expect("clap takes it")
        .into_verb()
    {
        Verb::Host(HostVerb::Record(arguments)) => {
            RecordConfig::from_arguments(&arguments, environment())
        }
        other => panic!("{other:?} is not record"),
    }
}

fn convert(words: &[&str]) -> Result<ConvertConfig, UsageError> {
    let words = ["pyebpf", "convert"].iter().chain(words);
    match CommandLine::try_parse_from(words)
        .expect("clap takes it")
        .into_verb()
    {
        Verb::Convert(arguments) => ConvertConfig::from_arguments(&arguments),
        other => panic!("{other:?} is not convert"),
    }
}

fn default_path(words: &[&str]) -> String {
    let config = record(words).expect("is valid");
    config.output.targets[0]
        .path("json")
        .expect("is a file")
        .display()
        .to_string()
}

#[test]
fn nothing_typed_is_the_whole_host_at_ten_hertz() {
    let config = record(&[]).expect("is valid");
    assert_eq!(config.target, TargetSpec::Host);
    assert_eq!(
        (config.hz, config.children, config.duration),
        (10, true, None)
    );
    assert!(config.source && config.command_lines && !config.output.force);
    assert_eq!(default_path(&[]), "web01-2012-11-06T223301Z.json");
}

#[test]
fn rates_outside_1_to_10000_are_refused() {
    for value in ["0", "10001", "-1", "+5", "1.5", "x", "", "99999999999"] {
        let expected = Err(UsageError::Rate {
            value: value.to_owned(),
        });
        assert_eq!(record(&["--hz", value]), expected, "{value}");
    }
    assert_eq!(record(&["--hz", "1"]).expect("lowest").hz, 1);
    assert_eq!(record(&["--hz", "10000"]).expect("highest").hz, 10_000);
}

#[test]
fn pids_are_numbers_from_one() {
    let config = record(&["-p", "7,3", "-p", "7"]).expect("is valid");
    assert_eq!(config.target, TargetSpec::Processes(vec![3, 7]));
    for value in ["0", "-4", "+4", "init", "", "4194305", "1,,2"] {
        let refused = record(&["-p", value]);
        assert!(
            matches!(refused, Err(UsageError::ProcessId { .. })),
            "{value}: {refused:?}"
        );
    }
}

#[test]
fn a_command_stands_alone_and_names_the_file() {
    let config = record(&["--", "python", "app.py"]).expect("is valid");
    assert_eq!(
        config.target,
        TargetSpec::Command(vec!["python".into(), "app.py".into()])
    );
    assert_eq!(
        default_path(&["--", "/opt/my app/.run me"]),
        "run_me-2012-11-06T223301Z.json"
    );
    assert_eq!(
        default_path(&["--", ".."]),
        "pyebpf-2012-11-06T223301Z.json"
    );
    assert_eq!(
        record(&["-p", "1", "--", "python"]),
        Err(UsageError::TargetTwice)
    );
    assert_eq!(record(&["--", ""]), Err(UsageError::EmptyCommand));
}

#[test]
fn durations_are_positive_and_bounded() {
    assert_eq!(
        record(&["-d", "500ms"]).expect("is valid").duration,
        Some(Duration::from_millis(500))
    );
    for value in ["0", "0s", "-3", "soon", "400days", "99999999999999999999h"] {
        let refused = record(&["-d", value]);
        assert!(
            matches!(refused, Err(UsageError::Duration { .. })),
            "{value}: {refused:?}"
        );
    }
}

#[test]
fn modes_are_cpu_wall_or_both() {
    for (arguments, mode) in [
        ("wall", Mode::Wall),
        ("cpu", Mode::Cpu),
        ("cpu,wall", Mode::CpuAndWall),
        ("wall,cpu", Mode::CpuAndWall),
    ] {
        let config = record(&["--mode", arguments]);
        assert_eq!(config.map(|config| config.mode), Ok(mode), "{arguments}");
    }
}

#[test]
fn outputs_are_distinct_and_named() {
    let config = record(&["-o", "a.json", "-o", "-", "-f", "json"]).expect("is valid");
    assert_eq!(config.output.targets.len(), 2);
    assert_eq!(config.output.targets[1].path("json"), None);
    assert!(
        config
            .output
            .targets
            .iter()
            .all(|one| one.format.as_deref() == Some("json"))
    );
    assert_eq!(
        record(&["-o", "a", "-o", "a"]),
        Err(UsageError::OutputTwice {
            path: PathBuf::from("a")
        })
    );
    assert_eq!(
        record(&["-o", "-", "--split", "process"]),
        Err(UsageError::SplitStandardOutput)
    );
}

#[test]
fn convert_needs_an_output_and_real_times() {
    assert_eq!(convert(&["in.pyebpf"]).err(), Some(UsageError::NoOutput));
    let config =
        convert(&["in.pyebpf", "-o", "-", "--from", "2h", "--thread", "Main"]).expect("is valid");
    let selection = config.selection;
    assert_eq!(
        selection.from,
        Some(TimePoint::SinceStart(Duration::from_secs(7200)))
    );
    assert!(selection.to.is_none() && selection.process.is_none());
    assert!(selection.mode.is_none() && selection.frames.function.is_none());
    let threads = selection.thread.expect("typed");
    assert!(threads.is_match("MainThread") && !threads.is_match("worker"));
    let refused = convert(&["in.pyebpf", "-o", "-", "--to", "noon"]);
    assert_eq!(
        refused.err(),
        Some(UsageError::TimePoint {
            option: "--to",
            value: "noon".to_owned()
        })
    );
    let refused = convert(&["in.pyebpf", "-o", "-", "--process", ""]);
    assert_eq!(
        refused.err(),
        Some(UsageError::Empty {
            option: "--process"
        })
    );
}

#[test]
fn a_dump_is_of_one_process() {
    let dump = |words: &[&str]| {
        let words = ["pyebpf", "dump"].iter().chain(words);
        let arguments = CommandLine::try_parse_from(words).ok()?.into_verb();
        match arguments {
            Verb::Host(HostVerb::Dump(arguments)) => Some(DumpConfig::from_arguments(&arguments)),
            other => panic!("{other:?} is not dump"),
        }
    };
    let pid = |pid| Some(Ok(DumpConfig { pid }));
    assert_eq!(dump(&["--pid", "1234"]), pid(1234));
    assert_eq!(dump(&["-p", "1", "--json"]), pid(1));
    for wrong in ["0", "x", "-1", "4194305", "1,2"] {
        let refused = UsageError::ProcessId {
            value: wrong.to_owned(),
        };
        assert_eq!(dump(&["--pid", wrong]), Some(Err(refused)));
    }
    assert_eq!(dump(&[]), None, "which process?");
}
