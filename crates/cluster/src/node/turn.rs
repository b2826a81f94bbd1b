//! One turn of a node: what time brings about, and what its machines want of each other.

use core::time::Duration;

use base::{Instant, Name};

use super::courier::Parcel;
use super::{ByHand, Message, Node, Origin, Output, draw};
use crate::controller;
use crate::executor::{self, Executor};
use crate::fencer::{self, Ask};
use crate::lease::{Holder, May};
use crate::liveness::{self, Liveness};
use crate::operation::{Life, Operation, Verdict};

/// After this something proposed in vain is proposed again.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

impl Node {
    /// When to look again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let parts = [
            self.liveness.poll_timeout(),
            self.holder.poll_timeout(),
            self.controller.poll_timeout(),
            self.executor.poll_timeout(),
            self.fencer.poll_timeout(),
            self.courier.poll_timeout(),
            self.over_at.filter(|_| self.directs.is_some()),
            self.lead_at,
            self.roll_at.filter(|_| self.roll.is_some() && self.is_engines_leader()),
            self.part_at,
            self.settle_at.filter(|_| self.directs.is_some()),
        ];
        let again = self.again.iter().map(|(at, ..)| *at);
        parts.into_iter().flatten().chain(again).min()
    }

    pub(super) fn turn(&mut self, now: Instant) {
        self.hold(now);
        self.obey(now);
        self.call_roll(now);
        self.lead(now);
        self.executor.handle(now, executor::Input::Tick);
        if self.directs.is_some() {
            self.judge(now);
            self.settle(now);
            self.direct(now, controller::Input::Tick);
            self.fencer.handle(now, fencer::Input::Tick);
            for parcel in self.courier.due(now, &self.state) {
                self.deliver(now, parcel);
            }
        }
        self.liveness.handle(now, liveness::Input::Tick);
        while self.drain(now) {}
        self.part(now);
        self.be_reborn(now);
    }

    /// Asks for the lease, and lets the executor do what it allows.
    fn hold(&mut self, now: Instant) {
        if self.is_witness() || self.gone {
            return;
        }
        let over = self.ended || self.is_over();
        if over {
            self.holder.surrender();
        } else if let Some(request) = self.holder.ask(now) {
            match self.leadership.leader.clone() {
                Some(leader) if leader == self.config.node => {
                    if let Some(grant) = self.grant(now, &request) {
                        self.holder.granted(now, &grant);
                    }
                }
                Some(leader) => {
                    self.outputs.push_back(Output::Send(leader, Message::Request(request)));
                }
                None => {}
            }
        }
        let ends = self.holder.ends(now);
        if ends != self.lease_told {
            self.lease_told = ends;
            self.outputs.push_back(Output::Lease(ends));
        }
        let may = match over {
            // It goes, and what it ran stays as it is.
            true if !self.ended && self.leaving && self.is_left_alone() => May::Keep,
            true => May::Release,
            false => self.holder.may(now),
        };
        self.executor.handle(now, executor::Input::May(may));
    }

    /// Says that it obeys, when all it did before is known.
    fn obey(&mut self, now: Instant) {
        let (decided, report) = self.decided;
        if self.knows < decided && !self.executor.owes(report) {
            self.knows = decided;
            self.liveness.handle(now, liveness::Input::Knows(decided));
        }
    }

    /// Tells the cluster that this node leads, and again what it said in vain.
    fn lead(&mut self, now: Instant) {
        if self.lead_at.is_some_and(|at| at <= now) {
            self.lead_at = None;
            let node = self.config.node.clone();
            self.propose(now, Operation::Lead { node }, Origin::Lead);
        }
        let (due, rest): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.again).into_iter().partition(|(at, ..)| *at <= now);
        self.again = rest;
        for (_, led, operation) in due {
            if self.directs == Some(led) {
                self.propose(now, operation.clone(), Origin::Directing(led, operation));
            }
        }
    }

    /// Declares leases over that are, and sees whether everybody obeys.
    fn judge(&mut self, now: Instant) {
        let unsettled = self.unsettled().next().is_some();
        self.direct(now, controller::Input::Unsettled(unsettled));
        let ends = |node: &Name, lease| {
            if base::planted!(LeaseNotWaitedFor) {
                return Some(now);
            }
            self.grantor.over_at(node, lease)
        };
        let doubt: Vec<_> = self
            .state
            .members()
            .in_doubt()
            .filter_map(|(node, it)| Some((ends(node, it.lease)?, node.clone(), it.life, it.epoch)))
            .collect();
        let next = doubt.iter().map(|it| it.0).min();
        let asked = self.over_at.filter(|at| *at > now);
        self.over_at = match (next, asked) {
            (Some(next), Some(asked)) if next <= now => Some(asked),
            (Some(next), _) => Some(next.max(now + AGAIN.min(next.since(now)))),
            (None, _) => None,
        };
        if asked.is_some() && next.is_none_or(|next| next <= now) {
            return;
        }
        for (at, node, life, epoch) in doubt {
            if at <= now {
                self.over_at = Some(now + AGAIN);
                let verdict = Verdict::LeaseOver(epoch);
                self.propose(now, Operation::Verdict { node, life, verdict }, Origin::Once);
            }
        }
    }

    /// Has attributes written that have waited long enough, by the clock of those who set them.
    fn settle(&mut self, now: Instant) {
        let waits =
            self.settle_at.is_some_and(|at| at > now) && self.settling == self.state.settle_at();
        if waits {
            return;
        }
        self.settling = self.state.settle_at();
        let Some(due) = self.settling else {
            self.settle_at = None;
            return;
        };
        let wall = self.wall.at(now);
        if due > wall {
            self.settle_at = Some(now + due.distance(wall));
        } else {
            self.settle_at = Some(now + AGAIN);
            self.propose(now, Operation::Settle, Origin::Once);
        }
    }

    fn deliver(&mut self, now: Instant, parcel: Parcel) {
        let to = parcel.order.via.clone();
        if to == self.config.node {
            self.ordered(now, to, parcel);
        } else {
            self.outputs.push_back(Output::Send(to, Message::Order(parcel)));
        }
    }

    /// Carries what the machines want; whether anything was.
    fn drain(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(output) = self.liveness.poll_output() {
            any = true;
            match output {
                liveness::Output::Send { to, link, heartbeat } => {
                    self.outputs.push_back(Output::Send(to, Message::Heartbeat(link, heartbeat)));
                }
                liveness::Output::Propose { node, life, verdict } => {
                    self.propose(now, Operation::Verdict { node, life, verdict }, Origin::Once);
                }
            }
        }
        while let Some(output) = self.executor.poll_output() {
            any = true;
            match output {
                executor::Output::Call(call) => self.outputs.push_back(Output::Call(call)),
                executor::Output::Kill(number) => self.outputs.push_back(Output::Kill(number)),
                executor::Output::Report(number, operation) => {
                    self.propose(now, operation, Origin::Report(number));
                }
            }
        }
        while let Some(output) = self.controller.poll_output() {
            any = true;
            self.directed(now, output);
        }
        while let Some(output) = self.fencer.poll_output() {
            any = true;
            match output {
                fencer::Output::Call(call) => self.outputs.push_back(Output::FenceCall(call)),
                fencer::Output::Kill(number) => self.outputs.push_back(Output::FenceKill(number)),
                fencer::Output::Report(operation) => self.propose_directing(now, operation),
                fencer::Output::Monitored(..) => {}
            }
        }
        any
    }

    /// Has the leader do what somebody wants about a node's power.
    pub(super) fn by_hand(&mut self, now: Instant, wish: ByHand) {
        if self.directs.is_none() {
            if let Some(leader) = self.leadership.leader.clone().filter(|it| *it != wish.by) {
                self.outputs.push_back(Output::Send(leader, Message::ByHand(wish)));
            }
            return;
        }
        let Some(member) = self.state.members().get(&wish.node) else { return };
        let (node, origin) = (wish.node, wish.by);
        let input = match wish.action {
            None => fencer::Input::Confirmed { node, by: origin },
            Some(action) => {
                let (epoch, delay, timeout) = (member.epoch, Duration::ZERO, wish.timeout);
                fencer::Input::Ask(Ask { node, epoch, action, timeout, delay, origin })
            }
        };
        self.fencer.handle(now, input);
    }

    fn propose_directing(&mut self, now: Instant, operation: Operation) {
        if let Some(led) = self.directs {
            self.propose(now, operation.clone(), Origin::Directing(led, operation));
        }
    }

    fn directed(&mut self, now: Instant, output: controller::Output) {
        match output {
            controller::Output::Plan(number) => self.outputs.push_back(Output::Plan(number)),
            controller::Output::Execute(order) => {
                if let Some(parcel) = self.courier.send(now, &self.state, order) {
                    self.deliver(now, parcel);
                }
            }
            controller::Output::Fence { node, epoch, action, timeout } => {
                let (delay, origin) = (Duration::ZERO, self.config.node.clone());
                let ask = Ask { node, epoch, action, timeout, delay, origin };
                self.fencer.handle(now, fencer::Input::Ask(ask));
            }
            controller::Output::Shutdown(node) => {
                let Some(member) = self.state.members().get(&node) else { return };
                let life = member.life;
                if node == self.config.node {
                    self.leaving |= life == self.life;
                } else {
                    self.outputs.push_back(Output::Send(node, Message::LeaveLife(life)));
                }
            }
            controller::Output::Propose(operation) => self.propose_directing(now, operation),
            controller::Output::Settled(_) => {}
        }
    }

    /// A life that was declared over ends when nothing of it is left, and the next begins.
    fn be_reborn(&mut self, now: Instant) {
        if self.ended && !self.gone && self.executor.is_at_rest() {
            self.gone = true;
            self.outputs.push_back(Output::Left);
            return;
        }
        if self.gone || !self.is_over() || !self.has_let_go() {
            return;
        }
        if self.leaving {
            self.gone = true;
            self.outputs.push_back(Output::Left);
            return;
        }
        let node = self.config.node.clone();
        self.life = Life(draw(&mut self.seed));
        self.liveness = Liveness::new(node.clone(), self.life, self.config.liveness);
        let policy = super::policy(&self.state, &node);
        self.holder = Holder::new(node.clone(), self.life, self.config.lease, policy);
        self.executor = Executor::in_place_of(&self.executor, node, self.life);
        self.executor.handle(now, executor::Input::Wall(self.wall.at(now)));
        (self.decided, self.knows) = ((0, 0), 0);
        self.learn(now, false);
        self.liveness.handle(now, liveness::Input::Leading(self.directs.is_some()));
        self.outputs.push_back(Output::Reborn);
        while self.drain(now) {}
    }
}
