//! The lines of VIPs.
//!
//! The options of a VIP are those of `ip address add`, as far as they are in force. What its
//! interface is when the line names none depends on the instance and is settled later.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use base::{Broadcast, Family, Name, Scope, Vip, VipExtras, VipFlags, VipParts};

use crate::diagnostic::{Code, Diagnostic};
use crate::keywords::{nearest, vip_option};
use crate::reader::{At, Reader, shown};
use crate::tree::{Block, Statement};
use crate::{Span, VipOptions};

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
    pub(crate) options: VipOptions,
}

const VIP_OPTIONS: &[&str] = &[
    "dev",
    "label",
    "scope",
    "brd",
    "broadcast",
    "-nodad",
    "preferred_lft",
    "peer",
    "home",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "use_vmac",
];
const SCOPES: &[(&str, u8)] =
    &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

impl VipLine {
    /// The VIP, on this interface.
    pub(crate) fn on(&self, interface: Name) -> Vip {
        let VipOptions { peer, preferred, .. } = self.options;
        let some = peer.is_some() || preferred.is_some();
        Vip::from(VipParts {
            broadcast: self.broadcast,
            scope: self.scope,
            label: self.label.clone(),
            flags: VipFlags {
                home: self.options.home,
                manage_temporary: self.options.manage_temporary,
                no_prefix_route: self.options.no_prefix_route,
                unguarded: self.options.untracked,
                ..self.flags
            },
            extras: some.then(|| Box::new(VipExtras { peer, preferred })),
            ..VipParts::from(Vip::new(self.address.value, self.prefix, interface))
        })
    }
}

impl Reader<'_> {
    /// The VIPs of a block; illegal lines are reported and left out. Static ones may belong to a
    /// track group.
    pub(crate) fn vips(&mut self, block: &Block, is_static: bool) -> Vec<VipLine> {
        block.statements.iter().filter_map(|statement| self.vip(statement, is_static)).collect()
    }

    fn vip(&mut self, statement: &Statement, is_static: bool) -> Option<VipLine> {
        if !self.no_block_in(statement) {
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
            options: VipOptions::default(),
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
                    match self.label(&word, span, family) {
                        None if self.report.lenient && family == Family::V6 => {}
                        label => line.label = Some(label?),
                    }
                }
                "scope" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    match self.scope(&word, span) {
                        None if self.report.lenient => {}
                        scope => line.scope = scope?,
                    }
                }
                "brd" | "broadcast" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    line.broadcast = self.broadcast(&word, span, family)?;
                }
                "-nodad" => line.flags.no_dad = false,
                "preferred_lft" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    match self.preferred(&word, span) {
                        None if self.report.lenient => {}
                        given => (line.flags.deprecated, line.options.preferred) = given?,
                    }
                }
                "peer" => {
                    let (word, span) = self.option_value(&name, option, words.next())?;
                    let (peer, length) = match word.split_once('/') {
                        Some((peer, length)) => (peer.to_owned(), Some(length)),
                        None => (word.clone(), None),
                    };
                    line.options.peer = match self.address(&peer, span) {
                        None if self.report.lenient => None,
                        peer => Some(peer?),
                    };
                    // The kernel knows one length, and where there is a peer it is the peer's.
                    if line.options.peer.is_some()
                        && let Some(length) = length
                    {
                        let most = i64::from(family.host_prefix());
                        let number = self.integer("/LENGTH", length, span, 0, most, "")?;
                        line.prefix = u8::try_from(number).ok()?;
                    }
                }
                "home" => line.options.home = true,
                "mngtmpaddr" => line.options.manage_temporary = true,
                "noprefixroute" => line.options.no_prefix_route = true,
                "autojoin" => line.options.auto_join = true,
                "no_track" if !is_static => line.options.untracked = true,
                "use_vmac" if !is_static => line.options.vmac = true,
                "track_group" if is_static => {
                    let (word, _) = self.option_value(&name, option, words.next())?;
                    line.options.track_group = Some(Name::from(word));
                }
                other => {
                    self.bad_vip_option(other, option);
                    if !self.report.lenient {
                        return None;
                    }
                }
            }
            if let Some(why) = vip_option(&name)
                && self.pending == 0
            {
                let help = "remove it if you can do without";
                self.not_in_force(option, &format!("`{name}`"), why, help);
            }
        }
        Some(line)
    }

    pub(crate) fn option_value(
        &mut self,
        name: &str,
        option: Span,
        value: Option<Span>,
    ) -> Option<(String, Span)> {
        let Some(span) = value else {
            self.report.tolerate(
                Diagnostic::error(Code::ValueMissing, option, format!("`{name}` needs a value"))
                    .label("nothing follows")
                    .help(format!("write a value behind `{name}`, on the same line")),
            );
            return None;
        };
        Some((self.word(span)?.into_owned(), span))
    }

    fn bad_vip_option(&mut self, name: &str, span: Span) {
        let diagnostic = if name.split('/').next().is_some_and(|a| a.parse::<IpAddr>().is_ok()) {
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
                "a VIP's line is `ADDRESS[/LENGTH] [dev IF] [label L] [scope S] [brd A] [-nodad] ...`",
            )
        };
        self.report.tolerate(diagnostic);
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
        self.report.tolerate(
            Diagnostic::error(Code::BadOption, span, format!("{} cannot be a label", shown(word)))
                .label(why)
                .help("write the interface's name and a suffix, as in `eth0:1`, or leave it out"),
        );
        None
    }

    pub(crate) fn scope(&mut self, word: &str, span: Span) -> Option<Scope> {
        if let Some((_, number)) = SCOPES.iter().find(|(name, _)| *name == word) {
            return Some(Scope(*number));
        }
        if let Ok(number) = word.parse() {
            return Some(Scope(number));
        }
        self.report.tolerate(
            Diagnostic::error(Code::NotAChoice, span, format!("{} is no scope", shown(word)))
                .label("expected global, site, link, host, nowhere or 0 to 255")
                .help("write `scope global`, which is also the default"),
        );
        None
    }

    fn broadcast(&mut self, word: &str, span: Span, family: Family) -> Option<Broadcast> {
        if family == Family::V6 {
            self.report.tolerate(
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
                    self.report.tolerate(
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

    /// Whether it is deprecated from the start, and how long it is preferred otherwise.
    fn preferred(&mut self, word: &str, span: Span) -> Option<(bool, Option<Duration>)> {
        match word {
            "0" => Some((true, None)),
            "forever" => Some((false, None)),
            _ => {
                let seconds =
                    self.integer("preferred_lft", word, span, 0, 4_294_967_294, "seconds")?;
                Some((false, Some(Duration::from_secs(u64::try_from(seconds).ok()?))))
            }
        }
    }
}
