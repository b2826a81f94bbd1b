//! What goes into the machine of devices and what comes out of it.

use base::{Device, DeviceAsk, DeviceDone, Errno, IfIndex, KernelFact, Mac, Name, Tuning};
use serde::{Deserialize, Serialize};

use crate::HolderId;

/// What the machine can be told.
#[derive(Debug)]
pub enum Input<'a> {
    /// These, and no others, are the devices of this holder; an empty list forgets it. What nobody
    /// names any more is removed.
    Manage {
        /// Who.
        holder: HolderId,
        /// Which.
        devices: Vec<Device>,
    },
    /// The holder wants its devices up, until [`Input::Release`].
    Hold {
        /// Who.
        holder: HolderId,
    },
    /// The holder wants them down.
    Release {
        /// Who.
        holder: HolderId,
    },
    /// The kernel said something. A snapshot must have come before anything is asked of it.
    Fact(&'a KernelFact),
    /// An operation is through.
    Done(DeviceDone),
    /// The switches of this interface were set, as far as that was possible.
    Tuned {
        /// Which.
        index: IfIndex,
    },
    /// Remove them all.
    Stop,
    /// Look at the clock again.
    Wake,
}

/// What the machine asks for and tells.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Make the kernel so.
    Op(DeviceAsk),
    /// Have the switches of this device set, and answer with [`Input::Tuned`].
    Tune(Tuning),
    /// A device is there, made or found.
    There {
        /// Which.
        name: Name,
        /// Its MAC.
        mac: Mac,
    },
    /// A device cannot be made, or set up or down. Told when the answer changes; attempts go on with
    /// growing pauses.
    Refused {
        /// Which.
        name: Name,
        /// The kernel's answer; `EEXIST` if a stranger has the name.
        errno: Errno,
    },
}

/// One device as a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Which.
    pub device: Device,
    /// Its number, if it is there.
    pub index: Option<IfIndex>,
    /// Whether it is set up.
    pub up: bool,
    /// Whether anybody wants it up.
    pub wanted: bool,
    /// The last refusal, while it is not overcome.
    pub refused: Option<Errno>,
}
