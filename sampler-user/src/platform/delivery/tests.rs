// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which outputs are planned for which arguments.

use clap::Parser;

use crate::cli::arguments::{Command, CommandLine};
use crate::cli::config::ConvertConfig;
use crate::platform::delivery::{Delivery, DeliveryError, written_as};
use crate::platform::privileges::Owner;

fn plan(words: &[&str]) -> Result<Delivery, DeliveryError> {
    let words = ["pyebpf", "convert", "in.pyebpf"].iter().chain(words);
    let Command::Convert(arguments) = CommandLine::parse_from(words).into_command() else {
        panic!("not convert");
    };
    let config = ConvertConfig::from_arguments(&arguments).expect("is meant");
    let mut options = written_as(&config.output, config.selection.clone());
    options.shape.merge_threads = config.merge_threads;
    let owner = Owner::of_this_process().expect("there is one");
    Delivery::plan(&config.output, options, owner)
}

#[test]
fn threads_are_added_up_only_where_there_is_no_time_axis() {
    let words = |file| ["--merge-threads", "-o", file];
    for file in ["a.svg", "a.folded.gz", "a.pb.gz"] {
        assert!(plan(&words(file)).is_ok(), "{file}");
    }
    for file in [
        "a.json",
        "a.flamechart.svg",
        "a.speedscope.json",
        "a.pyebpf",
    ] {
        let error = plan(&words(file)).err().expect("must be refused");
        assert!(
            matches!(error, DeliveryError::MergedTimeline { .. }),
            "{file}"
        );
    }
}

#[test]
fn a_named_format_goes_before_the_ending() {
    let delivery = plan(&["-o", "a.svg", "-f", "folded.gz"]).expect("is known");
    let output = &delivery.outputs[0];
    assert_eq!(
        output.format,
        sampler_trace::formats::format::Format::Folded
    );
    assert!(output.gzip);
}
