// SPDX-License-Identifier: MIT OR Apache-2.0

//! The server as a service: with the socket of a service manager, and with the rights that its
//! unit gives it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::serve::server::Server;
use crate::support::machine::machine;
use crate::support::ordinary::{ORDINARY, allow, public_program};
use crate::support::scratch::Scratch;
use crate::support::target::Target;

/// Returns the capabilities of the unit, as `setpriv` writes them.
fn capabilities() -> String {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/pyebpf.service");
    let unit = fs::read_to_string(unit).expect("it is in the repository");
    let line = |key| unit.lines().find_map(|line| line.strip_prefix(key));
    let bounding = line("CapabilityBoundingSet=").expect("it is confined");
    assert_eq!(line("AmbientCapabilities="), Some(bounding));
    let names = bounding.split(' ').map(|name| {
        let name = name.strip_prefix("CAP_").expect("a capability");
        format!(",+{}", name.to_lowercase())
    });
    format!("-all{}", names.collect::<String>())
}

/// The program that opens a socket and starts a server with it at the first connection.
/// `cargo xtask test` says where it is, if it is not installed.
fn socket_activate() -> PathBuf {
    let directory = std::env::var_os("PYEBPF_SYSTEMD").map(PathBuf::from);
    directory
        .unwrap_or_default()
        .join("systemd-socket-activate")
}

/// Asks for the status without `pyebpf ctl`, and waits for as long as it takes.
fn ask(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).expect("somebody listens");
    let request = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Returns a field of `/proc/PID/status`.
fn field(pid: Pid, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.expect("the kernel tells").trim().to_owned()
}

fn is_empty(set: &str) -> bool {
    u64::from_str_radix(set, 16).expect("a set") == 0
}

#[test]
#[ignore = "needs root and BPF"]
fn a_service_manager_starts_reloads_and_ends_it() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let (_public, program) = public_program(machine);
    let directory = Scratch::new();
    let (socket, state) = (directory.path().join("s"), directory.path().join("state"));
    allow(directory.path(), 0o755);
    fs::create_dir(&state).expect("a new directory");
    chown(&state, Some(ORDINARY), Some(ORDINARY)).expect("root may");
    let (user, rights) = (ORDINARY.to_string(), capabilities());
    let mut command = Command::new("nice");
    command
        .args(["-n", "-19"])
        .arg(socket_activate())
        .args(["-E", "NOTIFY_SOCKET", "-E", "WATCHDOG_USEC=60000000", "-l"])
        .arg(&socket)
        .args(["setpriv", "--reuid", &user, "--regid", &user])
        .args([
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set",
            &rights,
        ])
        .args(["--inh-caps", &rights, "--ambient-caps", &rights])
        .arg(program)
        .args(["serve", "--max-cpu", "off", "--pid"])
        .arg(target.pid().to_string())
        .arg("--state-dir")
        .arg(&state)
        .current_dir(directory.path())
        .stdin(Stdio::null());
    let server = Server::spawn(machine, directory, command);
    server.wait_for_line("Listening on ");
    // The connection that starts it waits until it can be answered.
    let answer = ask(&socket);
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "{answer} {}",
        server.errors()
    );
    server.hear("READY=1");
    server.hear("WATCHDOG=1");
    let timeline = server.timeline(&[]);
    assert_eq!(timeline.threads[0].pid, target.pid());
    for part in ["serve-recorder", "serve-front"] {
        let part = server.part(part);
        // It is the supervisor that talks to the service manager (`NotifyAccess=main`).
        let environment = fs::read(format!("/proc/{part}/environ")).expect("it runs");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        for variable in ["NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_"] {
            assert!(!environment.contains(variable), "{environment}");
        }
        let users = field(part, "Uid:");
        assert!(users.split_whitespace().all(|it| it == user), "{users}");
        let sets = ["CapAmb:", "CapInh:"].map(|set| field(part, set));
        assert!(sets.iter().all(|set| is_empty(set)), "{sets:?}");
    }
    assert!(is_empty(&field(server.part("serve-front"), "CapPrm:")));
    server.signal(Signal::SIGHUP);
    server.hear("RELOADING=1");
    server.hear("READY=1");
    assert!(ask(&socket).starts_with("HTTP/1.1 200 "));
    server.signal(Signal::SIGTERM);
    server.hear("STOPPING=1");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
    assert!(!said.contains("could open files"), "{said}");
    // Nor does it say that it has opened the sockets of its configuration.
    assert!(said.contains("instead of its own"), "{said}");
    assert!(!said.contains("listens on unix:"), "{said}");
}
