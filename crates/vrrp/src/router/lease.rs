//! What a lease means for an instance: it is granted before its VIPs are installed, and when it has
//! lapsed the instance listens before it does anything else.
//!
//! A lapse, and likewise a sleep of the machine, only raises a *doubt*: the instance is mute from
//! then on. The doubt is settled when everything that has arrived was heard. If that ended its time
//! as holder, nothing is left to settle. If a peer can have taken over by now, it lets go without a
//! word and listens like any Backup. Only if no peer can have, it takes a new lease and goes on.

use core::time::Duration;

use base::{EventId, Instant, LeaseDone, LeaseKey, Name, Reason, State, Subject, What};
use vip::HolderId;
use vip::lease::{self, LapseCause, Output};

use super::devices::device_keys;
use super::{Router, SENT_AT_ONCE, Slot};
use crate::config::Config;
use crate::instance::Turn;

/// An instance that was silenced and has not been heard about since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// Nothing but listening settles it.
    pub(super) lets_go: bool,
    pub(super) event: EventId,
    pub(super) at: Instant,
}

impl Router {
    /// The table answered.
    pub(super) fn lease_done(&mut self, now: Instant, done: LeaseDone) {
        self.leases.handle(now, lease::Input::Done(done));
        self.use_leases(now);
        // What waited for the renewal leaves now, or not at all.
        self.send_all_due(now);
    }

    /// The clock stood still for `span` while the world went on.
    pub(super) fn slept(&mut self, now: Instant, span: Duration) {
        if base::planted!(SleepUnnoticed) {
            return;
        }
        let what = What::Slept { span };
        let event = self.out.event(now, Subject::Node, what, Reason::Kernel, []);
        self.leases.handle(now, lease::Input::Slept);
        for (slot, seat) in self.seats.iter_mut() {
            seat.instance.overslept(now, span);
            if seat.instance.state() == State::Active {
                seat.instance.silence();
                self.doubts.insert(slot, Doubt { lets_go: false, event, at: now });
            }
            self.touched.insert(slot);
        }
    }

    /// Lets the leases have their say.
    pub(super) fn use_leases(&mut self, now: Instant) {
        while let Some(output) = self.leases.poll_output() {
            match output {
                Output::Op(ask) => self.out.lease(ask),
                Output::Granted { holder } => self.granted(now, holder),
                Output::Silent { holder } => self.nominate(now, holder),
                Output::Lapsed { holders, cause, since } => {
                    for holder in holders {
                        self.lapsed(now, holder, cause, since);
                    }
                }
                Output::Unavailable(trouble) => {
                    // What waits would not be silent.
                    self.unstage_all(now);
                    let what = What::LeaseUnavailable { why: trouble.to_string() };
                    self.out.event(now, Subject::Node, what, Reason::Kernel, []);
                }
                Output::Available => {
                    self.out.event(now, Subject::Node, What::LeaseAvailable, Reason::Kernel, []);
                }
                Output::Rebuilt => {
                    let reason = Reason::ForeignTable;
                    self.out.event(now, Subject::Node, What::LeaseRebuilt, reason, []);
                }
            }
        }
    }

    fn granted(&mut self, now: Instant, holder: HolderId) {
        let slot = Slot::of(holder);
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        seat.granted = true;
        self.touched.insert(slot);
        if !seat.instance.is_silenced() {
            return;
        }
        // What has arrived is heard first, and may end its time as holder.
        if self.doubts.contains_key(&slot) || seat.instance.is_stalled(now) {
            return;
        }
        self.go_on(now, slot);
    }

    /// It has its lease and nobody else can hold: it claims its VIPs again.
    pub(super) fn go_on(&mut self, now: Instant, slot: Slot) {
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        let holder = slot.holder();
        let event = seat.silenced_by.take();
        let vips = seat.present.clone();
        seat.instance.speak_again(&mut Turn { now, wall: self.wall.at(now), out: &mut self.out });
        let Some(event) = event else { return self.announce_late(now, holder) };
        let event = self.tell(now, holder, What::LeaseResumed, Reason::NobodyElse, Some(event));
        if let (Some(event), false) = (event, vips.is_empty()) {
            self.announce(now, holder, vips, Reason::WasSilent, event);
        }
        if let Some(seat) = self.seats.get_mut(&slot) {
            seat.unannounced = None;
        }
    }

    fn lapsed(&mut self, now: Instant, holder: HolderId, cause: LapseCause, since: Instant) {
        let slot = Slot::of(holder);
        let (reason, lets_go) = match cause {
            LapseCause::Late => (Reason::LeaseLate, false),
            LapseCause::Slept => (Reason::Slept, false),
            LapseCause::Ended => (Reason::LeaseEnded, true),
            LapseCause::Refused => (Reason::LeaseRefused, true),
        };
        let what = What::LeaseLapsed { silent_for: now.since(since) };
        let slept = self.doubts.get(&slot).map(|doubt| doubt.event);
        let Some(event) = self.tell(now, holder, what, reason, slept) else { return };
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        // Peers that watch us by BFD have not waited for our adverts.
        let lets_go = lets_go || !seat.instance.config().sentinels.is_empty();
        seat.granted = false;
        seat.silenced_by = Some(event);
        seat.instance.silence();
        self.doubts.insert(slot, Doubt { lets_go, event, at: now });
    }

