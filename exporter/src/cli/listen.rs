use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use tokio::net::TcpListener;

const DEFAULT_PORT: u16 = 5001;

/// An address to listen on, as Go programs write it: `127.0.0.1:5001`, `[::1]:5001`,
/// `localhost:5001`, or `:5001` for every address of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Without brackets; empty for every address.
    host: String,
    port: u16,
}

impl ListenAddress {
    /// The address made of `SYSTEM_STATS_HOST` and `SYSTEM_STATS_PORT`; 0.0.0.0:5001 by default.
    pub(super) fn from_host_and_port(
        host: Option<&str>,
        port: Option<&str>,
    ) -> Result<Self, String> {
        Ok(Self {
            host: host.unwrap_or("0.0.0.0").to_owned(),
            port: port.map_or(Ok(DEFAULT_PORT), parse_port)?,
        })
    }

    /// Opens the listener. For `:PORT` IPv6 and IPv4 together, IPv4 alone where there is no IPv6.
    pub async fn bind(&self) -> std::io::Result<TcpListener> {
        if !self.host.is_empty() {
            return TcpListener::bind((self.host.as_str(), self.port)).await;
        }
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port));
        match TcpListener::bind(both).await {
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.port)).await
            }
            bound => bound,
        }
    }

    /// The addresses by which this machine reaches what listens here.
    pub(super) fn reachable(&self) -> std::io::Result<Vec<SocketAddr>> {
        if self.host.is_empty() {
            return Ok(vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, self.port)),
            ]);
        }
        let mut addresses: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        for address in &mut addresses {
            if address.ip().is_unspecified() {
                address.set_ip(match address {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                });
            }
        }
        Ok(addresses)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("{text:?} has no port; use HOST:PORT or :PORT"));
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(inner) => inner,
            None if host.contains(':') => {
                return Err(format!(
                    "{text:?} is ambiguous; write IPv6 addresses in brackets, [::1]:{port}"
                ));
            }
            None => host,
        };
        Ok(Self {
            host: host.to_owned(),
            port: parse_port(port)?,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is not a port; use a number from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_as_go_programs_take_them() {
        for good in [":5001", "127.0.0.1:80", "[::1]:9100", "localhost:1"] {
            let address: ListenAddress = good.parse().unwrap();
            assert_eq!(address.to_string(), good);
        }
        for bad in ["", "5001", "::1:80", "host:port", "host:99999"] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_address_is_reached_on_this_machine() {
        let reached = |text: &str| {
            let address: ListenAddress = text.parse().unwrap();
            let reached = address.reachable().unwrap();
            reached.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(reached(":5001"), ["127.0.0.1:5001", "[::1]:5001"]);
        assert_eq!(reached("0.0.0.0:5001"), ["127.0.0.1:5001"]);
        assert_eq!(reached("[::]:5001"), ["[::1]:5001"]);
        assert_eq!(reached("192.0.2.1:80"), ["192.0.2.1:80"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = text.parse::<ListenAddress>();
        }
    }
}
