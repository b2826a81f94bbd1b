//! Another version takes over from a node's engine, or goes back: what the daemon's guardian does for
//! `mainstay upgrade`, with the real routers, the real image and the real last will.
//!
//! The old engine says where it stands and falls still; the new one goes on from there. Until it holds
//! again all that was held, the old one is kept: whatever fails before that, it goes on as if nothing
//! had been, behind whatever the new one may have done meanwhile.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name, State};
use vip::last_will::{Edit, Input, Signs};
use vrrp::{Image, Router, SocketSpec, WatchSpec};

use crate::lan::{Coming, Lan};
use crate::node::vr_of;
use crate::random::Random;
use crate::sight::{Mail, Sight, Vr};
use crate::signing::Heard;

/// How long the change itself may take when nothing is held, and so no lease runs.
const NO_LEASE: Duration = Duration::from_secs(1);

/// Between the last word of the old engine and the first act of the new one, at most.
const HAND_OVER: u64 = 1_500;

/// How an upgrade ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The new engine takes over, if it holds all again in time.
    Success,
    /// It dies of what it was told, before it has done anything.
    Stillborn,
    /// It takes over, and its control dies before the guardian has seen that.
    Late,
}

/// What is to be done next about one.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The new pair is ready: the old engine is asked where it stands.
    Ask { end: End, old: bool },
    /// It has said so, then; the new one is told.
    Tell { end: End, image: Box<Image>, asked: Instant },
    /// It has not taken over in time, or what belongs to it has died.
    GiveUp,
}

/// The engine that was asked, while another takes over from it.
#[derive(Debug)]
pub(crate) struct Former {
    router: Router,
    /// Its number, by which what was meant for it is known.
    pub(crate) life: u32,
    sockets: Vec<SocketSpec>,
    watched: Vec<WatchSpec>,
    states: BTreeMap<Vr, State>,
    active: bool,
    /// What came to its socket since.
    pub(crate) inbox: VecDeque<Mail>,
    signs: Signs,
    /// What it has heard of signed adverts.
    heard: Heard,
    /// What the new engine told of its will.
    held: Vec<Edit>,
    end: End,
}

impl Lan {
    /// Somebody has a node upgraded; how that goes is drawn. False where the guardian refuses.
    pub(crate) fn upgrade(&mut self, at: usize, random: &mut Random) -> bool {
        let node = &self.nodes[at];
        let well = node.guard.as_ref().is_some_and(|guard| guard.will.legacy().is_some());
        if !well || !node.is_guarded(self.now) || node.stopping || node.former.is_some() {
            return false;
        }
        let end = match random.below(8) {
            // Refuses the configuration, or ends at once: nobody has been asked anything.
            0 => return true,
            1 => End::Stillborn,
            2 => End::Late,
            _ => End::Success,
        };
        let ready = Duration::from_millis(5 + random.below(1_000));
        let life = node.guard_life;
        self.put(ready, Coming::Upgrade(at, life, Step::Ask { end, old: random.chance(300) }));
        true
    }

    /// The guardian of a node goes on with an upgrade.
    pub(crate) fn step_upgrade(&mut self, at: usize, life: u32, step: Step) {
        let now = self.now;
        let node = &self.nodes[at];
        if node.guard_life != life || !node.alive {
            return;
        }
        if node.guard_paused_until > now {
            let wait = node.guard_paused_until.since(now);
            return self.put(wait, Coming::Upgrade(at, life, step));
        }
        let well = node.guard.as_ref().is_some_and(|guard| guard.will.legacy().is_some());
        match step {
            Step::Ask { end, old } if well && !node.stopping && node.is_awake(now) => {
                self.rouse(at);
                let image = self.nodes[at].router.image();
                let image = Box::new(if old { former_version(image) } else { image });
                self.guard(at, Input::Alive);
                // It stands still from here on, and must be told if it is to go on.
                let wait = match end {
                    End::Stillborn => self.patience(at),
                    _ => Duration::from_micros(100 + self.random.below(HAND_OVER - 100)),
                };
                self.pause_engine(at, wait + Duration::from_micros(1));
                if end != End::Stillborn {
                    let tell = Step::Tell { end, image, asked: now };
                    self.put(wait, Coming::Upgrade(at, life, tell));
                }
            }
            // An engine that is asked late says so late; one that was replaced says nothing.
            Step::Ask { .. } => {}
            Step::Tell { end, image, asked } => {
                let held_up = now.since(asked) > Duration::from_micros(HAND_OVER);
                if well && node.running && !node.stopping && !held_up && node.slept.is_zero() {
                    self.succeed(at, *image, end);
                }
            }
            Step::GiveUp => self.go_back(at),
        }
    }

    /// Half of what the guardian waits for a sign of life.
    fn patience(&self, at: usize) -> Duration {
        let guard = self.nodes[at].guard.as_ref();
        guard.and_then(|guard| guard.will.patience()).map_or(NO_LEASE, |patience| patience / 2)
    }

