// SPDX-License-Identifier: MIT OR Apache-2.0

//! One connection: its requests one after the other, within limits of size and time.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::front::context::{Client, Context};
use crate::front::service::answer;
use crate::front::stall::Impatient;

/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// How long a connection may last once the server is stopped.
const LAST: Duration = Duration::from_secs(2);
/// What a client gets if there are too many.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\ncontent-length: 65\r\ncache-control: no-store\r\n\
    x-content-type-options: nosniff\r\nretry-after: 2\r\nconnection: close\r\n\r\n\
    {\"error\":\"too many connections at once; try again in a moment.\"}\n";
/// How long such a client may take to read it.
const REFUSAL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, or until the server is stopped.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    context: Arc<Context>,
    client: Client,
    stream: S,
    mut stopped: watch::Receiver<bool>,
) {
    let limits = &context.limits;
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .max_headers(MOST_HEADERS)
        .half_close(false);
    let service = service_fn(|request| answer(context.clone(), client, request));
    let stream = TokioIo::new(Impatient::new(stream, limits.stall));
    let connection = server.serve_connection(stream, service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = is_set(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Waits until a switch is set, or dropped by all who could set it.
pub(crate) async fn is_set(switch: &mut watch::Receiver<bool>) {
    // What it returns has a lock, which must not be kept.
    let _ = switch.wait_for(|is_set| *is_set).await;
}

/// Tells a client that there is no room for it. What it has sent is read for a moment:
/// otherwise the answer would be lost on the way.
pub(crate) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let told = async {
        stream.write_all(NO_ROOM).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        for _ in 0..64 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let _ = timeout(REFUSAL, told).await;
}

#[cfg(test)]
mod tests {
    use super::NO_ROOM;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let text = std::str::from_utf8(NO_ROOM).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
