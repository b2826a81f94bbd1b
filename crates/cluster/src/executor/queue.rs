//! One resource on one node: what runs, what waits, what is repeated, and what is believed of it.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use super::CallDone;
use crate::controller::Order;
use crate::operation::OpStatus;

/// What may be held here. In doubt, more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Held {
    /// Nothing, as far as is known.
    #[default]
    No,
    /// It is started, or may be.
    Started,
    /// It is promoted, or may be.
    Promoted,
}

/// A call on its way.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) order: Order,
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) queued: Duration,
    pub(super) killed: bool,
    /// It was cancelled meanwhile: its result is of no interest.
    pub(super) forget: bool,
    /// It changes something, and when that is told while it runs.
    pub(super) untold: Option<Instant>,
}

/// A monitor that is repeated.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    order: Order,
    due: Instant,
    /// What was reported last.
    pub(super) told: Option<(i32, OpStatus)>,
}

/// One resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    pub(super) held: Held,
    pub(super) running: Option<Running>,
    pub(super) queue: VecDeque<(Order, Instant)>,
    /// By operation and interval.
    pub(super) monitors: BTreeMap<(Name, u64), Monitor>,
    /// Monitors that ended and were not told of yet.
    pub(super) ended: Vec<(Name, u64)>,
    /// The last action that changed something: how it is stopped without being told how.
    pub(super) like: Option<Order>,
    /// The last stop failed: trying again without being told to would change nothing.
    pub(super) gave_up: bool,
}

impl Resource {
    /// What is to be done next: what waits, else a monitor that is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Order, Instant)> {
        if let Some(next) = self.queue.pop_front() {
            return Some(next);
        }
        let due = self.monitors.values_mut().filter(|it| it.due <= now).min_by_key(|it| it.due)?;
        Some((due.order.clone(), due.due))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        match &self.running {
            Some(run) if run.killed => Some(run.until + super::GRACE),
            Some(run) => Some(run.untold.map_or(run.until, |at| at.min(run.until))),
            None => self.monitors.values().map(|it| it.due).min(),
        }
    }

    pub(super) fn end_monitors(&mut self) {
        self.ended.extend(core::mem::take(&mut self.monitors).into_keys());
    }

    /// What a result says about what is held.
    pub(super) fn learn(&mut self, order: &Order, done: &CallDone) {
        let well = done.status == OpStatus::Done && done.rc == 0;
        match (&*order.operation, well) {
            ("start" | "migrate_from", true) => self.held = Held::Started,
            ("promote", _) => self.held = Held::Promoted,
            ("demote", true) => self.held = Held::Started,
            ("stop" | "migrate_to", true) => self.held = Held::No,
            ("monitor", _) if done.status == OpStatus::Done => match done.rc {
                0 => self.held = Held::Started,
                7 => self.held = Held::No,
                8 | 9 => self.held = Held::Promoted,
                _ => self.held = self.held.max(Held::Started),
            },
            // A start that failed may have got anywhere.
            _ => {}
        }
        if self.held != Held::No && self.like.is_none() {
            self.like = Some(order.clone());
        }
        self.gave_up = !well && matches!(&*order.operation, "stop" | "demote");
    }

    /// Keeps a recurring monitor going; whether its result is news.
    pub(super) fn keep(&mut self, now: Instant, order: &Order, done: &CallDone) -> bool {
        if order.interval == 0 {
            return true;
        }
        let at = (order.operation.clone(), order.interval);
        let told = Some((done.rc, done.status));
        let due = now + Duration::from_millis(order.interval);
        match self.monitors.get_mut(&at) {
            Some(known) if known.order.key == order.key => {
                let news = known.told != told;
                (known.due, known.told) = (due, told);
                news
            }
            _ => {
                self.monitors.insert(at, Monitor { order: order.clone(), due, told });
                true
            }
        }
    }
}
