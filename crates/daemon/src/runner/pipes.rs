//! Pipes that are told of every change, in order, and the scripts that read them.
//!
//! keepalived loses a line when the pipe is full and says nothing. Here lines wait for room, up to a
//! limit, and what is lost beyond it is said.

use std::collections::VecDeque;
use std::time::Duration;

use base::Instant;
use linux::{Child, End, Fifo};

use super::queues::{GRACE, start};
use crate::messages::FromRunner;
use crate::sensors::Pipe;

/// Lines kept for a reader that does not read.
const KEPT: usize = 10_000;

/// How often a full pipe is tried again. It cannot be waited on: open for reading too, it would
/// tell of its own contents.
const AGAIN: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Pipes {
    open: Vec<Open>,
}

struct Open {
    pipe: Pipe,
    fifo: Option<Fifo>,
    reader: Option<Child>,
    waiting: VecDeque<String>,
    again: Option<Instant>,
    lost: u64,
}

impl Pipes {
    /// These from now on. Those that are the same stay open; every script that reads one is started
    /// again, as keepalived does at a reload.
    pub(super) fn set(&mut self, pipes: Vec<Pipe>) -> Vec<FromRunner> {
        let mut before = std::mem::take(&mut self.open);
        let mut told = Vec::new();
        for pipe in pipes {
            let same = before.iter().position(|open| open.pipe.path == pipe.path);
            let mut open = match same {
                Some(at) => before.swap_remove(at),
                None => Open::new(&pipe, &mut told),
            };
            end(open.reader.take());
            open.pipe = pipe;
            open.read_by_script(&mut told);
            self.open.push(open);
        }
        for mut gone in before {
            end(gone.reader.take());
            if let Some(fifo) = gone.fifo.take() {
                fifo.remove();
            }
        }
        told
    }

    /// Tells every pipe.
    pub(super) fn say(&mut self, now: Instant, line: &str) -> Vec<FromRunner> {
        let mut told = Vec::new();
        for open in &mut self.open {
            if open.waiting.len() >= KEPT {
                if open.lost == 0 {
                    let path = open.pipe.path.display();
                    told.push(FromRunner::Notice(format!(
                        "nobody reads `{path}`: lines for it are lost from here on"
                    )));
                }
                open.lost += 1;
                continue;
            }
            open.waiting.push_back(line.to_owned());
            open.flush(now);
        }
        told
    }

    /// Tries again what found no room.
    pub(super) fn advance(&mut self, now: Instant) {
        for open in &mut self.open {
            if let Some(reader) = &mut open.reader
                && matches!(reader.try_wait(), Ok(Some(_)))
            {
                open.reader = None;
            }
            if open.again.is_some_and(|again| again <= now) {
                open.flush(now);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().filter_map(|open| open.again).min()
    }

    /// Whether every line has found room.
    pub(super) fn is_idle(&self) -> bool {
        self.open.iter().all(|open| open.waiting.is_empty())
    }
}

impl Open {
    fn new(pipe: &Pipe, told: &mut Vec<FromRunner>) -> Self {
        let owner = pipe.owner.as_ref().map(|account| (account.uid, account.gid));
        let fifo = Fifo::open(&pipe.path, owner)
            .map_err(|error| {
                let path = pipe.path.display();
                told.push(FromRunner::Notice(format!("cannot open the FIFO `{path}`: {error}")));
            })
            .ok();
        let (waiting, pipe) = (VecDeque::new(), pipe.clone());
        Open { pipe, fifo, reader: None, waiting, again: None, lost: 0 }
    }

    fn read_by_script(&mut self, told: &mut Vec<FromRunner>) {
        let Some(script) = &self.pipe.script else { return };
        match start(script, &[self.pipe.path.display().to_string()]) {
            Ok(child) => self.reader = Some(child),
            Err(error) => {
                let text = format!("the script that reads a FIFO does not start: {error}");
                told.push(FromRunner::Notice(text));
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        self.again = None;
        let Some(fifo) = &mut self.fifo else { return self.waiting.clear() };
        while let Some(line) = self.waiting.front() {
            match fifo.write(line) {
                Ok(true) => {
                    self.waiting.pop_front();
                    self.lost = 0;
                }
                Ok(false) => {
                    self.again = Some(now + AGAIN);
                    return;
                }
                Err(_) => self.waiting.clear(),
            }
        }
    }
}

/// Asks a reader to end, and makes it when it does not.
fn end(reader: Option<Child>) {
    let Some(mut reader) = reader else { return };
    let _ = reader.kill_group(End::Ask);
    // In a thread of its own: others are not to wait for it.
    std::thread::spawn(move || {
        let step = Duration::from_millis(20);
        let mut left = GRACE;
        while !left.is_zero() && matches!(reader.try_wait(), Ok(None)) {
            std::thread::sleep(step);
            left = left.saturating_sub(step);
        }
        drop(reader);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::clock;
    use std::io::{BufRead as _, BufReader};
    use std::path::PathBuf;

    fn pipe(name: &str) -> Pipe {
        let path: PathBuf =
            std::env::temp_dir().join(format!("mainstay-pipe-{name}-{}", std::process::id()));
        Pipe { path, owner: None, script: None }
    }

    #[test]
    fn lines_wait_for_a_slow_reader_in_order() {
        let mut pipes = Pipes::default();
        let path = pipe("slow").path;
        assert!(pipes.set(vec![pipe("slow")]).is_empty());
        for n in 0..5000 {
            let line = format!("INSTANCE \"VI_{n:040}\" MASTER 100\n");
            assert!(pipes.say(clock::monotonic(), &line).is_empty());
        }
        assert!(!pipes.is_idle(), "more than a pipe holds");
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let lines = BufReader::new(std::fs::File::open(path).unwrap()).lines();
                lines.take(5000).map(|line| line.unwrap()).collect::<Vec<_>>()
            }
        });
        while !pipes.is_idle() {
            pipes.advance(clock::monotonic() + AGAIN);
        }
        let lines = reader.join().unwrap();
        let mut sorted = lines.clone();
        sorted.sort();
        assert_eq!(lines, sorted);
        pipes.set(Vec::new());
        assert!(!path.exists(), "what we made we take away");
    }

    #[test]
    fn what_nobody_ever_reads_is_lost_with_a_word() {
        let mut pipes = Pipes::default();
        pipes.set(vec![pipe("unread")]);
        let long = format!("{}\n", "x".repeat(200));
        let told: Vec<_> =
            (0..KEPT + 2000).flat_map(|_| pipes.say(clock::monotonic(), &long)).collect();
        assert!(matches!(&told[..], [FromRunner::Notice(text)] if text.contains("nobody reads")));
        pipes.set(Vec::new());
    }
}
