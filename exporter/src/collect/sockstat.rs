use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::sockstat;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let v4 = add(host, "net/sockstat", out);
    // Not there without IPv6.
    let v6 = add(host, "net/sockstat6", out);
    v4.or(v6)
}

fn add(host: &mut Host, file: &'static str, out: &mut Families) -> Result<(), CollectError> {
    let text = host.files.proc(file)?;
    let counts = sockstat::parse(&text);
    if counts.is_empty() {
        return Err(CollectError::Malformed { file });
    }
    let mut push = |protocol: &str, state: &str, value: u64| {
        let help = match (protocol, state) {
            ("sockets", "used") if file.ends_with('6') => {
                "Number of IPv6 sockets in use.".to_owned()
            }
            ("sockets", "used") => "Number of IPv4 sockets in use.".to_owned(),
            _ => format!("Number of {protocol} sockets in state {state}."),
        };
        let name = format!("node_sockstat_{protocol}_{state}");
        out.single(name, help, Kind::Gauge, value as f64);
    };
    for count in counts {
        push(count.protocol, count.state, count.value);
        if count.state == "mem" {
            // The kernel counts pages.
            let page = rustix::param::page_size() as u64;
            push(
                count.protocol,
                "mem_bytes",
                count.value.saturating_mul(page),
            );
        }
    }
    Ok(())
}
