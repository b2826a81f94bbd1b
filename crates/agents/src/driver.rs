//! The driver: takes what is asked for, runs it, tells what came of it. It never waits for any of it.
//!
//! [`Driver::ask`] and [`Driver::advance`] are for one thread. In between, that thread waits on the
//! driver's descriptor beside whatever else it has; it is readable when `advance` has something to do,
//! its own deadlines included.
//!
//! Many things run at once, and not any number: monitors and questions share a number of places
//! ([`Settings::at_once`]), and what waits for one is counted against its own time. Whatever changes
//! something, and fencing, begins at once; how much of that there is at a time others decide (a
//! node's jobs, a device's `pcmk_action_limit`).
//!
//! A call is answered exactly once, unless it was made in a life that is over. A number that is used
//! again means the new call, and the old one's answer is nobody's.

mod job;
mod knowledge;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use base::Instant;
use linux::{Interest, Poll, Timer, clock};

use crate::fence::Registered;
use crate::places::Settings;
use crate::program::{Running, TOKENS};
use crate::systemd::Units;
use crate::{Ask, Told};
use job::{About, Job, Known, Next, Way};

const TIMER: u64 = 1;
const UNITS: u64 = 2;

/// The driver.
#[derive(Debug)]
pub struct Driver {
    settings: Settings,
    /// Unlike any other driver's.
    mark: u64,
    poll: Poll,
    timer: Timer,
    units: Option<Units>,
    numbers: u64,
    jobs: BTreeMap<u64, Job>,
    running: BTreeMap<u64, Running>,
    /// What waits for a place.
    waiting: VecDeque<u64>,
    /// Who has one.
    places: BTreeSet<u64>,
    known: Known,
    registered: Registered,
    told: Vec<Told>,
}

