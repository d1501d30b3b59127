// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `convert`: writes a trace in other formats.

use sampler_trace::convert::input::read_trace;

use crate::cli::config::ConvertConfig;
use crate::platform::console::CONSOLE;
use crate::platform::delivery::{Delivery, DeliveryError, named, open_input, warn_of_large};
use crate::platform::privileges::Owner;

/// Runs the command `convert`.
///
/// # Errors
/// [`DeliveryError`].
pub fn convert(config: &ConvertConfig) -> Result<(), DeliveryError> {
    let delivery = plan(config)?;
    let mut trace = read_trace(open_input(&config.input)?)?;
    if let Some(torn) = trace.torn {
        let (path, at) = (named(&config.input, "standard input"), torn.at);
        CONSOLE.warn(format_args!(
            "{path} is cut off: what its first {at} bytes hold is converted"
        ));
    }
    warn_of_large(&delivery.deliver_trace(&mut trace)?);
    Ok(())
}

fn plan(config: &ConvertConfig) -> Result<Delivery, DeliveryError> {
    let owner = Owner::of_this_process()?;
    let mut options = config.output.convert_options(config.selection.clone());
    options.shape.merge_threads = config.merge_threads;
    options.privacy = config.privacy;
    Delivery::plan(&config.output.targets, options, owner)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sampler_trace::formats::format::Format;

    use super::*;
    use crate::cli::arguments::{Command, CommandLine};

    fn planned(words: &[&str]) -> Result<Delivery, DeliveryError> {
        let words = ["pyebpf", "convert", "in.pyebpf"].iter().chain(words);
        let Command::Convert(arguments) = CommandLine::parse_from(words).into_command() else {
            panic!("not convert");
        };
        plan(&ConvertConfig::from_arguments(&arguments).expect("is meant"))
    }

    #[test]
    fn threads_are_added_up_only_where_there_is_no_time_axis() {
        let words = |file| ["--merge-threads", "-o", file];
        for file in ["a.svg", "a.folded.gz", "a.pb.gz"] {
            assert!(planned(&words(file)).is_ok(), "{file}");
        }
        for file in [
            "a.json",
            "a.flamechart.svg",
            "a.speedscope.json",
            "a.pyebpf",
        ] {
            let error = planned(&words(file)).err().expect("must be refused");
            assert!(
                matches!(error, DeliveryError::MergedTimeline { .. }),
                "{file}"
            );
        }
    }

    #[test]
    fn a_named_format_goes_before_the_ending() {
        let delivery = planned(&["-o", "a.svg", "-f", "folded.gz"]).expect("is known");
        let output = &delivery.outputs[0];
        assert_eq!(output.format, Format::Folded);
        assert!(output.gzip);
    }
}
