//! A fleet of exporters on loopback addresses: one host an address, all on one port. Bodies are
//! made before the first request, plain and compressed, so that serving them costs little.
//!
//! Prints the targets as a file for `file_sd_configs`, then serves until it is ended.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for the terminal"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use e2e::fleet::{Host, Trace, invented};
use flate2::Compression;
use flate2::write::GzEncoder;

#[derive(Parser)]
struct Arguments {
    /// How many hosts; each has an address of its own from 127.1.0.1 on.
    #[arg(long, default_value_t = 10)]
    hosts: u32,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many different bodies there are. All hosts go through the same ones, each from another
    /// on; counters start anew when the last has been served.
    #[arg(long, default_value_t = 240)]
    bodies: usize,
    /// A recorded trace to make the bodies from, instead of an invented host.
    #[arg(long)]
    trace: Option<PathBuf>,
}

struct Bodies {
    plain: Vec<Vec<u8>>,
    gzip: Vec<Vec<u8>>,
    /// By host.
    served: Vec<AtomicUsize>,
}

fn main() {
    let arguments = Arguments::parse();
    let trace = match &arguments.trace {
        Some(path) => Trace::read(path).unwrap_or_else(|e| panic!("{e}")),
        None => invented(arguments.bodies, 1),
    };
    let mut host = Host::fleet(&trace, 1, 1).remove(0);
    let mut bodies = Bodies {
        plain: Vec::new(),
        gzip: Vec::new(),
        served: (0..arguments.hosts).map(|_| AtomicUsize::new(0)).collect(),
    };
    for _ in 0..arguments.bodies.max(1) {
        let body = host.exposition().into_bytes();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&body).unwrap_or_else(|e| panic!("{e}"));
        bodies.gzip.push(answer(
            &gzip.finish().unwrap_or_else(|e| panic!("{e}")),
            true,
        ));
        bodies.plain.push(answer(&body, false));
    }
    let bodies = Arc::new(bodies);
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    let mut port = arguments.port;
    let mut targets = Vec::new();
    for number in 0..arguments.hosts {
        let address = SocketAddr::from((Ipv4Addr::from(first + number), port));
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let bound = listener.local_addr().unwrap_or(address);
        port = bound.port();
        targets.push(format!("\"{bound}\""));
        let bodies = Arc::clone(&bodies);
        let accept = move || {
            for stream in listener.incoming().flatten() {
                let bodies = Arc::clone(&bodies);
                let serve = move || drop(serve(stream, &bodies, number as usize));
                small().spawn(serve).unwrap_or_else(|e| panic!("{e}"));
            }
        };
        small().spawn(accept).unwrap_or_else(|e| panic!("{e}"));
    }
    println!("[{{\"targets\": [{}]}}]", targets.join(", "));
    loop {
        thread::park();
    }
}

fn small() -> thread::Builder {
    thread::Builder::new().stack_size(64 << 10)
}

fn answer(body: &[u8], is_gzip: bool) -> Vec<u8> {
    let encoding = if is_gzip {
        "Content-Encoding: gzip\r\n"
    } else {
        ""
    };
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{encoding}\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// Answers on one connection until the other side has enough.
fn serve(mut stream: TcpStream, bodies: &Bodies, host: usize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(5)))?;
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while !request.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer)?;
            if read == 0 || request.len() > 64 << 10 {
                return Ok(());
            }
            request.extend_from_slice(&buffer[..read]);
        }
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let served = bodies.served[host].fetch_add(1, Ordering::Relaxed);
        let answers = if head.contains("gzip") {
            &bodies.gzip
        } else {
            &bodies.plain
        };
        stream.write_all(&answers[(served + host * 37) % answers.len()])?;
        request.clear();
    }
}
