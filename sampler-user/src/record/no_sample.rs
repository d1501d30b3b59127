// SPDX-License-Identifier: MIT OR Apache-2.0

//! Explains why a recording shows nothing, by what was counted: the samples that were
//! taken, why each is not shown, and the CPU time that the processes used.

use std::time::Duration;

use sampler_trace::account::Account;
use sampler_trace::container::info::Mode;
use sampler_trace::escape::escape_for_terminal;

use crate::cli::config::{SamplingConfig, TargetSpec};
use crate::record::report::summary::RecordingSummary;
use crate::record::target_scope::asked_processes;

/// What was counted besides samples.
pub(super) struct OtherCounts {
    /// Processes with a Python that is sampled, at the end of the recording.
    pub(super) pythons: usize,
    /// CPU time that the followed processes used during the recording, to within 10 ms;
    /// `None` when it is not known for all of them.
    pub(super) used: Option<Duration>,
}

/// Returns why nothing is shown, and what could help.
pub(super) fn no_sample(
    config: &SamplingConfig,
    summary: &RecordingSummary,
    counted: &OtherCounts,
) -> String {
    let who = who(&config.target);
    let mut reason = if came(&summary.total) > 0 {
        not_shown(&who, &summary.total)
    } else if config.mode == Mode::Cpu {
        no_tick(config, &who, counted)
    } else {
        format!("no samples: {who} had no threads to look at")
    };
    for line in &summary.not_sampled {
        reason.push_str(&format!("\n  not sampled: {}", escape_for_terminal(line)));
    }
    let is_chosen = matches!(config.target, TargetSpec::Host | TargetSpec::Filtered(_));
    if is_chosen && counted.pythons == 0 {
        reason.push_str("\n`pyebpf ps` lists the processes that run Python");
    } else if config.mode == Mode::Cpu && came(&summary.total) == 0 {
        reason.push_str(
            "\na process that only waits uses no CPU time and gets no samples in cpu mode; \
             --mode wall shows what it waits for",
        );
    }
    reason
}

/// Returns how many samples were taken.
fn came(total: &Account) -> u64 {
    total.taken.max(total.lost + total.dropped())
}

fn who(target: &TargetSpec) -> String {
    match target {
        TargetSpec::Host => "a Python process on this host".to_owned(),
        TargetSpec::Filtered(filter) => {
            let filter = filter.describe();
            format!("a Python process {}", escape_for_terminal(&filter))
        }
        TargetSpec::Processes(numbers) => {
            let processes = asked_processes(numbers);
            let list: Vec<_> = processes.iter().map(ToString::to_string).collect();
            let noun = if list.len() == 1 {
                "process"
            } else {
                "processes"
            };
            format!("{noun} {}", list.join(", "))
        }
        TargetSpec::Command(_) => "the command".to_owned(),
    }
}

/// Explains that samples were taken, but none can be shown.
fn not_shown(who: &str, total: &Account) -> String {
    let mut reasons = Vec::new();
    if total.lost > 0 {
        reasons.push(format!("{} lost on the way to user space", total.lost));
    }
    if total.dropped() > 0 {
        reasons.push(total.describe_dropped());
    }
    let reasons = match reasons.join(", ") {
        none if none.is_empty() => "the reason was not counted".to_owned(),
        reasons => reasons,
    };
    let taken = match came(total) {
        1 => "1 sample was taken, but cannot be shown".to_owned(),
        count => format!("{count} samples were taken, but none can be shown"),
    };
    format!("no stack of {who}: {taken}: {reasons}")
}

/// Explains that no tick came while one of the processes ran.
fn no_tick(config: &SamplingConfig, who: &str, counted: &OtherCounts) -> String {
    let is_chosen = matches!(config.target, TargetSpec::Host | TargetSpec::Filtered(_));
    match counted.used {
        Some(used) if used.is_zero() => {
            format!("no samples: {who} used less than 10 ms of CPU time during the recording")
        }
        Some(used) => format!(
            "no samples: {who} used {:.2} s of CPU time, but none of the ticks, {} a second on \
             each CPU, hit it; try a higher --hz",
            used.as_secs_f64(),
            config.hz
        ),
        None if is_chosen && counted.pythons == 0 => {
            format!("no samples: {who} did not run during the recording")
        }
        None => format!(
            "no samples: none of the ticks, {} a second on each CPU, came while {who} ran",
            config.hz
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sampler_common::stop::StopReason;

    use super::*;
    use crate::cli::arguments::{Command, CommandLine, HostCommand};
    use crate::cli::config::{Environment, RecordConfig};
    use sampler_trace::account::drop_reason::DropReason;

    fn said(words: &[&str], total: Account, pythons: usize, used: Option<u64>) -> String {
        let words = ["pyebpf"].iter().chain(words);
        let Command::Host(HostCommand::Record(arguments)) =
            CommandLine::parse_from(words).into_command()
        else {
            panic!("not record");
        };
        let environment = Environment {
            host: "host",
            now: std::time::SystemTime::UNIX_EPOCH,
        };
        let config = RecordConfig::from_arguments(&arguments, environment).expect("is meant");
        let summary = RecordingSummary {
            total,
            ..RecordingSummary::default()
        };
        let used = used.map(Duration::from_millis);
        no_sample(&config.sampling, &summary, &OtherCounts { pythons, used })
    }

    /// A process id that no process can have.
    const PID: &str = "4194304";

    #[test]
    fn what_was_taken_is_not_said_to_have_not_run() {
        let mut total = Account {
            taken: 75,
            ..Account::default()
        };
        total.add_dropped_n(StopReason::BrokenChain.into(), 70);
        total.add_dropped_n(StopReason::NoThreadState.into(), 3);
        total.lost = 2;
        let text = said(&["-p", PID], total.clone(), 1, Some(900));
        assert_eq!(
            text,
            "no stack of process 4194304: 75 samples were taken, but none can be shown: \
             2 lost on the way to user space, 70 with a broken chain of frames, 3 in threads without Python"
        );
        total = Account::default();
        total.add_dropped(DropReason::WithoutProcess);
        let text = said(&["--", "true"], total, 0, None);
        assert!(
            text.starts_with("no stack of the command: 1 sample was taken"),
            "{text}"
        );
    }

    #[test]
    fn the_cpu_time_that_was_used_is_said() {
        let nothing = Account::default;
        let text = said(&["-p", PID, "--hz", "10"], nothing(), 1, Some(500));
        assert!(text.contains("used 0.50 s of CPU time, but none of the ticks, 10 a second"));
        let text = said(&["-p", PID], nothing(), 1, Some(0));
        assert!(text.contains("used less than 10 ms of CPU time") && text.contains("--mode wall"));
        let text = said(&["-p", PID], nothing(), 0, None);
        assert!(text.contains("came while process 4194304 ran"), "{text}");
        let text = said(&["-p", PID, "--mode", "wall"], nothing(), 0, None);
        assert!(
            !text.contains("CPU") && text.contains("process 4194304 had no threads"),
            "{text}"
        );
        let text = said(&[], nothing(), 0, None);
        assert!(
            text.contains("did not run during the recording") && text.contains("pyebpf ps"),
            "{text}"
        );
        let text = said(&[], nothing(), 3, None);
        assert!(
            text.contains("came while a Python process on this host ran"),
            "{text}"
        );
    }
}
