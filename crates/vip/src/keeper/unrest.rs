//! What a slot has only while something is under way, or went wrong.
//!
//! Of thousands of VIPs nearly all rest, nearly always: the kernel has what is wanted and nothing was
//! asked for lately. So this takes no room until there is something to remember, and gives it back when
//! the keeper comes to rest.

use core::ops::{Deref, DerefMut};

use base::{Errno, Instant, Vip};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Add,
    Remove,
    /// Find out whether the kernel would take it.
    Probe,
}

impl Act {
    /// Whether both are refused for the same reasons.
    pub(super) fn is_like(self, other: Act) -> bool {
        (self == Act::Remove) == (other == Act::Remove)
    }
}

/// An operation under way, and what the facts said meanwhile.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) act: Act,
    pub(super) vip: Vip,
    /// It was started to dispel a doubt.
    pub(super) doubted: bool,
    pub(super) gone_seen: bool,
    /// `Address` came, and no `AddressGone` after it.
    pub(super) here_seen: bool,
    /// A snapshot or the end of the interface came: the outcome says little about now.
    pub(super) overtaken: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) act: Act,
    pub(super) errno: Errno,
    pub(super) attempts: u32,
}

/// All of it. At rest, and long after, it is what a new one is.
#[derive(Debug)]
pub(super) struct Unrest {
    pub(super) flight: Option<Flight>,
    /// Our own removals whose echo is still to come, and until when we wait for it.
    pub(super) owed_gone: u32,
    pub(super) owed_until: Instant,
    /// Our own additions which the facts have not shown yet, and until when we wait for that.
    pub(super) adds_unseen: u32,
    pub(super) unseen_until: Instant,
    /// It went while the echo of our last addition may still be on its way: until then, what is said
    /// to be there is ours.
    pub(super) echoes_until: Option<Instant>,
    pub(super) doubt: bool,
    /// It went with its interface going down; wait until that runs again.
    pub(super) flushed: bool,
    /// Somebody removed it, and it is to be left so until it is wanted anew (`no_track`).
    pub(super) abandoned: bool,
    pub(super) refusal: Option<Refusal>,
    pub(super) not_before: Option<Instant>,
    pub(super) taken_at: Instant,
    pub(super) taken_in_a_row: u32,
}

impl Unrest {
    const NONE: Self = Self {
        flight: None,
        owed_gone: 0,
        owed_until: Instant::ZERO,
        adds_unseen: 0,
        unseen_until: Instant::ZERO,
        echoes_until: None,
        doubt: false,
        flushed: false,
        abandoned: false,
        refusal: None,
        not_before: None,
        taken_at: Instant::ZERO,
        taken_in_a_row: 0,
    };

    /// Whether something is still to be done or waited for that has no end in time.
    pub(super) fn is_pending(&self) -> bool {
        self.flight.is_some()
            || self.doubt
            || self.flushed
            || self.abandoned
            || self.refusal.is_some()
            || self.not_before.is_some()
    }
}

/// None, or all of it from the first change on.
#[derive(Debug, Default)]
pub(super) struct Seldom(Option<Box<Unrest>>);

impl Seldom {
    /// The operation under way, and what it is, to note something about it.
    pub(super) fn flight_mut(&mut self) -> Option<(Act, &mut Flight)> {
        let flight = self.0.as_mut()?.flight.as_mut()?;
        Some((flight.act, flight))
    }
}

static NONE: Unrest = Unrest::NONE;

impl Deref for Seldom {
    type Target = Unrest;

    fn deref(&self) -> &Unrest {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Seldom {
    fn deref_mut(&mut self) -> &mut Unrest {
        self.0.get_or_insert_with(|| Box::new(Unrest::NONE))
    }
}
