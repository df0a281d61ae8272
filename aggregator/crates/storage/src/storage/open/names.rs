//! The names of targets and series, into memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::index::{Loader, Shared};
use crate::storage::{Catalog, Inner, OpenError, Target};
use crate::store::{SeriesNames, Store, StoreError, TargetRow};

/// Names that are read at once.
const NAMES: usize = 4096;

/// Fills a catalog that is empty.
pub(super) async fn load(store: &dyn Store, mut catalog: Catalog) -> Result<Catalog, OpenError> {
    let mut after = 0;
    loop {
        let rows = store.targets(after, NAMES).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in rows {
            catalog.load_target(row);
        }
    }
    let interrupted = |panic: tokio::task::JoinError| OpenError::Interrupted(panic.to_string());
    let mut loading = Loading::new(catalog);
    let mut names = store.series(0, NAMES).await?;
    while let Some(after) = names.last() {
        let load = move || loading.add(&names).map(|()| loading);
        // The next names are fetched while these are taken.
        let load = tokio::task::spawn_blocking(load);
        let (next, loaded) = tokio::join!(store.series(after, NAMES), load);
        loading = loaded.map_err(interrupted)??;
        names = next?;
    }
    let finished = tokio::task::spawn_blocking(move || loading.finish()).await;
    finished.map_err(interrupted)
}

impl Catalog {
    fn load_target(&mut self, row: TargetRow) {
        // Ids that this program never gives are no targets of it.
        if let (Ok(id), Ok(pack)) = (u32::try_from(row.id), u32::try_from(row.pack)) {
            self.packs.add(id, pack, &row.labels);
            self.add_target(Target::new(id, pack, row.labels, true));
            self.next_target = self.next_target.max(id.saturating_add(1));
        }
    }
}

/// A catalog whose series come.
struct Loading {
    catalog: Catalog,
    loader: Loader,
    /// What series have that inherit nothing.
    alone: Shared,
    known: Vec<Known>,
    /// By id, where in `known` a target is.
    by_id: HashMap<u32, usize>,
}

/// A target that has series.
struct Known {
    target: Arc<Target>,
    shared: Shared,
    series: Vec<u32>,
}

impl Loading {
    fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            loader: Loader::new(),
            alone: Shared::default(),
            known: Vec::new(),
            by_id: HashMap::new(),
        }
    }

    fn add(&mut self, names: &SeriesNames) -> Result<(), StoreError> {
        // Neighbours are of the same target, nearly always.
        let mut neighbour = None;
        for name in names.iter() {
            let (Ok(id), Ok(target)) = (u32::try_from(name.id), u32::try_from(name.target)) else {
                continue;
            };
            let at = match neighbour {
                Some((of, at)) if of == target => at,
                _ => self.know(target),
            };
            neighbour = Some((target, at));
            let Some(known) = at.and_then(|at| self.known.get_mut(at)) else {
                continue;
            };
            let shared = if name.inherits {
                &known.shared
            } else {
                &self.alone
            };
            let added = self.loader.add(id, target, shared, name.labels);
            added.map_err(|reason| StoreError::Corrupt {
                place: format!("table series, id {id}"),
                reason: reason.to_string(),
            })?;
            known.series.push(id);
        }
        Ok(())
    }

    fn know(&mut self, target: u32) -> Option<usize> {
        if let Some(&at) = self.by_id.get(&target) {
            return Some(at);
        }
        let target = Arc::clone(self.catalog.targets.get(&target)?);
        self.by_id.insert(target.id, self.known.len());
        self.known.push(Known {
            shared: self.loader.shared(&target.labels),
            target,
            series: Vec::new(),
        });
        Some(self.known.len() - 1)
    }

    fn finish(self) -> Catalog {
        let mut catalog = self.catalog;
        for Known { target, series, .. } in self.known {
            let last = series.last().map_or(0, |last| last.saturating_add(1));
            catalog.next_series = catalog.next_series.max(last);
            catalog.packs.grow(target.pack, series.len());
            Inner::head_of(&target).add_saved(&series);
        }
        catalog.index = self.loader.finish();
        catalog
    }
}
