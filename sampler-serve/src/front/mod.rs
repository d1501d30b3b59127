// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that owns the network: it answers over HTTP what the state directory has
//! and what the recorder says. It has no capability, writes nothing, and starts nothing.
//!
//! A request passes `listen` (is there room?), `connection` (limits of HTTP), `service`
//! (where it comes from, who asks, what for) and a handler. Handlers read the state
//! directory through `state/reader.rs` and ask the recorder through `recorder`, which never
//! makes it wait.

pub mod authorization;
mod body;
pub mod config;
mod connection;
mod context;
pub mod error;
mod events;
pub mod fixed;
mod gate;
mod listen;
mod marks;
mod metrics;
mod openmetrics;
pub mod origin;
mod peer;
mod peer_groups;
mod processes;
pub mod query;
mod recorder;
mod recordings;
mod reply;
pub mod request_body;
pub mod routes;
mod service;
mod stall;
mod status;
pub mod times;
mod trace;
mod visible;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::front::config::FrontConfig;
use crate::front::context::{Context, HttpCounters};
use crate::front::gate::Gate;
use crate::front::listen::Door;
use crate::front::origin::AllowedHosts;
use crate::front::recorder::{RecorderTimeouts, connect};
use crate::protocol::channel::Channel;
use crate::state::reader::StateReader;
use crate::supervisor::launch::Word;

/// Threads for work that may block: reading files, converting traces.
const WORKERS: usize = 6;
/// How often the server reports that it is alive.
const ALIVE: Duration = Duration::from_secs(2);
/// How many pieces of downloads are made at a time.
const STEPS: usize = 2;

/// Why the front has ended.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// Something that it needs is unavailable.
    #[error("the server cannot be started: {source}")]
    Start {
        /// The system's error.
        source: io::Error,
    },
    /// Nobody has the other end of the pair of sockets any longer.
    #[error("whoever started the server and its recorder has ended")]
    Alone,
}

/// Serves until `stop` is ready, or until nobody is left who could start a recorder. `say` is
/// called once it serves, and then every two seconds as long as it does.
///
/// # Errors
/// [`FrontError`].
pub fn run(
    config: FrontConfig,
    say: impl Fn(Word),
    stop: impl Future<Output = ()>,
) -> Result<(), FrontError> {
    let start = |source| FrontError::Start { source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(WORKERS)
        .thread_name("serve-work")
        .build()
        .map_err(start)?;
    let result = runtime.block_on(serve(config, say, stop));
    // Does not wait for conversions whose client is gone.
    runtime.shutdown_background();
    result
}

async fn serve(
    config: FrontConfig,
    say: impl Fn(Word),
    stop: impl Future<Output = ()>,
) -> Result<(), FrontError> {
    let start = |source| FrontError::Start { source };
    let limits = config.limits;
    let times = RecorderTimeouts {
        answer: limits.answer,
        dump: limits.dump,
    };
    let channel = Channel::new(config.control).map_err(start)?;
    let (recorder, link) = connect(channel, times);
    let doors = config.listeners.into_iter().map(Door::new);
    let doors: Vec<_> = doors.collect::<Result<_, _>>().map_err(start)?;
    let addresses = doors.iter().filter_map(Door::address);
    let context = Arc::new(Context {
        about: config.about,
        page: config.page,
        source_over_tcp: config.source_over_tcp,
        tokens: config.tokens,
        hosts: AllowedHosts::new(config.allowed_hosts, addresses),
        recorder,
        state: Arc::new(StateReader::new(config.state_dir)),
        connections: Gate::new(limits.connections, limits.connections_of_peer),
        streams: Gate::new(limits.streams, limits.streams_of_peer),
        conversions: Arc::new(Semaphore::new(limits.conversions)),
        steps: Semaphore::new(STEPS),
        dumps: Semaphore::new(limits.dumps),
        counters: HttpCounters::default(),
        epoch: times::now_us(),
        limits,
    });
    let stopped = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    for door in doors {
        tasks.spawn(door.run(context.clone(), stopped.subscribe()));
    }
    let link = tokio::spawn(link.run());
    let result = tokio::select! {
        () = stop => Ok(()),
        () = keep_saying(say) => Ok(()),
        _ = link => Err(FrontError::Alone),
    };
    stopped.send_replace(true);
    while tasks.join_next().await.is_some() {}
    // Each connection holds a receiver until it ends.
    stopped.closed().await;
    result
}

/// Reports that the server is ready, and then that it is alive. Never ends.
async fn keep_saying(say: impl Fn(Word)) {
    say(Word::Ready);
    let mut ticks = interval(ALIVE);
    loop {
        ticks.tick().await;
        say(Word::Alive);
    }
}
