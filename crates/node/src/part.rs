//! How a node stops, and how it leaves for good.
//!
//! Both begin alike: the node says that it wants to stop, the cluster stops what runs here, and the node
//! says that it has left (`cluster::node`). Whoever is told to stop then ends; whoever leaves for good has
//! the engine let it go first, and nobody lives in its home any more.

use std::time::Duration;

use base::{Instant, Name};
use cluster::Operation;
use cluster::node::{Input, Message};
use cluster::seam::{Failure, Ticket};
use ui::cluster::Response;

use crate::run::{Goal, Loop, RunError, wall};
use crate::serve::Reply;

/// Stopping in good order gives up after this when nothing runs here: nobody may be there to agree.
const FAREWELL: Duration = Duration::from_secs(10);
/// And after this when there has been no leader, or no lease of one, for so long: all have stopped at
/// once, most likely.
const ALONE: Duration = Duration::from_secs(3);
/// How often that is looked at.
pub(crate) const GLANCE: Duration = Duration::from_millis(200);
/// The engine is asked so often to let this node go.
const PARTINGS: u32 = 10;

impl Loop {
    /// What became of a change of members.
    pub(crate) fn changed(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Result<u64, Failure>,
    ) -> Result<(), RunError> {
        let Some(reply) = self.changes.remove(&ticket) else { return Ok(()) };
        match (reply, answer) {
            (Some(reply), Ok(_)) => {
                reply.answer(Response::Done(self.version()));
            }
            (Some(reply), Err(failure)) => reply.answer(Response::Error(failure.to_string())),
            // This node's own parting.
            (None, Ok(_)) => self.gone()?,
            (None, Err(failure)) => {
                self.partings += 1;
                if self.partings >= PARTINGS {
                    self.refuse_parting(format!(
                        "all is stopped here, but the cluster has not let this node go: {failure}. It \
                         is still a member: start it again, or have it removed by another node"
                    ));
                } else {
                    self.part_at = Some(now + Duration::from_millis(500));
                }
            }
        }
        Ok(())
    }

    /// Told to stop: in good order if that can be, and at once when told again.
    pub(crate) fn stop(&mut self, now: Instant) {
        match &self.goal {
            // What runs here is being stopped as it is.
            Goal::Stay if self.ended.is_some() => {
                let until = now + FAREWELL;
                self.goal = Goal::Stop { forever: false, reply: None, until };
            }
            Goal::Stay => self.depart(now, false, None),
            Goal::Stop { .. } | Goal::End => self.goal = Goal::End,
        }
    }

    /// Has everything here stopped; then goes.
    pub(crate) fn depart(&mut self, now: Instant, forever: bool, reply: Option<Reply>) {
        let far = Duration::from_secs(365 * 24 * 3600);
        let until = now + if forever { far } else { FAREWELL };
        self.goal = Goal::Stop { forever, reply, until };
        let own = self.node.state().members().get(&self.home.identity.name);
        let serves = own.is_some_and(cluster::Member::serves);
        let known = self.node.status(now).leader.is_some();
        match (own.is_some(), serves, known || forever) {
            // It was never admitted.
            (false, ..) => self.left(),
            // Nobody is there to say it to; what still runs is stopped at the end of the lease.
            (_, _, false) if self.holds(now) => {}
            (_, _, false) => self.left(),
            // A witness runs nothing that would have to be stopped first.
            (true, false, _) => {
                let own = self.home.identity.name.clone();
                self.node.handle(now, Input::Message(own, Message::Leave));
            }
            (true, true, _) => {
                let (node, name) = (self.home.identity.name.clone(), Name::from("shutdown"));
                let value = Some(wall().seconds().to_string());
                let operation = Operation::Attribute { node, name, value, dampen: Duration::ZERO };
                self.submit(now, operation, None);
            }
        }
    }

    /// Nothing is left here.
    pub(crate) fn left(&mut self) {
        if self.ended.is_some() {
            self.empty = true;
            return;
        }
        match self.goal {
            Goal::Stop { forever: true, .. } => self.part(),
            Goal::Stop { .. } => self.goal = Goal::End,
            Goal::Stay | Goal::End => {}
        }
    }

    /// Has the engine let this node go.
    pub(crate) fn part(&mut self) {
        self.expel(self.home.identity.name.clone(), None);
    }

    /// This node is no member any more.
    fn gone(&mut self) -> Result<(), RunError> {
        let goal = std::mem::replace(&mut self.goal, Goal::End);
        crate::home::quit(&self.home)?;
        self.tell("left the cluster for good".into());
        if let Goal::Stop { reply: Some(reply), .. } = goal {
            reply.answer(Response::Left);
            reply.flushed();
        }
        Ok(())
    }

    pub(crate) fn refuse_parting(&mut self, why: String) {
        self.tell(why.clone());
        match std::mem::replace(&mut self.goal, Goal::Stay) {
            Goal::Stop { reply: Some(reply), .. } => reply.answer(Response::Error(why)),
            // A signal is obeyed, in whatever order.
            Goal::Stop { .. } | Goal::End => self.goal = Goal::End,
            Goal::Stay => {}
        }
    }

    /// Whether something here is to be stopped before this process may end.
    fn holds(&self, now: Instant) -> bool {
        let resources = self.node.status(now).executor.resources;
        let holds = resources
            .iter()
            .any(|it| it.held != cluster::executor::Held::No || it.running.is_some());
        holds && !self.node.is_left_alone()
    }

    /// Ends where nobody is there who could agree to that, and nothing is left to be stopped.
    pub(crate) fn stop_alone(&mut self, now: Instant) {
        let held = self.lease.is_some_and(|ends| now < ends);
        if !matches!(self.goal, Goal::Stop { forever: false, .. })
            || (held && self.node.status(now).leader.is_some())
        {
            self.alone_since = None;
            return;
        }
        let since = *self.alone_since.get_or_insert(now);
        if now.since(since) >= ALONE && !self.holds(now) {
            self.tell(
                "nobody is there to agree to this node's leaving: it ends all the same".into(),
            );
            self.goal = Goal::End;
        }
    }

    pub(crate) fn give_up(&mut self, now: Instant) {
        if self.holds(now) {
            // What runs here is stopped first, by the cluster or by the end of the lease.
            if let Goal::Stop { until, .. } = &mut self.goal {
                *until = now + FAREWELL;
            }
            return;
        }
        self.tell("nobody has agreed to this node's leaving: it ends all the same".into());
        self.goal = Goal::End;
    }
}