    /// The new engine, which knows the node already, goes on.
    fn succeed(&mut self, at: usize, image: Image, end: End) {
        let now = self.now;
        let patience = self.patience(at);
        let heard = self.heard.of(at);
        let node = &mut self.nodes[at];
        let life = node.guard_life;
        let Some(guard) = &mut node.guard else { return };
        let held: Vec<Name> = guard.will.holders().cloned().collect();
        let spoken = guard.will.spoken().map(|(name, last)| (name.clone(), last)).collect();
        let former = Former {
            router: core::mem::take(&mut node.router),
            life: node.life,
            sockets: core::mem::take(&mut node.sockets),
            watched: core::mem::take(&mut node.watched),
            states: node.states.clone(),
            active: node.active,
            inbox: core::mem::take(&mut node.inbox),
            signs: core::mem::take(&mut guard.signs),
            heard,
            held: Vec::new(),
            end,
        };
        let events = guard.events;
        node.former = Some(former);
        node.begin_life();
        node.paused_until = None;
        node.netlink.overrun();
        let told = node.netlink.pop(now, &mut node.kernel);
        let configs = node.configs().to_vec();
        let clock = node.clock(now);
        let wall = self.wall(at);
        self.see_that(Sight::HandedOver { node: at });
        let inputs = [vrrp::Input::Wall(wall), vrrp::Input::Spoken(spoken)]
            .into_iter()
            .chain(told.map(vrrp::Input::Fact))
            .chain([
                vrrp::Input::Adopt { image: Some(image), held, events },
                vrrp::Input::Configure(configs),
            ]);
        for input in inputs {
            self.nodes[at].router.handle(clock, input);
            self.flush(at);
        }
        self.took_over(at);
        // Its control is another as well, with a runner of its own.
        self.kill_control(at);
        self.begin_runner(at);
        self.look_soon(at, Duration::ZERO);
        let wait = match end {
            End::Late => Duration::from_nanos(
                self.random.below(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX).max(1)),
            ),
            _ => patience,
        };
        self.put(wait, Coming::Upgrade(at, life, Step::GiveUp));
        self.complete(at);
    }

    /// Tells the watchers what an engine that has just taken over cannot go on with.
    fn took_over(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let status = node.router.status();
        let mut idle = Vec::new();
        for config in node.configs().to_vec() {
            let of = |one: &&vrrp::InstanceStatus| one.name == config.name;
            let state = status.instances.iter().find(of).map(|one| one.state);
            if state.is_none_or(|state| state == State::Initialize) {
                node.states.insert(vr_of(&config), State::Initialize);
                idle.push(vr_of(&config));
            }
        }
        if node.configs().first().is_some_and(|config| idle.contains(&vr_of(config))) {
            node.active = false;
        }
        self.see_that(Sight::TookOver { node: at, idle });
    }

    /// Takes down what a new engine says of its will, until it is in charge; whether it was one.
    pub(crate) fn will_of_successor(&mut self, at: usize, edit: &Edit) -> bool {
        let Some(former) = &mut self.nodes[at].former else { return false };
        former.held.push(edit.clone());
        self.complete(at);
        true
    }

    /// The guardian sees whether the new engine holds all again: then the old one goes.
    fn complete(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let (Some(former), Some(guard)) = (&node.former, &node.guard) else { return };
        let holds = |name: &Name| {
            former.held.iter().any(|edit| match edit {
                Edit::Hold(bequest) => bequest.name == *name,
                Edit::Release { name: of } => of == name,
                Edit::Spoke { .. } | Edit::Ways { .. } => false,
            })
        };
        if former.end == End::Late || !guard.will.holders().all(holds) {
            return;
        }
        let Some(former) = node.former.take() else { return };
        self.guard(at, Input::Replaced);
        for edit in former.held {
            self.guard(at, Input::Edit(edit));
        }
    }

    /// The new engine is dead; the old one goes on where it stood.
    pub(crate) fn go_back(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        let Some(former) = node.former.take() else { return };
        let held_up = node.paused_until.unwrap_or(now);
        node.router = former.router;
        node.life = former.life;
        node.sockets = former.sockets;
        node.watched = former.watched;
        node.states = former.states.clone();
        node.active = former.active;
        node.inbox = former.inbox;
        node.netlink.overrun();
        node.paused_until = Some(held_up.max(now));
        if let Some(guard) = &mut node.guard {
            guard.signs = former.signs;
        }
        self.heard.restore(at, former.heard);
        self.begin_runner(at);
        self.see_that(Sight::WentBack { node: at, states: former.states });
        self.look_soon(at, held_up.max(now).since(now));
        self.guard(at, Input::Alive);
    }
}

/// What the version before this one would have said.
fn former_version(image: Image) -> Image {
    match image {
        Image::V3 { events, instances } => {
            let instances = instances.into_iter().map(|one| one.base).collect();
            Image::V2 { events, instances }
        }
        other => other,
    }
}
