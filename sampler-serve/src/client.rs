// SPDX-License-Identifier: MIT OR Apache-2.0

//! A client of the server over its Unix socket, for `pyebpf ctl` and `pyebpf top`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The time limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest document that is read as a whole, in bytes.
const LARGEST: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket, or we may not connect.
    #[error("cannot connect to {path}: {source}; is `pyebpf serve` running?", path = path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The connection failed.
    #[error("the server did not answer: {0}")]
    Http(#[from] hyper::Error),
    /// The request cannot be sent.
    #[error("invalid request: {0}")]
    Request(#[from] hyper::http::Error),
    /// The answer is not the JSON that is expected, or too long.
    #[error("cannot understand the server's answer: {0}")]
    Document(String),
    /// The server refused.
    #[error("{message}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// What happened, and what to do.
        message: String,
    },
}

/// A client of the HTTP interface. Each request has its own connection.
#[derive(Clone, Debug)]
pub struct ApiClient {
    path: PathBuf,
}

/// A response with a successful status.
#[derive(Debug)]
pub struct ApiResponse {
    response: Response<Incoming>,
}

impl ApiClient {
    /// A client of the server that listens on this socket.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Gets a path, with its query.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<ApiResponse, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Posts a document to a path.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<ApiResponse, ClientError> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| ClientError::Document(error.to_string()))?;
        self.send(Method::POST, path, body.into()).await
    }

    /// Deletes what is at a path.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, path: &str) -> Result<ApiResponse, ClientError> {
        self.send(Method::DELETE, path, Bytes::new()).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<ApiResponse, ClientError> {
        let connected = timeout(CONNECT, UnixStream::connect(&self.path)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected.map_err(|source| ClientError::Connect {
            path: self.path.clone(),
            source,
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the answer has been read or dropped.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let answer = ApiResponse { response };
        match answer.response.status() {
            status if status.is_success() => Ok(answer),
            status => Err(answer.refusal(status).await),
        }
    }
}

impl ApiResponse {
    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body; `None` after the last one.
    ///
    /// # Errors
    /// [`ClientError::Http`]: the body ends early.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.response.frame().await {
            if let Ok(piece) = frame?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        let body = Limited::new(self.response.into_body(), LARGEST);
        let collected = body.collect().await;
        let collected = collected.map_err(|error| ClientError::Document(error.to_string()))?;
        Ok(collected.to_bytes())
    }

    /// The body as a document.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Document(error.to_string()))
    }

    async fn refusal(self, status: StatusCode) -> ClientError {
        let text = self.bytes().await.unwrap_or_default();
        let document: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        let message = document
            .as_ref()
            .and_then(|document| document.get("error")?.as_str().map(str::to_owned))
            .unwrap_or_else(|| String::from_utf8_lossy(&text).trim().to_owned());
        ClientError::Refused { status, message }
    }
}
