// SPDX-License-Identifier: MIT OR Apache-2.0

//! A server written in C that loads Python as a plug-in and forks its workers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::machine::{machine, say};
use crate::support::marks::{Marks, names};
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::scripts;
use crate::support::timeline::Timeline;

const UWSGI: &str = "/usr/bin/uwsgi-core";
const SCRIPT: &str = "web_application.py";
const WORKERS: usize = 2;
/// How long the server may need to start.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs root and BPF"]
fn shows_the_workers_of_uwsgi_under_load() {
    let machine = machine();
    assert!(
        Path::new(UWSGI).exists(),
        "there is no {UWSGI}: install uwsgi-core and uwsgi-plugin-python3"
    );
    // First the whole host is recorded from before the server starts, then the
    // running server.
    let mut recording = Recording::start(machine, &["--hz", "500"]);
    recording.wait_until_it_samples();
    let directory = Scratch::new();
    let server = Server::start(directory.path());
    let load = Load::start(&server);
    recording.wait_until_it_shows(|timeline| workers(timeline).count() == WORKERS);
    recording.signal(Signal::SIGINT);
    let of_host = recording.finish().timeline().expect("a timeline");
    let pid = server.child.id().to_string();
    let mut recording = Recording::start(machine, &["--hz", "500", "--pid", &pid]);
    recording.wait_until_it_shows(|timeline| workers(timeline).count() == WORKERS);
    recording.signal(Signal::SIGINT);
    let of_server = recording.finish().timeline().expect("a timeline");
    load.stop();
    let said = [&of_host, &of_server].map(check);
    assert_eq!(of_server.count("unknown_frames"), 0);
    say(format!(
        "  uWSGI: {} rows on the host, {} of the server",
        said[0], said[1]
    ));
}

/// Returns the threads that were seen deep in the application.
fn workers(timeline: &Timeline) -> impl Iterator<Item = &crate::support::timeline::Thread> {
    timeline.threads.iter().filter(|thread| {
        let deep =
            |row: &&crate::support::timeline::Row| names(row) == ["application", "answer", "spin"];
        thread.rows.iter().filter(deep).count() > 20
    })
}

/// Checks that the workers' rows are stacks that can be. Returns the number of rows.
fn check(timeline: &Timeline) -> usize {
    let marks = Marks::read(SCRIPT);
    let mut rows = 0;
    for row in workers(timeline).flat_map(|thread| thread.stacks()) {
        let is_start = |frame: &crate::support::timeline::Frame| {
            frame.is_library() || frame.short_name() == "uwsgi_apps"
        };
        marks.check(row, is_start).expect("a stack that can be");
        rows += 1;
    }
    rows
}

struct Server {
    child: Child,
    socket: std::path::PathBuf,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let socket = directory.join("socket");
        let mut command = Command::new(UWSGI);
        command
            .args([
                "--plugin",
                "python3",
                "--master",
                "--need-app",
                "--die-on-term",
            ])
            .args(["--disable-logging", "--processes", &WORKERS.to_string()])
            .arg("--wsgi-file")
            .arg(scripts().join(SCRIPT))
            .arg("--http-socket")
            .arg(&socket)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Self {
            child: command.spawn().expect("it is there"),
            socket,
        };
        let deadline = Instant::now() + PATIENCE;
        while request(&server.socket).is_none() {
            let ended = server.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "uWSGI ended: {ended:?}");
            assert!(Instant::now() < deadline, "uWSGI does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The master passes this signal on to the workers.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.child.id() as i32),
            Signal::SIGTERM,
        );
        let _ = self.child.wait();
    }
}

/// Clients that send requests again and again.
struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<u32>>,
}

impl Load {
    fn start(server: &Server) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (is_over, socket) = (Arc::clone(&is_over), server.socket.clone());
            thread::spawn(move || {
                let mut answers = 0;
                while !is_over.load(Ordering::Relaxed) {
                    answers += u32::from(request(&socket).is_some());
                }
                answers
            })
        };
        let clients = (0..2 * WORKERS).map(client).collect();
        Self { is_over, clients }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            let answers = client.join().expect("it only asks");
            assert!(answers > 0, "a client had no answer");
        }
    }
}

fn request(socket: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.0 200").then_some(answer)
}
