//! Pipes that are told of every change, in order, and the scripts that read them.
//!
//! keepalived loses a line when the pipe is full and says nothing. Here lines wait for room, up to a
//! limit, and what is lost beyond it is said. A reader is not ended in the middle of what it reads
//! either: the pipe is closed first, and it has time to come to the end of it.

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

/// How long a reader may take to come to the end of a pipe that was closed.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Pipes {
    open: Vec<Open>,
    leaving: Vec<Leaving>,
    /// Somebody waits until the last reader is gone.
    asked: bool,
}

/// A reader that is to end.
struct Leaving {
    child: Child,
    deadline: Instant,
    steps: u32,
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
    pub(super) fn set(&mut self, now: Instant, pipes: Vec<Pipe>) -> Vec<FromRunner> {
        self.asked = pipes.is_empty();
        let mut before = std::mem::take(&mut self.open);
        let mut told = Vec::new();
        for pipe in pipes {
            let same = before.iter().position(|open| open.pipe.path == pipe.path);
            let mut open = match same {
                Some(at) => before.swap_remove(at),
                None => Open::new(&pipe, &mut told),
            };
            self.leaving.extend(open.reader.take().map(|child| Leaving::new(child, now, 1)));
            open.pipe = pipe;
            open.read_by_script(&mut told);
            self.open.push(open);
        }
        for mut gone in before {
            if let Some(fifo) = gone.fifo.take() {
                fifo.remove();
            }
            self.leaving.extend(gone.reader.take().map(|child| Leaving::new(child, now, 0)));
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

    /// Tries again what found no room, and ends readers that are to end.
    pub(super) fn advance(&mut self, now: Instant, told: &mut Vec<FromRunner>) {
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
        self.leaving.retain_mut(|leaving| leaving.lives(now));
        if self.leaving.is_empty() && std::mem::take(&mut self.asked) {
            told.push(FromRunner::PipesClosed);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let again = self.open.iter().filter_map(|open| open.again);
        // A reader's end is not waited on; it is looked for.
        let look = self.leaving.iter().map(|leaving| leaving.deadline);
        again.chain(look).min()
    }

    /// Whether every line has found room.
    pub(super) fn is_idle(&self) -> bool {
        self.leaving.is_empty() && self.open.iter().all(|open| open.waiting.is_empty())
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

impl Leaving {
    /// One that has been given so many reasons to end.
    fn new(child: Child, now: Instant, steps: u32) -> Self {
        if steps > 0 {
            let _ = child.kill_group(End::Ask);
        }
        Self { child, deadline: now + AGAIN, steps }
    }

    /// Looks every [`AGAIN`] whether it has ended by itself; asks it to; makes it.
    fn lives(&mut self, now: Instant) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return false;
        }
        if now < self.deadline {
            return true;
        }
        self.deadline = now + AGAIN;
        self.steps += 1;
        let looks =
            |span: Duration| u32::try_from(span.as_millis() / AGAIN.as_millis()).unwrap_or(1);
        let (ask, kill) = (looks(LAST_WORDS), looks(LAST_WORDS + GRACE));
        if self.steps == ask {
            let _ = self.child.kill_group(End::Ask);
        }
        // Dropped, it is killed.
        self.steps < kill
    }
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
        assert!(pipes.set(clock::monotonic(), vec![pipe("slow")]).is_empty());
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
            pipes.advance(clock::monotonic() + AGAIN, &mut Vec::new());
        }
        let lines = reader.join().unwrap();
        let mut sorted = lines.clone();
        sorted.sort();
        assert_eq!(lines, sorted);
        pipes.set(clock::monotonic(), Vec::new());
        assert!(!path.exists(), "what we made we take away");
    }

    #[test]
    fn what_nobody_ever_reads_is_lost_with_a_word() {
        let mut pipes = Pipes::default();
        pipes.set(clock::monotonic(), vec![pipe("unread")]);
        let long = format!("{}\n", "x".repeat(200));
        let told: Vec<_> =
            (0..KEPT + 2000).flat_map(|_| pipes.say(clock::monotonic(), &long)).collect();
        assert!(matches!(&told[..], [FromRunner::Notice(text)] if text.contains("nobody reads")));
        pipes.set(clock::monotonic(), Vec::new());
    }
}
