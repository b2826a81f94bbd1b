//! Mails that were written and whose delivery is not over, and what is told of it.
//!
//! The guardian keeps a copy of each, since control may end before a server comes back: the next one
//! has them delivered. One that was just on its way then may come twice; none is lost.

use std::collections::BTreeMap;

use base::{Instant, Reason, Subject, What};
use ui::protocol::MailReport;

use super::Control;
use crate::mail::{Delivery, Letter, PostOffice, WAITING};
use crate::messages::{ControlToGuardian, ToRunner};

/// All of them.
#[derive(Default)]
pub(super) struct Outbox {
    held: BTreeMap<u64, Held>,
    last: u64,
    sent: u64,
    given_up: u64,
    trouble: Option<String>,
}

struct Held {
    office: PostOffice,
    letter: Letter,
    tried: bool,
}

impl Outbox {
    /// Whether every letter has been tried: no stop waits for a server that is away.
    pub(super) fn is_idle(&self) -> bool {
        self.held.values().all(|held| held.tried)
    }

    /// Whether somebody is needed to deliver.
    pub(super) fn needs_runner(&self) -> bool {
        !self.held.is_empty()
    }

    /// All of them again, for a runner that knows of none.
    pub(super) fn orders(&self) -> impl Iterator<Item = ToRunner> {
        self.held.iter().map(|(id, held)| order(*id, held))
    }

    /// As the status tells it; nothing where no mail was ever written.
    pub(super) fn report(&self) -> Option<MailReport> {
        (self.last > 0).then(|| MailReport {
            waiting: u64::try_from(self.held.len()).unwrap_or(u64::MAX),
            sent: self.sent,
            given_up: self.given_up,
            trouble: self.trouble.clone(),
        })
    }
}

fn order(job: u64, held: &Held) -> ToRunner {
    ToRunner::Post { job, office: held.office.clone(), letter: held.letter.clone() }
}

impl Control {
    /// Writes to whoever wants mail about `subject` being what `word` says now.
    pub(super) fn write_mail(&mut self, subject: &Subject, word: &str) {
        let Some(mailing) = self.loaded.as_ref().and_then(|loaded| loaded.mailing.as_ref()) else {
            return;
        };
        if !mailing.wants(subject, word) {
            return;
        }
        let Some((title, text)) = compat::mail(&self.node, subject, word) else { return };
        let letter = Letter { subject: title, text };
        let office = mailing.post.clone();
        self.post(Held { office, letter, tried: false });
    }

    fn post(&mut self, held: Held) {
        self.outbox.last += 1;
        let job = self.outbox.last;
        self.scripts.order(&order(job, &held));
        self.keep_letter(job, Some(&held));
        self.outbox.held.insert(job, held);
        if self.outbox.held.len() > WAITING
            && let Some((oldest, _)) = self.outbox.held.pop_first()
        {
            self.outbox.given_up += 1;
            self.keep_letter(oldest, None);
        }
        let need = self.scripts.wanted();
        self.ask_for_runner(need);
    }

    /// What a control before this one could not have delivered.
    pub(super) fn take_letters(&mut self, letters: &[Vec<u8>]) {
        for bytes in letters {
            // One of a version that writes them otherwise is lost.
            if let Ok((office, letter)) = postcard::from_bytes(bytes) {
                self.post(Held { office, letter, tried: false });
            }
        }
    }

    /// Has the guardian know all that wait: it has just become another program.
    pub(super) fn keep_letters(&mut self) {
        let held = std::mem::take(&mut self.outbox.held);
        for (job, letter) in &held {
            self.keep_letter(*job, Some(letter));
        }
        self.outbox.held = held;
    }

    fn keep_letter(&mut self, job: u64, held: Option<&Held>) {
        let bytes = |held: &Held| postcard::to_stdvec(&(&held.office, &held.letter)).ok();
        let letter = held.and_then(bytes);
        // A guardian that is gone ends us anyway.
        let _ = self.guardian.send(&ControlToGuardian::Letter { job, letter });
    }

    /// What became of an attempt.
    pub(super) fn posted(&mut self, now: Instant, job: u64, delivery: Delivery) {
        let Some(held) = self.outbox.held.get_mut(&job) else { return };
        let title = held.letter.subject.clone();
        let text = match delivery {
            Delivery::Done => {
                self.outbox.held.remove(&job);
                self.keep_letter(job, None);
                self.outbox.sent += 1;
                self.outbox.trouble = None;
                return self.events.remark("SMTP alert successfully sent.");
            }
            Delivery::Later(why) => {
                held.tried = true;
                self.outbox.trouble = Some(why.clone());
                format!("mail `{title}` could not be delivered and will be tried again: {why}")
            }
            Delivery::GivenUp(why) => {
                self.outbox.held.remove(&job);
                self.keep_letter(job, None);
                self.outbox.given_up += 1;
                self.outbox.trouble = Some(why.clone());
                format!("mail `{title}` was not delivered: {why}")
            }
        };
        let what = What::Notice { text };
        self.events.tell(now, Subject::Node, what, Reason::StateScript, Vec::new());
    }
}
