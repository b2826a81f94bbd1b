//! Figures: how long things take, told beside what must come about. Beside other tests they say little;
//! `cargo xtask bench cluster` plays them alone, with a release and default timings, several times, and
//! those that are ignored here as well.

mod agents;
mod crashes;
mod rest;
mod vips;

use std::time::Duration;

/// Tells a figure, in a line that `cargo xtask bench cluster` looks for: the row, and milliseconds.
pub(crate) fn tell(row: &str, took: Duration) {
    tell_number(row, took.as_micros());
}

/// The same of anything else, in thousandths.
fn tell_number(row: &str, thousandths: u128) {
    println!("FIGURE\t{row}\t{}.{:03}", thousandths / 1000, thousandths % 1000);
}
