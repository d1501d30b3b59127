// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that samples: a recorder in its sandbox that writes chunks and answers the
//! front. The supervisor starts it as `pyebpf serve-recorder`.

use sampler_serve::protocol::channel::Channel;
use sampler_serve::state::book::Book;
use sampler_serve::state::retention::Retention;
use sampler_serve::supervisor::launch::LaunchSocket;

use crate::cli::config::serve::ServeConfig;
use crate::platform::privileges::Owner;
use crate::record::confinement::tell_blocked;
use crate::record::start::start_recorder;
use crate::serve::chunks::Chunks;
use crate::serve::error::ServeError;
use crate::serve::event_loop::{Parts, ServeLoop};
use crate::serve::process_name::name_process;

/// Samples until the supervisor ends it.
///
/// # Errors
/// [`ServeError`], for example when the kernel does not allow sampling.
pub fn serve_recorder(config: &ServeConfig) -> Result<(), ServeError> {
    name_process(c"pyebpf-recorder");
    let launch = LaunchSocket::from_standard_input()
        .map_err(ServeError::system("use the standard input"))?;
    let received = launch
        .receive_descriptors()
        .map_err(ServeError::system("take what the supervisor hands over"))?;
    let control = received.into_iter().next();
    let control = control.ok_or(ServeError::System {
        doing: "take what the supervisor hands over",
        source: std::io::ErrorKind::UnexpectedEof.into(),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(ServeError::system("start"))?;
    let outcome = runtime.block_on(async {
        let retention = Retention {
            keep: config.keep,
            max_bytes: config.max_bytes,
        };
        let mut chunks = Chunks::open(&config.state, retention)?;
        let book =
            Book::read(&chunks.state).map_err(ServeError::system("read the state directory"))?;
        // The files belong to whoever the server runs as, also under sudo.
        let owner = Owner::ourselves();
        let (recorder, _) = start_recorder(&config.sampling, &owner, &mut chunks)?;
        // Whoever asked the recorder before this one is told so.
        Channel::discard_backlog(&control).map_err(ServeError::system("talk to the front"))?;
        let channel = Channel::new(control).map_err(ServeError::system("talk to the front"))?;
        let parts = Parts {
            recorder,
            chunks,
            book,
            channel,
            launch,
        };
        let serving =
            ServeLoop::new(config, parts).map_err(ServeError::system("listen for signals"))?;
        serving.run().await
    });
    tell_blocked();
    outcome
}
