//! From the target that was asked for to the processes that are followed, and
//! what to say when there is nothing to follow. It refuses to follow any.

use std::ffi::OsString;

use super::error::RecordError;
use crate::config::{RecordConfig, Target, Verbosity};
use crate::escape::escape_for_terminal;
use crate::launch::{self, HeldCommand};
use crate::privileges::Owner;
use crate::report::Summary;
use crate::targets::{Choice, Selection, TargetError, Targets};
use crate::trace::Mode;

pub(super) fn selection(config: &RecordConfig) -> Result<Selection, RecordError> {
    Ok(match &config.target {
        Target::Host => Selection::Host,
        Target::Chosen(choice) => Selection::Chosen {
            choice: Choice::find(&choice.cgroups, choice.name.clone())?,
            with_children: config.children,
        },
        Target::Processes(tgids) => Selection::Processes {
            tgids: tgids.clone(),
            with_children: config.children,
        },
        Target::Command(_) => Selection::Processes {
            tgids: Vec::new(),
            with_children: false,
        },
    })
}

pub(super) fn hold(
    words: &[OsString],
    owner: &Owner,
    targets: &mut Targets,
) -> Result<HeldCommand, RecordError> {
    let command = launch::spawn(words, owner)?;
    targets
        .follow_command(command.pid())
        .map_err(|error| RecordError::Targets(vec![TargetError::Table(error)]))?;
    Ok(command)
}

/// Says that nothing is chosen yet, since that may be a mistake.
pub(super) fn mention_waiting(config: &RecordConfig, targets: &Targets) {
    if let Target::Chosen(choice) = &config.target
        && config.verbosity != Verbosity::Quiet
        && targets.sampled().next().is_none()
    {
        let choice = choice.in_words();
        let choice = escape_for_terminal(&choice);
        eprintln!("pyebpf: no Python process {choice} runs yet; waiting for one");
    }
}

/// Names the processes that cannot be sampled; an error when there is no other.
pub(super) fn complain(
    refused: Vec<TargetError>,
    config: &RecordConfig,
) -> Result<(), RecordError> {
    let Target::Processes(tgids) = &config.target else {
        return Ok(());
    };
    if refused.len() == tgids.len() {
        return Err(RecordError::Targets(refused));
    }
    for error in refused {
        eprintln!("pyebpf: {error}");
    }
    Ok(())
}

pub(super) fn no_sample(config: &RecordConfig, summary: &Summary) -> String {
    let refused = &summary.total;
    let mut reason = match &config.target {
        Target::Host => "no sample: no Python process ran on this host meanwhile".to_owned(),
        Target::Chosen(choice) => {
            let choice = choice.in_words();
            let choice = escape_for_terminal(&choice);
            format!("no sample: no Python process {choice} ran meanwhile; `pyebpf ps` shows all")
        }
        Target::Processes(tgids) => {
            let list: Vec<_> = tgids.iter().map(ToString::to_string).collect();
            format!(
                "no sample: process {} did not run Python code meanwhile",
                list.join(", ")
            )
        }
        Target::Command(_) => "no sample: the command did not run Python code long enough".into(),
    };
    if refused.refused() > 0 {
        reason.push_str(&format!("; not shown: {}", refused.refusals_in_words()));
    }
    for line in &summary.not_sampled {
        reason.push_str(&format!("\n  not sampled: {}", escape_for_terminal(line)));
    }
    if config.mode == Mode::Cpu {
        reason.push_str(
            "\na process that waits takes no CPU time and has no samples in cpu mode; \
             --mode wall shows what it waits for",
        );
    }
    reason
}
