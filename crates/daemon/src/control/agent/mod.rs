//! SNMP by AgentX (`enable_snmp_*`, `enable_traps`, `-x`): the line to the master agent.
//!
//! What is said is `compat::snmp`'s business; this is the socket below it. A master agent that is not
//! there, goes, or says what makes no sense is called again every few seconds, and complained of
//! once; neither VRRP nor anybody else who asks control waits for it.

mod facts;
mod terms;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use base::{Instant, Name};
use compat::snmp::{Answers, Facts, Heard, Link, Mark, Session, View};
use linux::{AddressEntry, Interest, Inventory};
use serde::{Deserialize, Serialize};
use vrrp::InstanceConfig;

use crate::messages::AgentPlace;

/// How long until a master agent that was not there is called again.
const RETRY: Duration = Duration::from_secs(2);
/// For how long what is answered may be as it was, as long as nothing has happened.
const FRESH: Duration = Duration::from_secs(1);
/// What is read at once, at most: a datagram as a whole.
const CHUNK: usize = 1 << 16;
/// Chunks taken in one turn, so that nobody can keep control from everything else.
const CHUNKS: usize = 16;
/// What waits to be sent at most; a master agent that takes nothing of it is none.
const BACKLOG: usize = 4 << 20;

/// What is said to whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct AgentTerms {
    /// Where it listens.
    pub(crate) place: AgentPlace,
    /// A `compat::snmp::Facts` as bytes, which are smaller.
    pub(crate) facts: Vec<u8>,
}

/// The master agent, as control sees it.
pub(super) struct Agent {
    place: AgentPlace,
    answers: Answers,
    pub(super) facts: Facts,
    pub(super) session: Session,
    line: Option<File>,
    /// Octets of the first message that have left.
    sent: usize,
    inventory: Option<Inventory>,
    /// When it is called again; `None` while there is a line.
    call_at: Option<Instant>,
    complained: bool,
    stands: bool,
    pub(super) instances: Vec<InstanceConfig>,
    /// What nobody else remembers of instances.
    pub(super) marks: BTreeMap<Name, Mark>,
    links: Option<(Instant, Links)>,
    view: Option<(Instant, View)>,
}

/// Interfaces and addresses at some moment.
#[derive(Default)]
pub(super) struct Links {
    pub(super) by_name: BTreeMap<Name, Link>,
    addresses: Vec<AddressEntry>,
}

/// What is to be done after something was heard.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The master agent is to be called.
    pub(super) call: bool,
    /// Somebody is to be told this.
    pub(super) notices: Vec<String>,
}

impl Agent {
    pub(super) fn new(now: Instant, terms: &AgentTerms) -> Self {
        let facts: Facts = postcard::from_bytes(&terms.facts).unwrap_or_default();
        Self {
            place: terms.place.clone(),
            answers: facts.answers,
            session: Session::new(facts.answers, "mainstay"),
            facts,
            line: None,
            sent: 0,
            inventory: None,
            call_at: Some(now),
            complained: false,
            stands: false,
            instances: Vec::new(),
            marks: BTreeMap::new(),
            links: None,
            view: None,
        }
    }

    /// Another configuration, if the same line will do for it.
    pub(super) fn take(&mut self, terms: &AgentTerms) -> bool {
        let facts: Facts = postcard::from_bytes(&terms.facts).unwrap_or_default();
        let same = |answers: Answers| Answers { traps: false, ..answers };
        if terms.place != self.place || same(facts.answers) != same(self.answers) {
            return false;
        }
        self.answers = facts.answers;
        self.facts = facts;
        self.stir();
        true
    }

    pub(super) fn place(&self) -> &AgentPlace {
        &self.place
    }

    /// The line is there.
    pub(super) fn connected(&mut self, now: Instant, line: OwnedFd) {
        self.line = Some(File::from(line));
        self.sent = 0;
        self.call_at = None;
        self.session.connected(now);
    }

    pub(super) fn links_by(&mut self, socket: OwnedFd) {
        self.inventory = Some(Inventory::over(socket));
    }

    /// There is no line, for this reason.
    pub(super) fn lost(&mut self, now: Instant, why: &str) -> Option<String> {
        let stood = std::mem::take(&mut self.stands);
        self.line = None;
        self.session.disconnected();
        self.call_at = Some(now + RETRY);
        let again = std::mem::replace(&mut self.complained, true) && !stood;
        let place = &self.place;
        (!again).then(|| format!("no SNMP master agent at {place}, calling it again: {why}"))
    }

