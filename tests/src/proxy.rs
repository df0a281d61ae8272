//! A relay in front of a Postgres server that cuts the connection at a commit when it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;

const NOT: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

/// Where a commit is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    Before,
    /// The server commits, and its answer is lost.
    After,
}

/// The relay: listens on a free port of loopback for as long as the test runs.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    armed: Arc<AtomicU8>,
}

impl Proxy {
    /// Starts it in front of a server's socket.
    pub fn start(server: PathBuf) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let armed = Arc::new(AtomicU8::new(NOT));
        let shared = Arc::clone(&armed);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = UnixStream::connect(&server) {
                    relay(client, server, &shared);
                }
            }
        });
        Proxy { address, armed }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next commit is cut, once.
    pub fn cut(&self, cut: Cut) {
        let armed = match cut {
            Cut::Before => BEFORE,
            Cut::After => AFTER,
        };
        self.armed.store(armed, Ordering::SeqCst);
    }

    /// Whether the cut has been made.
    pub fn has_cut(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == NOT
    }
}

fn relay(client: TcpStream, server: UnixStream, armed: &Arc<AtomicU8>) {
    let swallows = Arc::new(AtomicBool::new(false));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (armed, swallow) = (Arc::clone(armed), Arc::clone(&swallows));
    thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let is_commit = buffer[..length].windows(6).any(|text| text == b"COMMIT");
            if is_commit {
                match armed.swap(NOT, Ordering::SeqCst) {
                    BEFORE => break,
                    AFTER => swallow.store(true, Ordering::SeqCst),
                    _ => {}
                }
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // After a swallowed answer the other thread ends both.
        if !swallow.load(Ordering::SeqCst) {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        }
    });
    thread::spawn(move || {
        let (mut from, mut to) = (server, client);
        let mut buffer = [0; 16384];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if swallows.load(Ordering::SeqCst) || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
