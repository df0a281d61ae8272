//! File system sizes, asked for on a thread of their own: a dead network mount blocks whoever
//! asks, for ever if it likes. Who does not answer in time is given up on, together with the
//! thread, and not asked again until that thread comes back.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long one file system may take to answer. All together get half as much again, and those
/// that come after that an eighth each: even with many dead mounts, nobody waits much longer than
/// a second.
const PATIENCE: Duration = Duration::from_millis(300);
/// The most file systems that may be unanswered at once; beyond it nothing new is asked.
const MAX_STUCK: usize = 16;
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
    questions: Sender<Vec<PathBuf>>,
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
        let answers = self.usages(&[path.to_owned()]);
        let answer = answers.into_iter().next();
        answer.unwrap_or_else(|| Err(Unanswered("nothing was asked".to_owned())))
    }

    /// The sizes of the file systems that hold `paths`, in their order. All are asked at once:
    /// waking the thread costs more than the answers.
    pub(crate) fn usages(&mut self, paths: &[PathBuf]) -> Vec<Result<Usage, Unanswered>> {
        self.stuck
            .retain(|_, is_back| !is_back.load(Ordering::Acquire));
        let deadline = Instant::now() + self.patience * 3 / 2;
        let mut answers = Vec::with_capacity(paths.len());
        while let Some(rest) = paths.get(answers.len()..).filter(|rest| !rest.is_empty()) {
            if let Some(reason) = self.hopeless(&rest[0]) {
                answers.push(Err(Unanswered(reason.to_owned())));
                continue;
            }
            let hopeful = rest.iter().take_while(|path| self.hopeless(path).is_none());
            let batch: Vec<PathBuf> = hopeful.cloned().collect();
            self.ask_batch(&batch, deadline, &mut answers);
        }
        answers
    }

    /// Why it is no use to ask for a path now.
    fn hopeless(&self, path: &Path) -> Option<&'static str> {
        if self.stuck.contains_key(path) {
            Some("still no answer to an earlier question")
        } else if self.stuck.len() >= MAX_STUCK {
            Some("too many file systems do not answer")
        } else {
            None
        }
    }

    /// Asks for some paths and adds at least one answer. After one that does not come the
    /// thread is left behind, and what it was not asked yet with it.
    fn ask_batch(
        &mut self,
        batch: &[PathBuf],
        deadline: Instant,
        answers: &mut Vec<Result<Usage, Unanswered>>,
    ) {
        let ended = || Unanswered("the asking thread ended".to_owned());
        let worker = match self.worker.take() {
            Some(worker) => Ok(worker),
            None => Worker::start(self.ask),
        };
        let worker = match worker {
            Ok(worker) => worker,
            Err(error) => return answers.push(Err(Unanswered(error.to_string()))),
        };
        if worker.questions.send(batch.to_vec()).is_err() {
            return answers.push(Err(ended()));
        }
        for path in batch {
            let left = deadline.saturating_duration_since(Instant::now());
            let patience = self.patience.min(left).max(self.patience / 8);
            match worker.answers.recv_timeout(patience) {
                Ok(answer) => answers.push(answer.map_err(|error| Unanswered(reason(&error)))),
                Err(RecvTimeoutError::Timeout) => {
                    self.stuck.insert(path.clone(), Arc::clone(&worker.is_back));
                    return answers.push(Err(Unanswered("timeout".to_owned())));
                }
                Err(RecvTimeoutError::Disconnected) => return answers.push(Err(ended())),
            }
        }
        self.worker = Some(worker);
    }
}

impl Worker {
    fn start(ask: Ask) -> io::Result<Self> {
        let (questions, asked) = channel::<Vec<PathBuf>>();
        let (answer, answers) = channel();
        let is_back = Arc::new(AtomicBool::new(false));
        let ended = SetOnDrop(Arc::clone(&is_back));
        std::thread::Builder::new()
            .name("statfs".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let _ended = ended;
                while let Ok(paths) = asked.recv() {
                    for path in paths {
                        // Nobody waits for the rest of a batch that was given up on.
                        if answer.send(ask(&path)).is_err() {
                            return;
                        }
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
        let mut asker = Asker::with(fake, Duration::from_millis(400));
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
    fn a_batch_goes_on_after_a_dead_mount() {
        let mut asker = Asker::with(fake, Duration::from_millis(800));
        let paths = ["/", "/dead", "/gone", "/"].map(PathBuf::from);
        let shown = |answers: Vec<Result<Usage, Unanswered>>| -> Vec<String> {
            let show = |answer: Result<Usage, Unanswered>| match answer {
                Ok(_) => "ok".to_owned(),
                Err(Unanswered(reason)) => reason,
            };
            answers.into_iter().map(show).collect()
        };
        let gone = "no such file or directory";
        assert_eq!(shown(asker.usages(&paths)), ["ok", "timeout", gone, "ok"]);
        let still = "still no answer to an earlier question";
        assert_eq!(shown(asker.usages(&paths)), ["ok", still, gone, "ok"]);
    }

    #[test]
    fn many_dead_mounts_cost_little_more_than_one() {
        let mut asker = Asker::with(fake, Duration::from_millis(200));
        let mut paths: Vec<PathBuf> = (0..12).map(|n| format!("/dead/{n}").into()).collect();
        paths.push(PathBuf::from("/"));
        let began = Instant::now();
        let answers = asker.usages(&paths);
        // 300 ms for the first two, 25 for each of the rest; 200 for each would be too much.
        assert!(
            began.elapsed() < 12 * Duration::from_millis(200),
            "{:?}",
            began.elapsed()
        );
        assert!(answers[..12].iter().all(Result::is_err));
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
