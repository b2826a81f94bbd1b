//! The runner: the only role that starts programs.
//!
//! Started when the first script is due. It runs what is on the list that was made when the
//! configuration was read, and nothing else: who can make control ask for something else still cannot
//! have it run. It ends when control has gone and nothing runs any more.

mod queues;

use std::io;

use linux::{Interest, Poll, Timer, clock};

use crate::channel::Channel;
use crate::exit::Exit;
use crate::messages::{FromRunner, Script, ToRunner};
use base::ScriptResult;
use queues::{Job, Queues};

const CONTROL: u64 = 0;
const TIMER: u64 = 1;
const SCRIPTS: u64 = 16;

/// The runner as a process.
pub(crate) fn main(guardian: u32) -> io::Result<Exit> {
    let control = Channel::over(linux::take_line()?)?;
    linux::die_with(guardian, linux::ProcessSignal::KILL)?;
    let mut runner = Runner {
        control: Some(control),
        poll: Poll::new()?,
        timer: Timer::new()?,
        queues: Queues::new(SCRIPTS),
        allowed: [Vec::new(), Vec::new()],
    };
    runner.run()?;
    Ok(Exit::Ok)
}

struct Runner {
    control: Option<Channel<FromRunner, ToRunner>>,
    poll: Poll,
    timer: Timer,
    queues: Queues,
    /// The present list, and the one before.
    allowed: [Vec<Script>; 2],
}

impl Runner {
    fn run(&mut self) -> io::Result<()> {
        if let Some(control) = &self.control {
            self.poll.add(control, CONTROL, Interest::Read)?;
        }
        self.poll.add(&self.timer, TIMER, Interest::Read)?;
        while self.control.is_some() || !self.queues.is_idle() {
            self.timer.set(self.queues.poll_timeout())?;
            if let Some(control) = &self.control {
                let backlog = control.backlog() > 0;
                let interest = if backlog { Interest::Both } else { Interest::Read };
                self.poll.modify(control, CONTROL, interest)?;
            }
            self.poll.wait(None)?.for_each(drop);
            self.hear_control();
            let done = self.queues.advance(clock::monotonic(), &self.poll);
            if let Some(control) = &mut self.control {
                for done in &done {
                    let _ = control.send(done);
                }
                let _ = control.flush();
            }
        }
        Ok(())
    }

    fn hear_control(&mut self) {
        while let Some(control) = &mut self.control {
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
                        let took = std::time::Duration::ZERO;
                        let _ = control.send(&FromRunner::Done { job, result, took });
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    let _ = self.poll.remove(control);
                    self.control = None;
                }
            }
        }
    }
}
