//! The exporter for the machine the aggregator itself runs on.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;

/// Where it listens, if it is wanted. The address is taken: an exporter is assumed to be there
/// already.
pub(super) async fn start(
    address: Option<SocketAddr>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<Option<SocketAddr>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            tracing::info!(%address, "something listens there already; taking it for an exporter");
            return Ok(Some(address));
        }
        Err(source) => {
            let flag = "local-exporter.listen-address";
            return Err(StartError::Listen {
                address,
                flag,
                source,
            });
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    tasks.spawn(async move {
        let config = system_stats_exporter::Config::default();
        if let Err(error) = system_stats_exporter::serve(config, listener, stop).await {
            tracing::error!(%error, "the exporter for this machine has ended");
        }
    });
    tracing::info!(address = %bound, "the exporter for this machine listens");
    Ok(Some(bound))
}
