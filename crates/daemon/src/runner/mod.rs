//! The runner: the only role that starts programs.
//!
//! Started when the first script is due. It runs what is on the list that was made when the
//! configuration was read, and nothing else: who can make control ask for something else still cannot
//! have it run. It watches what only root can watch, keeps the pipes that are told of changes, and
//! ends when control has gone and nothing runs any more.

mod census;
mod checks;
mod first_value;
mod pipes;
mod post;
mod processes;
mod queues;

use std::io;
use std::time::Duration;

use base::{Instant, ScriptResult};
use linux::{Interest, Poll, Timer, clock};

use crate::channel::Channel;
use crate::exit::Exit;
use crate::mail::{Delivery, Letter, PostOffice};
use crate::messages::{FromRunner, Script, ToRunner};
use checks::Checks;
use pipes::Pipes;
use post::Post;
use processes::ProcessSensor;
use queues::{Job, Queues};

const CONTROL: u64 = 0;
const TIMER: u64 = 1;
const PROCESSES: u64 = 2;
const POST: u64 = 3;
const SCRIPTS: u64 = 16;
/// Scripts that are run again and again are numbered from here.
const CHECKS: u64 = 1 << 32;

/// How long lines may wait for a reader when everything else is over.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The runner as a process.
pub(crate) fn main(guardian: u32) -> io::Result<Exit> {
    let control = Channel::over(linux::take_line()?)?;
    linux::die_with(guardian, linux::ProcessSignal::KILL)?;
    let mut runner = Runner {
        control: Some(control),
        poll: Poll::new()?,
        timer: Timer::new()?,
        queues: Queues::new(SCRIPTS),
        checks: Checks::new(CHECKS),
        processes: ProcessSensor::new(PROCESSES),
        pipes: Pipes::default(),
        post: None,
        allowed: [Vec::new(), Vec::new()],
        end_by: None,
    };
    runner.run()?;
    Ok(Exit::Ok)
}

struct Runner {
    control: Option<Channel<FromRunner, ToRunner>>,
    poll: Poll,
    timer: Timer,
    queues: Queues,
    checks: Checks,
    processes: ProcessSensor,
    pipes: Pipes,
    /// There is one once the first mail is to be delivered.
    post: Option<Post>,
    /// The present list, and the one before.
    allowed: [Vec<Script>; 2],
    /// When lines that find no reader are given up, once control has gone.
    end_by: Option<Instant>,
}

impl Runner {
    fn run(&mut self) -> io::Result<()> {
        if let Some(control) = &self.control {
            self.poll.add(control, CONTROL, Interest::Read)?;
        }
        self.poll.add(&self.timer, TIMER, Interest::Read)?;
        while !self.is_over(clock::monotonic()) {
            let deadlines = [
                self.queues.poll_timeout(),
                self.checks.poll_timeout(),
                self.processes.poll_timeout(),
                self.pipes.poll_timeout(),
                self.end_by,
            ];
            self.timer.set(deadlines.into_iter().flatten().min())?;
            if let Some(control) = &self.control {
                let backlog = control.backlog() > 0;
                let interest = if backlog { Interest::Both } else { Interest::Read };
                self.poll.modify(control, CONTROL, interest)?;
            }
            self.poll.wait(None)?.for_each(drop);
            let mut told = self.hear_control();
            let now = clock::monotonic();
            told.extend(self.queues.advance(now, &self.poll));
            told.extend(self.checks.advance(now, &self.poll));
            told.extend(self.processes.advance(now, &self.poll));
            self.pipes.advance(now, &mut told);
            if let Some(post) = &mut self.post {
                told.extend(post.told());
            }
            if let Some(control) = &mut self.control {
                for one in &told {
                    let _ = control.send(one);
                }
                let _ = control.flush();
            }
        }
        Ok(())
    }

    fn is_over(&self, now: Instant) -> bool {
        self.control.is_none()
            && self.queues.is_idle()
            && (self.pipes.is_idle() && self.post.as_ref().is_none_or(Post::is_idle)
                || self.end_by.is_some_and(|end_by| end_by <= now))
    }

    fn send(&mut self, job: u64, office: PostOffice, letter: Letter) -> io::Result<()> {
        let post = match &mut self.post {
            Some(post) => post,
            none => {
                let post = Post::start()?;
                self.poll.add(&post, POST, Interest::Read)?;
                none.insert(post)
            }
        };
        post.send(job, office, letter);
        Ok(())
    }

    fn hear_control(&mut self) -> Vec<FromRunner> {
        let mut told = Vec::new();
        while let Some(control) = &mut self.control {
            let now = clock::monotonic();
            match control.recv() {
                Ok(Some(ToRunner::Allow(mut scripts))) => {
                    scripts.sort();
                    let [now, before] = &mut self.allowed;
                    *before = std::mem::replace(now, scripts);
                }
                Ok(Some(ToRunner::Run { job, queue, script, more })) => {
                    if self.allowed.iter().any(|list| list.binary_search(&script).is_ok()) {
                        self.queues.push(queue, Job { id: job, script, more });
                    } else {
                        let why = "it is not in the configuration".into();
                        let result = ScriptResult::NotStarted(why);
                        told.push(FromRunner::Done { job, result, took: Duration::ZERO });
                    }
                }
                Ok(Some(ToRunner::Watch(mut watch))) => {
                    let [allowed, _] = &self.allowed;
                    watch.checks.retain(|check| allowed.binary_search(&check.script).is_ok());
                    self.checks.set(now, watch.checks, &watch.known);
                    let processes = watch.processes;
                    told.extend(self.processes.set(now, &self.poll, processes, &watch.known));
                }
                Ok(Some(ToRunner::Write(files))) => told.extend(first_value::write(&files)),
                Ok(Some(ToRunner::Pipes(mut pipes))) => {
                    let [allowed, _] = &self.allowed;
                    for pipe in &mut pipes {
                        pipe.script.take_if(|script| allowed.binary_search(script).is_err());
                    }
                    told.extend(self.pipes.set(now, pipes));
                }
                Ok(Some(ToRunner::Say(line))) => told.extend(self.pipes.say(now, &line)),
                Ok(Some(ToRunner::Post { job, office, letter })) => {
                    if let Err(error) = self.send(job, office, letter) {
                        let delivery = Delivery::GivenUp(error.to_string());
                        told.push(FromRunner::Posted { job, delivery });
                    }
                }
                Ok(Some(ToRunner::Stand { ask })) => {
                    let (scripts, processes) = (self.checks.standing(), self.processes.counts());
                    let standing = compat::Standing { scripts, processes };
                    told.push(FromRunner::Standing { ask, standing });
                }
                Ok(None) => break,
                Err(_) => {
                    let _ = self.poll.remove(control);
                    self.control = None;
                    self.end_by = Some(now + LAST_LINES);
                    // Nobody hears verdicts any more; the next control starts another runner.
                    self.checks.set(now, Vec::new(), &[]);
                    let _ = self.processes.set(now, &self.poll, Vec::new(), &[]);
                }
            }
        }
        told
    }
}
