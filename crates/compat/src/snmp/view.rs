//! All objects of one moment, in the order of their names.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use base::{Instant, Mac, Name, Reason};

use super::facts::Facts;
use super::{Cell, Oid, Value, below, instances, rfc, trackers, ways};
use crate::Snapshot;

/// An interface, as numbers of SNMP need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
}

/// What of an instance's past nobody else remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// Since when it takes part.
    pub since: Option<Instant>,
    /// Why it last became Active.
    pub because: Option<Reason>,
    /// What was last wrong with a packet, by RFC 6527's numbers.
    pub error: u8,
}

/// A moment, with what only SNMP asks for.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The moment.
    pub snapshot: &'a Snapshot<'a>,
    /// What the configuration says.
    pub facts: &'a Facts,
    /// Interfaces by name.
    pub links: &'a BTreeMap<Name, Link>,
    /// By instance.
    pub marks: &'a BTreeMap<Name, Mark>,
    /// How long before the moment the master agent's clock began.
    pub uptime: Duration,
}

impl Scene<'_> {
    pub(super) fn link(&self, name: &Name) -> Option<Link> {
        self.links.get(name).copied()
    }

    pub(super) fn mark(&self, name: &Name) -> Mark {
        self.marks.get(name).copied().unwrap_or_default()
    }
}

/// The objects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View(BTreeMap<Oid, Value>);

impl View {
    /// All that is answered at this moment.
    #[must_use]
    pub fn of(scene: &Scene<'_>) -> Self {
        let mut view = Self::default();
        let answers = scene.facts.answers;
        if answers.vrrp {
            view.0.extend(scene.facts.globals.iter().cloned());
            instances::groups(&mut view, scene);
            instances::instances(&mut view, scene);
            trackers::tables(&mut view, scene);
            ways::tables(&mut view, scene);
        }
        if answers.rfc_v2 {
            rfc::version_2(&mut view, scene);
        }
        if answers.rfc_v3 {
            rfc::version_3(&mut view, scene);
        }
        view
    }

    /// The object of this very name.
    #[must_use]
    pub fn get(&self, name: &[u32]) -> Option<&Value> {
        self.0.get(name)
    }

    /// The first object behind `start`, or there if it is to count, and before `end` if that is not
    /// empty.
    #[must_use]
    pub fn next(&self, start: &[u32], include: bool, end: &[u32]) -> Option<(&Oid, &Value)> {
        let from = if include { Bound::Included(start) } else { Bound::Excluded(start) };
        let (name, value) = self.0.range::<[u32], _>((from, Bound::Unbounded)).next()?;
        (end.is_empty() || name.as_slice() < end).then_some((name, value))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Oid, &Value)> {
        self.0.iter()
    }

    pub(super) fn put(&mut self, name: Oid, value: Value) {
        self.0.insert(name, value);
    }

    /// A row of the table whose entries are named `entry`.
    pub(super) fn row(
        &mut self,
        entry: &[u32],
        index: &[u32],
        cells: impl IntoIterator<Item = Cell>,
    ) {
        for (column, value) in cells {
            self.put([entry, &[column], index].concat(), value);
        }
    }

    /// A row of a table of keepalived's, below `vrrp`.
    pub(super) fn vrrp_row(
        &mut self,
        table: u32,
        index: &[u32],
        cells: impl IntoIterator<Item = Cell>,
    ) {
        self.row(&below(super::KEEPALIVED, &[2, table, 1]), index, cells);
    }
}
