//! The announcer: when which neighbour announcement leaves.

mod io;

pub use io::{BurstPolicy, Input, Output, Status};
