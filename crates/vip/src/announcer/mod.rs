//! The announcer: when which neighbour announcement leaves.

mod io;

pub use io::{BurstPolicy, Input, Output, Status};

/// STUB
#[derive(Debug, Default)]
pub struct Announcer;
#[allow(missing_docs)]
impl Announcer {
    pub fn handle(&mut self, _now: base::Instant, _input: Input<'_>) {}
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    pub fn poll_timeout(&self) -> Option<base::Instant> {
        None
    }
}
