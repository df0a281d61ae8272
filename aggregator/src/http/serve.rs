//! Accepts connections and drains them at the end.

mod lenient;
mod patient;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::join_all;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::limits::{MAX_CONNECTIONS, MAX_DRAIN_TIME, MAX_HEAD_TIME};
use lenient::Lenient;
use patient::Patient;

/// The largest request head in bytes.
const MAX_HEAD: usize = 64 << 10;
/// The pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on every listener until `cancel`, then lets running requests finish for up to
/// ten seconds and cuts the rest off.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, cancel: CancellationToken) {
    let server = Server {
        router,
        cancel,
        cut: CancellationToken::new(),
        connections: TaskTracker::new(),
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
    };
    join_all(listeners.iter().map(|listener| server.accept(listener))).await;
    drop(listeners);
    server.connections.close();
    let drained = tokio::time::timeout(MAX_DRAIN_TIME, server.connections.wait());
    if drained.await.is_err() {
        let left = server.connections.len();
        tracing::warn!(left, "cutting off connections that did not finish");
        server.cut.cancel();
        server.connections.wait().await;
    }
}

struct Server {
    router: Router,
    cancel: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
    places: Arc<Semaphore>,
}

impl Server {
    async fn accept(&self, listener: &TcpListener) {
        loop {
            // A full house waits in the kernel's queue.
            let next = async {
                let place = self.places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = self.cancel.cancelled() => return,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let served = self.connection(stream);
                    self.connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let service = TowerToHyperService::new(self.router.clone());
        let (cancel, cut) = (self.cancel.clone(), self.cut.clone());
        async move {
            // Answers are small and wanted at once; a socket that refuses works all the same.
            let _ = stream.set_nodelay(true);
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(MAX_HEAD_TIME)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(Lenient::new(Patient::new(stream))), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => return log_end(ended),
                () = cancel.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                ended = connection => log_end(ended),
                () = cut.cancelled() => {}
            }
        }
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn quotes_may_stand_in_an_address() {
        let asked = async |uri: axum::http::Uri| uri.query().unwrap_or_default().to_owned();
        let router = Router::new().route("/", get(asked));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = tasks.spawn(serve(vec![listener], router, cancel.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let request =
            b"GET /?query=up{job=\"a\"}>1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("query=up{job=%22a%22}%3E1"), "{answer}");
        cancel.cancel();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_under_way_is_finished_and_nothing_new_is_taken() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (begun, go) = (begun.clone(), go.clone());
            async move || {
                begun.notify_one();
                go.notified().await;
                "done"
            }
        };
        let router = Router::new().route("/", get(handler));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let server = tasks.spawn(serve(vec![listener], router, cancel.clone()));

        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(request).await.unwrap();
        begun.notified().await;
        cancel.cancel();
        go.notify_one();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("done"), "{answer}");
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
