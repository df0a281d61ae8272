//! A hand-written TCP server, for peers that misbehave in ways no library allows.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What a handler is told about the server it runs in.
#[derive(Debug)]
pub struct State {
    stopped: AtomicBool,
    requests: AtomicUsize,
}

impl State {
    /// Whether the test is over: a handler that never ends looks here.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// Listens on a free port of loopback; every connection gets a thread. Stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

impl Server {
    /// Starts it. `handler` gets the head of the request (request line and headers) and the stream,
    /// and answers as it likes; the connection closes when it returns.
    pub fn start(handler: impl Fn(&str, &mut TcpStream, &State) + Send + Sync + 'static) -> Server {
        Server::serve(move |head, _, stream, state| handler(head, stream, state))
    }

    /// Starts one that takes bodies, whose lengths are in the heads: `handler` gets both.
    pub fn taking_bodies(
        handler: impl Fn(&str, &[u8], &mut TcpStream) + Send + Sync + 'static,
    ) -> Server {
        Server::serve(move |head, reader, stream, _| {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse().ok()).flatten()
            });
            let mut body = vec![0; length.unwrap_or(0)];
            if reader.read_exact(&mut body).is_ok() {
                handler(head, &body, stream);
            }
        })
    }

    fn serve(
        handler: impl Fn(&str, &mut BufReader<TcpStream>, &mut TcpStream, &State)
        + Send
        + Sync
        + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            stopped: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
        });
        let handler = Arc::new(handler);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.is_stopped() {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, state) = (Arc::clone(&handler), Arc::clone(&shared));
                thread::spawn(move || answer(stream, &*handler, &state));
            }
        });
        Server { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests came so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread up so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(
    mut stream: TcpStream,
    handler: &(impl Fn(&str, &mut BufReader<TcpStream>, &mut TcpStream, &State) + ?Sized),
    state: &State,
) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(10)));
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(reader.read_line(&mut head), Ok(1..)) {
            return;
        }
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    handler(&head, &mut reader, &mut stream, state);
}
