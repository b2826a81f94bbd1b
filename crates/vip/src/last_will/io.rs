//! What the last will hears and says.

use core::time::Duration;

use base::{AddressOp, IfIndex, Instant, Name, Secret, Transmit, Vip, WayOp};
use serde::{Deserialize, Serialize};

use super::wire::{BequestV1, EditV1, LegacyV1, UndoV1};

/// What an instance that holds leaves behind, should its engine end now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "BequestV1", from = "BequestV1")]
pub struct Bequest {
    /// The instance.
    pub name: Name,
    /// Its adverts of priority 0, one for each destination, unsigned. None: it has let go and has
    /// nothing more to say, and only its VIPs are still to be removed.
    pub farewells: Vec<Transmit>,
    /// What they are to be signed with when they are sent, since a signature has a time.
    pub seal: Option<Seal>,
    /// Its VIPs and where they are.
    pub vips: Vec<(IfIndex, Vip)>,
    /// The length of its lease: who gives no sign of life for so long no longer holds.
    pub patience: Duration,
}

impl Bequest {
    /// Whether the instance has let go, so that nobody is to go on for it.
    #[must_use]
    pub fn lets_go(&self) -> bool {
        self.farewells.is_empty()
    }
}

/// What a farewell is signed with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seal {
    /// The key's number.
    pub key_id: u8,
    /// The key.
    pub key: Secret,
    /// How far a number may be from the clock; `None`: only their order counts.
    pub window: Option<Duration>,
    /// A number that every earlier advert's was at most.
    pub last: u64,
}

/// A change of the will.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "EditV1", from = "EditV1")]
pub enum Edit {
    /// The instance holds; replaces what it left before.
    Hold(Bequest),
    /// The instance signed an advert with this number. Comes with signs of life.
    Spoke {
        /// Which.
        name: Name,
        /// The number.
        last: u64,
    },
    /// The instance holds no longer.
    Release {
        /// Which.
        name: Name,
    },
    /// What else is to be undone for an instance that holds, in this order. Comes behind its `Hold`.
    Ways {
        /// Which.
        name: Name,
        /// Its routes and rules.
        ops: Vec<WayOp>,
    },
}

/// What the machine can be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The engine changed its will.
    Edit(Edit),
    /// The engine gave a sign of life.
    Alive,
    /// The engine's process has ended.
    Ended,
    /// The engine handed over to another, which holds all that it held; its will follows.
    Replaced,
    /// No other engine is to be started: an orderly stop has begun.
    Stop,
    /// Look at the clock again.
    Wake,
}

/// What the guardian is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Start an engine, which is to take over what these instances hold.
    Start {
        /// Which.
        adopt: Vec<Name>,
    },
    /// End the engine's process, without asking.
    Kill,
    /// Take the lease away: nothing answers for any VIP from here on.
    Silence,
    /// Send this farewell, signed at this moment if there is something to sign it with.
    Farewell {
        /// What to send.
        transmit: Transmit,
        /// With what.
        seal: Option<Seal>,
    },
    /// Remove these routes and rules.
    RemoveWays(Vec<WayOp>),
    /// Remove these addresses.
    Remove(Vec<AddressOp>),
    /// A will was carried out; for the event log.
    CarriedOut {
        /// The instances that held.
        names: Vec<Name>,
        /// What had become of the engine.
        death: Death,
    },
    /// The new engine holds all that the one before held; for the event log.
    Adopted,
}

/// What a guardian leaves to the program its process becomes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "LegacyV1", from = "LegacyV1")]
pub struct Legacy {
    /// When the engine was started.
    pub born_at: Instant,
    /// What it holds.
    pub bequests: Vec<Bequest>,
}

/// The routes and rules of an instance that holds, and how they are undone: what a guardian leaves beside
/// its [`Legacy`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "UndoV1", from = "UndoV1")]
pub struct Undo {
    /// Which.
    pub name: Name,
    /// In this order.
    pub ops: Vec<WayOp>,
}

/// What became of an engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// Its process ended, and no other took over in time.
    Ended,
    /// It gave no sign of life for a whole lease.
    Stalled,
}
