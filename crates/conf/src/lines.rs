//! Blocks whose lines are no keywords: VIPs, peers, tracked interfaces.
//!
//! The options of a VIP are those of `ip address add`, as far as they are in force. What its
//! interface is when the line names none depends on the instance and is settled later.

use core::net::{IpAddr, Ipv4Addr};

use base::{Broadcast, Family, Name, Scope, TrackEffect, VipFlags};

use crate::diagnostic::{Code, Diagnostic};
use crate::keywords::nearest;
use crate::reader::{At, Reader, shown};
use crate::tree::{Block, Statement};
use crate::{Peer, Place, Span};

/// A VIP's line.
#[derive(Clone, Debug)]
pub(crate) struct VipLine {
    pub(crate) address: At<IpAddr>,
    pub(crate) prefix: u8,
    pub(crate) dev: Option<At<Name>>,
    pub(crate) broadcast: Broadcast,
    pub(crate) scope: Scope,
    pub(crate) label: Option<Name>,
    pub(crate) flags: VipFlags,
}

/// A tracked interface's line.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceLine {
    pub(crate) interface: At<Name>,
    pub(crate) effect: TrackEffect,
}

const VIP_OPTIONS: &[&str] =
    &["dev", "label", "scope", "brd", "broadcast", "-nodad", "preferred_lft"];
const VIP_OPTIONS_LATER: &[&str] = &[
    "peer",
    "home",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "use_vmac",
    "track_group",
];
const SCOPES: &[(&str, u8)] =
    &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

