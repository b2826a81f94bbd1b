//! What one engine leaves to the next when it hands over in good order (`mainstay upgrade`): where
//! each instance stands, to the instant.
//!
//! The image outlives the program that made it, so its shape is a promise: a version is never
//! changed, a new one is added, and both this and the last are understood (`tests/image.rs` reads
//! images that were stored when they were made). Instants are CLOCK_MONOTONIC's, the same in every
//! process of a node.

use core::net::IpAddr;
use core::time::Duration;

use base::{EventId, Instant, Name, Priority};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::status::StayBack;

/// The image of a router, in the version it was made in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Image {
    /// mainstay 0.1, before it knew signed adverts.
    V1 {
        /// The last number given to an event.
        #[serde(deserialize_with = "reachable")]
        events: u64,
        /// All instances, in the order of the configuration.
        instances: Vec<InstanceV1>,
    },
    /// With what signed adverts need.
    V2 {
        /// The last number given to an event.
        #[serde(deserialize_with = "reachable")]
        events: u64,
        /// All instances, in the order of the configuration.
        instances: Vec<InstanceV2>,
    },
    /// With what a switch-over leaves behind.
    V3 {
        /// The last number given to an event.
        #[serde(deserialize_with = "reachable")]
        events: u64,
        /// All instances, in the order of the configuration.
        instances: Vec<InstanceV3>,
    },
}

/// One instance, and whether it stays back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceV3 {
    /// As before.
    pub base: InstanceV2,
    /// It was switched over and does not preempt until this ends.
    pub stays_back: Option<StayBack>,
}

impl From<InstanceV2> for InstanceV3 {
    fn from(base: InstanceV2) -> Self {
        Self { base, stays_back: None }
    }
}

/// One instance, and the numbers of signed adverts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceV2 {
    /// As before.
    pub base: InstanceV1,
    /// The holder has spoken more than once, so that its interval is believed.
    pub proven: bool,
    /// The number its last signed advert had.
    pub number: Option<u64>,
    /// The highest number of each sender it has heard.
    pub marks: Vec<MarkV2>,
}

/// A sender of signed adverts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkV2 {
    /// Its address.
    pub source: IpAddr,
    /// The highest number it has used.
    pub highest: u64,
    /// When it was heard.
    pub heard: Instant,
}

impl From<InstanceV1> for InstanceV2 {
    fn from(base: InstanceV1) -> Self {
        // An image is made of a group that runs: whoever held was heard more than once.
        Self { base, proven: true, number: None, marks: Vec::new() }
    }
}

/// One instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceV1 {
    /// Its name.
    pub name: Name,
    /// Its state.
    pub phase: PhaseV1,
    /// The holder's interval, as learned.
    pub learned_interval: Option<Duration>,
    /// The holder, as last heard.
    pub peer: Option<PeerV1>,
    /// When its state last changed, and by which event.
    pub changed_at: Instant,
    /// That event.
    pub changed_by: Option<EventId>,
}

/// A state and its deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PhaseV1 {
    /// Cannot run, or waits for the end of the start-up delay.
    Initialize,
    /// Waits for silence, as it has since `armed_at`.
    Backup {
        /// Since then.
        armed_at: Instant,
        /// A weaker holder speaks and is not listened to.
        preempting: bool,
        /// The holder resigned; the event that said so.
        resigned: Option<EventId>,
        /// When a weaker holder's time is up.
        preempt_at: Option<Instant>,
    },
    /// Holds; the next advert is due then.
    Active {
        /// Then.
        advert_at: Instant,
    },
}

/// A holder as last heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerV1 {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: Duration,
    /// When.
    pub at: Instant,
    /// The event that told of it.
    pub event: EventId,
}

/// A number of events that an engine can have reached: a million a second for a thousand years.
/// Beyond it the image is damaged, and counting on from there would run out of numbers.
fn reachable<'de, D: Deserializer<'de>>(source: D) -> Result<u64, D::Error> {
    const MOST: u64 = 1 << 55;
    let events = u64::deserialize(source)?;
    if events > MOST {
        let what = format!("the last event has number {events}, which no engine reaches");
        return Err(D::Error::custom(what));
    }
    Ok(events)
}

impl Image {
    /// The last number given to an event, and the instances, in the present version.
    pub(crate) fn into_parts(self) -> (u64, Vec<InstanceV3>) {
        match self {
            Image::V1 { events, instances } => {
                let instances = instances.into_iter().map(InstanceV2::from);
                (events, instances.map(InstanceV3::from).collect())
            }
            Image::V2 { events, instances } => {
                (events, instances.into_iter().map(InstanceV3::from).collect())
            }
            Image::V3 { events, instances } => (events, instances),
        }
    }
}
