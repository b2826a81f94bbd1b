//! The roles of a node: its guardian, the real last will, and what passes between it and the engine.
//!
//! As in the daemon: the engine changes its will before it has an address installed, and gives a sign
//! of life three times within its shortest lease while it holds. A dead process is noticed by its
//! descriptor; a new one takes a few milliseconds to start.

use core::net::IpAddr;
use core::time::Duration;

use base::{Batch, Event, EventId, Instant, Name, Origin, Reason, Subject, Ticket, What};
use vip::last_will::{Death, Edit, Input, LastWill, Output, Signs};
use vrrp::Router;

use crate::lan::{Coming, Lan};
use crate::node::Node;
use crate::sight::Sight;

/// What passes between the end of a process and somebody noticing, at least.
const NOTICE: Duration = Duration::from_micros(200);
/// What a process takes to start, at least and on top of that at most.
const SPAWN: Duration = Duration::from_millis(2);
const SPAWN_SPREAD: u64 = 8_000;
/// How often an engine that was told to stop looks whether it has.
const SETTLE: Duration = Duration::from_millis(20);

/// A node's guardian, and what its engine keeps for it.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) will: LastWill,
    pub(crate) signs: Signs,
    /// The number of the last event any engine of this node gave out.
    pub(crate) events: u64,
}

impl Node {
    /// When the engine owes its guardian a sign of life, by its own clock.
    pub(crate) fn sign_due(&self) -> Option<Instant> {
        self.guard.as_ref().and_then(|guard| guard.signs.poll_timeout())
    }

    /// Its guardian says what it did.
    fn note_of_guardian(&mut self, now: Instant, what: What, reason: Reason) {
        let number = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        let id = EventId { origin: Origin::Guardian, number };
        let at = self.clock(now);
        self.events.push(Event {
            id,
            at,
            subject: Subject::Node,
            what,
            reason,
            causes: Vec::new(),
        });
    }

    /// Whether its guardian can do anything at `now`.
    #[must_use]
    pub fn is_guarded(&self, now: Instant) -> bool {
        self.alive && self.guard.is_some() && self.guard_paused_until <= now
    }
}

impl Lan {
    /// mainstay begins on a node: a guardian, and by it the first engine.
    pub(crate) fn begin(&mut self, at: usize) {
        let now = self.now;
        self.touch();
        let node = &mut self.nodes[at];
        node.end();
        node.guard_life += 1;
        node.guard_paused_until = Instant::ZERO;
        node.alive = true;
        node.stopping = false;
        let clock = node.clock(now);
        let mut will = LastWill::new(clock);
        will.handle(clock, Input::Wake);
        let first = will.poll_output();
        assert!(matches!(first, Some(Output::Start { .. })), "a guardian begins with an engine");
        node.guard = Some(Guard { will, signs: Signs::default(), events: 0 });
        self.kill_control(at);
        self.begin_engine(at, Vec::new());
        self.begin_runner(at);
    }

    /// An engine begins: what it inherits, its configuration, and then all its kernel has to say.
    pub(crate) fn begin_engine(&mut self, at: usize, adopt: Vec<Name>) {
        let now = self.now;
        let node = &mut self.nodes[at];
        node.end();
        node.running = true;
        node.awake(now);
        node.learn_names();
        if let Some(guard) = &mut node.guard {
            guard.signs = Signs::default();
        }
        let configs = node.configs().to_vec();
        // The first thing it reads is a dump of everything.
        node.netlink.overrun();
        let clock = node.clock(now);
        let events = node.guard.as_ref().map_or(0, |guard| guard.events);
        self.see_that(Sight::Began { node: at, heir: !adopt.is_empty() });
        self.heard.forget(at, |_| false);
        let wall = self.wall(at);
        let node = &mut self.nodes[at];
        node.router.handle(clock, vrrp::Input::Wall(wall));
        if let Some(guard) = &node.guard {
            let spoken = guard.will.spoken().map(|(name, last)| (name.clone(), last)).collect();
            node.router.handle(clock, vrrp::Input::Spoken(spoken));
        }
        if !adopt.is_empty() {
            node.router.handle(clock, vrrp::Input::Adopt { image: None, held: adopt, events });
        }
        node.router.handle(clock, vrrp::Input::Configure(configs));
        self.flush(at);
        self.tell_verdict(at);
        self.look_soon(at, Duration::ZERO);
    }

    /// The engine changed its will.
    pub(crate) fn will(&mut self, at: usize, edit: Edit) {
        if let Some(guard) = &mut self.nodes[at].guard {
            guard.signs.edit(&edit);
        }
        if self.will_of_successor(at, &edit) {
            return;
        }
        self.guard(at, Input::Edit(edit));
    }

    /// Gives a sign of life, if it is time to.
    pub(crate) fn sign_of_life(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let clock = node.clock(self.now);
        let Some(guard) = &mut node.guard else { return };
        if guard.signs.give(clock) {
            self.guard(at, Input::Alive);
        }
    }

