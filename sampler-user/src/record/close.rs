// SPDX-License-Identifier: MIT OR Apache-2.0

//! Closes a recording: takes the remaining records, prints the summary and writes the
//! outputs.

use std::time::Instant;

use sampler_common::counter::Counter;

use crate::cli::config::TargetSpec;
use crate::cli::config::exit::ExitStatus;
use crate::platform::console::CONSOLE;
use crate::record::clock::monotonic_now;
use crate::record::error::RecordError;
use crate::record::event_loop::{End, EventLoop};
use crate::record::no_sample::{OtherCounts, no_sample};
use crate::record::pipeline::LastScan;
use crate::record::report::summary::{CaptureSummary, RateSummary, RecordingSummary};

impl EventLoop<'_> {
    /// Takes the remaining records, closes the container and converts it to the outputs.
    /// Returns the exit status of the command if that has ended.
    ///
    /// # Errors
    /// [`RecordError`], for example when no sample can be shown. If the command has
    /// failed, its exit status is returned instead of that.
    pub(super) async fn close(mut self, end: End) -> Result<ExitStatus, RecordError> {
        let is_cut_short = !self.recorder.samples.stop();
        self.recorder.pipeline.read_all_cpu_times();
        while self.recorder.take_records() {}
        CONSOLE.clear_progress();
        let now = monotonic_now();
        let on_processes = self.recorder.pipeline.take_time_on_processes();
        self.recorder
            .rate_policy
            .costs()
            .add_on_processes(on_processes);
        let mut counters = self.recorder.samples.counts();
        // The eBPF program counts the others: processes that forked or started a program.
        let left_out = self.recorder.pipeline.targets.skipped().left_out();
        counters.add(Counter::ProcessTableFull, left_out as u64);
        let cpus = self.recorder.samples.cpu_changes();
        let capture = CaptureSummary {
            counters,
            scans: self.recorder.samples.scan_counts(),
            is_cut_short,
            without_loop: self.recorder.samples.without_loop(),
            cpus_not_sampled: cpus.missing(now.since(self.recorder.start)),
            cpus,
        };
        let rate = RateSummary {
            hz: self.config.sampling.hz,
            changes: Vec::new(),
            cost: self
                .recorder
                .rate_policy
                .total_cost(self.recorder.samples.clocks(), Instant::now()),
            max_cpu: self.config.sampling.max_cpu,
        };
        let pythons = self.recorder.pipeline.targets.sampled().count();
        let is_chosen = matches!(
            self.config.sampling.target,
            TargetSpec::Host | TargetSpec::Filtered(_)
        );
        let knows_used = !is_chosen && self.recorder.pipeline.knows_cpu_times();
        let last_scan = if is_cut_short {
            LastScan::CutShort
        } else {
            LastScan::Over
        };
        let (totals, file) = self.recorder.pipeline.close(now, last_scan);
        let summary = RecordingSummary::new(now.since(self.recorder.start), totals, capture, rate);
        let container = file.finish(&summary.counts())?;
        if summary.total.shown() == 0 {
            let counted = OtherCounts {
                pythons,
                used: knows_used.then_some(summary.total.cpu.all),
            };
            let reason = no_sample(&self.config.sampling, &summary, &counted);
            self.outputs.discard(container)?;
            return match end {
                End::CommandEnded(status) if status != ExitStatus::DATA => Ok(status),
                _ => Err(RecordError::NoSample(reason)),
            };
        }
        CONSOLE.summary(&summary);
        self.outputs.derive(container, &mut self.signals).await?;
        Ok(match end {
            End::CommandEnded(status) => status,
            End::Asked | End::TargetsEnded => ExitStatus::DATA,
        })
    }
}
