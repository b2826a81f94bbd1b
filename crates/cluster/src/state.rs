//! The replicated state, as a value: what the cluster has agreed on so far.
//!
//! [`State::apply`] is the only way it changes. It is total and deterministic: the same entries in
//! the same order make the same state on every node, whatever its clock says, and an entry that
//! cannot be carried out is refused by all alike and changes nothing. The document and its status
//! are one tree here, so that transient attributes, histories and configuration can never be of
//! different ages.

mod account;
mod attributes;
mod document;
mod record;
mod status;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Name, Wall};
use cib::version::{Touched, Version};
use cib::xml::Element;
use serde::{Deserialize, Serialize};

pub use document::option;
pub use record::FEATURES;
pub(crate) use status::is_left_alone;

use crate::membership::{Cleared, Member, Members, Role, Standing};
use crate::operation::{
    Entry, Epoch, FenceAction, Fenced, Life, Operation, Record, Verdict, VersionIs,
};

/// How many fencings are remembered.
const FENCINGS: usize = 200;

/// What has been agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    pub(crate) cib: Element,
    pub(crate) members: Members,
    pub(crate) leader: Option<Name>,
    /// The index of the entry that made it lead: one for each leadership.
    pub(crate) led: u64,
    /// The index of the entry applied last.
    pub(crate) applied: u64,
    /// The latest time any proposer told.
    pub(crate) time: Wall,
    /// Attributes that wait to be written: (node, name) to value and time.
    pub(crate) waiting: BTreeMap<(Name, Name), Waiting>,
    pub(crate) fencings: VecDeque<Fencing>,
    /// What agents keep here and the document does not say: (node, name) to value.
    pub(crate) private: BTreeMap<(Name, Name), String>,
}

/// An attribute that waits to be written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) value: Option<String>,
    pub(crate) due: Wall,
}

/// A fencing, as it is remembered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fencing {
    /// When it was told.
    pub at: Wall,
    /// What.
    pub fenced: Fenced,
    /// Whether it came too late to count.
    pub stale: bool,
}

/// What came of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It was carried out; this is the document's version now.
    Done(VersionIs),
    /// It was carried out already, or nothing had to be done for it.
    Unchanged,
    /// It changed nothing, and this is why.
    Refused(Refusal),
}

/// Why an entry changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The document is not the one it was thought for.
    #[error("the document has version {have} by now, not {expected}: read it again and repeat")]
    Conflict {
        /// Its version.
        have: VersionIs,
        /// The one that was expected.
        expected: VersionIs,
    },
    /// It cannot be read, or the document would not be valid.
    #[error("{0}")]
    Bad(String),
    /// Nobody of that name belongs to the cluster.
    #[error("{0} does not belong to the cluster: admit it first")]
    NoMember(Name),
    /// It speaks of another life of the node, or of one that is over.
    #[error("{node} is not in life {life}: what was done in it does not count")]
    OtherLife {
        /// Whose.
        node: Name,
        /// Which.
        life: Life,
    },
    /// The cluster has changed its mind about the node since.
    #[error("{node} is in epoch {have}, and this was asked for in {asked}")]
    OtherEpoch {
        /// Whose.
        node: Name,
        /// Which it is.
        have: Epoch,
        /// Which it was.
        asked: Epoch,
    },
    /// The ACLs do not allow it.
    #[error("{0}")]
    Denied(String),
}

impl State {
    /// An empty cluster, with this document.
    #[must_use]
    pub fn new(cib: Element) -> Self {
        let mut cib = cib;
        cib::blank::strip(&mut cib);
        Self {
            cib,
            members: Members::default(),
            leader: None,
            led: 0,
            applied: 0,
            time: Wall::default(),
            waiting: BTreeMap::new(),
            fencings: VecDeque::new(),
            private: BTreeMap::new(),
        }
    }

    /// The document.
    #[must_use]
    pub fn cib(&self) -> &Element {
        &self.cib
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::of(&self.cib).unwrap_or_default()
    }

    /// Who belongs to the cluster.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The DC.
    #[must_use]
    pub fn leader(&self) -> Option<&Name> {
        self.leader.as_ref()
    }

    /// The index of the entry by which it leads: it names this leadership, and no other.
    #[must_use]
    pub fn led(&self) -> u64 {
        self.led
    }

    /// The index of the entry applied last.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The latest time any proposer told.
    #[must_use]
    pub fn time(&self) -> Wall {
        self.time
    }

    /// The fencings of late, the oldest first.
    pub fn fencings(&self) -> impl DoubleEndedIterator<Item = &Fencing> {
        self.fencings.iter()
    }

    /// When the next attribute is to be written: somebody has to propose it then.
    #[must_use]
    pub fn settle_at(&self) -> Option<Wall> {
        self.waiting.values().map(|it| it.due).min()
    }

