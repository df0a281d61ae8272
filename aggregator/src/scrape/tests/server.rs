//! A target on the loopback that says what a test wants it to say, byte by byte.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// These bytes, then the connection is closed.
    Bytes(Vec<u8>),
    /// Nothing, and the connection stays open.
    Hang,
    /// The connection is reset.
    Reset,
    /// A body without an end.
    Endless,
}

pub(super) const TEXT: &str = "text/plain; version=0.0.4";

/// A proper answer.
pub(super) fn ok(content_type: &str, body: &[u8]) -> Reply {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    Reply::Bytes([head.as_bytes(), body].concat())
}

/// A proper answer, compressed.
pub(super) fn gzipped(body: &[u8]) -> Reply {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    Reply::Bytes([head.as_bytes(), &body].concat())
}

/// An answer without a body.
pub(super) fn bare(status_and_headers: &str) -> Reply {
    let text =
        format!("HTTP/1.1 {status_and_headers}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Reply::Bytes(text.into_bytes())
}

#[derive(Default)]
struct Script {
    replies: HashMap<String, Reply>,
    /// Every request's head, in order.
    heads: Vec<String>,
}

/// The target; ends with the test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    requests: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers requests for these paths, and 404 to others.
    pub(super) async fn start(replies: &[(&str, Reply)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let (sender, requests) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&script), Arc::new(sender)));
        let server = Self {
            address,
            script,
            requests,
            _tasks: tasks,
        };
        for (path, reply) in replies {
            server.set(path, reply.clone());
        }
        server
    }

    pub(super) fn set(&self, path: &str, reply: Reply) {
        self.script
            .lock()
            .unwrap()
            .replies
            .insert(path.to_owned(), reply);
    }

    /// The heads of all requests so far, lower case.
    pub(super) fn heads(&self) -> Vec<String> {
        self.script.lock().unwrap().heads.clone()
    }

    /// Waits until another `count` requests have come.
    pub(super) async fn requests(&self, count: usize) {
        let mut requests = self.requests.clone();
        let wanted = *requests.borrow() + count;
        requests.wait_for(|seen| *seen >= wanted).await.unwrap();
    }
}

async fn serve(
    listener: TcpListener,
    script: Arc<Mutex<Script>>,
    requests: Arc<watch::Sender<usize>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(answer(stream, Arc::clone(&script), Arc::clone(&requests)));
    }
}

async fn answer(
    mut stream: TcpStream,
    script: Arc<Mutex<Script>>,
    requests: Arc<watch::Sender<usize>>,
) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&buffer[..length]),
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = {
        let mut script = script.lock().unwrap();
        script.heads.push(head);
        script
            .replies
            .get(&path)
            .cloned()
            .unwrap_or_else(|| bare("404 Not Found"))
    };
    requests.send_modify(|seen| *seen += 1);
    // The client may be gone already: that is what some of these are about.
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hang => std::future::pending().await,
        Reply::Reset => stream.set_zero_linger().unwrap(),
        Reply::Endless => {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nConnection: close\r\n\r\n");
            let mut bytes = head.into_bytes();
            while stream.write_all(&bytes).await.is_ok() {
                bytes = b"a{b=\"c\"} 1\n".repeat(1000);
            }
        }
    }
}
