// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns the target that was asked for into the processes to follow, and reports when
//! there is nothing to follow.

use std::collections::BTreeSet;
use std::ffi::OsString;

use sampler_cpython::process::task::process_of;

use crate::capture::targets::followed_set::TargetError;
use crate::capture::targets::process_filter::ProcessFilter;
use crate::capture::targets::registry::Targets;
use crate::capture::targets::target_scope::TargetScope;
use crate::cli::config::{SamplingConfig, TargetSpec};
use crate::platform::console::CONSOLE;
use crate::platform::launch;
use crate::platform::launch::HeldCommand;
use crate::platform::privileges::Owner;
use crate::record::error::RecordError;

pub(super) fn scope(config: &SamplingConfig) -> Result<TargetScope, RecordError> {
    Ok(match &config.target {
        TargetSpec::Host => TargetScope::Host,
        TargetSpec::Filtered(filter) => TargetScope::Filtered {
            filter: ProcessFilter::find(&filter.cgroups, filter.name.clone())?,
            with_children: config.children,
        },
        TargetSpec::Processes(numbers) => {
            mention_threads(numbers);
            TargetScope::Processes {
                tgids: asked_processes(numbers),
                with_children: config.children,
            }
        }
        TargetSpec::Command(_) => TargetScope::Processes {
            tgids: Vec::new(),
            with_children: false,
        },
    })
}

/// Returns the processes that these numbers mean, sorted and without duplicates. The
/// number of a thread, as `top -H` shows it, means its process.
pub(super) fn asked_processes(numbers: &[u32]) -> Vec<u32> {
    let processes = numbers
        .iter()
        .map(|number| process_of(*number).unwrap_or(*number));
    processes.collect::<BTreeSet<_>>().into_iter().collect()
}

fn mention_threads(numbers: &[u32]) {
    for number in numbers {
        if let Some(process) = process_of(*number).filter(|process| process != number) {
            CONSOLE.note(format_args!(
                "{number} is a thread of process {process}; all of its threads are recorded"
            ));
        }
    }
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

/// Prints that no process is chosen yet, since that may be a mistake.
pub(super) fn mention_waiting(config: &SamplingConfig, targets: &Targets) {
    if let TargetSpec::Filtered(filter) = &config.target
        && targets.sampled().next().is_none()
    {
        let filter = filter.describe();
        CONSOLE.note(format_args!(
            "no Python process {filter} is running yet; waiting for one"
        ));
    }
}

/// Prints which processes cannot be sampled. Returns an error when no other was asked
/// for.
pub(super) fn complain(
    refused: Vec<TargetError>,
    config: &SamplingConfig,
) -> Result<(), RecordError> {
    let TargetSpec::Processes(numbers) = &config.target else {
        return Ok(());
    };
    if refused.len() >= asked_processes(numbers).len() {
        return Err(RecordError::Targets(refused));
    }
    for error in refused {
        CONSOLE.warn(error);
    }
    Ok(())
}
