// SPDX-License-Identifier: MIT OR Apache-2.0

//! What clap accepts and what it refuses, word for word.

use clap::CommandFactory;

use super::*;
use crate::cli::arguments::logging::LogFormat;
use crate::cli::arguments::sampling::RecordMode;

fn record(words: &[&str]) -> RecordArguments {
    match CommandLine::try_parse_from(words).map(CommandLine::into_command) {
        Ok(Command::Host(HostCommand::Record(arguments))) => *arguments,
        other => panic!("{words:?} gave {other:?}"),
    }
}

#[test]
fn definition_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn no_command_means_record() {
    let arguments = record(&["pyebpf", "--hz", "10", "--pid", "1234"]);
    assert_eq!(
        (arguments.sampling.hz, arguments.sampling.pid),
        (10, vec![1234])
    );
    assert_eq!(record(&["pyebpf"]).sampling.hz, 10);
    assert_eq!(record(&["pyebpf", "record", "-F", "99"]).sampling.hz, 99);
    assert_eq!(record(&["pyebpf", "--rate", "7"]).sampling.hz, 7);
    assert_eq!(record(&["pyebpf", "-r", "8"]).sampling.hz, 8);
}

#[test]
fn what_is_logged_can_be_said_with_commands_that_look_at_stacks() {
    let parse = |words: &[&str]| {
        let parsed = CommandLine::try_parse_from([&["pyebpf"], words].concat());
        parsed.map(CommandLine::into_command)
    };
    let log = |words: &[&str]| parse(words).expect("is valid").log();
    let of = |verbose, log_format| LogArguments {
        verbose,
        log_format,
    };
    assert_eq!(log(&[]), of(0, LogFormat::Text));
    assert_eq!(log(&["-vv"]), of(2, LogFormat::Text));
    assert_eq!(log(&["record", "-v", "-v", "-v"]), of(3, LogFormat::Text));
    assert_eq!(log(&["--log-format", "json"]), of(0, LogFormat::Json));
    for command in [&["dump", "-p", "1"][..], &["doctor"]] {
        let words = [command, &["-v", "--log-format=json"]].concat();
        assert_eq!(log(&words), of(1, LogFormat::Json));
    }
    assert!(parse(&["--log-format", "xml"]).is_err());
    assert!(parse(&["-q"]).expect("is valid").is_quiet());
    assert!(!parse(&["-v"]).expect("is valid").is_quiet());
}

#[test]
fn pids_repeat_and_take_commas() {
    let arguments = record(&["pyebpf", "-p", "1,2", "--pid=3"]);
    assert_eq!(arguments.sampling.pid, [1, 2, 3]);
}

#[test]
fn what_follows_the_dashes_is_the_command() {
    let arguments = record(&[
        "pyebpf", "-d", "5", "--", "python", "-m", "app", "--hz", "3",
    ]);
    assert_eq!(arguments.command, ["python", "-m", "app", "--hz", "3"]);
    assert_eq!(arguments.sampling.hz, 10);
    let arguments = record(&["pyebpf", "--", "ps"]);
    assert_eq!(arguments.command, ["ps"]);
}

#[test]
fn a_word_that_is_no_command_is_refused_with_status_2() {
    for words in [
        vec!["pyebpf", "python"],
        vec!["pyebpf", "dump"],
        vec!["pyebpf", "--hz", "10", "ps"],
        vec!["pyebpf", "-q", "-v"],
        vec!["pyebpf", "--order", "size"],
        vec!["pyebpf", "--mode", "gil"],
        vec!["pyebpf", "-o", ""],
        vec!["pyebpf", "convert"],
        vec!["pyebpf", "convert", ""],
    ] {
        let error = CommandLine::try_parse_from(&words).expect_err("must be refused");
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}

#[test]
fn a_bad_value_is_named_with_its_option_and_what_to_write() {
    for (words, option, advice) in [
        (&["--hz", "-1"][..], "--hz", "1 to 10000"),
        (&["--pid", "1,,2"], "--pid", "a process id"),
        (&["dump", "--pid", "1,2"], "--pid", "a process id"),
        (&["--max-cpu", "five"], "--max-cpu", "5%"),
        (&["--buffer", "4MB"], "--buffer", "512K"),
        (&["-d", "0"], "--duration", "500ms"),
        (&["--cgroup", ""], "--cgroup", "leave the option out"),
        (&["-f", ""], "--format", "leave the option out"),
        (&["--name", "("], "--name", "not a regular expression"),
        (&["convert", "in", "--to", "noon"], "--to", "2h"),
        (
            &["report", "in", "--process", ""],
            "--process",
            "leave the option out",
        ),
    ] {
        let words = [&["pyebpf"], words].concat();
        let error = CommandLine::try_parse_from(&words).expect_err("must be refused");
        assert_eq!(error.exit_code(), 2, "{words:?}");
        let text = error.to_string();
        assert!(text.contains(option) && text.contains(advice), "{text}");
    }
}

#[test]
fn outputs_repeat_and_take_a_dash() {
    let arguments = record(&[
        "pyebpf",
        "-o",
        "a.json",
        "-o",
        "-",
        "-f",
        "json",
        "--split=thread",
    ]);
    assert_eq!(
        arguments.output.output,
        [PathBuf::from("a.json"), PathBuf::from("-")]
    );
    assert_eq!(arguments.output.format.as_deref(), Some("json"));
    assert_eq!(arguments.output.split, Some(SplitArgument::Thread));
    assert_eq!(arguments.output.order, OrderArgument::Thread);
}

#[test]
fn top_shows_a_trace_or_records_waiting_threads_too() {
    let parse = |words: &[&str]| {
        let parsed = CommandLine::try_parse_from([&["pyebpf", "top"], words].concat());
        parsed.map(CommandLine::into_command)
    };
    let Ok(Command::Top(arguments)) = parse(&["--pid", "7", "--last", "1m"]) else {
        panic!("it is valid");
    };
    assert_eq!(arguments.sampling.mode, RecordMode::Wall);
    assert_eq!(arguments.last, Duration::from_secs(60));
    let Ok(Command::Top(arguments)) = parse(&["--from", "-"]) else {
        panic!("it is valid");
    };
    assert_eq!(arguments.from.as_deref(), Some(std::path::Path::new("-")));
    for other in [
        &["--hz", "10"][..],
        &["--pid", "7"],
        &["--cgroup", "web"],
        &["--mode", "cpu"],
        &["--buffer", "1M"],
        &["--no-sandbox"],
    ] {
        let words = [&["--from", "a.pyebpf"], other].concat();
        assert!(parse(&words).is_err(), "{words:?}");
    }
    assert_eq!(record(&["pyebpf"]).sampling.mode, RecordMode::Cpu);
}
