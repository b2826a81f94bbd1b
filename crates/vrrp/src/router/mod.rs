//! All virtual routers of this node, and the one way in.
//!
//! A turn is: one input, its consequences in every instance it touches, then `settle`, which derives
//! everything else from what the instances have become: who holds which VIPs, what is announced,
//! which sockets are open, who must be looked at next. Because it is derived, no edge can be missed:
//! a state reached by any way has the same consequences.

mod addressees;
mod carriers;
mod configure;
mod debounce;
mod devices;
mod environment;
mod filter;
mod groups;
mod hands;
mod hindrances;
mod lease;
mod moves;
mod neighbours;
mod promote;
mod reception;
mod ways;

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{
    EventId, IfIndex, Instant, Name, Reason, State, Subject, Tracker, Verdict, Vip, WallClock, What,
};
use vip::HolderId;
use vip::announcer::{Announcer, Pace};
use vip::devices::Devices;
use vip::keeper::Keeper;
use vip::last_will::{Bequest, Edit};
use vip::lease::{self as leases, Leases};
use vip::lifetime::{self, Lifetimes};
use vip::ways::Ways;

use crate::deadlines::Deadlines;
use crate::floods::Floods;
use crate::image::Image;
use crate::input::{Input, Packet};
use crate::instance::{Attachment, Inheritance, Instance};
use crate::links::Links;
use crate::outbox::{Outbox, Output};
use crate::refusals::Refusals;
use crate::slots::{SlotMap, SlotSet};
use crate::sockets::SocketSpec;
use crate::status::{LeaseStatus, RouterStatus};
use crate::wire::{Arrival, Counters};

use addressees::{Addressees, Key};
use carriers::Carriers;
pub use debounce::Debounce;
use debounce::Debouncer;
use environment::LinkState;
use filter::FilterState;
pub use filter::Filtering;
use groups::{Groups, Membership};
use hindrances::Hindrance;
use lease::Doubt;
pub use moves::SwitchoverError;
use neighbours::Lookout;
pub use neighbours::WatchSpec;
use promote::Promoting;
pub use ways::{Statics, TrackGroup};

/// How many instances one turn lets judge their silence at most: when thousands take over at once,
/// the adverts and addresses of the first leave before the last are looked at.
const JUDGED_AT_ONCE: usize = 256;

/// How many instances' adverts are made before the first of them leaves.
const SENT_AT_ONCE: usize = 256;

/// A longer pause between two portions means that this node did not run.
const PORTIONS_APART: Duration = Duration::from_millis(100);

/// Where an instance lives in the router; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Slot(pub(crate) usize);

/// An instance and what the rest of the node knows it to be doing.
#[derive(Debug)]
struct Seat {
    instance: Instance,
    /// Why it could not run, were it in no group.
    own: Option<Reason>,
    membership: Membership,
    /// The packets it is listed for among the addressees.
    key: Option<Key>,
    /// Whether the keeper was last told to hold for it.
    holding: bool,
    /// The VIPs that the keeper has seen present for it: only these may be announced.
    present: Vec<Vip>,
    /// Whether the leases were last told that it wants one, and whether it was granted.
    leasing: bool,
    granted: bool,
    /// The lapse that silenced it.
    silenced_by: Option<EventId>,
    /// What was not announced because it was silent; to be made up for when it speaks again.
    unannounced: Option<(Reason, EventId)>,
    /// A VIP was taken from us by somebody else; what follows is its repair.
    repairing: Option<EventId>,
    /// What the guardian was told of it, if anything, and whether that is still so.
    will: Will,
    /// The kernel refuses, or has refused, one of its VIPs.
    hindrance: Option<Box<Hindrance>>,
}

impl Seat {
    fn holds(&self) -> bool {
        self.instance.state() == State::Active
    }

    fn whereabouts(&self, links: &Links) -> Whereabouts {
        let config = self.instance.config();
        let vips = config.all_vips().map(|vip| &vip.interface);
        let names = vips.chain(config.ways.iter().flat_map(|held| held.way.interfaces()));
        let numbers = names.map(|name| links.named(name).map_or(0, |link| link.index.get()));
        let fold = |sum: u64, number| sum.wrapping_mul(31).wrapping_add(u64::from(number));
        Whereabouts(self.instance.around().attachment, numbers.fold(0, fold))
    }
}

