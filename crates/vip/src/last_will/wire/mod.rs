//! The will as it is written down between versions.
//!
//! An engine of one version leaves its will with a guardian of another while `mainstay upgrade` is under
//! way, and for good where the guardian cannot become the new program; and a guardian leaves all of it
//! to its successor. Values of the program change with the program, so what is written is not they but
//! these types, which never change: not a field, not its place. What has to say more becomes a new
//! variant at the end of [`EditV1`] and a new version of the guardian's note; the former stays
//! readable. A reader that does not know a variant refuses it whole, which the upgrade takes as
//! "not ready" and goes back.
//!
//! The conversions name every field, so a field that is added to a value does not compile until it is
//! decided here what older versions are told. Stored octets keep all of it honest (`tests`).

#[cfg(test)]
mod tests;
mod ways;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use base::{
    Broadcast, Family, IfIndex, Instant, Name, Scope, Secret, Transmit, Vip, VipExtras, VipFlags,
    VipParts,
};
use serde::{Deserialize, Serialize};

use super::io::{Bequest, Edit, Legacy, Seal, Undo};
pub(super) use ways::WayOpV1;

/// A value and how it is written, in either direction.
pub(super) trait Written<To> {
    fn turn(self) -> To;
}

macro_rules! the_same {
    ($($kind:ty),*) => {
        $(impl Written<$kind> for $kind { fn turn(self) -> $kind { self } })*
    };
}

// What these are made of has no parts that could change.
the_same!(bool, u8, u16, u32, u64, String, Duration, IpAddr, Ipv4Addr);
the_same!(Name, IfIndex, Instant, Family, Secret);

impl<T: Written<To>, To> Written<Option<To>> for Option<T> {
    fn turn(self) -> Option<To> {
        self.map(Written::turn)
    }
}

impl<T: Written<To>, To> Written<Box<To>> for Box<T> {
    fn turn(self) -> Box<To> {
        Box::new((*self).turn())
    }
}

impl<T: Written<To>, To> Written<Vec<To>> for Vec<T> {
    fn turn(self) -> Vec<To> {
        self.into_iter().map(Written::turn).collect()
    }
}

impl<A: Written<X>, B: Written<Y>, X, Y> Written<(X, Y)> for (A, B) {
    fn turn(self) -> (X, Y) {
        (self.0.turn(), self.1.turn())
    }
}

impl<A: Written<X>, B: Written<Y>, C: Written<Z>, X, Y, Z> Written<(X, Y, Z)> for (A, B, C) {
    fn turn(self) -> (X, Y, Z) {
        (self.0.turn(), self.1.turn(), self.2.turn())
    }
}

/// A structure as it is written, which has the fields of a value in an order of its own.
macro_rules! written {
    ($(#[$doc:meta])* $wire:ident is $value:ident { $($field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize)]
        pub(in crate::last_will) struct $wire { $($field: $kind,)* }

        impl Written<$wire> for $value {
            fn turn(self) -> $wire {
                let $value { $($field,)* } = self;
                $wire { $($field: $field.turn(),)* }
            }
        }

        impl Written<$value> for $wire {
            fn turn(self) -> $value {
                let $wire { $($field,)* } = self;
                $value { $($field: $field.turn(),)* }
            }
        }

        impl From<$value> for $wire {
            fn from(value: $value) -> Self {
                value.turn()
            }
        }

        impl From<$wire> for $value {
            fn from(wire: $wire) -> Self {
                wire.turn()
            }
        }
    };
}
pub(super) use written;

/// A choice as it is written: the same variants, in an order of its own.
macro_rules! chosen {
    ($(#[$doc:meta])* $wire:ident is $value:ident {
        $($variant:ident $(($inner:ident: $kind:ty))? $({ $($field:ident: $type:ty,)* })?,)*
    }) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize)]
        pub(in crate::last_will) enum $wire {
            $($variant $(($kind))? $({ $($field: $type,)* })?,)*
        }

        impl Written<$wire> for $value {
            fn turn(self) -> $wire {
                match self {
                    $($value::$variant $(($inner))? $({ $($field,)* })? =>
                        $wire::$variant $(($inner.turn()))? $({ $($field: $field.turn(),)* })?,)*
                }
            }
        }

        impl Written<$value> for $wire {
            fn turn(self) -> $value {
                match self {
                    $($wire::$variant $(($inner))? $({ $($field,)* })? =>
                        $value::$variant $(($inner.turn()))? $({ $($field: $field.turn(),)* })?,)*
                }
            }
        }
    };
}
pub(super) use chosen;

