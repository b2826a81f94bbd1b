//! keepalived's outward face: what programs and people around keepalived read, made from the values
//! mainstay has anyway. Values in, text out; whoever asks and wherever it is written is the daemon's
//! business.
//!
//! The formats are an interface of keepalived that others parse (the two public exporters, scripts
//! around `grep`); their keys and their order are kept, line by line, where they tell something that
//! is true here. What keepalived tells of its own insides (descriptors, counters of faults) is left
//! out rather than made up. Every dump is made from one [`Snapshot`].

mod data;
mod face;
mod globals;
mod json;
mod lines;
mod mail;
mod sections;
mod snapshot;
pub mod snmp;
mod stats;
mod words;

pub use data::data;
pub use face::{Face, GroupFace, InstanceFace, NotifyFace, ProcessFace, ScriptFace, TrackedFace};
pub use globals::globals;
pub use json::json;
pub use lines::Lines;
pub use mail::mail;
pub use snapshot::{Phase, ScriptStanding, Snapshot, Standing};
pub use stats::{Baseline, Stats, stats};
