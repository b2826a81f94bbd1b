//! The cluster document: the CIB as text, as a tree, and as typed values.
//!
//! [`xml`] is the lossless tree; [`model`] reads a tree into what planning needs to know, with old
//! spellings already translated; [`rules`] and [`dates`] decide what a conditional part of the
//! document says at a given time on a given node. Nothing here knows what to do about any of it.
//!
//! Around the tree: [`schema`] says whether it is well built and [`upgrade`] brings it to today's
//! words; [`version`], [`digest`] and [`patch`] are how copies are compared and kept equal;
//! [`xpath`] finds parts of it, [`acl`] says who may see and change them, and [`edit`] is every
//! change an administrator can ask for.

#![forbid(unsafe_code)]

pub mod acl;
pub mod blank;
pub mod dates;
pub mod digest;
pub mod edit;
pub mod model;
mod names;
pub mod patch;
pub mod rules;
pub mod schema;
pub mod score;
pub mod upgrade;
pub mod value;
pub mod version;
pub mod xml;
pub mod xpath;

pub use model::Cib;
pub use score::Score;
