// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `ctl`: asks a running server over its Unix socket, and prints what it
//! answers.

pub mod error;
mod query;
mod save;
mod table;
mod text;

use sampler_serve::client::{ApiClient, ApiResponse, ClientError};
use sampler_serve::documents::{Marks, Processes, Recordings, Status};
use sampler_serve::protocol::command::{NewMark, StartRecording};
use sampler_serve::state::entry::{MarkEntry, RecordingEntry};
use sampler_trace::escape::escape_json_for_terminal;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::arguments::ctl::{
    CtlArguments, CtlCommand, FormArguments, KeptKind, MarkArguments, StartArguments,
};
use crate::commands::ctl::error::CtlError;
use crate::commands::standard_output::print;
use crate::dump::document::Dump;

/// Asks a server, and prints its answer or writes it to a file.
///
/// # Errors
/// [`CtlError`].
pub fn run(arguments: &CtlArguments) -> Result<(), CtlError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CtlError::Start)?;
    let client = ApiClient::new(&arguments.socket);
    let asked = async {
        match &arguments.command {
            CtlCommand::Trace(wanted) => save::save(&client, wanted).await,
            command => {
                let text = ask(&client, command).await?;
                print(&text).map_err(CtlError::Print)
            }
        }
    };
    runtime.block_on(asked).map_err(CtlError::explain)
}

/// Asks what needs no file, and returns what is to be printed.
async fn ask(client: &ApiClient, command: &CtlCommand) -> Result<String, CtlError> {
    match command {
        CtlCommand::Status(form) => {
            let answer = client.get("/api/v1/status").await?;
            show(answer, *form, |status: Status| text::status(&status)).await
        }
        CtlCommand::Processes(form) => {
            let answer = client.get("/api/v1/processes").await?;
            show(answer, *form, |all: Processes| {
                text::processes(all.processes)
            })
            .await
        }
        CtlCommand::Dump { pid, form } => {
            let answer = client.get(&format!("/api/v1/dump?pid={pid}")).await?;
            show(answer, *form, |dump: Dump| dump.to_string()).await
        }
        CtlCommand::Start(arguments) => start(client, arguments).await,
        CtlCommand::Stop { id, form } => {
            let path = format!("/api/v1/recordings/{id}/stop");
            let answer = client.post(&path, &serde_json::json!({})).await?;
            let text = |entry: RecordingEntry| text::stopped(&entry);
            show(answer, *form, text).await
        }
        CtlCommand::Recordings(form) => {
            let answer = client.get("/api/v1/recordings").await?;
            let text = |all: Recordings| text::recordings(&all.recordings);
            show(answer, *form, text).await
        }
        CtlCommand::Mark(arguments) => mark(client, arguments).await,
        CtlCommand::Marks(form) => {
            let answer = client.get("/api/v1/marks").await?;
            show(answer, *form, |all: Marks| text::marks(&all.marks)).await
        }
        CtlCommand::Delete { kind, id, form } => {
            let (folder, name) = match kind {
                KeptKind::Recording => ("recordings", "recording"),
                KeptKind::Mark => ("marks", "mark"),
            };
            let answer = client.delete(&format!("/api/v1/{folder}/{id}")).await?;
            show(answer, *form, |_: Value| {
                format!("{name} {id} is given up\n")
            })
            .await
        }
        // It is written to a file.
        CtlCommand::Trace(_) => Ok(String::new()),
    }
}

async fn start(client: &ApiClient, arguments: &StartArguments) -> Result<String, CtlError> {
    let wanted = StartRecording {
        hz: arguments.hz,
        pids: arguments.pid.clone(),
        seconds: arguments.seconds,
        name: arguments.name.clone().unwrap_or_default(),
    };
    let answer = client.post("/api/v1/recordings", &wanted).await?;
    let text = |entry: RecordingEntry| text::started(&entry);
    show(answer, arguments.form, text).await
}

async fn mark(client: &ApiClient, arguments: &MarkArguments) -> Result<String, CtlError> {
    let wanted = NewMark {
        name: arguments.name.clone(),
        before_s: arguments.before,
        after_s: arguments.after,
        pid: arguments.pid,
    };
    let answer = client.post("/api/v1/marks", &wanted).await?;
    show(answer, arguments.form, |entry: MarkEntry| {
        text::marked(&entry)
    })
    .await
}

/// Returns an answer in the form that is asked for.
async fn show<T: DeserializeOwned>(
    answer: ApiResponse,
    form: FormArguments,
    text: impl FnOnce(T) -> String,
) -> Result<String, CtlError> {
    let document: Value = answer.json().await?;
    if form.json {
        return json(&document);
    }
    let document = serde_json::from_value(document)
        .map_err(|error| ClientError::Document(error.to_string()))?;
    Ok(text(document))
}

/// The text of a document. What a terminal would obey in it is written out: others choose
/// the names of processes.
fn json(document: &Value) -> Result<String, CtlError> {
    let text = serde_json::to_string_pretty(document);
    let text = text.map_err(|error| CtlError::Print(error.into()))?;
    let mut escaped = String::with_capacity(text.len());
    for line in text.lines() {
        escaped.push_str(&escape_json_for_terminal(line));
        escaped.push('\n');
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_the_same_document_and_obeys_no_name() {
        let document = serde_json::json!({"name": "a\u{9b}31m\u{202e}", "list": [1, {}]});
        let text = json(&document).expect("JSON");
        assert_eq!(
            text,
            "{\n  \"list\": [\n    1,\n    {}\n  ],\n  \"name\": \"a\\u009b31m\\u202e\"\n}\n"
        );
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, document);
    }
}
