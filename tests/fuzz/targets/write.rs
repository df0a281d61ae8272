//! Any bytes as a remote write, in snappy or not, and as an import.

#![no_main]

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use system_stats_aggregator::clock::Clock;
use system_stats_aggregator::metadata::Metadata;
use system_stats_aggregator::write::{Import, WriteError, Writer};
use system_stats_model::exposition::Format;
use system_stats_storage::memory::MemoryStore;
use system_stats_storage::{Departed, Options, Storage};

/// Some day of 2026, in milliseconds since 1970.
const NOW: i64 = 1_780_000_000_000;

fuzz_target!(|data: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("there are threads");
    runtime.block_on(write(data));
});

async fn write(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    // Everything anew, so that a finding depends on nothing but its bytes.
    let storage = Storage::open(Arc::new(MemoryStore::new()), Options::default()).await;
    let storage = Arc::new(storage.expect("the store is empty"));
    let metadata = Arc::new(Metadata::default());
    let writer = Writer::new(storage.clone(), metadata.clone(), Clock::manual(NOW));
    let writer = Arc::new(writer);
    let place = writer.place().await.expect("nobody else writes");
    let import = |format| Import {
        format,
        extra: vec![("job".to_owned(), "fuzz".to_owned())],
        timestamp: NOW,
    };
    let bytes = Bytes::copy_from_slice(body);
    let written = match kind % 4 {
        0 => writer.remote(bytes, place).await,
        1 => {
            let compressed = snap::raw::Encoder::new().compress_vec(body);
            let compressed = compressed.expect("it is short");
            writer.remote(compressed.into(), place).await
        }
        2 => writer.import(bytes, import(Format::Text), place).await,
        _ => {
            writer
                .import(bytes, import(Format::OpenMetrics), place)
                .await
        }
    };
    let mut series = 0;
    storage.series(&[], &Departed::none(), &mut |labels, stats| {
        assert!(!labels.metric_name().is_empty(), "{labels}");
        assert!(stats.latest.is_some(), "{labels}");
        series += 1;
        ControlFlow::Continue(())
    });
    match written {
        Ok(()) | Err(WriteError::Refused(_)) => {}
        Err(WriteError::Malformed(reason)) => {
            assert!(!reason.is_empty());
            assert_eq!(
                series, 0,
                "something of a body that cannot be read is stored"
            );
        }
        Err(error @ WriteError::Unavailable(_)) => panic!("{error}"),
    }
}
