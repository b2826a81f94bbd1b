//! At most one holder: where VRRP alone cannot give it, and where we claim it, shown exhaustively.
//!
//! A model small enough for every run of it to be looked at (stateright), beside the simulator, which
//! runs the real machines but only some of their runs. Time goes in thirds of an advertisement
//! interval. A holder's kernel answers for the VIP as long as nobody removes it; with the lease it
//! answers only while the lease lives, and a lease is renewed by a process that runs, and never once
//! it has ended. Parameters are those of DESIGN §4: three adverts to miss, one that may be lost, a
//! lease of two thirds of an interval.

use stateright::{Checker, Model, Property};

/// Thirds of an interval.
const INTERVAL: u8 = 3;
/// Adverts to miss.
const MISSED: u8 = 3;
/// `(D − 1 − k) · I / 1.5` for D = 3 and k = 1, in thirds.
const LEASE: u8 = 2;

/// What may go wrong in a world, how often.
#[derive(Clone, Copy, Debug, Default)]
struct Vrrp {
    nodes: usize,
    /// Adverts in a row that may be lost on each way.
    losses: u8,
    /// Whether the first advert after a takeover may be among them.
    first_lost: bool,
    /// Times the link may fall in two.
    cuts: u8,
    /// Times a node's processes may be held up.
    naps: u8,
    lease: bool,
    /// A stronger node pushes a living weaker one aside.
    preempt: bool,
    /// The strongest holds already, and everybody has just heard it.
    established: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    nodes: Vec<Node>,
    /// Whether the first node is alone on its side.
    cut: bool,
    cuts: u8,
    naps: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    role: Role,
    asleep: bool,
    /// What is left of the lease.
    lease: u8,
    /// Whether a better claim lies unread in the socket; whether any does.
    mail: Mail,
    /// Adverts in a row that were lost on their way to it.
    lost: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Backup { silence: u8 },
    Active { advert_in: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Mail {
    None,
    Weaker,
    Stronger,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// A third of an interval passes; adverts to the nodes of this set are lost.
    Tick {
        lost_at: u8,
    },
    Cut,
    Mend,
    Sleep(usize),
    Wake(usize),
}

impl Vrrp {
    /// Skew_Time: the later in the list, the stronger, the sooner.
    fn down(&self, at: usize) -> u8 {
        let skew = u8::try_from(self.nodes - at).unwrap_or(u8::MAX);
        INTERVAL * MISSED + skew
    }

    /// Whether a node's kernel answers for the VIP.
    fn answers(&self, node: &Node) -> bool {
        matches!(node.role, Role::Active { .. }) && (!self.lease || node.lease > 0)
    }

    fn holders(&self, world: &World) -> usize {
        world.nodes.iter().filter(|node| self.answers(node)).count()
    }

    fn hears(world: &World, from: usize, to: usize) -> bool {
        from != to && !(world.cut && (from == 0 || to == 0))
    }

    /// A node reads what lies in its socket (RFC 9568 §6.4.2, §6.4.3).
    fn read(&self, node: &mut Node) {
        let mail = core::mem::replace(&mut node.mail, Mail::None);
        let respected = match (node.role, mail) {
            (_, Mail::Stronger) => true,
            (Role::Backup { .. }, Mail::Weaker) => !self.preempt,
            (_, Mail::Weaker | Mail::None) => false,
        };
        if respected {
            node.role = Role::Backup { silence: 0 };
            node.lease = 0;
        }
    }

    /// Delivers a node's advert.
    fn speak(&self, world: &mut World, from: usize, lost_at: u8) {
        for to in 0..world.nodes.len() {
            if !Self::hears(world, from, to) {
                continue;
            }
            let node = &mut world.nodes[to];
            if lost_at & (1 << to) != 0 && node.lost < self.losses {
                node.lost += 1;
                continue;
            }
            node.lost = 0;
            node.mail = node.mail.max(if from > to { Mail::Stronger } else { Mail::Weaker });
            if !node.asleep {
                self.read(node);
            }
        }
    }

    fn tick(&self, world: &mut World, lost_at: u8) {
        // The kernel's clock runs for everybody.
        for node in &mut world.nodes {
            node.lease = node.lease.saturating_sub(1);
        }
        for at in (0..world.nodes.len()).rev() {
            let node = &mut world.nodes[at];
            if node.asleep {
                continue;
            }
            match &mut node.role {
                // Renewal fails once the lease has ended: let go, listen.
                Role::Active { .. } if self.lease && node.lease == 0 => {
                    node.role = Role::Backup { silence: 0 };
                }
                Role::Active { advert_in } => {
                    *advert_in -= 1;
                    let due = *advert_in == 0;
                    if due {
                        *advert_in = INTERVAL;
                    }
                    node.lease = LEASE;
                    if due {
                        self.speak(world, at, lost_at);
                    }
                }
                Role::Backup { silence } => {
                    *silence = (*silence + 1).min(self.down(at));
                    if *silence == self.down(at) {
                        node.role = Role::Active { advert_in: INTERVAL };
                        node.lease = LEASE;
                        self.speak(world, at, if self.first_lost { lost_at } else { 0 });
                    }
                }
            }
        }
    }
}

impl Model for Vrrp {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let node = Node {
            role: Role::Backup { silence: 0 },
            asleep: false,
            lease: 0,
            mail: Mail::None,
            lost: 0,
        };
        let mut nodes = vec![node; self.nodes];
        if self.established
            && let Some(strongest) = nodes.last_mut()
        {
            strongest.role = Role::Active { advert_in: INTERVAL };
            strongest.lease = LEASE;
        }
        vec![World { nodes, cut: false, cuts: self.cuts, naps: self.naps }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let sets = if self.losses > 0 { 1 << self.nodes } else { 1 };
        actions.extend((0..sets).map(|lost_at| Action::Tick { lost_at }));
        if world.cut {
            actions.push(Action::Mend);
        } else if world.cuts > 0 {
            actions.push(Action::Cut);
        }
        for (at, node) in world.nodes.iter().enumerate() {
            if node.asleep {
                actions.push(Action::Wake(at));
            } else if world.naps > 0 {
                actions.push(Action::Sleep(at));
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Tick { lost_at } => self.tick(&mut world, lost_at),
            Action::Cut => {
                world.cut = true;
                world.cuts -= 1;
            }
            Action::Mend => world.cut = false,
            Action::Sleep(at) => {
                world.nodes[at].asleep = true;
                world.naps -= 1;
            }
            Action::Wake(at) => {
                world.nodes[at].asleep = false;
                self.read(&mut world.nodes[at]);
                let node = &mut world.nodes[at];
                if self.lease && node.lease == 0 && matches!(node.role, Role::Active { .. }) {
                    node.role = Role::Backup { silence: 0 };
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("at most one holder", |model, world| {
                model.holders(world) <= 1
            }),
            Property::<Self>::sometimes("somebody holds", |model, world| model.holders(world) == 1),
            Property::<Self>::sometimes("the strongest holds", |model, world| {
                world.nodes.last().is_some_and(|last| model.answers(last))
            }),
        ]
    }
}

/// Whether some run of this world has two holders; checks as well that there are runs with one.
fn can_have_two(model: Vrrp) -> bool {
    let checker = model.checker().threads(1).spawn_bfs().join();
    let two = checker.discovery("at most one holder");
    if let Some(path) = &two {
        let steps: Vec<String> =
            path.clone().into_actions().iter().map(|action| format!("{action:?}")).collect();
        println!("two holders after {} steps: {}", steps.len(), steps.join(", "));
    }
    // A search that ends at a counterexample need not have come as far as the rest.
    if two.is_none() {
        assert!(checker.discovery("somebody holds").is_some());
        assert!(checker.discovery("the strongest holds").is_some());
    }
    println!("{model:?}: {} states", checker.unique_state_count());
    two.is_some()
}

#[test]
fn on_a_sound_link_vrrp_alone_has_at_most_one_holder() {
    for nodes in [2, 3] {
        for preempt in [false, true] {
            assert!(!can_have_two(Vrrp { nodes, preempt, ..Vrrp::default() }));
        }
    }
}

#[test]
fn under_partition_vrrp_alone_has_two() {
    assert!(can_have_two(Vrrp { nodes: 2, cuts: 1, ..Vrrp::default() }));
    // The lease does not help: both are alive, and neither can know. Only a quorum could.
    assert!(can_have_two(Vrrp { nodes: 2, cuts: 1, lease: true, ..Vrrp::default() }));
}

#[test]
fn under_loss_vrrp_alone_has_two() {
    let established = Vrrp { nodes: 2, established: true, first_lost: true, ..Vrrp::default() };
    // Three in a row, by design; two in a row are borne by whoever has heard the holder.
    assert!(can_have_two(Vrrp { losses: 3, ..established }));
    assert!(!can_have_two(Vrrp { losses: 2, ..established }));
    // In an election one is enough: the next Backup is only a skew behind.
    let election = Vrrp { nodes: 2, losses: 1, ..Vrrp::default() };
    assert!(can_have_two(Vrrp { first_lost: true, ..election }));
    assert!(!can_have_two(Vrrp { first_lost: false, ..election }));
}

#[test]
fn a_frozen_holder_makes_two_and_with_the_lease_it_does_not() {
    for nodes in [2, 3] {
        assert!(can_have_two(Vrrp { nodes, naps: 1, ..Vrrp::default() }));
        assert!(!can_have_two(Vrrp { nodes, naps: 2, lease: true, ..Vrrp::default() }));
    }
}

#[test]
fn who_preempts_does_not_wait_for_the_lease_of_a_holder_that_froze_just_now() {
    // Preemption is no verdict about the weaker holder: it may have frozen a moment ago, and its
    // kernel answers until its lease has ended. Without preemption there is no such run (above).
    assert!(can_have_two(Vrrp {
        nodes: 2,
        naps: 2,
        lease: true,
        preempt: true,
        ..Vrrp::default()
    }));
}

#[test]
fn the_lease_bears_the_one_lost_advert_it_was_made_for() {
    let model = Vrrp { nodes: 2, naps: 2, losses: 1, lease: true, ..Vrrp::default() };
    assert!(!can_have_two(Vrrp { established: true, ..model }));
}
