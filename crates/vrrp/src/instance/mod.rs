//! One virtual router as this node sees it (RFC 9568 §6).
//!
//! Decides who is Active. Owns no socket, no clock, no address: it says by its phase whether the VIPs
//! are wanted here, and the keeper makes it so. Every phase but `Initialize` has exactly one deadline,
//! and it follows from what the phase holds: a changed priority or interval moves it by itself.
//!
//! The tables of RFC 9568 §6.4 are the one `match` in [`Instance::heard`] and the three short
//! functions `startup`, `send_due` and `judge`.

mod contest;
mod heard;
mod inherit;
mod learn;
mod moves;
mod mute;
mod silence;
mod speak;
mod together;
mod troubles;
mod watched;

use core::net::IpAddr;
use core::time::Duration;

use base::{EventId, IfIndex, Instant, Priority, Reason, State, Subject, Version, Wall, What};
use vip::HolderId;

pub(crate) use inherit::Inheritance;
use mute::Mute;
use troubles::Seldom;

use crate::config::{Config, Reach};
use crate::moves::{Candidate, Candidates, Ready};
use crate::outbox::Outbox;
use crate::rivals::Rivals;
use crate::status::{StayBack, Traffic};
use crate::timers;
use crate::wire::hmac::{Marks, Sequence, Sequencer};
use crate::wire::{ChecksumForm, Heard};

/// The moment in which an input is handled, and where its consequences go.
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    /// The same moment on the clock that peers share.
    pub(crate) wall: Wall,
    pub(crate) out: &'a mut Outbox,
}

/// What the rest of the node means for an instance: derived anew whenever the kernel speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Surroundings {
    /// Where and from which address it can speak.
    pub(crate) attachment: Option<Attachment>,
    /// Why it cannot run, if it cannot.
    pub(crate) fault: Option<Reason>,
    /// What its trackers add to the priority.
    pub(crate) delta: i32,
    /// The kernel refuses a VIP, to it or to one it moves with.
    pub(crate) hindered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attachment {
    pub(crate) index: IfIndex,
    pub(crate) source: IpAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Initialize,
    Backup {
        /// When the present wait began.
        armed_at: Instant,
        /// What it waits for, and with it how long.
        waiting: Waiting,
        /// With a preemption delay: when a weaker holder's time is up.
        preempt_at: Option<Instant>,
    },
    Active {
        /// When the next advert is due.
        advert_at: Instant,
    },
}

/// Which timer a Backup runs, and what its end will mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiting {
    /// Active_Down_Interval since the holder was last heard.
    Silence,
    /// The same, while a weaker holder speaks and is not listened to.
    Preempting,
    /// Skew_Time since the holder resigned; the event that said so.
    Resigned(EventId),
    /// So long since the BFD session with the holder failed; the event that said so.
    Unreachable(EventId, Duration),
    /// Nothing: the holder left and named it; the event that said so.
    Nominated(EventId),
    /// Nothing but its sync group: it owns the addresses.
    Owner,
}

/// The holder as last heard.
#[derive(Clone, Copy, Debug)]
struct Peer {
    source: IpAddr,
    priority: Priority,
    interval: Duration,
    at: Instant,
    event: EventId,
    standing: Standing,
}

/// How much a peer's word about its interval is worth (VRRP-075).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It was heard before everybody fell silent.
    Past,
    /// It was heard once; anybody could have sent that.
    Once,
    /// It has spoken again: it is at least there.
    Again,
}

/// How many times our own interval a peer's is believed that was heard once (VRRP-075).
const UNPROVEN_CAP: u8 = 3;