    /// Lets the guardian of a node know something, if it can.
    pub(crate) fn guard(&mut self, at: usize, input: Input) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if !node.is_guarded(now) {
            return;
        }
        let clock = node.clock(now);
        if let Some(guard) = &mut node.guard {
            guard.will.handle(clock, input);
        }
        self.carry_out(at);
    }

    /// When a node's guardian next acts by itself.
    pub(crate) fn guard_alarm(node: &Node) -> Option<Instant> {
        let guard = node.guard.as_ref().filter(|_| node.alive)?;
        let timeout = node.world(guard.will.poll_timeout()?);
        Some(timeout.max(node.guard_paused_until))
    }

    fn carry_out(&mut self, at: usize) {
        loop {
            let Some(guard) = &mut self.nodes[at].guard else { return };
            let Some(output) = guard.will.poll_output() else { return };
            match output {
                Output::Start { adopt } => {
                    let spread = Duration::from_micros(self.random.below(SPAWN_SPREAD));
                    let life = self.nodes[at].guard_life;
                    self.put(SPAWN + spread, Coming::Spawn(at, life, adopt));
                }
                Output::Kill => self.end_engine(at),
                Output::Silence => {
                    let now = self.now;
                    self.nodes[at].kernel.table.silence(now);
                }
                Output::Farewell { transmit, seal } => {
                    let mut transmit = transmit;
                    if let Some(seal) = &seal {
                        self.sign(at, &mut transmit, seal);
                    }
                    // Seen at this moment: a little later everything is silent, rightly or not.
                    let this = &self.nodes[at];
                    let configs = this.configs().iter().filter(|config| config.lease);
                    let vips = configs.flat_map(|config| config.all_vips());
                    let vips = vips.map(|vip| vip.address);
                    let leased = this.kernel.leases();
                    let heard =
                        |address: &IpAddr| leased && this.kernel.answers(*address, self.now);
                    let answered = vips.filter(heard).collect();
                    self.see_that(Sight::Farewell { node: at, answered });
                    self.send(at, &transmit, None);
                }
                Output::RemoveWays(_) => {}
                Output::Remove(ops) => {
                    let now = self.now;
                    let batch = Batch { ticket: Ticket::new(0), ops };
                    self.losing(at, |kernel| drop(kernel.execute(now, batch)));
                }
                Output::CarriedOut { names, death } => {
                    self.see_that(Sight::GaveUp { node: at });
                    let (what, reason) = (What::WillCarriedOut { instances: names }, death);
                    let reason = match reason {
                        Death::Ended => Reason::RoleDied,
                        Death::Stalled => Reason::RoleStalled,
                    };
                    self.nodes[at].note_of_guardian(self.now, what, reason);
                }
                Output::Adopted => {
                    let what = What::RoleTakenOver { role: Name::from("engine") };
                    self.nodes[at].note_of_guardian(self.now, what, Reason::Adopted);
                }
            }
        }
    }

    /// An engine's process is gone; its guardian will notice.
    pub(crate) fn end_engine(&mut self, at: usize) {
        self.see_that(Sight::EngineEnded { node: at });
        self.nodes[at].end();
        let life = self.nodes[at].guard_life;
        self.put(NOTICE, Coming::Ended(at, life));
    }

    /// The guardian's descriptor says that the engine has ended.
    pub(crate) fn notice(&mut self, at: usize, life: u32) {
        let node = &self.nodes[at];
        if node.guard_life != life || node.guard.is_none() {
            return;
        }
        if node.guard_paused_until > self.now {
            let wait = node.guard_paused_until.since(self.now);
            return self.put(wait, Coming::Ended(at, life));
        }
        self.guard(at, Input::Ended);
    }

    /// An engine that was started has come up.
    pub(crate) fn spawned(&mut self, at: usize, life: u32, adopt: Vec<Name>) {
        let node = &self.nodes[at];
        if node.guard_life != life || !node.alive {
            return;
        }
        if node.frozen_until > self.now {
            let wait = node.frozen_until.since(self.now);
            return self.put(wait, Coming::Spawn(at, life, adopt));
        }
        self.begin_engine(at, adopt);
    }

    /// An engine that was told to stop ends once everything is off the node.
    pub(crate) fn perish(&mut self, at: usize, life: u32, since: Instant) {
        let node = &self.nodes[at];
        if node.life != life || !node.running {
            return;
        }
        let patient = self.now.since(since) < Duration::from_secs(5);
        if node.paused_until.is_some() || (!node.router.is_settled() && patient) {
            return self.put(SETTLE, Coming::Perish(at, life, since));
        }
        if self.nodes[at].router.is_settled() {
            self.see_that(Sight::Stopped { node: at });
        }
        self.end_engine(at);
    }

    /// Tells a node's engine to stop, and its guardian that this is meant.
    pub(crate) fn stop_at(&mut self, at: usize) {
        let now = self.now;
        self.go_back(at);
        self.nodes[at].stopping = true;
        self.guard(at, Input::Stop);
        self.handle(at, vrrp::Input::Stop);
        let life = self.nodes[at].life;
        self.put(SETTLE, Coming::Perish(at, life, now));
    }

    /// The guardian dies: its engine resigns, and ends.
    pub(crate) fn kill_guardian(&mut self, at: usize) {
        self.nodes[at].guard = None;
        self.nodes[at].guard_life += 1;
        self.stop_at(at);
    }
}

impl Node {
    /// Whatever was meant for another engine of it reaches nobody from here on.
    pub(crate) fn begin_life(&mut self) {
        self.lives += 1;
        self.life = self.lives;
    }

    /// Its engine is gone, and with it all that was meant for it.
    pub(crate) fn end(&mut self) {
        self.begin_life();
        self.former = None;
        self.running = false;
        self.active = false;
        self.states.clear();
        self.paused_until = None;
        self.router = Router::new();
        self.watched = Vec::new();
        self.slept = Duration::ZERO;
        self.sockets.clear();
        self.inbox.clear();
        self.netlink = Default::default();
    }

    /// Its guardian is gone too.
    pub(crate) fn end_all(&mut self) {
        self.end();
        self.guard = None;
        self.guard_life += 1;
        self.stopping = false;
    }
}
