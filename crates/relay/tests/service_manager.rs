//! The real program under a service manager: sockets that are handed over, and the states that the
//! manager is told.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{PATIENCE, Relay, program};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Gives the relay its standard input as descriptor 3 and its standard error as descriptor 4, as a
/// service manager would. Standard error goes to the file `$LOG`.
const HAND_OVER: &str = r#"exec 3<&0 4<&2 0</dev/null 2>"$LOG"; LISTEN_PID=$$ exec "$0" "$@""#;

/// Returns the command that serves with the two descriptors handed over.
fn handed(data: &Path, count: u32, first: OwnedFd, second: OwnedFd) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", HAND_OVER]).arg(program().get_program()).args(["serve", "--data"]).arg(data);
    command.args(["--url", "ws://relay.example/"]).stdin(first).stderr(second);
    command.env("LOG", data.join("log")).env("LISTEN_FDS", count.to_string()).env_remove("RUST_LOG");
    command
}

/// Asks for a page over a connection, and returns the answer.
fn ask(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A socket of a service manager, to which the relay tells its states.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Returns the lines of the next message.
    fn next(&self) -> Vec<String> {
        let mut bytes = [0; 512];
        let count = self.0.recv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes.iter().copied().take(count).collect()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the lines of the next message that is no heartbeat.
    fn next_state(&self) -> Vec<String> {
        loop {
            let lines = self.next();
            if lines != ["WATCHDOG=1"] {
                return lines;
            }
        }
    }
}

#[test]
fn sockets_that_are_handed_over_outlive_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    common::init(&data);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = tcp.local_addr().unwrap();
    let path = folder.path().join("relay.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let serve = || {
        let sockets = [OwnedFd::from(tcp.try_clone().unwrap()), unix.try_clone().unwrap().into()];
        let [first, second] = sockets;
        Relay::start(handed(&data, 2, first, second))
    };
    let relay = serve();
    assert!(ask(TcpStream::connect(place).unwrap()).starts_with("HTTP/1.1 200"));
    assert!(ask(UnixStream::connect(&path).unwrap()).starts_with("HTTP/1.1 200"));
    assert!(relay.stop());
    assert!(path.exists(), "the file belongs to the service manager");
    // No connection is refused between two relays: it waits for the second, whose answer may be that it is starting.
    let waiting = TcpStream::connect(place).unwrap();
    let relay = serve();
    let answer = ask(waiting);
    assert!(answer.starts_with("HTTP/1.1 200") || answer.ends_with("starting\n"), "{answer}");
    assert!(relay.stop());
}

/// Runs a relay to which the two descriptors are handed over. Returns its standard error and
/// whether it ended with success.
fn refused(data: &Path, count: u32, first: OwnedFd, second: OwnedFd) -> (String, bool) {
    let Output { status, .. } = handed(data, count, first, second).stdout(Stdio::null()).output().unwrap();
    (std::fs::read_to_string(data.join("log")).unwrap(), status.success())
}

#[test]
fn a_descriptor_that_the_relay_cannot_serve_on_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    common::init(&data);
    let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let (said, is_success) = refused(&data, 2, tcp(), tcp());
    assert!(said.contains("more than one TCP socket") && !is_success, "{said}");
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    let (said, is_success) = refused(&data, 1, file(), file());
    assert!(said.contains("a file that is no stream socket") && !is_success, "{said}");
    // With Accept=yes a service manager hands over a connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (said, is_success) = refused(&data, 1, connection.try_clone().unwrap().into(), file());
    assert!(said.contains("a TCP socket that does not listen") && !is_success, "{said}");
    connection.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn the_service_manager_is_told_each_state() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    common::init(&data);
    let path = folder.path().join("notify");
    let manager = Manager::listen(&path);
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let relay = Relay::start(command);
    assert_eq!(manager.next(), ["STATUS=opening the store"]);
    assert_eq!(manager.next_state(), ["READY=1", "STATUS=serving"]);
    assert!(ask(TcpStream::connect(relay.place()).unwrap()).starts_with("HTTP/1.1 200"));
    for _ in 0..3 {
        assert_eq!(manager.next(), ["WATCHDOG=1"]);
    }
    relay.signal("-HUP");
    let reloading = manager.next_state();
    assert_eq!(reloading.first().map(String::as_str), Some("RELOADING=1"));
    assert!(reloading.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading:?}");
    assert_eq!(manager.next_state(), ["READY=1", "STATUS=serving"]);
    relay.signal("-TERM");
    assert_eq!(manager.next_state(), ["STOPPING=1", "STATUS=stopping"]);
    assert!(relay.stop());
}

#[test]
fn a_service_manager_that_is_gone_ends_no_relay() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    common::init(&data);
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    command.env("NOTIFY_SOCKET", folder.path().join("gone"));
    let relay = Relay::start(command);
    assert!(ask(TcpStream::connect(relay.place()).unwrap()).starts_with("HTTP/1.1 200"));
    assert!(relay.stop());
}