/// This node's part in one virtual router.
#[derive(Debug)]
pub(crate) struct Instance {
    config: Config,
    holder: HolderId,
    phase: Phase,
    around: Surroundings,
    not_before: Instant,
    /// What it goes on with instead of starting up; until it has.
    inherits: Option<Inheritance>,
    /// What the holder advertised as its interval; none while nobody was heard and when we hold.
    learned_interval: Option<Duration>,
    /// That holder has been heard more than once.
    proven: bool,
    peer: Option<Peer>,
    learned_form: Option<ChecksumForm>,
    rivals: Rivals,
    troubles: Seldom,
    /// The highest number of each signed sender.
    marks: Marks,
    /// The numbers of our own signed adverts.
    sequencer: Sequencer,
    /// The last number signed with, until the guardian has been told.
    spoke: Option<Sequence>,
    /// It took over from a weaker holder that spoke, or may have.
    parting: bool,
    changed_at: Instant,
    changed_by: Option<EventId>,
    /// Its VIPs are silenced, or may be: it must not claim to hold.
    silenced: bool,
    /// When it last claimed to hold, for how long nobody can take over from there, and how long the
    /// machine has slept since.
    sent_at: Option<(Instant, Duration)>,
    slept: Duration,
    /// Whether that can have been heard.
    mute: Mute,
    /// The end of a wait that was put off because this node did not run when it was over.
    graced: Option<Instant>,
    /// What it has told its holder, while Backup.
    ready: Option<Ready>,
    /// Who has told it, while Active.
    candidates: Candidates,
    /// Who is to follow, once its VIPs are off the node.
    nominee: Option<Candidate>,
    /// It was switched over.
    stays_back: Option<StayBack>,
    traffic: Traffic,
}

impl Instance {
    pub(crate) fn new(now: Instant, config: Config, holder: HolderId) -> Self {
        Self {
            learned_interval: None,
            proven: false,
            not_before: now + config.startup_delay,
            inherits: None,
            config,
            holder,
            phase: Phase::Initialize,
            around: Surroundings { fault: Some(Reason::Startup), ..Surroundings::default() },
            peer: None,
            learned_form: None,
            rivals: Rivals::default(),
            troubles: Seldom::default(),
            marks: Marks::default(),
            sequencer: Sequencer::default(),
            spoke: None,
            parting: false,
            changed_at: now,
            changed_by: None,
            silenced: false,
            sent_at: None,
            slept: Duration::ZERO,
            mute: Mute::No,
            graced: None,
            ready: None,
            candidates: Candidates::default(),
            nominee: None,
            stays_back: None,
            traffic: Traffic::default(),
        }
    }

    /// Its signed adverts go on from the number that another engine of this node used last.
    pub(crate) fn continue_numbers(&mut self, last: Sequence) {
        self.sequencer = Sequencer::after(last);
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn holder(&self) -> HolderId {
        self.holder
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Initialize => State::Initialize,
            Phase::Backup { .. } => State::Backup,
            Phase::Active { .. } => State::Active,
        }
    }

    pub(crate) fn around(&self) -> Surroundings {
        self.around
    }

    /// Whether adverts for it come to `destination`.
    pub(crate) fn listens_at(&self, destination: IpAddr) -> bool {
        match &self.config.reach {
            Reach::Multicast { group } => *group == destination,
            Reach::Unicast { .. } => {
                self.around.attachment.is_some_and(|at| at.source == destination)
            }
        }
    }

    /// The event that brought the present state.
    pub(crate) fn changed_by(&self) -> Option<EventId> {
        self.changed_by
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Instance(self.config.name.clone())
    }

    /// Base priority and what the trackers add; the lowest of all while it is hindered.
    pub(crate) fn priority(&self) -> Priority {
        if self.around.hindered {
            return Priority::LOWEST;
        }
        self.config.priority.adjusted(self.around.delta)
    }

    /// Whether it has an owner's rights now.
    fn is_owner(&self) -> bool {
        self.config.priority.is_owner() && !self.around.hindered
    }

    // ---- deadlines ------------------------------------------------------------------------------

