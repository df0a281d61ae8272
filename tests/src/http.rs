//! A small blocking HTTP client: one request a connection, every byte under the test's control.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;

/// No answer of a healthy program takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Request {
        let (method, path) = (method.to_owned(), path.to_owned());
        Request {
            method,
            path,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A `GET`.
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// A `POST` of JSON.
    pub fn post(path: &str, body: &Value) -> Request {
        Request::new("POST", path)
            .header("Content-Type", "application/json")
            .body(body.to_string().into_bytes())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Sends it; panics when no whole answer comes back.
    #[track_caller]
    pub fn send(&self, address: SocketAddr) -> Response {
        let Request { method, path, .. } = self;
        self.try_send(address)
            .unwrap_or_else(|e| panic!("{method} http://{address}{path}: {e}"))
    }

    /// Sends it and reads the whole answer.
    pub fn try_send(&self, address: SocketAddr) -> io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        let mut line = |name: &str, value: &str| {
            let _ = write!(head, "{name}: {value}\r\n");
        };
        if !has("host") {
            line("Host", &address.to_string());
        }
        line("Connection", "close");
        let has_length = has("content-length") || has("transfer-encoding");
        if !has_length && (!self.body.is_empty() || self.method == "POST") {
            line("Content-Length", &self.body.len().to_string());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // A server that refuses a body answers before it has read all of it.
        let sent = stream.write_all(&self.body);
        match read_answer(&mut stream) {
            Err(error) => Err(sent.err().unwrap_or(error)),
            Ok(bytes) => Response::parse(&bytes),
        }
    }
}

/// Reads up to the end that the headers promise: not every server closes when asked to.
fn read_answer(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if bytes.is_empty() => return Err(error),
            Ok(0) | Err(_) => return Ok(bytes),
            Ok(length) => length,
        };
        bytes.extend_from_slice(&buffer[..length]);
        let Some(end) = find(&bytes[..bytes.len().min(64 * 1024)], b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let promised = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length:"));
        let promised = promised.and_then(|length| length.trim().parse::<usize>().ok());
        if promised.is_some_and(|promised| bytes.len() >= end + 4 + promised) {
            return Ok(bytes);
        }
    }
}

/// What came back. The body is as sent, apart from the transfer encoding.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    fn parse(bytes: &[u8]) -> io::Result<Response> {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let end = find(bytes, b"\r\n\r\n").ok_or_else(|| broken("no end of the headers"))?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut response = Response {
            status: status.ok_or_else(|| broken("no status line"))?,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        let is_chunked = response.header("transfer-encoding") == Some("chunked");
        if is_chunked {
            response.body = dechunk(&response.body).ok_or_else(|| broken("a chunk is cut off"))?;
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().map_err(|_| broken("content-length"))?;
            if response.body.len() != length {
                return Err(broken("the body is cut off"));
            }
        }
        Ok(response)
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text, unpacked where it is packed.
    #[track_caller]
    pub fn text(&self) -> String {
        let mut body = self.body.clone();
        if self.header("content-encoding") == Some("gzip") {
            body.clear();
            GzDecoder::new(&self.body[..])
                .read_to_end(&mut body)
                .expect("whole gzip data");
        }
        String::from_utf8(body).expect("text")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text:?}"))
    }

    /// The body as JSON of an answer that must be 200.
    #[track_caller]
    pub fn ok_json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// `GET` of JSON that must be there.
#[track_caller]
pub fn get_json(address: SocketAddr, path: &str) -> Value {
    Request::get(path).send(address).ok_json()
}

/// Encodes a value for a query string.
pub fn percent(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_are_read() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let response = Response::parse(text).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
        let text = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(Response::parse(text).unwrap().json(), serde_json::json!({}));
    }

    #[test]
    fn cut_off_answers_are_errors() {
        for text in [
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "hello\r\n\r\n",
        ] {
            assert!(Response::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
