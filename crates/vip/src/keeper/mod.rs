//! The keeper: wanted against present addresses.

mod io;

pub use io::{Discards, Input, Output, Status, VipStatus};