    /// Takes in what has arrived.
    pub(super) fn hear(&mut self, now: Instant) -> Vec<String> {
        let mut notices = Vec::new();
        let mut buffer = vec![0; CHUNK];
        for _ in 0..CHUNKS {
            let Some(line) = &mut self.line else { break };
            let heard = match line.read(&mut buffer) {
                Ok(0) => Err("it has closed the connection".to_owned()),
                Ok(length) => {
                    let octets = buffer.get(..length).unwrap_or_default();
                    self.session.hear(now, octets).map_err(|over| over.to_string())
                }
                Err(error) if not_yet(&error) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error.to_string()),
            };
            match heard {
                Ok(heard) => notices.extend(self.mean(heard)),
                Err(why) => {
                    notices.extend(self.lost(now, &why));
                    break;
                }
            }
        }
        notices
    }

    fn mean(&mut self, heard: Vec<Heard>) -> Vec<String> {
        let mut notices = Vec::new();
        for one in heard {
            match one {
                Heard::Stands => {
                    self.stands = true;
                    if std::mem::take(&mut self.complained) {
                        notices.push(format!("the SNMP master agent at {} is there", self.place));
                    }
                }
                Heard::Refused { root, status } => {
                    let root: Vec<String> = root.iter().map(ToString::to_string).collect();
                    let root = root.join(".");
                    notices.push(format!(
                        "the SNMP master agent does not let us answer for {root} (error {status}): \
                         does another keepalived?"
                    ));
                }
                Heard::Asked => {}
            }
        }
        notices
    }

    /// Sends what is to be sent, as far as there is room.
    pub(super) fn flush(&mut self, now: Instant) -> Option<String> {
        while let Some(line) = &mut self.line
            && let Some(message) = self.session.outgoing().front()
        {
            let rest = message.get(self.sent..).unwrap_or_default();
            match line.write(rest) {
                Ok(written) if written < rest.len() => self.sent += written,
                Ok(_) => {
                    self.sent = 0;
                    self.session.outgoing().pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if not_yet(&error) => {
                    let waits: usize = self.session.outgoing().iter().map(Vec::len).sum();
                    return if waits > BACKLOG {
                        self.lost(now, "it takes nothing any more")
                    } else {
                        None
                    };
                }
                Err(error) => return self.lost(now, &error.to_string()),
            }
        }
        None
    }

    /// What to wait for on the line.
    pub(super) fn interest(&mut self) -> Interest {
        if self.session.outgoing().is_empty() { Interest::Read } else { Interest::Both }
    }

    pub(super) fn line(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(AsFd::as_fd)
    }

    /// When [`Agent::look`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.call_at.or_else(|| self.session.poll_timeout())
    }

    /// Does what is due.
    pub(super) fn look(&mut self, now: Instant) -> Wanted {
        let mut wanted = Wanted::default();
        if let Err(over) = self.session.look(now) {
            wanted.notices.extend(self.lost(now, &over.to_string()));
        }
        if self.call_at.is_some_and(|at| now >= at) {
            // Whether anybody answers or not, this is not forgotten.
            self.call_at = Some(now + RETRY);
            wanted.call = true;
        }
        wanted
    }

    /// Something has happened: what was answered is not so any more.
    pub(super) fn stir(&mut self) {
        self.view = None;
    }

    /// Answers all that was asked.
    pub(super) fn answer(&mut self, now: Instant, view: View) {
        self.session.answer(now, &view);
        self.view = Some((now, view));
    }

    /// Answers from what was answered before, if that is still so.
    pub(super) fn answer_again(&mut self, now: Instant) -> bool {
        let Some((at, view)) = self.view.take().filter(|(at, _)| now.since(*at) < FRESH) else {
            return false;
        };
        self.session.answer(now, &view);
        self.view = Some((at, view));
        true
    }

    /// Interfaces and addresses, as they are or were a moment ago.
    pub(super) fn links(&mut self, now: Instant) -> &Links {
        let old = self.links.as_ref().is_none_or(|(at, _)| now.since(*at) >= FRESH);
        if old {
            self.links = self.inventory.as_mut().and_then(look_around).map(|links| (now, links));
        }
        match &self.links {
            Some((_, links)) => links,
            None => {
                const NONE: &Links = &Links { by_name: BTreeMap::new(), addresses: Vec::new() };
                NONE
            }
        }
    }
}

/// Nothing to be had now, perhaps because the connection is still being made.
fn not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

fn look_around(inventory: &mut Inventory) -> Option<Links> {
    let links = inventory.links().ok()?;
    let addresses = inventory.addresses().ok()?;
    let by_name = links
        .into_iter()
        .map(|link| (link.name, Link { index: link.index.get(), mac: link.mac }))
        .collect();
    Some(Links { by_name, addresses })
}

impl Links {
    /// The address that an instance's adverts come from.
    pub(super) fn source(&self, config: &InstanceConfig) -> Option<IpAddr> {
        if let Some(source) = config.source {
            return Some(source);
        }
        let link = self.by_name.get(config.interface.as_ref()?)?;
        let v6 = config.family == base::Family::V6;
        let fits = |entry: &&AddressEntry| {
            let link_local = match entry.address {
                IpAddr::V4(_) => false,
                IpAddr::V6(address) => address.is_unicast_link_local(),
            };
            entry.index.get() == link.index
                && entry.address.is_ipv6() == v6
                && link_local == v6
                && !config.all_vips().any(|vip| vip.address == entry.address)
        };
        self.addresses.iter().find(fits).map(|entry| entry.address)
    }
}