impl Reader<'_> {
    /// The VIPs of a block; illegal lines are reported and left out.
    pub(crate) fn vips(&mut self, block: &Block) -> Vec<VipLine> {
        block.statements.iter().filter_map(|statement| self.vip(statement)).collect()
    }

    fn line_is_plain(&mut self, statement: &Statement) -> bool {
        if let Some(block) = &statement.block {
            self.report.push(
                Diagnostic::error(Code::UnexpectedBlock, block.open, "no block belongs here")
                    .label("opened here")
                    .help("is a `}` missing before this line?"),
            );
            return false;
        }
        true
    }

    fn vip(&mut self, statement: &Statement) -> Option<VipLine> {
        if !self.line_is_plain(statement) {
            return None;
        }
        let span = statement.keyword();
        let (address, prefix) = self.address_with_prefix(span)?;
        let family = Family::of(&address);
        let mut line = VipLine {
            address: At::new(address, span),
            prefix,
            dev: None,
            broadcast: Broadcast::None,
            scope: Scope::GLOBAL,
            label: None,
            // As keepalived: an address that is a whole prefix is nobody's preferred source.
            flags: VipFlags {
                deprecated: family == Family::V6 && prefix == 128,
                ..VipFlags::default()
            },
        };
        let mut words = statement.arguments().iter().copied();
        while let Some(option) = words.next() {
            let name = self.word(option)?;
            match &*name {
                "dev" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    line.dev = Some(At::new(self.interface(&word, span)?, span));
                }
                "label" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    line.label = Some(self.label(&word, span, family)?);
                }
                "scope" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    line.scope = self.scope(&word, span)?;
                }
                "brd" | "broadcast" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    line.broadcast = self.broadcast(&word, span, family)?;
                }
                "-nodad" => line.flags.no_dad = false,
                "preferred_lft" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    line.flags.deprecated = self.preferred(&word, span)?;
                }
                other => {
                    self.bad_vip_option(other, option);
                    return None;
                }
            }
        }
        Some(line)
    }

    fn option_value(
        &mut self,
        name: &str,
        option: Span,
        value: Option<Span>,
    ) -> Option<(String, Span)> {
        let Some(span) = value else {
            self.report.push(
                Diagnostic::error(Code::ValueMissing, option, format!("`{name}` needs a value"))
                    .label("nothing follows")
                    .help(format!("write a value behind `{name}`, on the same line")),
            );
            return None;
        };
        Some((self.word(span)?.into_owned(), span))
    }

    fn bad_vip_option(&mut self, name: &str, span: Span) {
        let diagnostic = if VIP_OPTIONS_LATER.contains(&name) {
            Diagnostic::error(
                Code::NotInForce,
                span,
                format!("{} is known but not in force yet", shown(name)),
            )
            .label("not done yet for VIPs")
            .help("remove it if you can do without")
        } else if name.split('/').next().is_some_and(|a| a.parse::<IpAddr>().is_ok()) {
            Diagnostic::error(Code::BadOption, span, "a second address on one line")
                .label("expected an option")
                .help("put each address on a line of its own")
        } else {
            let label = match nearest(name, VIP_OPTIONS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "no option of a VIP".to_owned(),
            };
            Diagnostic::error(
                Code::BadOption,
                span,
                format!("unknown option {} of a VIP", shown(name)),
            )
            .label(label)
            .help(
                "a VIP's line is `ADDRESS[/LENGTH] [dev IF] [label L] [scope S] [brd A] [-nodad]`",
            )
        };
        self.report.push(diagnostic);
    }

    fn address_with_prefix(&mut self, span: Span) -> Option<(IpAddr, u8)> {
        let word = self.word(span)?;
        let (address, prefix) = match word.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (&*word, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            // Words it as for any other address, and points at the whole.
            self.address(if prefix.is_some() { address } else { &word }, span);
            return None;
        };
        let most = Family::of(&address).host_prefix();
        let length = match prefix {
            None => most,
            Some(text) => {
                let at = Span::new(span.end.saturating_sub(text.len()), span.end);
                let number = self.integer("/LENGTH", text, at, 0, i64::from(most), "")?;
                u8::try_from(number).ok()?
            }
        };
        self.may_be_vip(address, span).then_some((address, length))
    }

    fn may_be_vip(&mut self, address: IpAddr, span: Span) -> bool {
        let why = if address.is_multicast() {
            "it is a multicast address"
        } else if address.is_unspecified() {
            "it is the unspecified address"
        } else if address.is_loopback() {
            "it is a loopback address"
        } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            "it is the broadcast address"
        } else if matches!(address, IpAddr::V6(a) if a.to_ipv4_mapped().is_some()) {
            "it is an IPv4 address in IPv6 clothing"
        } else {
            return true;
        };
        self.report.push(
            Diagnostic::error(
                Code::WrongAddress,
                span,
                format!("`{address}` cannot be held by a node"),
            )
            .label(why)
            .help("write a unicast address of the network the VIP is to be reached in"),
        );
        false
    }

    fn label(&mut self, word: &str, span: Span, family: Family) -> Option<Name> {
        let why = if family == Family::V6 {
            "only IPv4 addresses have labels"
        } else if word.is_empty() || word.len() > 15 || word.contains(char::is_control) {
            "a label has 1 to 15 octets"
        } else {
            return Some(Name::from(word));
        };
        self.report.push(
            Diagnostic::error(Code::BadOption, span, format!("{} cannot be a label", shown(word)))
                .label(why)
                .help("write the interface's name and a suffix, as in `eth0:1`, or leave it out"),
        );
        None
    }

    fn scope(&mut self, word: &str, span: Span) -> Option<Scope> {
        if let Some((_, number)) = SCOPES.iter().find(|(name, _)| *name == word) {
            return Some(Scope(*number));
        }
        if let Ok(number) = word.parse() {
            return Some(Scope(number));
        }
        self.report.push(
            Diagnostic::error(Code::NotAChoice, span, format!("{} is no scope", shown(word)))
                .label("expected global, site, link, host, nowhere or 0 to 255")
                .help("write `scope global`, which is also the default"),
        );
        None
    }

    fn broadcast(&mut self, word: &str, span: Span, family: Family) -> Option<Broadcast> {
        if family == Family::V6 {
            self.report.push(
                Diagnostic::error(Code::BadOption, span, "IPv6 has no broadcast addresses")
                    .label("for an IPv6 address")
                    .help("remove `brd` and its value"),
            );
            return None;
        }
        match word {
            "+" => Some(Broadcast::HostBitsSet),
            "-" => Some(Broadcast::HostBitsClear),
            _ => match self.address(word, span)? {
                IpAddr::V4(address) => Some(Broadcast::Address(address)),
                IpAddr::V6(_) => {
                    self.report.push(
                        Diagnostic::error(
                            Code::WrongAddress,
                            span,
                            "the broadcast address of an IPv4 address is IPv4",
                        )
                        .label("IPv6")
                        .help("write `brd +` for the last address of the prefix"),
                    );
                    None
                }
            },
        }
    }

    fn preferred(&mut self, word: &str, span: Span) -> Option<bool> {
        match word {
            "0" => Some(true),
            "forever" => Some(false),
            _ => {
                self.report.push(
                    Diagnostic::error(
                        Code::NotInForce,
                        span,
                        format!("a preferred lifetime of {} is not in force yet", shown(word)),
                    )
                    .label("expected 0 or forever")
                    .help("0 keeps the VIP from being chosen as a source; forever allows it"),
                );
                None
            }
        }
    }

    /// The peers of a block; illegal lines are reported and left out.
    pub(crate) fn peers(&mut self, block: &Block) -> Vec<Peer> {
        block
            .statements
            .iter()
            .filter_map(|statement| {
                self.line_is_plain(statement).then(|| self.peer(&statement.words))?
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
                self.report.push(
                    Diagnostic::error(
                        Code::BadOption,
                        option,
                        format!("unknown option {} of a peer", shown(&name)),
                    )
                    .label("expected min_ttl or max_ttl")
                    .help(help),
                );
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
                self.line_is_plain(statement).then(|| self.tracked(&statement.words))?
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
            self.report.push(
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
        let (word, at) = self.option_value("weight", option, words.get(2).copied())?;
        let number = self.integer("weight", &word, at, -253, 253, "")?;
        let weight = i16::try_from(number).ok()?;
        let reverse = match words.get(3).copied() {
            None => false,
            Some(span) => match &*self.word(span)? {
                "reverse" => true,
                "noreverse" | "no_reverse" => false,
                other => {
                    self.report.push(
                        Diagnostic::error(
                            Code::BadOption,
                            span,
                            format!("unknown option {} of a weight", shown(other)),
                        )
                        .label("expected reverse or noreverse")
                        .help("`reverse` swaps good and bad"),
                    );
                    return None;
                }
            },
        };
        if !self.at_most("a tracked interface", words, 4) {
            return None;
        }
        let effect = match (weight, reverse) {
            (0, false) => TrackEffect::FaultWhileBad,
            (0, true) => TrackEffect::FaultWhileGood,
            (1.., false) => TrackEffect::DeltaWhileGood(weight),
            (1.., true) => TrackEffect::DeltaWhileGood(-weight),
            (_, false) => TrackEffect::DeltaWhileBad(weight),
            (_, true) => TrackEffect::DeltaWhileBad(-weight),
        };
        Some(InterfaceLine { interface, effect })
    }

    fn shown_at(&self, span: Span) -> String {
        shown(&String::from_utf8_lossy(self.raw(span)))
    }
}
