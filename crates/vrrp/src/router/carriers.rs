//! Which links carry what instances say, as the kernel tells it and before anybody asks whether it
//! lasts (`Debounce`): what was said while a link did not run, nobody heard.

use std::collections::BTreeSet;

use base::{IfIndex, Instant, KernelFact};

use super::Router;

/// The links that do not run, of those that instances speak by.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    stopped: BTreeSet<IfIndex>,
    /// When everything that had arrived was last read.
    read: Instant,
}

impl Router {
    /// Everything that had arrived by `now` was read.
    pub(super) fn has_read(&mut self, now: Instant) {
        self.carriers.read = now;
    }

    /// Takes in what a fact says of links.
    pub(super) fn hear_links(&mut self, now: Instant, fact: &KernelFact) {
        match fact {
            KernelFact::Link(link) => self.hear_carrier(now, link.index, link.running),
            KernelFact::LinkGone(index) => {
                self.hear_carrier(now, *index, false);
                self.carriers.stopped.remove(index);
            }
            KernelFact::Snapshot { links, .. } => {
                let spoken_by: BTreeSet<IfIndex> = self.sockets.iter().map(|it| it.index).collect();
                for index in spoken_by {
                    let runs = links.iter().any(|link| link.index == index && link.running);
                    self.hear_carrier(now, index, runs);
                }
            }
            KernelFact::Address(_) | KernelFact::AddressGone(_) => {}
        }
    }

    fn hear_carrier(&mut self, now: Instant, index: IfIndex, runs: bool) {
        let carriers = &mut self.carriers;
        let news = if runs {
            carriers.stopped.remove(&index)
        } else {
            // Of links that nobody speaks by there are thousands.
            self.sockets.iter().any(|it| it.index == index) && carriers.stopped.insert(index)
        };
        if !news {
            return;
        }
        let read = carriers.read;
        for seat in self.seats.values_mut() {
            if seat.instance.around().attachment.is_some_and(|at| at.index == index) {
                match runs {
                    true => seat.instance.link_runs(),
                    false => seat.instance.link_stopped(now, read),
                }
            }
        }
    }
}
