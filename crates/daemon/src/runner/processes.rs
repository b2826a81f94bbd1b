//! The sensor for processes: the kernel's own news where it gives them, else a look at all of them
//! every second.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Instant, Name, Tracker, Verdict};
use linux::{Interest, Poll, ProcessEvent, ProcessEvents, Processes, process, processes};

use super::census::Census;
use crate::messages::FromRunner;
use crate::sensors::WatchedProcess;

/// How often to look where the kernel tells nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The sensor.
pub(super) struct ProcessSensor {
    token: u64,
    census: Census,
    news: News,
}

enum News {
    /// Nobody is watched.
    None,
    Told(ProcessEvents),
    Looked {
        next: Instant,
    },
}

impl ProcessSensor {
    /// Watches nobody yet; its descriptor will be numbered `token`.
    pub(super) fn new(token: u64) -> Self {
        Self { token, census: Census::default(), news: News::None }
    }

    /// These from now on.
    pub(super) fn set(
        &mut self,
        now: Instant,
        poll: &Poll,
        watched: Vec<WatchedProcess>,
        known: &[(Tracker, Verdict)],
    ) -> Vec<FromRunner> {
        self.census.set(watched, known);
        let mut told = Vec::new();
        match &self.news {
            _ if self.census.is_empty() => {
                if let News::Told(events) = &self.news {
                    let _ = poll.remove(events);
                }
                self.news = News::None;
            }
            News::None => match ProcessEvents::open(ProcessEvents::QUEUE) {
                Ok(events) if poll.add(&events, self.token, Interest::Read).is_ok() => {
                    self.news = News::Told(events);
                }
                refused => {
                    let why = refused.err().map(|error| error.to_string()).unwrap_or_default();
                    told.push(FromRunner::Notice(format!(
                        "tracked processes are looked for every {LOOK_EVERY:?}, since the kernel \
                         does not tell of them here: {why}"
                    )));
                    self.news = News::Looked { next: now };
                }
            },
            News::Told(_) | News::Looked { .. } => {}
        }
        // After the news have begun, so that nothing falls in between.
        self.look();
        told
    }

    fn look(&mut self) {
        if self.census.is_empty() {
            return;
        }
        // Without /proc nobody can be seen to run, which is what the census then says.
        let entries = processes(self.census.wants_commands()).unwrap_or_default();
        self.census.all(&entries);
    }

    /// Takes in what has happened; answers with the verdicts that are others now.
    pub(super) fn advance(&mut self, now: Instant, poll: &Poll) -> Vec<FromRunner> {
        match &mut self.news {
            News::None => {}
            News::Told(events) => match events.read() {
                Ok(Processes::Events(events)) => {
                    let commands = self.census.wants_commands();
                    for event in events {
                        match event {
                            ProcessEvent::Began(pid) | ProcessEvent::Changed(pid) => {
                                self.census.one(pid, process(pid, commands).as_ref());
                            }
                            ProcessEvent::Ended(pid) => self.census.one(pid, None),
                        }
                    }
                }
                Ok(Processes::Overrun) => self.look(),
                Err(_) => {
                    let _ = poll.remove(&*events);
                    self.news = News::Looked { next: now };
                }
            },
            News::Looked { next } if *next <= now => {
                *next = now + LOOK_EVERY;
                self.look();
            }
            News::Looked { .. } => {}
        }
        let verdict = |(tracker, verdict)| FromRunner::Verdict { tracker, verdict, run: None };
        self.census.settle(now).into_iter().map(verdict).collect()
    }

    /// How many run of each kind that is watched.
    pub(super) fn counts(&self) -> BTreeMap<Name, u32> {
        self.census.counts()
    }

    /// When [`ProcessSensor::advance`] is due at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let look = match self.news {
            News::Looked { next } => Some(next),
            News::None | News::Told(_) => None,
        };
        look.into_iter().chain(self.census.poll_timeout()).min()
    }
}
