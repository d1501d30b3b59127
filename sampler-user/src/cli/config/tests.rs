// SPDX-License-Identifier: MIT OR Apache-2.0

//! What arguments mean together, or why they are refused.

use std::time::UNIX_EPOCH;

use clap::Parser;
use sampler_trace::convert::selection::TimePoint;

use super::*;
use crate::cli::arguments::{Command, CommandLine, HostCommand};

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
        .into_command()
    {
        Command::Host(HostCommand::Record(arguments)) => {
            RecordConfig::from_arguments(&arguments, environment())
        }
        other => panic!("{other:?} is not record"),
    }
}

fn convert(words: &[&str]) -> Result<ConvertConfig, UsageError> {
    let words = ["pyebpf", "convert"].iter().chain(words);
    match CommandLine::try_parse_from(words)
        .expect("clap takes it")
        .into_command()
    {
        Command::Convert(arguments) => ConvertConfig::from_arguments(&arguments),
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
fn no_argument_is_the_whole_host_at_ten_hertz() {
    let config = record(&[]).expect("is valid");
    assert_eq!(config.sampling.target, TargetSpec::Host);
    assert_eq!(
        (
            config.sampling.hz,
            config.sampling.children,
            config.duration
        ),
        (10, true, None)
    );
    assert!(config.sampling.source && config.sampling.command_lines && !config.output.force);
    assert_eq!(default_path(&[]), "web01-2012-11-06T223301Z.json");
}

#[test]
fn each_process_is_recorded_once() {
    let config = record(&["-p", "7,3", "-p", "7"]).expect("is valid");
    assert_eq!(config.sampling.target, TargetSpec::Processes(vec![3, 7]));
}

#[test]
fn a_command_stands_alone_and_names_the_file() {
    let config = record(&["--", "python", "app.py"]).expect("is valid");
    assert_eq!(
        config.sampling.target,
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
fn modes_are_cpu_wall_or_both() {
    for (arguments, mode) in [
        ("wall", Mode::Wall),
        ("cpu", Mode::Cpu),
        ("cpu,wall", Mode::CpuAndWall),
        ("wall,cpu", Mode::CpuAndWall),
    ] {
        let config = record(&["--mode", arguments]);
        assert_eq!(
            config.map(|config| config.sampling.mode),
            Ok(mode),
            "{arguments}"
        );
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
fn convert_needs_an_output() {
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
    let threads = selection.thread.expect("given");
    assert!(threads.is_match("MainThread") && !threads.is_match("worker"));
}

#[test]
fn patterns_are_alternatives() {
    let config = convert(&["a", "-o", "-", "--thread", "^a$|b", "--thread", "^c$"]);
    let threads = config.expect("is valid").selection.thread.expect("given");
    assert!(threads.is_match("a") && threads.is_match("xbx") && threads.is_match("c"));
    assert!(!threads.is_match("ac"));
}
