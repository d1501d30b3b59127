// SPDX-License-Identifier: MIT OR Apache-2.0

//! Accepts connections, within the limits.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::front::config::Listener;
use crate::front::connection::{is_set, refuse, serve};
use crate::front::context::{Client, Context};
use crate::front::peer::{Access, PeerId};
use crate::front::peer_groups::peer_groups;

/// How many clients at a time are told that there are too many. Further ones are cut off.
const REFUSALS: usize = 256;
/// How long to wait if there is no descriptor left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A socket that accepts connections.
#[derive(Debug)]
pub(crate) enum Door {
    /// A Unix socket, and the group that owns it.
    Unix(UnixListener, u32),
    /// A TCP socket.
    Tcp(TcpListener),
}

impl Door {
    /// Takes over a listening socket.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Unix { listener, group } => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener)?, group))
            }
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
        }
    }

    /// The address that it listens on, for TCP.
    #[must_use]
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Unix(..) => None,
            Self::Tcp(listener) => listener.local_addr().ok().map(|address| address.ip()),
        }
    }

    /// Accepts connections until the server is stopped.
    pub(crate) async fn run(self, context: Arc<Context>, stopped: watch::Receiver<bool>) {
        let mut stop = stopped.clone();
        let hall = Hall {
            context,
            stopped,
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        };
        loop {
            let result = tokio::select! {
                result = self.take_one(&hall) => result,
                () = is_set(&mut stop) => return,
            };
            if let Err(error) = result {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(EXHAUSTED).await;
            }
        }
    }

    async fn take_one(&self, hall: &Hall) -> io::Result<()> {
        match self {
            Self::Unix(listener, group) => {
                let (stream, _) = listener.accept().await?;
                // A client that is gone already has no credentials.
                let Ok(peer) = stream.peer_cred() else {
                    return Ok(());
                };
                // If they are unknown, only the main group counts.
                let others = peer_groups(stream.as_fd()).unwrap_or_else(|error| {
                    tracing::warn!(%error, "cannot find out a client's groups");
                    Vec::new()
                });
                let client = Client {
                    access: Access::of_user(peer.uid(), peer.gid(), &others, *group),
                    peer: PeerId::User(peer.uid()),
                };
                hall.admit(client, stream);
            }
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written as a whole, and events must not wait.
                let _ = stream.set_nodelay(true);
                let client = Client {
                    access: Access::over_tcp(),
                    peer: PeerId::Address(network_of(address.ip())),
                };
                hall.admit(client, stream);
            }
        }
        Ok(())
    }
}

/// The addresses of one client: with IPv6, all that share the first 64 bits.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

/// Where those wait who came in.
struct Hall {
    context: Arc<Context>,
    stopped: watch::Receiver<bool>,
    refusals: Arc<Semaphore>,
}

impl Hall {
    fn admit<S>(&self, client: Client, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let context = self.context.clone();
        let Some(pass) = context.connections.enter(client.peer) else {
            let refused = &context.counters.refused_connections;
            refused.fetch_add(1, Ordering::Relaxed);
            if let Ok(permit) = self.refusals.clone().try_acquire_owned() {
                tokio::spawn(async move {
                    refuse(stream).await;
                    drop(permit);
                });
            }
            return;
        };
        let stopped = self.stopped.clone();
        tokio::spawn(async move {
            serve(context, client, stream, stopped).await;
            drop(pass);
        });
    }
}
