//! Targets that DNS names: services with their ports, addresses, mail servers, name servers.
//!
//! Asked are the servers of `/etc/resolv.conf`, which is read anew with every look; nothing is kept
//! longer than until the next one.

use std::collections::BTreeMap;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use system_stats_model::labels::{Labels, LabelsBuilder};

use super::{ADDRESS, DiscoveryMetrics, Looked};
use crate::config::{DnsDiscovery, RecordKind};

const NAME: &str = "__meta_dns_name";
const SRV_TARGET: &str = "__meta_dns_srv_record_target";
const SRV_PORT: &str = "__meta_dns_srv_record_port";
const MX_TARGET: &str = "__meta_dns_mx_record_target";
const NS_TARGET: &str = "__meta_dns_ns_record_target";

/// Who is asked, and how.
pub(super) type Servers = (ResolverConfig, ResolverOpts);

pub(super) struct Names {
    config: DnsDiscovery,
    servers: fn() -> Result<Servers, String>,
    /// The last good answer for each name.
    answers: BTreeMap<String, Vec<Labels>>,
}

impl Names {
    pub(super) fn new(config: &DnsDiscovery) -> Self {
        Self {
            config: config.clone(),
            servers: system,
            answers: BTreeMap::new(),
        }
    }

    pub(super) async fn look(&mut self, metrics: &DiscoveryMetrics) -> Looked {
        let read = tokio::task::spawn_blocking(self.servers).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        let resolver = read.and_then(resolver);
        for name in &self.config.names {
            let found = match &resolver {
                Ok(resolver) => {
                    let asked = self.config.ask(resolver, name).await;
                    asked.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.clone()),
            };
            metrics.looked("dns", found.is_ok());
            match found {
                Ok(targets) => {
                    self.answers.insert(name.clone(), targets);
                }
                Err(error) => {
                    tracing::error!(name, error, "DNS named no targets, those before stay");
                }
            }
        }
        let targets = self.answers.values().flatten().cloned().collect();
        (Some(targets), self.config.refresh_interval)
    }
}

fn system() -> Result<Servers, String> {
    let read = read_system_conf();
    read.map_err(|error| format!("/etc/resolv.conf: {error}"))
}

fn resolver((config, mut options): Servers) -> Result<TokioResolver, String> {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let provider = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config, provider);
    let built = builder.with_options(options).build();
    built.map_err(|error| error.to_string())
}

impl DnsDiscovery {
    async fn ask(&self, resolver: &TokioResolver, name: &str) -> Result<Vec<Labels>, NetError> {
        match resolver.lookup(name, record_type(self.kind)).await {
            Ok(lookup) => {
                let records = lookup.answers().iter();
                let targets = records.filter_map(|record| self.target(name, &record.data));
                Ok(targets.collect())
            }
            // A name that does not exist is an answer; a server that fails is none.
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(
                    none.response_code,
                    ResponseCode::NXDomain | ResponseCode::NoError
                ) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// The target of a record; records on the way to it (`CNAME`) are none.
    fn target(&self, name: &str, data: &RData) -> Option<Labels> {
        let mut labels = LabelsBuilder::new();
        labels.set(NAME, name);
        let address = match data {
            RData::A(address) if self.kind == RecordKind::A => {
                format!("{}:{}", address.0, self.port)
            }
            RData::AAAA(address) if self.kind == RecordKind::Aaaa => {
                format!("[{}]:{}", address.0, self.port)
            }
            RData::SRV(service) if self.kind == RecordKind::Srv => {
                labels.set(SRV_TARGET, &service.target.to_string());
                labels.set(SRV_PORT, &service.port.to_string());
                host(&service.target, service.port)
            }
            RData::MX(mail) if self.kind == RecordKind::Mx => {
                labels.set(MX_TARGET, &mail.exchange.to_string());
                host(&mail.exchange, self.port)
            }
            RData::NS(server) if self.kind == RecordKind::Ns => {
                labels.set(NS_TARGET, &server.0.to_string());
                host(&server.0, self.port)
            }
            _ => return None,
        };
        labels.set(ADDRESS, &address);
        Some(labels.build())
    }
}

/// Without the dot at the end of a whole name.
fn host(name: &Name, port: u16) -> String {
    let name = name.to_string();
    format!("{}:{port}", name.trim_end_matches('.'))
}

fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::Srv => RecordType::SRV,
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ns => RecordType::NS,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::OnceLock;
    use std::time::Duration;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use hickory_resolver::proto::op::{Message, OpCode};
    use hickory_resolver::proto::rr::Record;
    use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, NS, SRV};
    use tokio::net::UdpSocket;