    /// Sends the adverts that are due, of those who may speak.
    pub(super) fn send_all_due(&mut self, now: Instant) {
        let mut due = core::mem::take(&mut self.due);
        self.speaking.due(now, &mut due);
        self.unsent = None;
        let mut sent = 0;
        for slot in &due {
            let Some(seat) = self.seats.get_mut(slot) else { continue };
            let holder = slot.holder();
            let certain = self.leases.may_speak(holder, now) && !self.leases.is_renewing(holder);
            if certain && !seat.instance.may_be_overtaken(now) {
                if sent == SENT_AT_ONCE {
                    self.unsent = Some(now);
                    break;
                }
                sent += 1;
                seat.instance.send_due(&mut Turn {
                    now,
                    wall: self.wall.at(now),
                    out: &mut self.out,
                });
                self.touched.insert(*slot);
            }
        }
        self.due = due;
        self.doubt_stalled(now);
    }

    /// A holder that is so late that a peer may have taken over says nothing more, to nobody, until
    /// everything that has arrived was heard.
    fn doubt_stalled(&mut self, now: Instant) {
        for n in 0..self.due.len() {
            let slot = self.due[n];
            let Some(seat) = self.seats.get_mut(&slot) else { continue };
            if seat.instance.may_be_overtaken(now)
                && !self.doubts.contains_key(&slot)
                && !self.leases.is_renewing(slot.holder())
            {
                let what = What::Stalled { silence: seat.instance.silence_until(now) };
                let subject = seat.instance.subject();
                let cause = seat.instance.changed_by();
                let event = self.out.event(now, subject, what, Reason::Stalled, cause);
                seat.instance.silence();
                self.doubts.insert(slot, Doubt { lets_go: true, event, at: now });
            }
        }
    }

    /// Everything that has arrived was heard: whoever was silent, or late enough for a peer to have
    /// taken over, lets go or goes on.
    pub(super) fn settle_doubts(&mut self, now: Instant) {
        self.doubt_stalled(now);
        for (slot, doubt) in core::mem::take(&mut self.doubts) {
            let Some(seat) = self.seats.get_mut(&slot) else { continue };
            if seat.instance.state() != State::Active {
                // Somebody else's advert has settled it; an heir has nothing to go on with.
                seat.instance.renounce();
                seat.membership.renounce();
                self.touched.insert(slot);
                continue;
            }
            self.touched.insert(slot);
            let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
            let lets_go = doubt.lets_go && !base::planted!(LapseIsNoDoubt);
            if lets_go || !base::planted!(LapseIsNoDoubt) && seat.instance.may_be_overtaken(now) {
                seat.instance.stand_back(&mut turn, doubt.event);
            } else if seat.granted {
                self.go_on(now, slot);
            } else {
                self.leases.handle(now, lease::Input::Again { holder: slot.holder() });
            }
        }
    }

    /// Tells the leases what this instance would put under one.
    pub(super) fn instruct_leases(&mut self, now: Instant, slot: Slot, config: &Config) {
        let mut keys: Vec<LeaseKey> = config.all_vips().map(|vip| vip.address.into()).collect();
        let leased = config.lease && !keys.is_empty();
        keys.extend(device_keys(config));
        let mut interfaces: Vec<Name> = config.interface.iter().cloned().collect();
        interfaces.extend(config.all_vips().map(|vip| vip.interface.clone()));
        interfaces.extend(config.devices.iter().map(|device| device.parent.clone()));
        interfaces.sort();
        interfaces.dedup();
        let (terms, waits) = (config.lease_terms(), config.stages());
        let subject = lease::Subject { leased, terms, keys, interfaces, waits };
        let input = lease::Input::Manage { holder: slot.holder(), subject: Some(subject) };
        self.leases.handle(now, input);
    }

    /// Asks for a lease, or gives it up.
    pub(super) fn settle_lease(&mut self, now: Instant, slot: Slot) {
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        let holder = slot.holder();
        let holds = seat.instance.state() == State::Active;
        let inherits = seat.instance.inherits();
        let wants = holds || inherits;
        if wants && !seat.leasing {
            let adopt = inherits || seat.instance.is_silenced();
            self.leases.handle(now, lease::Input::Hold { holder, adopt });
        } else if !wants && seat.leasing {
            seat.granted = false;
            seat.silenced_by = None;
            seat.unannounced = None;
            self.leases.handle(now, lease::Input::Release { holder });
            self.clearing.insert(holder);
            self.partings.insert(holder);
        }
        seat.leasing = wants;
        if wants {
            self.clearing.remove(&holder);
        }
        // An heir whose lease was found alive before it could run.
        let certain = !self.doubts.contains_key(&slot) && !seat.instance.is_stalled(now);
        if seat.granted && seat.instance.is_silenced() && certain {
            self.go_on(now, slot);
        }
    }
}
