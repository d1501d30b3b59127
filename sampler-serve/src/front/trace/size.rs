// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much may be converted at once.

use crate::front::context::Context;
use crate::front::error::ApiError;
use crate::state::entry::ChunkNumber;

/// Checks that the trace of these chunks fits into memory.
///
/// # Errors
/// 400: it does not; 503.
pub(crate) async fn check_size(context: &Context, chunks: &[ChunkNumber]) -> Result<(), ApiError> {
    let numbers = chunks.to_vec();
    let bytes = context
        .read_state(move |state| {
            let length = |number: &ChunkNumber| {
                let file = state.open_chunk(*number).ok()?;
                Some(file.metadata().ok()?.len())
            };
            Ok(numbers.iter().filter_map(length).sum::<u64>())
        })
        .await?;
    let most = context.limits.conversion_bytes;
    if bytes <= most {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "the chunks of that time have {} MB, but at most {} MB are converted at once; choose a shorter time, or get format=pyebpf and convert it yourself",
        bytes / 1_000_000,
        most / 1_000_000
    )))
}
