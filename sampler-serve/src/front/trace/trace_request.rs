// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which part of the trace a request wants, and in which format.

use std::collections::BTreeSet;

use sampler_trace::container::info::Mode;
use sampler_trace::convert::frames::FrameSelection;
use sampler_trace::convert::privacy::Privacy;
use sampler_trace::convert::selection::Selection;
use sampler_trace::formats::format::{FileFormat, Format};
use sampler_trace::join::options::{JoinOptions, ProcessSelection};

use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::query::Query;
use crate::front::times::{Range, now_us};

/// The latest time that a request can name, in microseconds: in the year 9999.
const LATEST: u64 = 253_402_300_799_000_000;

/// The part of a trace that a request asks for.
#[derive(Debug)]
pub(crate) struct TraceRequest {
    /// The format.
    pub(crate) format: FileFormat,
    /// The time, the processes and threads.
    pub(crate) join: JoinOptions,
    /// What is selected after that.
    pub(crate) selection: Selection,
    /// Whether the answer goes on as the trace does.
    pub(crate) follow: bool,
}

impl TraceRequest {
    /// Takes what is wanted from a query.
    ///
    /// # Errors
    /// 400: it is invalid; 403: source lines are asked for, but may not be sent.
    pub(crate) fn take(
        context: &Context,
        client: &Client,
        query: &mut Query,
    ) -> Result<Self, ApiError> {
        let range = Range::take(query, now_us())?;
        if range.from_us.max(range.to_us) > Some(LATEST) {
            return Err(ApiError::bad_request("from or to is after the year 9999"));
        }
        let name = query.one("format")?;
        let format = FileFormat::from_name(name.as_deref().unwrap_or("pyebpf"));
        let format = format.map_err(|error| ApiError::bad_request(error.to_string()))?;
        let wanted = Self {
            format,
            join: JoinOptions {
                from_us: range.from_us,
                to_us: range.to_us,
                processes: processes(client, query)?,
                thread: query.regex("thread")?,
                privacy: Privacy {
                    no_source: !wants_source(context, client, query)?,
                    no_command_line: false,
                },
            },
            selection: Selection {
                frames: FrameSelection {
                    function: query.regex("function")?,
                    file: query.regex("file")?,
                    module: query.regex("module")?,
                },
                mode: mode(query)?,
                ..Selection::default()
            },
            follow: query.flag("follow")?,
        };
        if wanted.follow && !wanted.is_container_as_joined() {
            return Err(ApiError::bad_request(
                "follow=1 needs format=pyebpf and cannot be combined with mode, function, file or module",
            ));
        }
        if wanted.follow && wanted.join.to_us.is_some() {
            return Err(ApiError::bad_request(
                "follow=1 has no end: leave out either to or follow",
            ));
        }
        Ok(wanted)
    }

    /// Whether the joined chunks are the answer without a conversion.
    #[must_use]
    pub(crate) fn is_container_as_joined(&self) -> bool {
        let frames = &self.selection.frames;
        let of_frames = [&frames.function, &frames.file, &frames.module];
        self.format.format == Format::Container
            && self.selection.mode.is_none()
            && of_frames.iter().all(|it| it.is_none())
    }

    /// Restricts the selected processes to these.
    pub(crate) fn only_pids(&mut self, pids: &[u32]) {
        let these: BTreeSet<u32> = pids.iter().copied().collect();
        let processes = &mut self.join.processes;
        processes.pids = Some(match processes.pids.take() {
            Some(wanted) => wanted.intersection(&these).copied().collect(),
            None => these,
        });
    }
}

/// Takes the selection of processes, restricted to those that the client may see.
///
/// # Errors
/// 400.
pub(crate) fn processes(client: &Client, query: &mut Query) -> Result<ProcessSelection, ApiError> {
    let pids: BTreeSet<u32> = query.numbers("pid")?.into_iter().collect();
    Ok(ProcessSelection {
        pids: (!pids.is_empty()).then_some(pids),
        name: query.regex("process")?,
        uid: client.access.own_uid(),
    })
}

fn wants_source(context: &Context, client: &Client, query: &mut Query) -> Result<bool, ApiError> {
    let given = context.sends_source(client);
    match query.one("source")?.as_deref() {
        None => Ok(given),
        Some("0" | "false") => Ok(false),
        Some("1" | "true") if given => Ok(true),
        Some("1" | "true") => Err(ApiError::forbidden(
            "source lines are not sent over TCP unless the server runs with --source-over-tcp",
        )),
        Some(other) => Err(ApiError::bad_request(format!(
            "source={other}: give 0 or 1"
        ))),
    }
}

fn mode(query: &mut Query) -> Result<Option<Mode>, ApiError> {
    match query.one("mode")?.as_deref() {
        None => Ok(None),
        Some("cpu") => Ok(Some(Mode::Cpu)),
        Some("wall") => Ok(Some(Mode::Wall)),
        Some(other) => Err(ApiError::bad_request(format!(
            "mode={other}: give cpu or wall"
        ))),
    }
}