/// Whether the guardian knows what the instance leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Will {
    None,
    Stale,
    Told(Whereabouts),
}

/// What a will depends on beside the configuration: where the instance speaks, and which interfaces
/// its VIPs are on, folded into a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Whereabouts(Option<Attachment>, u64);

/// This node's part in all its virtual routers.
#[derive(Debug, Default)]
pub struct Router {
    seats: SlotMap<Seat>,
    /// Slots in the order of the configuration.
    order: Vec<Slot>,
    slots_so_far: usize,
    addressees: Addressees,
    links: Links,
    link_states: BTreeMap<Name, LinkState>,
    debouncer: Debouncer,
    carriers: Carriers,
    verdicts: BTreeMap<Tracker, Verdict>,
    groups: Groups,
    vips: BTreeSet<IpAddr>,
    keeper: Keeper,
    announcer: Announcer,
    lifetimes: Lifetimes,
    devices: Devices,
    /// Instances whose VIPs are to wait installed as soon as they are silent for sure, and those
    /// whose do.
    staging: BTreeSet<Slot>,
    staged: BTreeSet<Slot>,
    leases: Leases,
    ways: Ways,
    filter: FilterState,
    /// What interfaces have together, as configured.
    paces: Vec<Pace>,
    promoting: Promoting,
    track_groups: Vec<TrackGroup>,
    doubts: BTreeMap<Slot, Doubt>,
    /// Holders that want no lease any more while something of them may be installed.
    clearing: BTreeSet<HolderId>,
    /// Who must send next, and who must judge silence next.
    speaking: Deadlines,
    listening: Deadlines,
    /// Since when and until when portions of due instances have been judged, without a pause.
    judging: Option<(Instant, Instant)>,
    sockets: Vec<SocketSpec>,
    lookout: Lookout,
    /// What the driver was last asked to look out for.
    watched: Vec<WatchSpec>,
    strays: BTreeMap<IfIndex, Refusals>,
    floods: BTreeMap<IfIndex, Floods>,
    refused_notices: u64,
    wall: WallClock,
    /// Where the signed adverts of instances go on that are not configured yet.
    spoken: BTreeMap<Name, u64>,
    stopping: Option<EventId>,
    /// Instances to which the kernel refuses a VIP.
    hindered: BTreeSet<Slot>,
    /// Instances that an engine before this one held for, and that are not configured yet.
    inherited: BTreeMap<Name, Inheritance>,
    /// Holders that no longer hold while some of their addresses may still be there.
    leaving: BTreeMap<HolderId, Name>,
    /// Holders that may have left nothing behind by now: `use_hands` looks at these only.
    partings: BTreeSet<HolderId>,
    out: Outbox,
    /// Instances this turn has touched; `settle` looks at these only.
    touched: SlotSet,
    /// More adverts are due at this moment than were made in one go.
    unsent: Option<Instant>,
    /// For lists that are made and forgotten in a turn: kept for their room.
    due: Vec<Slot>,
    listed: Vec<IpAddr>,
}