    /// Applies an entry. One that was applied already (its index is not new) changes nothing.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Outcome {
        if index <= self.applied {
            return Outcome::Unchanged;
        }
        self.applied = index;
        // Proposers' clocks may differ; what depends on time only ever sees it go on.
        self.time = self.time.max(entry.at);
        match self.change(entry, &entry.operation) {
            Ok(true) => Outcome::Done(self.version().into()),
            Ok(false) => Outcome::Unchanged,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    fn change(&mut self, entry: &Entry, operation: &Operation) -> Result<bool, Refusal> {
        match operation {
            Operation::Cib { expect, change } => {
                let have = self.version().into();
                if let Some(expected) = expect.filter(|expected| *expected != have) {
                    return Err(Refusal::Conflict { have, expected });
                }
                let new = document::changed(&self.cib, change)?;
                let changed = new != self.cib;
                self.cib = new;
                Ok(changed)
            }
            Operation::Record(record) => self.record(record),
            Operation::Records(records) => self.records(records),
            Operation::Forget { node, resource } => {
                let member = self.member(node)?;
                let id = member.id.clone();
                let changed = record::forget(&mut self.cib, &id, resource.as_ref());
                let counts = resource.as_ref().is_some_and(|it| self.forget_failures(node, it));
                self.touched(changed);
                Ok(changed || counts)
            }
            Operation::Absolve { node, resource } => {
                self.member(node)?;
                Ok(self.forget_failures(node, resource))
            }
            Operation::Attribute { node, name, value, dampen } => {
                self.attribute(node, name, value.as_deref(), *dampen)
            }
            Operation::Settle => Ok(self.settle()),
            Operation::Admit { node, id, role, lease } => self.admit(node, id, *role, *lease),
            Operation::Expel { node } => self.expel(node),
            Operation::Verdict { node, life, verdict } => self.verdict(node, *life, *verdict),
            Operation::Lead { node } => {
                let id = self.member(node)?.id.clone();
                let news = self.leader.as_ref() != Some(node);
                (self.leader, self.led) = (Some(node.clone()), self.applied);
                let before = (self.cib.get("dc-uuid"), self.cib.get("have-quorum"));
                if before != (Some(&*id), Some("1")) {
                    self.cib.set("dc-uuid", &id);
                    self.cib.set("have-quorum", "1");
                    self.touched(true);
                }
                Ok(news)
            }
            Operation::Fenced(fenced) => self.fenced(entry.at, fenced),
            Operation::As { user, groups, operation } => {
                self.change_as(entry, user, groups, operation)
            }
            Operation::Private { node, name, value } => self.keep(node, name, value.as_deref()),
        }
    }

    /// The status changed: the version says so.
    pub(crate) fn touched(&mut self, really: bool) {
        if really {
            self.version().bumped(Touched::Status).write(&mut self.cib);
        }
    }

    pub(crate) fn member(&self, node: &Name) -> Result<&Member, Refusal> {
        self.members.get(node).ok_or_else(|| Refusal::NoMember(node.clone()))
    }

    /// Whether what was done in this life of a node still counts.
    #[must_use]
    pub fn counts(&self, node: &Name, life: Life) -> bool {
        self.members.get(node).is_some_and(|member| {
            let over = matches!(
                member.standing,
                Standing::Absent | Standing::Lost(Cleared::Fenced | Cleared::LeaseOver)
            );
            (member.life == life && !over) || base::planted!(OldLifeCounts)
        })
    }

    fn record(&mut self, record: &Record) -> Result<bool, Refusal> {
        let changed = self.write(record)?;
        self.touched(changed);
        Ok(changed)
    }

    /// Those that count are taken; it is refused if none does.
    fn records(&mut self, records: &[Record]) -> Result<bool, Refusal> {
        let (mut changed, mut counts, mut refused) = (false, false, None);
        for record in records {
            match self.write(record) {
                Ok(it) => (changed, counts) = (changed | it, true),
                Err(why) => refused = Some(why),
            }
        }
        self.touched(changed);
        match refused.filter(|_| !counts) {
            Some(why) => Err(why),
            None => Ok(changed),
        }
    }

    fn write(&mut self, record: &Record) -> Result<bool, Refusal> {
        let id = self.member(&record.node)?.id.clone();
        if !self.counts(&record.node, record.life) {
            return Err(Refusal::OtherLife { node: record.node.clone(), life: record.life });
        }
        let fatal = option(&self.cib, "start-failure-is-fatal");
        let fatal = fatal.is_none_or(|word| cib::value::truth(word) != Some(false));
        let fresh = record::fresh(&self.cib, &id, record);
        let changed = record::write(&mut self.cib, &id, record, &fresh);
        let mut failures = false;
        for result in fresh {
            failures |= attributes::count_failure(&mut self.cib, &id, record, result, fatal);
        }
        Ok(changed || failures)
    }

    fn admit(
        &mut self,
        node: &Name,
        id: &Name,
        role: Role,
        lease: Duration,
    ) -> Result<bool, Refusal> {
        if let Some((other, _)) =
            self.members.iter().find(|(name, it)| it.id == *id && *name != node)
        {
            return Err(Refusal::Bad(format!(
                "{other} has the id {id} already: give {node} another"
            )));
        }
        if let Some(known) = self.members.0.get_mut(node) {
            let same = (&known.id, known.role, known.lease) == (id, role, lease);
            // Never shorter while one under the old terms may run: the longer of both counts until
            // it is heard in its next life.
            (known.id, known.role, known.lease) = (id.clone(), role, known.lease.max(lease));
            return Ok(!same);
        }
        self.members.0.insert(
            node.clone(),
            Member {
                id: id.clone(),
                role,
                lease,
                standing: Standing::Absent,
                life: Life(0),
                epoch: Epoch(0),
                since: self.applied,
            },
        );
        if role != Role::Witness {
            let configured = status::configure(&mut self.cib, node, id);
            // It is known to be down: who was never seen would be fenced as one that nobody knows.
            status::tell(&mut self.cib, node, id, Standing::Absent, true);
            let part = if configured { Touched::Configuration } else { Touched::Status };
            self.version().bumped(part).write(&mut self.cib);
        }
        Ok(true)
    }

    fn expel(&mut self, node: &Name) -> Result<bool, Refusal> {
        let member = self.member(node)?;
        if matches!(member.standing, Standing::Alive | Standing::Lost(Cleared::No)) {
            return Err(Refusal::Bad(format!(
                "{node} may hold resources: stop it, or have it fenced, and then expel it"
            )));
        }
        let id = member.id.clone();
        self.members.0.remove(node);
        self.drop_attributes(node);
        if status::forget_node(&mut self.cib, node, &id) {
            self.version().bumped(Touched::Configuration).write(&mut self.cib);
        }
        Ok(true)
    }

    fn verdict(&mut self, node: &Name, life: Life, verdict: Verdict) -> Result<bool, Refusal> {
        let member = self.member(node)?.clone();
        let other_life = || Refusal::OtherLife { node: node.clone(), life };
        let standing = match verdict {
            Verdict::Alive => {
                // A life that was declared over does not begin again: what was started elsewhere
                // since would be there twice.
                let over = matches!(
                    member.standing,
                    Standing::Lost(Cleared::Fenced | Cleared::LeaseOver) | Standing::Absent
                );
                if over && member.life == life {
                    return Err(other_life());
                }
                Standing::Alive
            }
            Verdict::Lost | Verdict::Left | Verdict::LeaseOver(_) if member.life != life => {
                return Err(other_life());
            }
            Verdict::Lost if member.standing == Standing::Alive => Standing::Lost(Cleared::No),
            Verdict::Lost => return Ok(false),
            Verdict::Left if member.standing == Standing::Alive => Standing::Absent,
            Verdict::Left => return Ok(false),
            Verdict::LeaseOver(epoch) if epoch != member.epoch => {
                let (node, have) = (node.clone(), member.epoch);
                return Err(Refusal::OtherEpoch { node, have, asked: epoch });
            }
            Verdict::LeaseOver(_) if member.standing == Standing::Lost(Cleared::No) => {
                Standing::Lost(Cleared::LeaseOver)
            }
            Verdict::LeaseOver(_) => return Ok(false),
        };
        let fresh = member.life != life;
        Ok(self.turn(node, standing, life, fresh))
    }

    /// Gives a member another standing, and its state in the document with it.
    fn turn(&mut self, node: &Name, standing: Standing, life: Life, fresh: bool) -> bool {
        let index = self.applied;
        let Some(member) = self.members.0.get_mut(node) else { return false };
        if !member.turn(standing, life, index) {
            return false;
        }
        let (id, role) = (member.id.clone(), member.role);
        if role != Role::Witness {
            status::tell(&mut self.cib, node, &id, standing, fresh);
            self.touched(true);
        }
        if standing != Standing::Alive || fresh {
            self.drop_attributes(node);
        }
        true
    }

    fn fenced(&mut self, at: Wall, fenced: &Fenced) -> Result<bool, Refusal> {
        let member = self.member(&fenced.node)?.clone();
        let stale = fenced.epoch != member.epoch;
        if self.fencings.len() >= FENCINGS {
            self.fencings.pop_front();
        }
        self.fencings.push_back(Fencing { at, fenced: fenced.clone(), stale });
        if stale {
            let (node, have) = (fenced.node.clone(), member.epoch);
            return Err(Refusal::OtherEpoch { node, have, asked: fenced.epoch });
        }
        if fenced.error.is_some() {
            return Ok(true);
        }
        match fenced.action {
            FenceAction::Off | FenceAction::Reboot => {
                let down = Standing::Lost(Cleared::Fenced);
                self.turn(&fenced.node, down, member.life, false);
            }
            FenceAction::On => {
                let name = "#node-unfenced";
                let when = at.seconds().to_string();
                let changed =
                    attributes::set(&mut self.cib, &fenced.node, &member.id, name, Some(&when));
                self.touched(changed);
            }
        }
        Ok(true)
    }
}
