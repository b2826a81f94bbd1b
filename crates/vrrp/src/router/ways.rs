//! Routes and rules that move with the VIPs, and what stays from start to stop whatever the
//! instances do.
//!
//! What stays has a holder of its own, which holds until the stop. A track group is a tracker like
//! any other: its verdict is whether all that names it is there, and is formed here, because nobody
//! else knows.

use base::{Instant, Reason, Subject, Tracker, TrackerKind, Verdict, Vip, Way, What};
use serde::{Deserialize, Serialize};
use vip::announcer::Pace;
use vip::ways::{self, Managed};
use vip::{HolderId, keeper};

use super::{Filtering, Router};
use crate::config::Config;

/// Who holds what stays. Instances are numbered from zero.
const STATICS: HolderId = HolderId(u32::MAX - 1);

/// What is held from start to stop.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Statics {
    /// Addresses.
    pub vips: Vec<Vip>,
    /// Routes and rules, in the order of installation.
    pub ways: Vec<Managed>,
    /// Groups that are good while all of theirs is there.
    pub groups: Vec<TrackGroup>,
    /// How fast announcements may follow each other on some interfaces together.
    pub paces: Vec<Pace>,
    /// How VIPs are filtered that take no traffic.
    pub filtering: Filtering,
}

/// A track group and what it is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackGroup {
    /// Its name.
    pub name: base::Name,
    /// Its addresses.
    pub vips: Vec<Vip>,
    /// Its routes and rules.
    pub ways: Vec<Way>,
}

impl Router {
    /// Takes over what stays; what is the same is left as it is.
    pub(super) fn set_statics(&mut self, now: Instant, statics: Statics) {
        let stays = self.stopping.is_none();
        let Statics { vips, ways, groups, paces, filtering } = statics;
        self.paces = paces;
        self.filter.set(filtering);
        let (some_vips, some_ways) = (!vips.is_empty(), !ways.is_empty());
        self.keeper.handle(now, keeper::Input::Manage { holder: STATICS, vips });
        if some_vips && stays {
            self.keeper.handle(now, keeper::Input::Hold { holder: STATICS });
        }
        self.ways.handle(now, ways::Input::Manage { holder: STATICS, ways });
        if some_ways {
            self.ways.handle(now, ways::Input::Hold { holder: STATICS, holds: stays });
        }
        self.track_groups = groups;
    }

    /// Lets go of what stays: the daemon stops.
    pub(super) fn release_statics(&mut self, now: Instant) {
        self.ways.handle(now, ways::Input::Hold { holder: STATICS, holds: false });
        self.keeper.handle(now, keeper::Input::Release { holder: STATICS });
        self.track_groups.clear();
    }

    /// Forms the verdicts of track groups; whether one has changed.
    pub(super) fn judge_statics(&mut self, now: Instant) -> bool {
        if !self.links.known() {
            // What has no interface yet may find one.
            return false;
        }
        let mut news = Vec::new();
        for group in &self.track_groups {
            let tracker = Tracker { kind: TrackerKind::Static, name: group.name.clone() };
            let there = group.vips.iter().all(|vip| self.keeper.has(vip))
                && group.ways.iter().all(|way| self.ways.is_present(way));
            let missing = || {
                group.vips.iter().any(|vip| self.keeper.lacks(vip))
                    || group.ways.iter().any(|way| self.ways.is_missing(way))
            };
            let before = self.verdicts.get(&tracker).copied().unwrap_or_default();
            let verdict = match before {
                _ if there => Verdict::Good,
                _ if missing() => Verdict::Bad,
                // Being put back, or on its way for the first time.
                before => before,
            };
            if verdict != before {
                news.push((tracker, verdict));
            }
        }
        let changed = !news.is_empty();
        for (tracker, verdict) in news {
            self.hear_verdict(now, tracker, verdict);
        }
        changed
    }

    /// Tells the machine of ways what an instance may hold.
    pub(super) fn instruct_ways(&mut self, now: Instant, holder: HolderId, config: &Config) {
        let ways = config.ways.clone();
        self.ways.handle(now, ways::Input::Manage { holder, ways });
    }

    /// Whether it holds now. Said again whenever its list is new.
    pub(super) fn hold_ways(&mut self, now: Instant, holder: HolderId, holds: bool) {
        self.ways.handle(now, ways::Input::Hold { holder, holds });
    }

    /// What is to go before any address does.
    pub(super) fn remove_ways(&mut self) {
        while let Some(batch) = self.ways.poll_removal() {
            self.out.ways(batch);
        }
    }

    /// What is to come after all addresses, and what there is to tell.
    pub(super) fn add_ways(&mut self, now: Instant) {
        while let Some(batch) = self.ways.poll_addition() {
            self.out.ways(batch);
        }
        while let Some(output) = self.ways.poll_output() {
            let (holder, what, reason) = match output {
                ways::Output::PutBack { holder, way } => {
                    (holder, What::WayPutBack { way: way.to_string() }, Reason::ForeignChange)
                }
                ways::Output::Refused { holder, way, errno } => {
                    (holder, What::WayRefused { way: way.to_string(), errno }, Reason::Kernel)
                }
            };
            if holder == STATICS {
                self.out.event(now, Subject::Node, what, reason, []);
            } else {
                self.tell(now, holder, what, reason, None);
            }
        }
    }
}