    use super::*;

    static PORT: OnceLock<u16> = OnceLock::new();

    #[expect(clippy::unnecessary_wraps, reason = "in the place of `system`")]
    fn servers() -> Result<Servers, String> {
        let mut connection = ConnectionConfig::udp();
        connection.port = *PORT.get().unwrap();
        let ip = Ipv4Addr::LOCALHOST.into();
        let server = NameServerConfig::new(ip, true, vec![connection]);
        let mut options = ResolverOpts::default();
        options.attempts = 1;
        options.try_tcp_on_error = false;
        Ok((ResolverConfig::from_name_servers(vec![server]), options))
    }

    /// What is asked for `broken…` fails, `none…` does not exist; everything else has records.
    fn answer(question: &Message) -> Message {
        let query = &question.queries[0];
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.add_query(query.clone());
        let host = Name::from_ascii("am.example.").unwrap();
        let name = query.name().to_string();
        let data = match query.query_type() {
            _ if name.starts_with("broken") => {
                answer.metadata.response_code = ResponseCode::ServFail;
                return answer;
            }
            _ if name.starts_with("none") => {
                answer.metadata.response_code = ResponseCode::NXDomain;
                return answer;
            }
            RecordType::SRV => RData::SRV(SRV::new(0, 0, 9093, host)),
            RecordType::A => RData::A(A(Ipv4Addr::LOCALHOST)),
            RecordType::AAAA => RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)),
            RecordType::MX => RData::MX(MX::new(10, host)),
            _ => RData::NS(NS(host)),
        };
        answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        answer
    }

    async fn serve() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        PORT.set(socket.local_addr().unwrap().port()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let bytes = answer(&question).to_vec().unwrap();
                socket.send_to(&bytes, from).await.unwrap();
            }
        });
    }

    fn names(kind: RecordKind, name: &str) -> Names {
        let config = DnsDiscovery {
            names: vec![name.to_owned()],
            kind,
            port: 80,
            refresh_interval: Duration::from_secs(30),
        };
        Names {
            servers,
            ..Names::new(&config)
        }
    }

    #[tokio::test]
    async fn records_become_targets() {
        serve().await;
        let metrics = DiscoveryMetrics::default();
        let cases = [
            (
                RecordKind::Srv,
                r#"{__address__="am.example:9093",__meta_dns_name="a.example.",__meta_dns_srv_record_port="9093",__meta_dns_srv_record_target="am.example."}"#,
            ),
            (
                RecordKind::A,
                r#"{__address__="127.0.0.1:80",__meta_dns_name="a.example."}"#,
            ),
            (
                RecordKind::Aaaa,
                r#"{__address__="[::1]:80",__meta_dns_name="a.example."}"#,
            ),
            (
                RecordKind::Mx,
                r#"{__address__="am.example:80",__meta_dns_mx_record_target="am.example.",__meta_dns_name="a.example."}"#,
            ),
            (
                RecordKind::Ns,
                r#"{__address__="am.example:80",__meta_dns_name="a.example.",__meta_dns_ns_record_target="am.example."}"#,
            ),
        ];
        for (kind, expected) in cases {
            let (targets, wait) = names(kind, "a.example.").look(&metrics).await;
            let shown: Vec<String> = targets.unwrap().iter().map(Labels::to_string).collect();
            assert_eq!(shown, [expected]);
            assert_eq!(wait, Duration::from_secs(30));
        }

        // A failure leaves what was there, the end of a name does not.
        let before = Labels::from_pairs([(ADDRESS, "before:1")]);
        for (name, stays) in [("broken.example.", true), ("none.example.", false)] {
            let mut names = names(RecordKind::A, name);
            names.answers.insert(name.to_owned(), vec![before.clone()]);
            let (targets, _) = names.look(&metrics).await;
            assert_eq!(targets.unwrap().contains(&before), stays, "{name}");
        }
    }
}
