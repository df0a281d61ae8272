use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use system_stats_wire::SystemStats;

use super::task::{Failure, Stuck, Task, Work};
use crate::collect::{self, Collector};
use crate::config::Config;
use crate::family::Families;
use crate::host::Host;
use crate::sampler::{History, PERIOD};
use crate::system::SECTIONS;

const STACK: usize = 512 * 1024;

/// The collecting thread: it owns the descriptors and whatever collectors remember.
pub(super) struct Worker {
    host: Host,
    names: Vec<&'static str>,
    collectors: Vec<Box<dyn Collector>>,
    stuck: Arc<Stuck>,
}

impl Worker {
    /// Starts a thread that ends when the sender is dropped and no step is running.
    pub(super) fn spawn(
        config: Arc<Config>,
        history: Arc<Mutex<History>>,
        stuck: Arc<Stuck>,
    ) -> std::io::Result<Sender<Arc<Task>>> {
        let (sender, tasks) = channel();
        std::thread::Builder::new()
            .name("collect".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let enabled = || {
                    let choice = &config.collectors;
                    let all = collect::ALL.iter();
                    all.filter(|entry| choice.is_enabled(entry.name, entry.is_default))
                };
                let mut worker = Self {
                    names: enabled().map(|entry| entry.name).collect(),
                    collectors: enabled().map(|entry| (entry.make)()).collect(),
                    host: Host::new(config, history),
                    stuck,
                };
                worker.live(&tasks);
            })?;
        Ok(sender)
    }

    fn live(&mut self, tasks: &Receiver<Arc<Task>>) {
        self.host.sample();
        let mut next_sample = Instant::now() + PERIOD;
        loop {
            let wait = next_sample.saturating_duration_since(Instant::now());
            match tasks.recv_timeout(wait) {
                Ok(task) => {
                    if !self.work(&task) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.host.sample();
                    next_sample = Instant::now() + PERIOD;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Does what is left of a task. False if another thread has taken over.
    fn work(&mut self, task: &Task) -> bool {
        self.host.begin();
        match task.work {
            Work::Metrics => self.scrape(task),
            Work::System => self.describe(task),
        }
    }

    fn scrape(&mut self, task: &Task) -> bool {
        let generation = task.take_up(&self.names);
        while let Some(step) = task.next_step(generation, &self.stuck) {
            let mut families = Families::default();
            let collector = &mut self.collectors[step];
            let host = &mut self.host;
            // A collector with a defect costs its own families, not the process.
            let caught = catch_unwind(AssertUnwindSafe(|| collector.collect(host, &mut families)));
            let failure = match caught {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(Failure {
                    reason: chain(&error),
                    is_absence: error.is_absence(),
                }),
                Err(_) => Some(Failure::of(
                    "it panicked, which is a defect of this program",
                )),
            };
            if !task.finish_step(generation, families, failure) {
                return self.come_back(task.work, step);
            }
        }
        true
    }

    fn describe(&mut self, task: &Task) -> bool {
        let names: Vec<&'static str> = SECTIONS.iter().map(|section| section.name).collect();
        let generation = task.take_up(&names);
        let mut stats: SystemStats = task.stats();
        while let Some(step) = task.next_step(generation, &self.stuck) {
            let fill = SECTIONS[step].fill;
            let host = &mut self.host;
            let caught = catch_unwind(AssertUnwindSafe(|| fill(host, &mut stats)));
            let failure = caught.err().map(|_| Failure::of("it panicked"));
            if !task.finish_section(generation, stats.clone(), failure) {
                return self.come_back(task.work, step);
            }
        }
        true
    }

    /// The step that was given up on has ended after all: it may be tried again.
    fn come_back(&self, work: Work, step: usize) -> bool {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.remove(&(work, step));
        false
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
