//! Where adverts go and come from: source address, group or peers, interface.
//!
//! keepalived multicasts when unicast was meant and no peer is listed; where multicast is blocked
//! that makes two holders, so here it is an error.

use core::net::IpAddr;
use std::collections::HashMap;

use base::Family;

use super::Resolver;
use crate::diagnostic::{Code, Diagnostic};
use crate::reader::At;
use crate::{DEFAULT_GROUP_V4, DEFAULT_GROUP_V6, Reach, Span};

impl Resolver<'_> {
    pub(super) fn check_interface(&mut self, reach: &Option<Reach>, has_source: bool) {
        let refused = self.raw.interface.is_none() && self.report.lenient;
        if self.raw.seen.contains_key("interface") && !refused {
            return;
        }
        let help = match reach {
            None => return,
            Some(Reach::Multicast { .. }) => "add `interface NAME`",
            Some(Reach::Unicast { .. }) if !has_source => {
                "add `interface NAME`, or `unicast_src_ip` if the route decides"
            }
            Some(Reach::Unicast { peers, .. }) => {
                let link_local =
                    |a: IpAddr| matches!(a, IpAddr::V6(a) if a.is_unicast_link_local());
                if !peers.iter().any(|peer| link_local(peer.address)) {
                    return;
                }
                "add `interface NAME`: a link-local peer means nothing without one"
            }
        };
        self.report.push(
            Diagnostic::error(
                Code::NoInterface,
                self.raw.name.span,
                "this instance has no interface",
            )
            .label("in this instance")
            .help(help),
        );
    }

    pub(super) fn source(&mut self, family: Family) -> Option<At<IpAddr>> {
        let source = self.raw.sources.last()?.clone();
        if let Some(other) = self.raw.sources.iter().find(|at| at.value != source.value) {
            self.report.tolerate_as(
                Diagnostic::error(Code::TwoSources, source.span, "two source addresses are given")
                    .label("keepalived would use this one")
                    .related(other.span, "and not this one")
                    .help("keep one: the address other nodes list as their peer"),
                "and so does this",
            );
        }
        let address = source.value;
        if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
            self.report.push(
                Diagnostic::error(
                    Code::WrongAddress,
                    source.span,
                    format!("`{address}` cannot be a source address"),
                )
                .label("expected a unicast address of this node")
                .help("write an address of the interface, or leave it out for the first one"),
            );
        }
        self.same_family(family, address, source.span, "this source address");
        Some(source)
    }

    pub(super) fn same_family(&mut self, family: Family, address: IpAddr, span: Span, what: &str) {
        if let Some(diagnostic) = self.other_family(family, address, span, what) {
            self.report.push(diagnostic);
        }
    }

    fn other_family(
        &self,
        family: Family,
        address: IpAddr,
        span: Span,
        what: &str,
    ) -> Option<Diagnostic> {
        if Family::of(&address) == family {
            return None;
        }
        let decided = self.raw.vips.first().map(|vip| vip.address.span);
        let mut diagnostic = Diagnostic::error(
            Code::MixedFamilies,
            span,
            format!("{what} is {}, the instance is {family}", Family::of(&address)),
        )
        .label(format!("expected {family}"))
        .help("adverts of one instance are of one family: make a second instance for the other");
        if let Some(vip) = decided {
            diagnostic = diagnostic.related(vip, "decides the family");
        }
        Some(diagnostic)
    }

    pub(super) fn reach(&mut self, family: Family, source: Option<&At<IpAddr>>) -> Option<Reach> {
        let Some(block) = self.raw.unicast_peer else {
            if let Some(span) = self.raw.unicast_only {
                self.report.tolerate(
                    Diagnostic::error(
                        Code::UnicastWithoutPeers,
                        span,
                        "this only means something with unicast_peer",
                    )
                    .label("keepalived would multicast")
                    .help("add `unicast_peer { ... }`; for multicast, name a source with `mcast_src_ip`"),
                );
                if !self.report.lenient {
                    return None;
                }
            }
            return Some(self.multicast(family));
        };
        if !self.raw.peers_written {
            self.report.tolerate(
                Diagnostic::error(Code::UnicastWithoutPeers, block, "the list of peers is empty")
                    .label("keepalived would multicast")
                    .help("list the other nodes' addresses, or remove the block for multicast"),
            );
            if self.report.lenient {
                return Some(self.multicast(family));
            }
        }
        if let Some(span) = self.raw.given.span("mcast_dst_ip") {
            self.report.push(
                Diagnostic::warning(Code::NoEffect, span, "adverts go to peers, not to a group")
                    .label("not used")
                    .related(block, "these peers are")
                    .help("remove it, or the peers for multicast"),
            );
        }
        let mut peers = core::mem::take(&mut self.raw.peers);
        // keepalived leaves out what it cannot read, and multicasts where nobody remains.
        if self.report.lenient {
            peers.retain(|peer| {
                let span = peer.place.0;
                let odd = self.other_family(family, peer.address, span, "this peer");
                let keep = odd.is_none();
                odd.into_iter().for_each(|diagnostic| self.report.tolerate(diagnostic));
                keep
            });
            if peers.is_empty() {
                self.report.tolerate_as(
                    Diagnostic::error(
                        Code::UnicastWithoutPeers,
                        block,
                        "no peer of this list can be used",
                    )
                    .label("unicast was meant")
                    .help("list the other nodes' addresses, or remove the block for multicast"),
                    "multicasts, as keepalived does",
                );
                return Some(self.multicast(family));
            }
        }
        let mut known = HashMap::new();
        let mut twice = Vec::new();
        for (at, peer) in peers.iter().enumerate() {
            let span = peer.place.0;
            self.same_family(family, peer.address, span, "this peer");
            if source.is_some_and(|at| at.value == peer.address) {
                self.report.push(
                    Diagnostic::error(
                        Code::PeerIsSelf,
                        span,
                        format!("the peer `{}` is this node itself", peer.address),
                    )
                    .label("our own source address")
                    .help("list only the other nodes"),
                );
            }
            if let Some(before) = known.insert(peer.address, span) {
                twice.push(at);
                self.report.tolerate(
                    Diagnostic::error(
                        Code::DuplicatePeer,
                        span,
                        format!("the peer `{}` is listed twice", peer.address),
                    )
                    .label("again here")
                    .related(before, "first here")
                    .help("remove one of them"),
                );
            }
        }
        let peers: Vec<_> = peers
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !twice.contains(at))
            .map(|(_, peer)| peer)
            .collect();
        let bounded = peers.iter().any(|peer| peer.min_ttl > 0 || peer.max_ttl < 255);
        let check = self.raw.check_unicast_src.or(self.globals.check_unicast_src).unwrap_or(true);
        Some(Reach::Unicast {
            peers,
            ttl: self.raw.unicast_ttl.unwrap_or(255),
            // As keepalived: a bound on a peer's TTL would be worth nothing from a stranger.
            check_source: check || bounded,
        })
    }

    /// The group of an instance that multicasts: its own, else that of the node.
    fn multicast(&mut self, family: Family) -> Reach {
        if let Some(group) = self.raw.given.address("mcast_dst_ip") {
            let span = self.raw.given.span("mcast_dst_ip").unwrap_or_default();
            self.same_family(family, group, span, "this group");
            return Reach::Multicast { group };
        }
        let group = match family {
            Family::V4 => self.globals.group_v4.unwrap_or(IpAddr::V4(DEFAULT_GROUP_V4)),
            Family::V6 => self.globals.group_v6.unwrap_or(IpAddr::V6(DEFAULT_GROUP_V6)),
        };
        Reach::Multicast { group }
    }
}
