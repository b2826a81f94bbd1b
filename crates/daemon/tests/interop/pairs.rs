//! Two nodes of ours, of which the first holds and serves the client: where most stories begin.

use lab::Need;

use crate::bench::{Bench, OURS, PEER};
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part};
use crate::speaker::Speaker;

/// Builds them, each with what `part` makes of its priority; `None` where the machine cannot.
pub(crate) fn pair(mode: Mode, part: impl Fn(u8) -> Part) -> Option<(Bench, Mainstay, Mainstay)> {
    lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]).then(|| {
        let mut bench = Bench::new(mode, &[OURS, PEER]);
        let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
        us.start(&mut bench, &part(150));
        peer.start(&mut bench, &part(100));
        bench.sole_holder(&us, &[&peer]);
        bench.served_by("ours");
        (bench, us, peer)
    })
}

/// The same with nothing but their priorities.
pub(crate) fn plain_pair(mode: Mode) -> Option<(Bench, Mainstay, Mainstay)> {
    pair(mode, |priority| Part::new(mode, priority))
}