    /// The one deadline of the present phase.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Initialize if self.around.fault.is_none() => Some(self.not_before),
            Phase::Initialize => None,
            Phase::Backup { armed_at, waiting, .. } => Some(armed_at + self.wait(waiting)),
            Phase::Active { advert_at } => Some(advert_at),
        }
    }

    fn wait(&self, waiting: Waiting) -> Duration {
        match waiting {
            Waiting::Silence | Waiting::Preempting => self.active_down_interval(),
            Waiting::Resigned(_) => self.skew_time(),
            Waiting::Unreachable(_, skew) => skew,
            Waiting::Nominated(_) | Waiting::Owner => Duration::ZERO,
        }
    }

    /// Active_Adver_Interval (RFC 9568 §6.1): the holder's interval as learned, up to the cap
    /// (VRRP-075), else our own. In VRRPv2 all must have the same, so ours it is.
    fn active_interval(&self) -> Duration {
        let own = self.config.interval.as_duration();
        match (self.config.version(), self.learned_interval) {
            (Version::V3, Some(theirs)) if base::planted!(UncappedInterval) => theirs,
            (Version::V3, Some(theirs)) => theirs.min(self.interval_cap()),
            (Version::V2, _) | (Version::V3, None) => own,
        }
    }

    /// The longest interval that is believed (VRRP-075). One advert may be anybody's; who has spoken
    /// twice is at least there.
    fn interval_cap(&self) -> Duration {
        let most = self.config.learned_interval_cap;
        let times = if self.proven { most } else { most.min(UNPROVEN_CAP) };
        self.config.interval.as_duration() * u32::from(times)
    }

    fn skew_time(&self) -> Duration {
        let own = base::planted!(SkewOfOwnInterval);
        let interval =
            if own { self.config.interval.as_duration() } else { self.active_interval() };
        timers::skew_time(self.config.version(), self.priority(), interval)
    }

    fn active_down_interval(&self) -> Duration {
        let version = self.config.version();
        let missed = self.config.missed_adverts;
        timers::active_down_interval(version, self.priority(), self.active_interval(), missed)
    }

    /// Sends the advert that is due (RFC 9568 §6.4.3, Adver_Timer). May be called before the
    /// sockets are drained: sending never depends on what is yet to be read (VRRP-077).
    pub(crate) fn send_due(&mut self, turn: &mut Turn<'_>) {
        let Phase::Active { advert_at } = self.phase else { return };
        if turn.now < advert_at {
            return;
        }
        self.send(turn, self.priority());
        let news = self.rivals.look(turn.now, self.config.interval.as_duration());
        self.tell_rivals(turn, news, Reason::RivalGone, None);
        // From the deadline, not from now, or every late wake-up would slow the rhythm; but a long
        // pause is not made up for by a burst.
        let interval = self.config.interval.as_duration();
        let next = advert_at + interval;
        let advert_at = if next <= turn.now { turn.now + interval } else { next };
        self.phase = Phase::Active { advert_at };
    }

    /// Acts on a deadline of silence: the holder's (RFC 9568 §6.4.2, Active_Down_Timer), or the
    /// start-up delay. Only to be called when nothing is left to read (VRRP-079). `ran`: since when
    /// this node has done nothing but act on deadlines, one instance after the other.
    pub(crate) fn judge(&mut self, turn: &mut Turn<'_>, ran: Instant) {
        if self.deadline().is_none_or(|deadline| turn.now < deadline) {
            return;
        }
        match self.phase {
            Phase::Initialize => self.startup(turn, Reason::Startup, None),
            Phase::Active { .. } => {}
            // It did not run when its time came: it has not listened for as long as it seems.
            Phase::Backup { preempt_at, .. } if self.judges_late(ran) => {
                self.wait_for_silence(turn.now, preempt_at);
            }
            Phase::Backup { .. } => {
                if !self.grants_grace(turn.now, ran) {
                    self.take_over(turn);
                }
            }
        }
    }

    /// Its wait is over: it becomes Active, for the reason it waited for.
    pub(crate) fn take_over(&mut self, turn: &mut Turn<'_>) {
        let Phase::Backup { armed_at, waiting, .. } = self.phase else { return };
        match waiting {
            Waiting::Resigned(event) => {
                self.become_active(turn, Reason::HolderResigned, Some(event));
            }
            Waiting::Unreachable(event, _) => {
                self.become_active(turn, Reason::HolderUnreachable, Some(event));
            }
            Waiting::Nominated(event) => {
                self.become_active(turn, Reason::Nominated, Some(event));
            }
            Waiting::Owner => self.become_active(turn, Reason::Owner, None),
            Waiting::Preempting => {
                let cause = self.peer.map(|peer| peer.event);
                self.become_active(turn, Reason::WeakerHolder, cause);
            }
            Waiting::Silence => {
                let silent = What::PeerSilent {
                    source: self.peer.map(|peer| peer.source),
                    silence: turn.now.since(self.peer.map_or(armed_at, |peer| peer.at)),
                };
                let cause = self.peer.map(|peer| peer.event);
                let reason = Reason::HolderSilent;
                let event = turn.out.event(turn.now, self.subject(), silent, reason, cause);
                self.become_active(turn, Reason::HolderSilent, Some(event));
            }
        }
    }

    fn wait_for_silence(&mut self, now: Instant, preempt_at: Option<Instant>) {
        if base::planted!(StaleTimer) && self.state() == State::Backup {
            return;
        }
        self.phase = Phase::Backup { armed_at: now, waiting: Waiting::Silence, preempt_at };
    }

    // ---- changes of state -----------------------------------------------------------------------

    /// RFC 9568 §6.4.1.
    fn startup(&mut self, turn: &mut Turn<'_>, reason: Reason, cause: Option<EventId>) {
        if !base::planted!(LearnedSurvivesStart) {
            self.learned_interval = None;
        }
        let unrivalled = self.take_unrivalled(turn.now);
        if self.inherit(turn, cause) {
        } else if unrivalled {
            self.become_active(turn, Reason::NobodyElse, cause);
        } else if self.is_owner() && self.config.group.is_none() && !self.stays_back(turn.now) {
            self.become_active(turn, Reason::Owner, cause);
        } else {
            let owner = self.is_owner() && !self.stays_back(turn.now);
            let waiting = if owner { Waiting::Owner } else { Waiting::Silence };
            self.phase = Phase::Backup { armed_at: turn.now, waiting, preempt_at: None };
            self.changed(turn, State::Initialize, reason, cause);
        }
    }

    /// RFC 9568 §6.4.2: the advert leaves here and now; VIPs and announcements follow from the new
    /// phase, so that the old holder has heard of it first (VRRP-053).
    fn become_active(&mut self, turn: &mut Turn<'_>, reason: Reason, cause: Option<EventId>) {
        let from = self.state();
        let interval = self.config.interval.as_duration();
        let parting = match self.phase {
            Phase::Backup { waiting, .. } => {
                matches!(waiting, Waiting::Preempting | Waiting::Owner)
            }
            Phase::Initialize | Phase::Active { .. } => reason == Reason::Owner,
        };
        self.phase = Phase::Active { advert_at: turn.now + interval };
        self.learned_interval = None;
        // Whoever was heard before has fallen silent: it begins anew.
        self.proven = false;
        self.peer = self.peer.map(|peer| Peer { standing: Standing::Past, ..peer });
        self.sent_at = None;
        // An heir does not know yet whether its lease has outlived its predecessor.
        self.silenced = reason == Reason::Adopted && self.is_leased();
        self.changed(turn, from, reason, cause);
        self.parting = parting;
        self.send(turn, self.priority());
    }

    /// RFC 9568 §6.4.3: somebody with a better right holds.
    fn yield_to(&mut self, turn: &mut Turn<'_>, source: IpAddr, heard: &Heard, reason: Reason) {
        let priority = heard.advert.priority();
        let what = What::StrongerHeard { source, priority };
        let cause = turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
        if !base::planted!(NoPartingAdvert) && self.config.parting_advert {
            self.send(turn, self.priority());
        }
        self.wait_for_silence(turn.now, None);
        self.changed(turn, State::Active, reason, Some(cause));
        self.note_peer(turn, source, heard);
    }

    /// RFC 9568 §6.4.2 and §6.4.3, Shutdown: an Active node says so before it falls silent.
    pub(crate) fn shutdown(&mut self, turn: &mut Turn<'_>, reason: Reason, cause: Option<EventId>) {
        let from = self.state();
        if from == State::Initialize {
            return;
        }
        if self.is_unheard(reason) {
            return self.fall_silent(turn, reason, cause);
        }
        if from == State::Active {
            self.mute = Mute::No;
            self.choose_nominee(turn.now);
            self.send(turn, Priority::RESIGN);
            self.traffic.resignations_sent += 1;
            turn.out.event(turn.now, self.subject(), What::Resigned, reason, cause);
        }
        self.phase = Phase::Initialize;
        self.changed(turn, from, reason, cause);
    }

    fn changed(
        &mut self,
        turn: &mut Turn<'_>,
        from: State,
        reason: Reason,
        cause: Option<EventId>,
    ) {
        let (to, priority) = (self.state(), self.priority());
        self.ready = None;
        self.candidates.clear();
        if to == State::Active {
            self.nominee = None;
            self.stays_back = None;
        }
        self.peer = self.peer.filter(|_| to != State::Initialize);
        self.silenced &= to == State::Active;
        let news = self.rivals.clear();
        self.tell_rivals(turn, news, Reason::StateChanged, None);
        self.troubles.forget_rivals();
        self.parting = false;
        self.changed_at = turn.now;
        match to {
            // A fault that is told anew is no change.
            State::Initialize => self.traffic.became_initialize += u64::from(from != to),
            State::Backup => self.traffic.became_backup += 1,
            State::Active => self.traffic.became_active += 1,
        }
        let what = What::StateChanged { from, to, priority };
        self.changed_by = Some(turn.out.event(turn.now, self.subject(), what, reason, cause));
    }

    /// Takes in what the rest of the node means for it now (VRRP-062, 064, 065).
    pub(crate) fn surround(
        &mut self,
        turn: &mut Turn<'_>,
        around: Surroundings,
        cause: Option<EventId>,
    ) {
        let lost = self.around.fault == Some(Reason::NoSourceAddress);
        if around == self.around || (base::planted!(SourceLostForGood) && lost) {
            return;
        }
        let stuck = base::planted!(TrackerSticks) && self.around.delta != 0;
        let delta = if stuck { self.around.delta } else { around.delta };
        let around = Surroundings { delta, ..around };
        let before = self.priority();
        let was = self.around;
        // A farewell leaves by the way that is about to be lost.
        if let (Some(reason), true) = (around.fault, was.fault.is_none()) {
            self.shutdown(turn, reason, cause);
        }
        self.around = around;
        let (from, to) = (before, self.priority());
        if from != to {
            let what = What::PriorityChanged { from, to };
            let reason = match (was.hindered, around.hindered) {
                (false, true) => Reason::VipRefused,
                (true, false) => Reason::VipAccepted,
                _ => Reason::Tracker,
            };
            turn.out.event(turn.now, self.subject(), what, reason, cause);
        }
        match (was.fault, around.fault) {
            // Whatever is missing at start is as much news as what goes missing later.
            (Some(Reason::Startup), Some(reason)) if reason != Reason::Startup => {
                // Where it cannot run now it did not hold a moment ago either.
                self.inherits = None;
                self.changed(turn, State::Initialize, reason, cause);
            }
            (Some(was), None) if turn.now >= self.not_before => {
                let start = was == Reason::Startup;
                let reason = if start { Reason::Startup } else { Reason::FaultCleared };
                self.startup(turn, reason, cause);
            }
            _ => {}
        }
    }

    /// Whether `config` describes this same virtual router, so that it can be taken over in place.
    pub(crate) fn is_same_router(&self, config: &Config) -> bool {
        self.config.is_same_router(config)
    }

    /// Whether `config` says the same under another name.
    pub(crate) fn is_but_renamed(&self, config: &Config) -> bool {
        self.config == Config { name: self.config.name.clone(), ..config.clone() }
    }

    /// Takes over a changed configuration without leaving its state (VRRP-066). Deadlines follow by
    /// themselves, but for the next advert, which a shorter interval brings forward. What a Backup
    /// has learned stays: the holder does not speak faster because we would.
    pub(crate) fn reconfigure(&mut self, turn: &mut Turn<'_>, config: Config) {
        if let Phase::Active { advert_at } = self.phase {
            let latest = turn.now + config.interval.as_duration();
            let kept = base::planted!(ReloadKeepsOldDeadline);
            let advert_at = if kept { advert_at } else { advert_at.min(latest) };
            self.phase = Phase::Active { advert_at };
        }
        let (from, waited) = (self.priority(), self.deadline().is_some_and(|at| turn.now < at));
        self.config = config;
        let to = self.priority();
        // What is over by a shorter interval is over now: this node has not been late for it.
        if let (Some(deadline), Phase::Backup { armed_at, .. }) = (self.deadline(), &mut self.phase)
            && waited
        {
            *armed_at = *armed_at + turn.now.since(deadline);
        }
        if from != to {
            let what = What::PriorityChanged { from, to };
            turn.out.event(turn.now, self.subject(), what, Reason::Reload, []);
        }
    }
}

/// Whether `span` has passed since `then`; a thing that never happened is long past.
fn elapsed(then: Option<Instant>, now: Instant, span: Duration) -> bool {
    then.is_none_or(|then| now >= then + span)
}
