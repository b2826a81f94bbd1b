//! What becomes of a node whose engine ends: its disk is full, read-only or broken.
//!
//! Nothing can be agreed on with it any more, nor promised to it. So what runs here is stopped at once
//! (the others start it elsewhere when the quorum lease is over, which this node has given up by then), and
//! the process says why, to whoever asks. It goes on when the disk does: as another life, with a file that
//! was written anew and read through ([`raft::disk::renew`]). A file that is damaged is not waited for.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use raft::DiskError;
use ui::cluster::{Request, Response};

use crate::home::{self, Home, HomeError};
use crate::run::{Event, Loop};

/// How often the disk is tried.
const AGAIN: Duration = Duration::from_secs(1);

fn sentence(why: &str) -> String {
    format!("this node's engine has ended, and nothing can be changed through it: {why}")
}

impl Loop {
    /// Nothing more can be agreed on through this node.
    pub(crate) fn engine_ended(&mut self, why: String) {
        self.tell(format!("{}; what runs here is stopped", sentence(&why)));
        for wait in std::mem::take(&mut self.waits).into_values() {
            if let Some(reply) = wait.reply {
                let text =
                    format!("it is not known whether this was committed: {}", sentence(&why));
                reply.answer(Response::Error(text));
            }
        }
        for reply in std::mem::take(&mut self.changes).into_values().flatten() {
            reply.answer(Response::Error(sentence(&why)));
        }
        self.ended = Some(why);
    }

    /// Why something that is asked for cannot be done here any more.
    pub(crate) fn cannot(&self, request: &Request) -> Option<String> {
        let looks =
            matches!(request, Request::Status | Request::Query { .. } | Request::Attributes { .. });
        self.ended.as_deref().filter(|_| !looks).map(sentence)
    }
}

/// Waits until the home in a directory can be lived in again; none: it was told to end meanwhile.
pub(crate) fn until_well(
    dir: &Path,
    why: &str,
    events: &Receiver<Event>,
    log: &Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Option<Home>, HomeError> {
    let mut told = String::new();
    loop {
        let tried = raft::disk::renew(dir).map_err(HomeError::from).and_then(|()| home::open(dir));
        let error = match tried {
            Ok(home) => {
                // What is left of the life before is nobody's news.
                while let Ok(event) = events.try_recv() {
                    if !heard(event, why) {
                        return Ok(None);
                    }
                }
                log("the disk can be written again: another life begins");
                return Ok(Some(home));
            }
            Err(error @ (HomeError::Failed(..) | HomeError::Disk(DiskError::Failed { .. }))) => {
                error
            }
            Err(error) => return Err(error),
        };
        if told != error.to_string() {
            told = error.to_string();
            log(&format!("nothing runs here any more; {told} (it goes on by itself then)"));
        }
        let end = Instant::now() + AGAIN;
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            let goes_on = match events.recv_timeout(rest) {
                Ok(event) => heard(event, &told),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }
}

/// Whether to go on.
fn heard(event: Event, why: &str) -> bool {
    match event {
        Event::Asked(_, reply) => reply.answer(Response::Error(sentence(why))),
        Event::Stop => return false,
        Event::Wake | Event::Planned(..) | Event::Told(_) => {}
    }
    true
}
