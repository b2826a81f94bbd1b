//! The rules, a sentence each.

use core::fmt;

use base::Instant;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// What must hold.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Rule] = &[$(Rule::$name,)*];
        }

        /// The sentence.
        impl fmt::Display for Rule {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Rule::$name => $text,)* })
            }
        }
    };
}

rules! {
    /// S1, invariant 5.
    TwoActives => "Two nodes that hear each other are both Active for one takeover's overlap at most.",
    /// S1, at the kernels.
    TwoHolders => "Two nodes that hear each other both have a VIP for one takeover's overlap at most.",
    /// S1, as seen by one node (RFC 9568 §6.4.3).
    NoYield => "An Active node that hears a better claim yields at once.",
    /// RFC 9568 §6.4.2, VRRP-072, 073, 060, 069.
    TooEarly => "A Backup takes over only after Active_Down_Interval without an advert it must respect.",
    /// VRRP-079.
    Unread => "A Backup judges silence only when nothing is left to read.",
    /// L1.
    TooLate => "A Backup that hears nothing it must respect for Active_Down_Interval takes over within 50 ms.",
    /// VRRP-064.
    NotStarted => "An instance that has everything it needs takes part within 100 ms of its start-up delay.",
    /// VRRP-062.
    NotStopped => "An instance that lacks what it needs leaves within 100 ms.",
    /// VRRP-065.
    WrongPriority => "An instance's priority follows its trackers within 100 ms.",
    /// VRRP-054, 077, L3.
    AdvertLate => "A holder that runs is never late with an advert, whatever else happens.",
    /// Invariant 4, VRRP-067.
    Stray => "A node that does not hold has no VIP, but for the 150 ms it takes to remove one.",
    /// VRRP-067.
    Missing => "A holder's VIP that somebody removed is back within 100 ms.",
    /// VRRP-101.
    DeviceUp => "A node that does not hold has the interface with the virtual MAC down.",
    /// Invariant 4.
    DeviceLeft => "A node that has stopped in good order has no interface with a virtual MAC left.",
    /// Events tell the truth.
    FalseAlarm => "A VIP is reported as taken only if somebody took it.",
    /// VRRP-101.
    WrongAnnouncement => "Only a holder announces a VIP.",
    /// D2.
    LeftBehind => "A VIP with a lifetime is gone 2.7 s after its node's processes died or froze.",
    /// D2, DESIGN §4.
    NotGivenUp => "What a dead or stalled engine held is given up by its guardian, or held on by the next engine, before the peers take over.",
    /// Point 5: the one that remains must learn that there were two.
    NoLastWord => "A holder that yields says one last word.",
    /// D2, DESIGN §4: the lease.
    AnswersUnled => "A VIP whose engine is dead or frozen is answered for no longer than its lease.",
    /// DESIGN §4.
    FarewellFirst => "A guardian's farewell comes after the silence, never before.",
    /// Decision 0019.
    NamedFirst => "Who leaves names who follows when it answers for none of its VIPs any more, never before.",
    /// DESIGN §4.
    SpokeSilenced => "A holder never adverts while it is silenced.",
    /// DESIGN §4: drain, listen, decide.
    Revived => "A lease that has ended is followed by another only when its holder has said that it ended.",
    /// DESIGN §4, the stall guard.
    ClaimsUnheard => "A holder that has said nothing for so long that a peer may have taken over listens before it speaks.",
    /// Invariant 4.
    Collateral => "When a VIP lapses no address goes along that is not a VIP of the node.",
    /// ARP-007, S3.
    ClientMisled => "The client sends to the holder, once the holder could know and nothing was lost on the way.",
    /// L2.
    Storm => "Left alone, a node changes its state a few times at most.",
    /// Invariant 7, VRRP-066.
    ReloadTouches => "A reload leaves alone what it does not change.",
    /// VRRP-020.
    Swayed => "An advert that is refused changes no state and no timer.",
    /// L1 after the heal.
    NobodyHolds => "After the heal somebody holds.",
    /// S1 after the heal.
    SeveralHold => "After the heal one node holds, and its kernel has the VIPs.",
    /// D3.
    TraceDiffers => "The same seed is the same world.",
    /// The machines' own assertions.
    Panicked => "No machine panics.",
}

/// A rule that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// When, by the world's clock.
    pub at: Instant,
    /// The evidence.
    pub evidence: String,
}

impl Violation {
    pub(crate) fn new(rule: Rule, at: Instant, evidence: String) -> Self {
        Self { rule, at, evidence }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}\n  {}", self.rule, self.at, self.rule, self.evidence)
    }
}
