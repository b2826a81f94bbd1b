//! What goes into the keeper and what comes out of it.

use base::{Batch, BatchDone, Errno, IfIndex, KernelFact, Vip};
use serde::{Deserialize, Serialize};

use crate::HolderId;

/// What the keeper can be told. Facts are lent, not given: several machines read the same one.
#[derive(Debug)]
pub enum Input<'a> {
    /// These, and no others, are the VIPs this holder may ever hold; replaces what it said before
    /// and does not change whether it holds. What it no longer names is removed from the kernel
    /// (unless another holder holds it). An empty list forgets the holder.
    Manage {
        /// Who.
        holder: HolderId,
        /// Everything it may hold. The order is the order of installation: of several IPv4
        /// addresses of one prefix, the kernel takes the first as primary.
        vips: Vec<Vip>,
    },
    /// This holder wants all its VIPs present, until [`Input::Release`].
    Hold {
        /// Who.
        holder: HolderId,
    },
    /// This holder wants none of its VIPs present. Also the state before the first `Hold`: a VIP
    /// that is managed, not held and yet present is removed.
    Release {
        /// Who.
        holder: HolderId,
    },
    /// Whether this holder's VIPs wait installed while it does not hold. For VIPs on an interface
    /// that is down then, and silenced ([`crate::lease`]): a holder is told of VIPs that are present
    /// only while their interface is up.
    Wait {
        /// Who.
        holder: HolderId,
        /// Whether.
        waiting: Waiting,
    },
    /// Whether the kernel is asked now and then, while this holder does not hold, if it would take
    /// by now what it has refused ([`base::AddressOp::Probe`]).
    Try {
        /// Who.
        holder: HolderId,
        /// Whether.
        trying: bool,
    },
    /// The kernel said something. Facts must come in the kernel's order, and a snapshot after any
    /// gap; how they interleave with [`Input::Done`] does not matter.
    Fact(&'a KernelFact),
    /// A batch is through.
    Done(BatchDone),
    /// Look at the clock again.
    Wake,
}

/// Whether VIPs that are not held wait installed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Waiting {
    /// They are removed.
    #[default]
    No,
    /// Those that are there stay.
    Stay,
    /// They are installed.
    Put,
}

/// What the keeper asks for and tells.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Make the kernel so. Several batches may be under way; they never name the same address.
    Batch(Batch),
    /// These VIPs of a holder that holds are now present: the kernel confirmed it. To be announced.
    Present {
        /// Whose.
        holder: HolderId,
        /// Those that became present.
        vips: Vec<Vip>,
    },
    /// These VIPs, told present before, are no longer there (or, when two holders share one, no
    /// longer this holder's). Follows a release, a lost interface, an interface that went down.
    Gone {
        /// Whose.
        holder: HolderId,
        /// Those that went.
        vips: Vec<Vip>,
    },
    /// Somebody else removed a held VIP. It is being put back; `Present` follows. Stands for `Gone`.
    Taken {
        /// Whose.
        holder: HolderId,
        /// What was removed.
        vip: Vip,
    },
    /// A VIP was present though nobody holds it and we did not install it: the remains of an earlier
    /// run, or somebody else's work. It is being removed.
    LeftOver {
        /// Who manages it.
        holder: HolderId,
        /// What was found.
        vip: Vip,
    },
    /// The kernel refuses to install or remove a VIP. Told at the first attempt, at the
    /// [fifth](super::GIVEN_UP), and whenever the answer changes; attempts go on with growing pauses.
    Refused {
        /// Whose.
        holder: HolderId,
        /// What.
        vip: Vip,
        /// The kernel's answer.
        errno: Errno,
        /// Attempts so far without success, this one included.
        attempts: u32,
    },
}

/// Input the keeper could make nothing of, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Discards {
    /// `Done` for a batch that is not under way.
    pub unknown_ticket: u64,
    /// `Done` with more or fewer outcomes than the batch had operations. What has no outcome is
    /// done again.
    pub outcome_count: u64,
}

/// The keeper as a value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// One row for every VIP of every holder, by holder and in its order.
    pub vips: Vec<VipStatus>,
    /// Batches under way.
    pub batches_in_flight: u32,
    /// Operations asked of the kernel since the start.
    pub operations: u64,
    /// Input discarded.
    pub discards: Discards,
}

/// One VIP of one holder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VipStatus {
    /// Whose.
    pub holder: HolderId,
    /// Which.
    pub vip: Vip,
    /// The interface its name stands for now; none when there is no such interface.
    pub index: Option<IfIndex>,
    /// Whether this holder holds.
    pub wanted: bool,
    /// Whether the kernel has it, usable.
    pub present: bool,
    /// Whether an operation on it is under way.
    pub in_flight: bool,
    /// The last refusal, with the attempts so far, while it is not overcome.
    pub refused: Option<(Errno, u32)>,
}