impl Router {
    /// A router without instances, which knows nothing of the kernel yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The only way in: one input, all its consequences. Drain [`Router::poll_output`] before the
    /// next.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Statics(statics) => self.set_statics(now, statics),
            Input::WaysDone(done) => self.ways.handle(now, vip::ways::Input::Done(done)),
            Input::AnnounceAgain(name) => self.announce_again(now, &name),
            Input::Filtered(refused) => self.filtered(now, refused),
            Input::WayGone(trace) => self.ways.handle(now, vip::ways::Input::Gone(trace)),
            Input::Configure(configs) => self.configure(now, configs),
            Input::Packet(packet) => {
                let Packet { index, source, destination, ttl, payload } = packet;
                let arrival = Arrival { source, destination, ttl, payload: &payload };
                return self.handle_packet(now, index, &arrival);
            }
            Input::Notice(packet) => {
                let Packet { index, source, destination, ttl, payload } = packet;
                let arrival = Arrival { source, destination, ttl, payload: &payload };
                return self.handle_notice(now, index, &arrival);
            }
            Input::Seed(seed) => self.out.seed(seed),
            Input::Neighbour(seen) => self.neighbour(now, &seen),
            Input::Fact(fact) => self.learn(now, &fact),
            Input::Debounce(rules) => self.debounce(now, rules),
            Input::Verdict { tracker, verdict } => self.hear_verdict(now, tracker, verdict),
            Input::Done(done) if Lifetimes::is_mine(&done.ticket) => {}
            Input::Done(done) => self.keeper.handle(now, vip::keeper::Input::Done(done)),
            Input::DeviceDone(done) => {
                self.devices.handle(now, vip::devices::Input::Done(done));
            }
            Input::Tuned { index } => {
                self.devices.handle(now, vip::devices::Input::Tuned { index });
            }
            Input::LeaseDone(done) => self.lease_done(now, done),
            Input::Slept { span } => self.slept(now, span),
            Input::Wake { drained } => self.wake(now, drained),
            Input::Adopt { image, held, events } => {
                self.out.continue_events(events);
                let held = held.into_iter().map(|name| (name, Inheritance::Held));
                self.inherited.extend(held);
                let (events, instances) = image.map(Image::into_parts).unwrap_or_default();
                self.out.continue_events(events);
                for one in instances {
                    self.inherited
                        .insert(one.base.base.name.clone(), Inheritance::Image(Box::new(one)));
                }
            }
            Input::Wall(wall) => self.wall = WallClock::new(now, wall),
            Input::Spoken(numbers) => self.spoken.extend(numbers),
            Input::Stop => self.stop(now),
        }
        self.settle(now);
    }

    /// The same as [`Input::Packet`], without owning the bytes.
    pub fn handle_packet(&mut self, now: Instant, index: IfIndex, arrival: &Arrival<'_>) {
        self.receive(now, index, arrival);
        if !self.settle_quietly() {
            self.settle(now);
        }
    }

    /// The same as [`Input::Notice`], without owning the bytes.
    pub fn handle_notice(&mut self, now: Instant, index: IfIndex, arrival: &Arrival<'_>) {
        self.notice(now, index, arrival);
        self.settle(now);
    }

    /// What is to be done next; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        // Adverts that are due come in portions, so that a thousand at once need no more room than
        // those of one portion.
        if let Some(now) = self.unsent.take_if(|_| !self.out.has_adverts()) {
            self.send_all_due(now);
            self.settle(now);
        }
        self.out.pop()
    }

    /// Takes back the memory of what was sent, for what is to come. A driver need not give it.
    pub fn reuse(&mut self, transmit: base::Transmit) {
        self.out.rooms.give_payload(transmit.payload);
    }

    /// When to wake the machine at the latest; `None`: only when something happens. Waking it early
    /// or for nothing does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let hands = [
            self.keeper.poll_timeout(),
            self.announcer.poll_timeout(),
            self.lifetimes.poll_timeout(),
            self.devices.poll_timeout(),
            self.ways.poll_timeout(),
            self.filter.poll_timeout(),
            self.debouncer.poll_timeout(),
            self.leases.poll_timeout(),
            self.doubts.values().map(|doubt| doubt.at).min(),
            self.hindered_until(),
        ];
        hands.into_iter().chain([self.speaking.first(), self.listening.first()]).flatten().min()
    }

    /// Needs no more room than necessary from here on: for when nothing big happens. It takes some
    /// microseconds for each VIP, and changes nothing else.
    pub fn tidy(&mut self) {
        self.keeper.pack();
        self.announcer.pack();
        self.lifetimes.pack();
        self.leases.pack();
        self.links.pack();
        self.vips = core::mem::take(&mut self.vips).into_iter().collect();
    }

    /// Where every instance stands, for the engine that goes on from here. What happens after this
    /// is not in it: hand nothing in between.
    #[must_use]
    pub fn image(&self) -> Image {
        let seats = self.order.iter().filter_map(|slot| self.seats.get(slot));
        Image::V3 {
            events: self.out.events_so_far(),
            instances: seats.map(|seat| seat.instance.image()).collect(),
        }
    }

    /// Whether nothing is under way: after [`Input::Stop`], that every VIP is off the node.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.leases.is_settled()
            && self.keeper.is_settled()
            && self.devices.is_settled()
            && self.ways.is_settled()
            && self.filter.is_settled()
    }

    /// Everything there is to tell, as a value.
    #[must_use]
    pub fn status(&self) -> RouterStatus {
        let mut present: BTreeMap<HolderId, Vec<IpAddr>> = BTreeMap::new();
        for row in self.keeper.status().vips {
            if row.present && row.wanted {
                present.entry(row.holder).or_default().push(row.vip.address);
            }
        }
        let instances = self
            .order
            .iter()
            .filter_map(|slot| self.seats.get(slot))
            .map(|seat| {
                let mut status = seat.instance.status();
                let holder = seat.instance.holder();
                status.present = present.remove(&holder).unwrap_or_default();
                status.lease = self.leases.terms_of(holder).map(|terms| LeaseStatus {
                    length: terms.class().length(),
                    excess: terms.excess(),
                    silenced: seat.instance.is_silenced(),
                });
                status.devices = self.device_status(seat);
                status.missing = seat.hindrance.as_ref().and_then(|it| it.status());
                status
            })
            .collect();
        let mut discards = Counters::default();
        for stray in self.strays.values() {
            discards.merge(stray.counters());
        }
        let packets = self.floods.values().map(Floods::packets).sum();
        let floods = self.floods.values().map(Floods::alarms).sum();
        let (groups, leases) = (self.group_status(), self.leases.status());
        let interfaces = self.interface_status();
        RouterStatus {
            instances,
            groups,
            discards,
            packets,
            floods,
            refused_notices: self.refused_notices,
            leases,
            interfaces,
        }
    }

    // ---- time -----------------------------------------------------------------------------------

    fn wake(&mut self, now: Instant, drained: bool) {
        for fact in self.debouncer.due(now) {
            self.take_in(now, &fact);
        }
        // A renewal that is due comes before the adverts it stands for.
        self.leases.handle(now, leases::Input::Wake);
        self.use_leases(now);
        self.send_all_due(now);
        if drained || base::planted!(JudgedBeforeDrained) {
            self.has_read(now);
            self.settle_doubts(now);
            self.judge_all_due(now);
        }
        self.keeper.handle(now, vip::keeper::Input::Wake);
        self.lifetimes.handle(now, self.links.addresses(), lifetime::Input::Wake);
        self.devices.handle(now, vip::devices::Input::Wake);
        self.ways.handle(now, vip::ways::Input::Wake);
        // Announcements never leave ahead of an advert: not in the turn that sends adverts.
        if drained {
            self.announcer.handle(now, vip::announcer::Input::Wake);
        }
    }

    /// Lets those judge whose time has come: a portion of them, for the others are due still and have
    /// their turn when these are on their way.
    fn judge_all_due(&mut self, now: Instant) {
        let mut due = core::mem::take(&mut self.due);
        self.listening.due(now, &mut due);
        let ran = match self.judging {
            Some((since, until)) if now.since(until) < PORTIONS_APART => since,
            _ => now,
        };
        self.judging = (due.len() > JUDGED_AT_ONCE).then_some((ran, now));
        due.truncate(JUDGED_AT_ONCE);
        self.judge(now, ran, &due);
        self.touched.extend(due.drain(..));
        self.due = due;
    }

    fn stop(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        let stopping = self.out.event(now, Subject::Node, What::Stopping, Reason::Shutdown, []);
        self.leases.handle(now, leases::Input::Stop);
        self.stopping = Some(stopping);
        self.unstage_all(now);
        self.forget_hindrances(now);
        self.devices.handle(now, vip::devices::Input::Stop);
        self.release_statics(now);
        self.surround_all(now, Some(stopping));
    }

    // ---- what follows from it all ----------------------------------------------------------------

    /// Derives everything that is not the instances' own from what they have become.
    fn settle(&mut self, now: Instant) {
        loop {
            self.align(now);
            while let Some(slot) = self.touched.pop_first() {
                self.settle_one(now, slot);
            }
            self.use_leases(now);
            // A lease that was granted touches its instance again.
            if !self.touched.is_empty() {
                continue;
            }
            self.look_out();
            self.stage(now);
            self.use_hands(now);
            self.use_leases(now);
            // And so does a device that cannot be had, and a verdict of our own.
            let changed = self.review_hindrances(now) | self.judge_statics(now);
            if !changed && self.touched.is_empty() {
                break;
            }
        }
    }

    fn settle_one(&mut self, now: Instant, slot: Slot) {
        self.settle_lease(now, slot);
        let Some(seat) = self.seats.get_mut(&slot) else {
            self.speaking.set(slot, None);
            return self.listening.set(slot, None);
        };
        let holder = seat.instance.holder();
        let holds = seat.holds();
        self.lookout.holds(slot, holds);
        // What lapsed stays installed, and silent, until its doubt is settled; and what an engine
        // before this one installed, until it is known whether its lease lives.
        let installs = (holds && (seat.granted || seat.holding)) || seat.instance.inherits();
        let forgotten = base::planted!(ForgottenOnLinkDown)
            && seat.instance.state() == State::Initialize
            && self.stopping.is_none();
        if installs != seat.holding && !forgotten {
            seat.holding = installs;
            if installs && !seat.instance.config().accept {
                self.filter.begin(slot);
            }
            seat.repairing = None;
            let input = if installs {
                self.devices.handle(now, vip::devices::Input::Hold { holder });
                vip::keeper::Input::Hold { holder }
            } else {
                self.devices.handle(now, vip::devices::Input::Release { holder });
                self.announcer.handle(now, vip::announcer::Input::Withdraw { holder });
                self.lifetimes.handle(
                    now,
                    self.links.addresses(),
                    lifetime::Input::Withdraw { holder },
                );
                vip::keeper::Input::Release { holder }
            };
            self.keeper.handle(now, input);
            self.ways.handle(now, vip::ways::Input::Hold { holder, holds: installs });
        }
        // The will of an engine that died stands until it is known that its lease lives: if it does not,
        // an heir stands back without a word, and only the guardian can tell the peers.
        let unproven = seat.instance.is_unproven_heir() && !seat.granted;
        if holds && !unproven && !matches!(seat.will, Will::Told(_)) {
            seat.will = Will::Told(seat.whereabouts(&self.links));
            self.leaving.remove(&holder);
            let links = &self.links;
            let bequest = seat.instance.bequest(|name| Some(links.named(name)?.index));
            seat.instance.take_spoke();
            self.out.will(Edit::Hold(bequest));
            let ops = self.ways.undoing(holder);
            if !ops.is_empty() {
                let name = seat.instance.config().name.clone();
                self.out.will(Edit::Ways { name, ops });
            }
        } else if !holds && seat.will != Will::None {
            seat.will = Will::None;
            self.leaving.insert(holder, seat.instance.config().name.clone());
            self.partings.insert(holder);
            if self.keeper.leaves_traces(holder) && !base::planted!(YieldUntold) {
                // Until they are removed, and by the guardian if not by us; but nobody is to go on.
                let links = &self.links;
                let bequest = seat.instance.bequest(|name| Some(links.named(name)?.index));
                self.out.will(Edit::Hold(Bequest { farewells: Vec::new(), ..bequest }));
            }
        }
        let spoke = seat.instance.take_spoke();
        if let (Some(last), Will::Told(_)) = (spoke, seat.will) {
            let name = seat.instance.config().name.clone();
            self.out.will(Edit::Spoke { name, last: last.bits() });
        }
        if seat.present.is_empty() {
            seat.instance.forget_reassert();
        }
        let reassert = seat.instance.take_reassert(now);
        let deadlines = [seat.deadline(), seat.instance.reassert_at()];
        let deadline = deadlines.into_iter().flatten().min();
        let speaks = seat.instance.state() == State::Active;
        self.speaking.set(slot, deadline.filter(|_| speaks));
        self.listening.set(slot, deadline.filter(|_| !speaks));
        if base::planted!(NamedTooSoon) && !holds {
            return self.nominate(now, holder);
        }
        if let Some(reassert) = reassert {
            let mut vips = seat.present.clone();
            if let Some(about) = reassert.about {
                vips.retain(|vip| about.contains(&vip.address));
            }
            self.announce(now, holder, vips, Reason::RivalSeen, reassert.cause);
        }
    }
}
