//! What a plan is carried out on: the document ([`Tree`]), or only what planning knows of it
//! ([`Model`]).
//!
//! A document is changed where it is to be written afterwards. Where the outcome is only looked at,
//! the model is enough: in a large cluster it is a fraction of the document. Both come to the same
//! (`tests/paper.rs` holds them against each other).

mod model;
mod tree;

use cib::model::Text;
use sched::StepResource;

pub use model::Model;
pub use tree::Tree;
pub(crate) use tree::{node_state, set_node};

/// Who is said to have planned and executed.
const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
/// The version of the records that are written.
const FEATURES: &str = "3.16.1";
/// Why something failed that was told to.
const INJECTED: &str = "User-injected result";
/// What the state of a node says of it when it is up, and when it is not.
const UP: [(&str, &str); 4] =
    [("in_ccm", "true"), ("crmd", "online"), ("join", "member"), ("expected", "member")];
const DOWN: [(&str, &str); 4] =
    [("in_ccm", "false"), ("crmd", "offline"), ("join", "down"), ("expected", "down")];

/// Where the history of a resource on a node is: which node's state, which of its histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    state: usize,
    history: usize,
}

/// What is recorded of an operation.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Under which name the resource is recorded.
    pub name: Text,
    /// What was done.
    pub operation: Text,
    /// Milliseconds between repetitions.
    pub interval: i64,
    /// Number among the operations of the resource.
    pub call: i64,
    /// The exit code.
    pub rc: i64,
    /// The expected one.
    pub target: i64,
    /// Whether it counts as failed.
    pub failed: bool,
    /// When, in seconds since the epoch.
    pub at: i64,
    /// Of the parameters.
    pub digest: Text,
    /// Where a migration came from.
    pub migrate_source: Option<Text>,
    /// Where it went to.
    pub migrate_target: Option<Text>,
}

/// See the module.
pub trait Paper {
    /// Takes a node offline, with all that was known of it.
    fn lose(&mut self, node: &str, id: &str);
    /// Drops the history of a resource on a node.
    fn forget(&mut self, node: &str, id: &str, resource: &str);
    /// The history under the first of these names that has one; made under the last if none has.
    fn history(&mut self, node: &str, id: &str, names: [&str; 2], resource: &StepResource)
    -> Place;
    /// The name a history is kept under.
    fn name(&self, place: Place) -> Text;
    /// The highest number of an operation in a history.
    fn last_call(&self, place: Place) -> i64;
    /// Writes a record, in place of the one of that id.
    fn write(&mut self, place: Place, id: &str, entry: &Entry);
}
