//! Whether an exporter answers, for those who watch over it from outside (a container's
//! supervisor). A few bytes over a socket: the program needs no HTTP client for anything else.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::ListenAddress;

/// For connecting, and for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(2);
const HEALTHY: &[u8] = b"HTTP/1.1 200";

/// Why an exporter is not known to be healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// Its address cannot be found out.
    #[error("no exporter on {0}: {1}")]
    NoAddress(ListenAddress, #[source] io::Error),
    /// It cannot be asked, or does not answer.
    #[error("no exporter answers on {0}: {1}")]
    Silent(SocketAddr, #[source] io::Error),
    /// It answers something else.
    #[error("{0} does not answer as a healthy exporter does")]
    Sick(SocketAddr),
}

/// Asks the exporter that listens on `address` of this machine for `/health`. Waits some seconds
/// at the longest for one that says nothing.
pub fn healthcheck(address: &ListenAddress) -> Result<(), Unhealthy> {
    let no_address = |error| Unhealthy::NoAddress(address.clone(), error);
    let mut outcome = Err(no_address(io::ErrorKind::AddrNotAvailable.into()));
    for reachable in address.reachable().map_err(no_address)? {
        outcome = ask(reachable);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn ask(address: SocketAddr) -> Result<(), Unhealthy> {
    let mut start = [0; HEALTHY.len()];
    let mut exchange = || {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // In one piece: a server may answer and close as soon as it has read the first.
        let request =
            format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        stream.read_exact(&mut start)
    };
    exchange().map_err(|error| Unhealthy::Silent(address, error))?;
    if start == HEALTHY {
        Ok(())
    } else {
        Err(Unhealthy::Sick(address))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is said of a server that answers these bytes and closes.
    fn verdict(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let verdict = healthcheck(&address.to_string().parse().unwrap());
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /health HTTP/1.1\r\n"), "{request}");
        verdict.map_err(|error| error.to_string().replace(&address.to_string(), "ADDRESS"))
    }

    #[test]
    fn answers_are_judged() {
        let sick = Err("ADDRESS does not answer as a healthy exporter does".to_owned());
        assert_eq!(verdict(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert_eq!(verdict(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), sick);
        assert_eq!(verdict(b"SSH-2.0-OpenSSH_9\r\n"), sick);
        let silent = verdict(b"HTTP").unwrap_err();
        assert!(
            silent.starts_with("no exporter answers on ADDRESS: "),
            "{silent}"
        );
    }

    #[test]
    fn nobody_there_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = healthcheck(&address.parse().unwrap()).unwrap_err();
        let expected = format!("no exporter answers on {address}: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