written! {
    /// What an instance that holds leaves behind.
    BequestV1 is Bequest {
        name: Name,
        farewells: Vec<TransmitV1>,
        seal: Option<SealV1>,
        vips: Vec<(IfIndex, VipV1)>,
        patience: Duration,
    }
}

written! {
    /// What a farewell is signed with.
    SealV1 is Seal {
        key_id: u8,
        key: Secret,
        window: Option<Duration>,
        last: u64,
    }
}

written! {
    /// What a guardian leaves to its successor; a part of version 1 of the note.
    LegacyV1 is Legacy {
        born_at: Instant,
        bequests: Vec<BequestV1>,
    }
}

written! {
    /// Routes and rules of an instance; a part of version 3 of the note.
    UndoV1 is Undo {
        name: Name,
        ops: Vec<WayOpV1>,
    }
}

written! {
    /// An advert on its way out.
    TransmitV1 is Transmit {
        index: IfIndex,
        source: IpAddr,
        destination: IpAddr,
        ttl: u8,
        payload: Vec<u8>,
    }
}

written! {
    /// A VIP.
    VipV1 is VipParts {
        address: IpAddr,
        prefix: u8,
        interface: Name,
        broadcast: BroadcastV1,
        scope: ScopeV1,
        label: Option<Name>,
        flags: VipFlagsV1,
        extras: Option<Box<VipExtrasV1>>,
    }
}

impl Written<VipV1> for Vip {
    fn turn(self) -> VipV1 {
        VipParts::from(self).turn()
    }
}

impl Written<Vip> for VipV1 {
    fn turn(self) -> Vip {
        let parts: VipParts = self.turn();
        parts.into()
    }
}

written! {
    /// How it is installed.
    VipFlagsV1 is VipFlags {
        no_dad: bool,
        deprecated: bool,
        home: bool,
        manage_temporary: bool,
        no_prefix_route: bool,
        unguarded: bool,
        lifetime: Option<Duration>,
    }
}

written! {
    /// What few VIPs have.
    VipExtrasV1 is VipExtras {
        peer: Option<IpAddr>,
        preferred: Option<Duration>,
    }
}

/// The scope of an address.
#[derive(Serialize, Deserialize)]
pub(super) struct ScopeV1(u8);

impl Written<ScopeV1> for Scope {
    fn turn(self) -> ScopeV1 {
        ScopeV1(self.0)
    }
}

impl Written<Scope> for ScopeV1 {
    fn turn(self) -> Scope {
        Scope(self.0)
    }
}

chosen! {
    /// The broadcast address of a VIP.
    BroadcastV1 is Broadcast {
        None,
        HostBitsSet,
        HostBitsClear,
        Address(address: Ipv4Addr),
    }
}

/// A change of the will. Each variant is a version of its own: none is ever changed.
#[derive(Serialize, Deserialize)]
pub(super) enum EditV1 {
    Hold(BequestV1),
    Spoke { name: Name, last: u64 },
    Release { name: Name },
    Ways { name: Name, ops: Vec<WayOpV1> },
}

impl From<Edit> for EditV1 {
    fn from(edit: Edit) -> Self {
        match edit {
            Edit::Hold(bequest) => EditV1::Hold(bequest.turn()),
            Edit::Spoke { name, last } => EditV1::Spoke { name, last },
            Edit::Release { name } => EditV1::Release { name },
            Edit::Ways { name, ops } => EditV1::Ways { name, ops: ops.turn() },
        }
    }
}

impl From<EditV1> for Edit {
    fn from(edit: EditV1) -> Self {
        match edit {
            EditV1::Hold(bequest) => Edit::Hold(bequest.turn()),
            EditV1::Spoke { name, last } => Edit::Spoke { name, last },
            EditV1::Release { name } => Edit::Release { name },
            EditV1::Ways { name, ops } => Edit::Ways { name, ops: ops.turn() },
        }
    }
}