impl Driver {
    /// A driver that runs nothing yet.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let (poll, timer) = (Poll::new()?, Timer::new()?);
        poll.add(&timer, TIMER, Interest::Read)?;
        Ok(Self {
            settings,
            mark: clock::chance(),
            poll,
            timer,
            units: None,
            // So that no descriptor has the number of the timer.
            numbers: TOKENS,
            jobs: BTreeMap::new(),
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
            places: BTreeSet::new(),
            known: Known::default(),
            registered: Registered::default(),
            told: Vec::new(),
        })
    }

    /// Takes something on. What came of it is told by [`advance`](Self::advance), later.
    pub fn ask(&mut self, ask: Ask) {
        let now = clock::monotonic();
        match ask {
            Ask::Call(call) => {
                self.disown(|about| matches!(about, About::Call(it) if it.number == call.number));
                self.take_on(now, About::Call(call));
            }
            Ask::Fence(call) => {
                self.disown(|about| matches!(about, About::Fence(it) if it.number == call.number));
                self.take_on(now, About::Fence(call));
            }
            Ask::Metadata(number, agent) => self.take_on(now, About::Metadata(number, agent)),
            Ask::Validate(number, agent, parameters) => {
                self.take_on(now, About::Validate(number, agent, parameters));
            }
            Ask::Kill(number) => {
                self.end(|about| matches!(about, About::Call(it) if it.number == number));
            }
            Ask::FenceKill(number) => {
                self.end(|about| matches!(about, About::Fence(it) if it.number == number));
            }
            Ask::Reborn => {
                self.disown(|about| matches!(about, About::Call(_)));
                self.end_disowned();
                self.registered.clear();
            }
        }
        self.fill();
        // If even that fails, the next turn sets it.
        let _ = self.set_timer();
    }

    /// Goes on with everything that can go on, and tells what has ended.
    ///
    /// # Errors
    /// When waiting itself fails, which nothing that is run can cause.
    pub fn advance(&mut self) -> io::Result<Vec<Told>> {
        let ready: Vec<u64> =
            self.poll.wait(Some(core::time::Duration::ZERO))?.map(|ready| ready.token).collect();
        for token in ready {
            match token {
                TIMER => {}
                UNITS => self.hear_units(),
                token => self.hear_program(token),
            }
        }
        self.end_late(clock::monotonic());
        self.fill();
        let mut told = Vec::new();
        let news = core::mem::take(&mut self.known.news);
        if self.settings.learn {
            told.extend(news.into_iter().map(Told::Learned));
        }
        told.append(&mut self.told);
        self.set_timer()?;
        Ok(told)
    }

    /// To when something is to be ended; to now, if there is something to tell.
    fn set_timer(&self) -> io::Result<()> {
        let open = self.jobs.values().filter(|job| !job.ended);
        let next = open.filter_map(|job| job.until).min();
        self.timer.set(if self.told.is_empty() { next } else { Some(Instant::ZERO) })
    }

    /// Whether nothing runs and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.told.is_empty()
    }

    fn take_on(&mut self, now: Instant, about: About) {
        self.numbers += 1;
        let number = self.numbers;
        let job = Job::new(now, about);
        let waits = job.waits_for_a_place();
        self.jobs.insert(number, job);
        if waits {
            self.waiting.push_back(number);
        } else {
            self.begin(number);
        }
    }

    /// Gives free places to those who wait.
    fn fill(&mut self) {
        while self.places.len() < self.settings.at_once.max(1) {
            let Some(number) = self.waiting.pop_front() else { return };
            if self.jobs.contains_key(&number) {
                self.places.insert(number);
                self.begin(number);
            }
        }
    }

    fn begin(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        let next = job.begin(&self.settings, &mut self.known, &self.registered);
        self.go_on(number, next);
    }

    /// Does what a job wants next, until it has to wait.
    fn go_on(&mut self, number: u64, mut next: Next) {
        loop {
            let way = match next {
                Next::Tell(told) => {
                    self.forget(number, told);
                    return;
                }
                Next::Run(way) => way,
            };
            match way {
                Way::Program(command) => {
                    match Running::start(self.mark, number, command, &self.poll) {
                        Ok(running) => {
                            self.running.insert(number, running);
                            return;
                        }
                        Err(error) => {
                            let Some(job) = self.jobs.get_mut(&number) else { return };
                            let finished = job::not_started(error);
                            next = job.finished(
                                finished,
                                &self.settings,
                                &mut self.known,
                                &self.registered,
                            );
                        }
                    }
                }
                Way::Unit(work) => match self.units() {
                    Ok(units) => {
                        units.ask(number, work);
                        return;
                    }
                    Err(error) => {
                        let Some(job) = self.jobs.get_mut(&number) else { return };
                        next = job.unit_ended(crate::systemd::unreachable(&error.to_string()));
                    }
                },
            }
        }
    }

    fn units(&mut self) -> io::Result<&Units> {
        match &mut self.units {
            Some(units) => Ok(units),
            none => {
                let overrides = self.settings.unit_overrides.clone();
                let units = Units::start(self.settings.bus.clone(), overrides)?;
                self.poll.add(&units, UNITS, Interest::Read)?;
                Ok(none.insert(units))
            }
        }
    }

    fn hear_program(&mut self, token: u64) {
        let number = token / TOKENS;
        let Some(running) = self.running.get_mut(&number) else { return };
        let Some(how) = running.advance(token, &self.poll) else { return };
        let Some(running) = self.running.remove(&number) else { return };
        let finished = running.finish(how);
        let Some(job) = self.jobs.get_mut(&number) else { return };
        if let Some((resource, operation)) = job.speaks() {
            let lines = finished.lines.clone();
            if !lines.is_empty() {
                self.told.push(Told::Wrote(resource, operation, lines));
            }
        }
        let next = job.finished(finished, &self.settings, &mut self.known, &self.registered);
        self.go_on(number, next);
    }

    fn hear_units(&mut self) {
        let Some(units) = &mut self.units else { return };
        for (number, ended) in units.hear() {
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            let next = job.unit_ended(ended);
            self.go_on(number, next);
        }
    }

    /// A job is over.
    fn forget(&mut self, number: u64, told: Told) {
        self.places.remove(&number);
        let Some(job) = self.jobs.remove(&number) else { return };
        if let Some((device, started)) = job.registers(&told) {
            self.registered.set(&device, started);
        }
        if !job.disowned {
            self.told.push(told);
        }
    }

    /// Whatever comes of these is told to nobody.
    fn disown(&mut self, which: impl Fn(&About) -> bool) {
        for job in self.jobs.values_mut().filter(|job| which(&job.about)) {
            job.disowned = true;
        }
    }

    fn end_disowned(&mut self) {
        let calls = |job: &Job| job.disowned && matches!(job.about, About::Call(_));
        let numbers: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| calls(job)).map(|(number, _)| *number).collect();
        for number in numbers {
            self.end_one(number);
        }
    }

    fn end(&mut self, which: impl Fn(&About) -> bool) {
        let is = |job: &Job| !job.disowned && which(&job.about);
        let found = self.jobs.iter().find(|(_, job)| is(job)).map(|(number, _)| *number);
        if let Some(number) = found {
            self.end_one(number);
        }
    }

    fn end_one(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        job.ended = true;
        if let Some(running) = self.running.get_mut(&number) {
            // Its end is heard of when it has come.
            running.end();
            return;
        }
        if let Some(units) = &self.units {
            units.give_up(number);
        }
        let told = job.gave_up();
        self.waiting.retain(|waits| *waits != number);
        self.forget(number, told);
    }

    fn end_late(&mut self, now: Instant) {
        let late = |job: &Job| !job.ended && job.until.is_some_and(|until| until <= now);
        let numbers: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| late(job)).map(|(number, _)| *number).collect();
        for number in numbers {
            self.end_one(number);
        }
    }
}

/// What runs does not outlive the driver, nor does what it has started.
impl Drop for Driver {
    fn drop(&mut self) {
        self.running.values_mut().for_each(Running::end);
    }
}

/// Readable when [`Driver::advance`] has something to do.
impl AsFd for Driver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.as_fd()
    }
}
