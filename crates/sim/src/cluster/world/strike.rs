//! One fault strikes: whom, for how long, and what it does.

use base::Wall;
use cluster::Role;
use cluster::node::Input;

use super::{MOVE, World, count};
use crate::cluster::document::{self, RESOURCES};
use crate::cluster::fault::{FaultKind, Situation};

impl World {
    fn situation(&self, at: usize) -> Situation {
        let seat = &self.seats[at];
        match &seat.alive {
            Some((node, _)) if node.status(seat.clock(self.millis)).directing => {
                Situation::Director
            }
            Some(_) if seat.served(self.millis).next().is_some() => Situation::Holder,
            Some(_) => Situation::Idle,
            None => Situation::Absent,
        }
    }

    /// Whom a fault strikes: the DC more often than others.
    fn victim(&mut self) -> usize {
        let directs = |at: &usize| self.situation(*at) == Situation::Director;
        let director = (0..self.seats.len()).find(directs);
        director.filter(|_| self.random.chance(300)).unwrap_or_else(|| self.any())
    }

    pub(super) fn strike(&mut self) {
        let kind =
            self.kinds[usize::try_from(self.random.below(count(self.kinds.len()))).unwrap_or(0)];
        let (at, other) = (self.victim(), self.any());
        let shortest = if self.random.chance(300) { 10 } else { 100 };
        let lasts = shortest + self.random.below(shortest * 30);
        let (millis, until) = (self.millis, self.millis + lasts);
        self.coverage.count(kind, self.situation(at));
        self.note(&format!("{} on n{at} (n{other}) for {lasts} ms", kind.name()));
        match kind {
            FaultKind::HostCrash => self.seats[at].crash(Some(until), true),
            FaultKind::Blackout => {
                for seat in 0..self.seats.len() {
                    let back = until + self.random.below(500);
                    self.seats[seat].crash(Some(back), true);
                }
            }
            // Without power no process comes back.
            FaultKind::ProcessKill | FaultKind::Disk if self.seats[at].alive.is_none() => {}
            FaultKind::ProcessKill => self.seats[at].crash(Some(until), false),
            FaultKind::Stall => self.seats[at].stands_until = until,
            FaultKind::Isolation => {
                for peer in 0..self.seats.len() {
                    self.cut(at, peer, until);
                    self.cut(peer, at, until);
                }
                self.alone.insert(at, (millis, until));
            }
            FaultKind::OneWay => {
                self.cut(at, other, until);
            }
            FaultKind::Loss => self.seats[at].lossy_until = until,
            FaultKind::Delay => self.seats[at].late_until = until,
            FaultKind::SlowDisk => {
                let most = 20 + self.random.below(400);
                let until = self.seats[at].clock(until);
                if let Some((_, engine)) = &mut self.seats[at].alive {
                    engine.slow_disk(until, most);
                }
            }
            FaultKind::Beats => self.seats[at].mute_until = until,
            FaultKind::Disk => {
                if let Some((_, engine)) = &mut self.seats[at].alive {
                    engine.break_disk("no space left on device");
                }
                self.work(at);
            }
            FaultKind::ClockStep => {
                let now = self.seats[at].clock(millis);
                let wall = Wall::new(100 + self.random.below(100_000), 0);
                if let Some((node, _)) = &mut self.seats[at].alive {
                    node.handle(now, Input::Wall(wall));
                }
            }
            FaultKind::FenceFails => self.fence_fails_until = until,
            FaultKind::Move => {
                let resource = self.random.below(count(RESOURCES));
                if self.seats[other].role != Role::Witness {
                    let operation = document::moved(resource, &self.seats[other].name);
                    self.submit(at, MOVE, operation);
                }
            }
        }
    }

    pub(super) fn cut(&mut self, from: usize, to: usize, until: u64) {
        let cut = self.cuts.entry((from, to)).or_default();
        *cut = until.max(*cut);
    }
}
