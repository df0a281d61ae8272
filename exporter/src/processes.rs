//! The process table.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::files::{Files, ReadError};
use crate::kernel::pid_stat::{self, PidStat};

/// The kernel cuts the names of commands to this many bytes.
const MAX_NAME: usize = 15;
/// Longer than the line that describes a process.
const LINE: usize = 1024;
/// How many descriptors are kept; of more processes each is opened anew.
const MAX_KEPT: usize = 128;

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

/// Reads the process table, keeping the descriptors of processes that live on.
#[derive(Default)]
pub(crate) struct ProcessReader {
    open: HashMap<u32, File>,
}

impl ProcessReader {
    /// Reads the state of every process. One that ends meanwhile is not counted.
    pub(crate) fn read(&mut self, files: &Files) -> Result<ProcessTable, ReadError> {
        let mut table = ProcessTable::default();
        let mut seen = HashSet::new();
        for entry in files.proc_list("")? {
            let Ok(pid) = entry.parse::<u32>() else {
                continue;
            };
            if let Some(process) = self.read_one(files, pid) {
                seen.insert(pid);
                table.add(process.state, process.threads, process.name);
            }
        }
        self.open.retain(|pid, _| seen.contains(pid));
        Ok(table)
    }

    fn read_one(&mut self, files: &Files, pid: u32) -> Option<PidStat> {
        let mut buffer = [0; LINE];
        // Of a process that has ended nothing can be read, whoever has its number now.
        let known = self
            .open
            .get(&pid)
            .and_then(|file| file.read_at(&mut buffer, 0).ok());
        let length = if let Some(length) = known.filter(|length| *length > 0) {
            length
        } else {
            let path = files.roots().procfs.join(format!("{pid}/stat"));
            let file = File::open(path).ok()?;
            let length = file.read_at(&mut buffer, 0).ok()?;
            self.open.remove(&pid);
            if self.open.len() < MAX_KEPT {
                self.open.insert(pid, file);
            }
            length
        };
        pid_stat::parse(&String::from_utf8_lossy(&buffer[..length]))
    }
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
