//! File system sizes, asked for on a thread of their own: a dead network mount blocks whoever
//! asks, for ever if it likes. Who does not answer in time is given up on, together with the
//! thread, and not asked again until that thread comes back.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long one file system may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// The most file systems that may be unanswered at once; beyond it nothing new is asked.
const MAX_STUCK: usize = 32;
const STACK: usize = 64 * 1024;

/// The size of a file system, in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) size: u64,
    pub(crate) free: u64,
    /// Free for users without privileges.
    pub(crate) available: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

impl Usage {
    /// Bytes in use.
    pub(crate) fn used(self) -> u64 {
        self.size.saturating_sub(self.free)
    }

    /// The share in use as `df` has it, 0-100: of what users can have. `None` without blocks.
    pub(crate) fn percent(self) -> Option<f64> {
        share(self.used(), self.used().saturating_add(self.available))
    }

    /// The share of inodes in use, 0-100. `None` where inodes are not counted.
    pub(crate) fn inode_percent(self) -> Option<f64> {
        share(self.inodes.saturating_sub(self.inodes_free), self.inodes)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64 * 100.0)
}

/// Why a file system has no size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered(pub(crate) String);

pub(crate) type Ask = fn(&Path) -> io::Result<Usage>;

/// Asks file systems for their sizes.
pub(crate) struct Asker {
    ask: Ask,
    patience: Duration,
    worker: Option<Worker>,
    stuck: HashMap<PathBuf, Arc<AtomicBool>>,
}

struct Worker {
    questions: Sender<PathBuf>,
    answers: Receiver<io::Result<Usage>>,
    /// Set when the thread has ended, however late.
    is_back: Arc<AtomicBool>,
}

impl Asker {
    pub(crate) fn new() -> Self {
        Self::with(statvfs, PATIENCE)
    }

    pub(crate) fn with(ask: Ask, patience: Duration) -> Self {
        Self {
            ask,
            patience,
            worker: None,
            stuck: HashMap::new(),
        }
    }

    /// The size of the file system that holds `path`.
    pub(crate) fn usage(&mut self, path: &Path) -> Result<Usage, Unanswered> {
        self.stuck
            .retain(|_, is_back| !is_back.load(Ordering::Acquire));
        if self.stuck.contains_key(path) {
            return Err(Unanswered(
                "still no answer to an earlier question".to_owned(),
            ));
        }
        if self.stuck.len() >= MAX_STUCK {
            return Err(Unanswered("too many file systems do not answer".to_owned()));
        }
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.ask).map_err(|error| Unanswered(error.to_string()))?,
        };
        if worker.questions.send(path.to_owned()).is_err() {
            // It died; the next question gets a new one.
            return Err(Unanswered("the asking thread ended".to_owned()));
        }
        match worker.answers.recv_timeout(self.patience) {
            Ok(answer) => {
                self.worker = Some(worker);
                answer.map_err(|error| Unanswered(reason(&error)))
            }
            Err(RecvTimeoutError::Timeout) => {
                let is_back = std::mem::take(&mut worker.is_back);
                self.stuck.insert(path.to_owned(), is_back);
                Err(Unanswered("timeout".to_owned()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Unanswered("the asking thread ended".to_owned()))
            }
        }
    }
}

impl Worker {
    fn start(ask: Ask) -> io::Result<Self> {
        let (questions, asked) = channel::<PathBuf>();
        let (answer, answers) = channel();
        let is_back = Arc::new(AtomicBool::new(false));
        let ended = SetOnDrop(Arc::clone(&is_back));
        std::thread::Builder::new()
            .name("statfs".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let _ended = ended;
                while let Ok(path) = asked.recv() {
                    if answer.send(ask(&path)).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            questions,
            answers,
            is_back,
        })
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn statvfs(path: &Path) -> io::Result<Usage> {
    let stat = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Usage {
        size: bytes(stat.f_blocks),
        free: bytes(stat.f_bfree),
        available: bytes(stat.f_bavail),
        inodes: stat.f_files,
        inodes_free: stat.f_ffree,
    })
}

/// The operating system's words without the number that Rust appends.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_ascii_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(path: &Path) -> io::Result<Usage> {
        if path.starts_with("/dead") {
            loop {
                std::thread::park();
            }
        }
        if path.starts_with("/gone") {
            return Err(io::Error::from_raw_os_error(2));
        }
        Ok(Usage {
            size: 1_000,
            free: 300,
            available: 200,
            inodes: 10,
            inodes_free: 5,
        })
    }

    #[test]
    fn a_dead_mount_costs_its_own_answer_and_waits_once() {
        let mut asker = Asker::with(fake, Duration::from_millis(20));
        assert_eq!(asker.usage(Path::new("/")).unwrap().used(), 700);
        assert_eq!(
            asker.usage(Path::new("/dead/nfs")),
            Err(Unanswered("timeout".to_owned()))
        );
        assert!(asker.usage(Path::new("/")).is_ok());
        let again = asker.usage(Path::new("/dead/nfs")).unwrap_err();
        assert!(again.0.contains("earlier question"), "{again:?}");
        let gone = asker.usage(Path::new("/gone")).unwrap_err();
        assert_eq!(gone.0, "no such file or directory");
    }

    #[test]
    fn shares_are_those_of_df() {
        let usage = fake(Path::new("/")).unwrap();
        assert!((usage.percent().unwrap() - 700.0 / 900.0 * 100.0).abs() < 1e-9);
        assert_eq!(usage.inode_percent(), Some(50.0));
        assert_eq!(Usage::default().percent(), None);
        assert_eq!(Usage::default().inode_percent(), None);
    }
}
