//! Lines of peers and of tracked interfaces.

use core::net::IpAddr;

use base::{Name, TrackEffect};

use crate::diagnostic::{Code, Diagnostic};
use crate::reader::{At, Reader, shown};
use crate::tree::Block;
use crate::{Peer, Place, Span, Weight};

/// A tracked interface's line.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceLine {
    pub(crate) interface: At<Name>,
    pub(crate) effect: TrackEffect,
}

impl Reader<'_> {
    /// The peers of a block; illegal lines are reported and left out.
    pub(crate) fn peers(&mut self, block: &Block) -> Vec<Peer> {
        block
            .statements
            .iter()
            .filter_map(|statement| {
                self.no_block_in(statement).then(|| self.peer(&statement.words))?
            })
            .collect()
    }

    fn peer(&mut self, words: &[Span]) -> Option<Peer> {
        let span = *words.first()?;
        let word = self.word(span)?;
        let address = self.address(&word, span)?;
        let mut peer = self.plain_peer(address, span)?;
        let mut given = Span::default();
        let mut words = words.get(1..).unwrap_or_default().iter().copied();
        while let Some(option) = words.next() {
            let name = self.word(option)?;
            if !matches!(&*name, "min_ttl" | "max_ttl") {
                let help = if name.parse::<IpAddr>().is_ok() {
                    "put each peer on a line of its own"
                } else {
                    "a peer's line is `ADDRESS [min_ttl N] [max_ttl N]`"
                };
                self.report.tolerate(
                    Diagnostic::error(
                        Code::BadOption,
                        option,
                        format!("unknown option {} of a peer", shown(&name)),
                    )
                    .label("expected min_ttl or max_ttl")
                    .help(help),
                );
                if self.report.lenient {
                    break;
                }
                return None;
            }
            let (word, at) = self.option_value(&name, option, words.next())?;
            let number = u8::try_from(self.integer(&name, &word, at, 0, 255, "")?).ok()?;
            given = option.join(at);
            if name == "min_ttl" {
                peer.min_ttl = number;
            } else {
                peer.max_ttl = number;
            }
        }
        if peer.min_ttl > peer.max_ttl {
            self.report.push(
                Diagnostic::error(
                    Code::TtlRange,
                    given,
                    format!("min_ttl {} is greater than max_ttl {}", peer.min_ttl, peer.max_ttl),
                )
                .label("no advert could pass")
                .help("swap them, or leave one out; both are bounds of the TTL on arrival"),
            );
            return None;
        }
        Some(peer)
    }

    /// A peer of which only the address was given.
    pub(crate) fn plain_peer(&mut self, address: IpAddr, span: Span) -> Option<Peer> {
        if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
            self.report.push(
                Diagnostic::error(
                    Code::WrongAddress,
                    span,
                    format!("`{address}` cannot be a peer"),
                )
                .label("expected the unicast address of another node")
                .help("write the address the other node sends its adverts from"),
            );
            return None;
        }
        Some(Peer { address, min_ttl: 0, max_ttl: 255, place: Place(span) })
    }

    /// The tracked interfaces of a block; illegal lines are reported and left out.
    pub(crate) fn interfaces(&mut self, block: &Block) -> Vec<InterfaceLine> {
        block
            .statements
            .iter()
            .filter_map(|statement| {
                self.no_block_in(statement).then(|| self.tracked(&statement.words))?
            })
            .collect()
    }

    fn tracked(&mut self, words: &[Span]) -> Option<InterfaceLine> {
        let span = *words.first()?;
        let word = self.word(span)?;
        let interface = At::new(self.interface(&word, span)?, span);
        let Some(option) = words.get(1).copied() else {
            return Some(InterfaceLine { interface, effect: TrackEffect::FaultWhileBad });
        };
        if &*self.word(option)? != "weight" {
            self.report.tolerate(
                Diagnostic::error(
                    Code::BadOption,
                    option,
                    format!("unknown option {} of a tracked interface", self.shown_at(option)),
                )
                .label("expected weight")
                .help("put each interface on a line of its own: `INTERFACE [weight N [reverse]]`"),
            );
            return None;
        }
        let (_, at) = self.option_value("weight", option, words.get(2).copied())?;
        let words_of_weight = [Some(at), words.get(3).copied()];
        let words_of_weight: Vec<_> = words_of_weight.into_iter().flatten().collect();
        // keepalived lowers 254 to 253, and what is further out weighs nothing: it faults.
        let word = self.word(at)?.into_owned();
        let what = match word.as_str() {
            "254" | "-254" => "weight of a script",
            _ if word.starts_with(|c: char| c == '-' || c == '+' || c.is_ascii_digit())
                && !word.ends_with(|c: char| c.is_ascii_digit()) =>
            {
                "weight of a script"
            }
            _ => "weight",
        };
        let weight = match self.weight(what, &words_of_weight, 253) {
            None if self.report.lenient => Weight::default(),
            weight => weight?,
        };
        if !self.at_most("a tracked interface", words, 4) {
            return None;
        }
        let effect = weight.effect();
        Some(InterfaceLine { interface, effect })
    }

    fn shown_at(&self, span: Span) -> String {
        shown(&String::from_utf8_lossy(self.raw(span)))
    }
}
