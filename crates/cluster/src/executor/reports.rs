//! What an executor has to tell: gathered while much of it is under way, offered until it is committed.
//!
//! Each report is a change of the replicated state, which costs every node a write to its disk. One that
//! comes alone leaves at once. While some are on their way, what comes next waits for the first of them to
//! be committed, and then leaves together: how much is told at a time follows from how fast it is taken.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Instant;

use crate::operation::{Operation, Record};

/// After this a report that was not confirmed is offered again.
const AGAIN: Duration = Duration::from_millis(500);
/// So many may be under way before others are gathered.
const UNDER_WAY: usize = 2;
/// No more records than this in one.
const TOGETHER: usize = 100;

#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    gathered: Vec<Record>,
    sent: BTreeMap<u64, (Operation, Instant)>,
    last: u64,
}

impl Reports {
    /// Gathers a record; [`Self::leave`] lets it go.
    pub(super) fn gather(&mut self, record: Record) {
        self.gathered.push(record);
    }

    /// Offers something by itself, after all that was gathered until now.
    pub(super) fn offer(&mut self, now: Instant, operation: Operation) {
        self.leave_all(now);
        self.send(now, operation);
    }

    /// It was committed, or refused for good.
    pub(super) fn taken(&mut self, number: u64) {
        self.sent.remove(&number);
    }

    /// Lets go what may go now.
    pub(super) fn leave(&mut self, now: Instant) {
        while self.sent.len() < UNDER_WAY && !self.gathered.is_empty() {
            self.leave_some(now);
        }
    }

    /// Lets go everything.
    pub(super) fn leave_all(&mut self, now: Instant) {
        while !self.gathered.is_empty() {
            self.leave_some(now);
        }
    }

    fn leave_some(&mut self, now: Instant) {
        let many = self.gathered.len().min(TOGETHER);
        let records: Vec<Record> = self.gathered.drain(..many).collect();
        let operation = match <[Record; 1]>::try_from(records) {
            Ok([one]) => Operation::Record(one),
            Err(records) => Operation::Records(records),
        };
        self.send(now, operation);
    }

    fn send(&mut self, now: Instant, operation: Operation) {
        self.last += 1;
        // Due at once: it was never offered.
        self.sent.insert(self.last, (operation, now));
    }

    /// What is to be offered now, for the first time or again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(u64, Operation)> {
        let late = self.sent.iter_mut().filter(|(_, (_, at))| *at <= now);
        late.map(|(number, (operation, at))| {
            *at = now + AGAIN;
            (*number, operation.clone())
        })
        .collect()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.sent.values().map(|(_, at)| *at).min()
    }

    /// The number of the last one that was let go.
    pub(super) fn newest(&self) -> u64 {
        self.last
    }

    /// Whether one up to this number is not committed yet.
    pub(super) fn owes(&self, number: u64) -> bool {
        self.sent.range(..=number).next().is_some()
    }

    /// How many are not committed yet.
    pub(super) fn open(&self) -> usize {
        self.sent.len() + self.gathered.len()
    }
}
