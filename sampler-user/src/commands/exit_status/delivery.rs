// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the status is when a trace could not be written.

use crate::cli::config::exit::ExitStatus;
use crate::platform::delivery::DeliveryError;

pub(super) fn of_delivery(error: &DeliveryError) -> ExitStatus {
    match error {
        DeliveryError::Format(_)
        | DeliveryError::MergedTimeline { .. }
        | DeliveryError::SplitStream { .. }
        | DeliveryError::SameStream { .. } => ExitStatus::USAGE,
        DeliveryError::Outfile(_)
        | DeliveryError::Open { .. }
        | DeliveryError::Convert(_)
        | DeliveryError::Privilege(_) => ExitStatus::ERROR,
    }
}
