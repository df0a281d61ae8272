//! The process table.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{Files, ReadError};
use crate::kernel::pid_stat;

/// The kernel cuts the names of commands to this many bytes.
const MAX_NAME: usize = 15;

/// All processes, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessTable {
    /// Processes by state, `R`, `S`, `Z`, ….
    pub(crate) states: BTreeMap<char, u64>,
    pub(crate) pids: u64,
    pub(crate) threads: u64,
    /// The names of the processes that are alive, as the kernel cuts them.
    names: BTreeSet<String>,
}

impl ProcessTable {
    pub(crate) fn add(&mut self, state: char, threads: u64, name: String) {
        *self.states.entry(state).or_default() += 1;
        self.pids += 1;
        self.threads = self.threads.saturating_add(threads);
        if !matches!(state, 'Z' | 'X' | 'x') {
            self.names.insert(name);
        }
    }

    pub(crate) fn zombies(&self) -> u64 {
        self.states.get(&'Z').copied().unwrap_or(0)
    }

    /// Whether a process of that name is alive; a zombie is not. Of longer names the kernel
    /// knows the first 15 bytes only.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        let known = match name
            .char_indices()
            .find(|(at, char)| at + char.len_utf8() > MAX_NAME)
        {
            Some((end, _)) => &name[..end],
            None => name,
        };
        self.names.contains(known)
    }
}

/// Reads the state of every process. One that ends meanwhile is not counted.
pub(crate) fn read(files: &mut Files) -> Result<ProcessTable, ReadError> {
    let mut table = ProcessTable::default();
    for entry in files.proc_list("")? {
        if !entry.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(text) = files.proc_once(&format!("{entry}/stat")) else {
            continue;
        };
        let Some(process) = pid_stat::parse(&text) else {
            continue;
        };
        table.add(process.state, process.threads, process.name);
    }
    Ok(table)
}

/// Counts the threads of all processes by state.
pub(crate) fn thread_states(files: &mut Files) -> Result<BTreeMap<char, u64>, ReadError> {
    let mut states = BTreeMap::new();
    for entry in files.proc_list("")? {
        if !entry.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for thread in files
            .proc_list(&format!("{entry}/task"))
            .unwrap_or_default()
        {
            let Ok(text) = files.proc_once(&format!("{entry}/task/{thread}/stat")) else {
                continue;
            };
            if let Some(thread) = pid_stat::parse(&text) {
                *states.entry(thread.state).or_default() += 1;
            }
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_compared_as_the_kernel_cuts_them() {
        let table = ProcessTable {
            names: BTreeSet::from(["nginx".to_owned(), "prometheus-node".to_owned()]),
            ..ProcessTable::default()
        };
        assert!(table.is_running("nginx"));
        assert!(table.is_running("prometheus-node-exporter"));
        assert!(!table.is_running("ngin"));
        assert!(!table.is_running("prometheus"));
        assert!(!table.is_running(""));
    }
}
