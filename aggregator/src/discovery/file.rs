//! Files of targets. Whether they changed is looked at every second: that sees what a watch of the
//! system does not, on network file systems and behind links, and costs next to nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use system_stats_model::labels::Labels;
use tokio::time::Instant;

use super::{DiscoveryMetrics, Looked, labels};
use crate::config::{FileDiscovery, load_targets};

const FILE_PATH: &str = "__meta_filepath";
/// How often it is looked for changes.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

pub(super) struct Files {
    config: FileDiscovery,
    /// What the files looked like, and their last good lists.
    seen: BTreeMap<PathBuf, Stamp>,
    lists: BTreeMap<PathBuf, Vec<Labels>>,
    read_at: Option<Instant>,
}

/// Where a file lies, how large it is, and when it was changed; nothing for one that is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Files {
    pub(super) fn new(config: &FileDiscovery) -> Self {
        Self {
            config: config.clone(),
            seen: BTreeMap::new(),
            lists: BTreeMap::new(),
            read_at: None,
        }
    }

    pub(super) async fn look(&mut self, metrics: &DiscoveryMetrics) -> Looked {
        let patterns = self.config.files.clone();
        let listed = tokio::task::spawn_blocking(move || stamps(&patterns));
        let Ok(stamps) = listed.await else {
            return (None, LOOK_PERIOD);
        };
        let interval = self.config.refresh_interval;
        let is_old = self.read_at.is_none_or(|at| at.elapsed() >= interval);
        if !is_old && stamps == self.seen {
            return (None, LOOK_PERIOD);
        }
        self.read_at = Some(Instant::now());
        let paths: Vec<PathBuf> = stamps.keys().cloned().collect();
        self.seen = stamps;
        let read = tokio::task::spawn_blocking(move || -> Vec<_> {
            let read = |path: PathBuf| {
                let lists = load_targets(&path);
                (path, lists)
            };
            paths.into_iter().map(read).collect()
        });
        let mut before = std::mem::take(&mut self.lists);
        let mut is_ok = true;
        for (path, lists) in read.await.unwrap_or_default() {
            let file = path.display().to_string();
            let targets = match lists {
                Ok(lists) => labels(&lists, &[(FILE_PATH, &file)]),
                Err(error) => {
                    is_ok = false;
                    tracing::error!(%error, "a file of targets was not read, those before stay");
                    before.remove(&path).unwrap_or_default()
                }
            };
            self.lists.insert(path, targets);
        }
        metrics.looked("file", is_ok);
        let targets = self.lists.values().flatten().cloned().collect();
        (Some(targets), LOOK_PERIOD)
    }
}

/// The files that patterns name, and what they look like.
fn stamps(patterns: &[PathBuf]) -> BTreeMap<PathBuf, Stamp> {
    let mut files = BTreeMap::new();
    for pattern in patterns {
        let text = pattern.to_string_lossy();
        match glob::glob(&text) {
            Ok(found) => {
                for path in found.filter_map(Result::ok) {
                    let stamp = stamp(&path);
                    files.insert(path, stamp);
                }
            }
            Err(error) => tracing::error!(pattern = %text, %error, "not a pattern of files"),
        }
    }
    files
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}
