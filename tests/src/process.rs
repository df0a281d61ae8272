//! A running program: its log is kept, and it does not outlive the test.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait;

/// How long a program may take to say what it is waited for to say.
const PATIENCE: Duration = Duration::from_mins(1);

/// A started program. Dropping it kills it; a test that fails prints its log.
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts a program with an environment of its own: nothing of the developer's settings.
    pub fn start(name: &str, command: &mut Command) -> Process {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().map(|pipe| keep_lines(pipe, &log));
        let stderr = child.stderr.take().map(|pipe| keep_lines(pipe, &log));
        let readers = stdout.into_iter().chain(stderr).collect();
        Process {
            name: name.to_owned(),
            child,
            log,
            readers,
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, both streams in one.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line from which `find` gets something.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let name = self.name.clone();
        wait::until(&format!("{name}: {what}"), PATIENCE, || {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                self.finish_log();
            }
            let log = self.log();
            let found = log.iter().find_map(|line| find(line));
            if let (None, Some(status)) = (&found, ended) {
                panic!(
                    "{name} ended with {status} before {what}:\n{}",
                    log.join("\n")
                );
            }
            found.ok_or(log)
        })
    }

    /// Sends a signal by its name without `SIG`: `TERM`, `HUP`, `STOP`, …
    pub fn signal(&self, name: &str) {
        let script = format!("kill -s {name} {}", self.id());
        let sent = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(sent.success(), "{script}");
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let status = wait::until(&what, limit, || {
            self.child
                .try_wait()
                .unwrap()
                .ok_or_else(|| self.log.lock().unwrap().clone())
        });
        self.finish_log();
        status
    }

    /// Reads the log of an ended program to its end. A child of its own may hold on to the pipes
    /// for longer; that is not waited for.
    fn finish_log(&mut self) {
        let start = Instant::now();
        while self.readers.iter().any(|reader| !reader.is_finished())
            && start.elapsed() < Duration::from_secs(1)
        {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.finish_log();
        if thread::panicking() {
            eprintln!("--- log of {}:\n{}\n---", self.name, self.log().join("\n"));
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.id())
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

fn keep_lines(
    pipe: impl Read + Send + 'static,
    log: &Arc<Mutex<Vec<String>>>,
) -> thread::JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            log.lock()
                .unwrap()
                .push(String::from_utf8_lossy(&line).into_owned());
        }
    })
}
