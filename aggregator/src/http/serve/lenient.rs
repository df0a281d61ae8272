//! A connection whose first request may be written as people write addresses.
//!
//! `curl 'http://host/api/v1/query?query=up{job="a"}'` sends the quotes as they are, which no
//! address has, and Go's servers, Prometheus among them, take it. What reads requests here does
//! not. Programs that send several requests over a connection escape what has to be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are looked at in one go.
const PIECE: usize = 4 << 10;

/// Escapes `"`, `<` and `>` in the first line that is read.
pub(super) struct Lenient<S> {
    stream: S,
    is_first_line: bool,
    /// What was read and looked at, from `given` on.
    ready: Vec<u8>,
    given: usize,
}

impl<S> Lenient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            is_first_line: true,
            ready: Vec::new(),
            given: 0,
        }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'"' if self.is_first_line => self.ready.extend(b"%22"),
                b'<' if self.is_first_line => self.ready.extend(b"%3C"),
                b'>' if self.is_first_line => self.ready.extend(b"%3E"),
                byte => {
                    self.ready.push(*byte);
                    self.is_first_line &= *byte != b'\n';
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given == this.ready.len() {
            if !this.is_first_line {
                this.ready = Vec::new();
                this.given = 0;
                return Pin::new(&mut this.stream).poll_read(cx, into);
            }
            this.ready.clear();
            this.given = 0;
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece))?;
            this.look_at(piece.filled());
        }
        let rest = &this.ready[this.given..];
        let taken = rest.len().min(into.remaining());
        into.put_slice(&rest[..taken]);
        this.given += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn only_the_first_line_is_mended_however_it_is_cut() {
        let sent = b"GET /q?x={a=\"b\"}><1 HTTP/1.1\r\nETag: \"<x>\"\r\n\r\n\"body\"";
        let expected = "GET /q?x={a=%22b%22}%3E%3C1 HTTP/1.1\r\nETag: \"<x>\"\r\n\r\n\"body\"";
        for size in [1, 7, 1000] {
            let (ours, mut client) = duplex(size);
            let mut lenient = Lenient::new(ours);
            let write = async {
                client.write_all(sent).await.unwrap();
                client.shutdown().await.unwrap();
            };
            let read = async {
                let mut found = Vec::new();
                let mut piece = vec![0; size.min(2)];
                loop {
                    let count = lenient.read(&mut piece).await.unwrap();
                    if count == 0 {
                        return String::from_utf8(found).unwrap();
                    }
                    found.extend(&piece[..count]);
                }
            };
            let ((), found) = tokio::join!(write, read);
            assert_eq!(found, expected, "{size}");
        }
    }
}
