// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running front, with all that it needs.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sampler_serve::front::authorization::Tokens;
use sampler_serve::front::config::{About, FrontConfig, Limits, Listener};
use sampler_serve::front::run;
use sampler_serve::protocol::message::Event;
use sampler_serve::state::entry::ChunkNumber;
use sampler_serve::state::files::{CHUNK_EXTENSION, CHUNKS, MARKS, RECORDINGS, file_name};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::chunks::whole;
use super::client::{Response, Stream, ask, request, tcp, unix};
use super::recorder::{Recorder, now_us};

/// What opens the server over TCP.
pub(crate) const TOKEN: &str = "correct-horse-battery-staple";
/// The group that owns the socket. Nobody is in it.
pub(crate) const GROUP: u32 = 4_000_000;
/// The header that changes need.
pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A running front.
pub(crate) struct Server {
    pub(crate) recorder: Option<Recorder>,
    pub(crate) directory: TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// When the chunks begin, in seconds of Unix time.
    pub(crate) begin_s: u64,
}

/// How a front is set up.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) source_over_tcp: bool,
    pub(crate) chunks: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            source_over_tcp: false,
            chunks: true,
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Setup::default())
    }

    /// Three chunks of a minute, the last of which ends now.
    pub(crate) fn with(setup: Setup) -> Self {
        let directory = TempDir::new().expect("a directory");
        // Other users come to the socket.
        open(directory.path(), 0o755);
        let state = directory.path().join("state");
        for folder in [CHUNKS, MARKS, RECORDINGS] {
            fs::create_dir_all(state.join(folder)).expect("a directory");
        }
        let begin_s = now_us() / 1_000_000 - 180;
        if setup.chunks {
            for minute in 0..3 {
                let chunk = whole(1000 + 60 * minute, begin_s + 60 * minute, 60);
                let name = file_name(minute + 1, CHUNK_EXTENSION);
                fs::write(state.join(CHUNKS).join(name), chunk).expect("a file");
            }
        }
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        open(&socket, 0o666);
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = tcp.local_addr().expect("an address");
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs) = pair.expect("sockets");
        let config = FrontConfig {
            listeners: vec![
                Listener::Unix {
                    listener,
                    group: GROUP,
                },
                Listener::Tcp(tcp),
            ],
            control: ours,
            state_dir: fs::File::open(&state).expect("a directory").into(),
            tokens: Tokens::from_lines(TOKEN).expect("a token"),
            allowed_hosts: vec!["profiler.example".into()],
            source_over_tcp: setup.source_over_tcp,
            page: b"<!doctype html><title>live</title>",
            about: About {
                program: "pyebpf 0.1.0".into(),
                host: "web1.\u{e4}\"\r\n".into(),
                command: vec!["pyebpf".into(), "serve".into()],
                keep_s: 86_400,
                max_bytes: 256 << 20,
            },
            limits: setup.limits,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let stop = async {
                let _ = stopped.await;
            };
            run(config, |_| {}, stop).expect("it ends when it is told to");
        });
        let server = Self {
            recorder: Some(Recorder::new(theirs, &state)),
            directory,
            socket,
            address,
            stop: Some(stop),
            thread: Some(thread),
            begin_s,
        };
        // It has said by then that it began, and is not thought to have been restarted.
        assert_eq!(server.get("/readyz").status, 200);
        let mut behaviour = server.recorder().behaviour.lock().expect("no panic");
        behaviour.asked.clear();
        drop(behaviour);
        server
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        self.recorder.as_ref().expect("it is there")
    }

    pub(crate) fn chunk_path(&self, number: u64) -> PathBuf {
        let name = file_name(number, CHUNK_EXTENSION);
        self.directory.path().join("state").join(CHUNKS).join(name)
    }

    /// Writes a chunk and says so.
    pub(crate) fn write_chunk(&self, number: u64, bytes: &[u8]) {
        fs::write(self.chunk_path(number), bytes).expect("a file");
        self.recorder().say(Event::Flushed {
            chunk: ChunkNumber(number),
            bytes: bytes.len() as u64,
        });
    }

    /// Asks over the Unix socket.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        self.send(method, path, headers, "")
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[])
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Response {
        self.send("POST", path, &[JSON], body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        ask(unix(&self.socket), &request(method, path, headers, body))
    }

    /// Asks over TCP, with the token.
    pub(crate) fn get_tcp(&self, path: &str) -> Response {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("Authorization", bearer.as_str())];
        ask(tcp(self.address), &request("GET", path, &headers, ""))
    }

    pub(crate) fn unix(&self) -> Box<dyn Stream> {
        unix(&self.socket)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(result.is_ok() || std::thread::panicking());
        }
    }
}

fn open(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}
