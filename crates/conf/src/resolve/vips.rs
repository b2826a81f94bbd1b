//! The VIPs of one instance: how many, on which interface, and none twice.

use core::net::IpAddr;
use std::collections::HashMap;

use base::{Family, Name, Vip};

use super::Resolver;
use crate::diagnostic::{Code, Diagnostic};
use crate::lines::VipLine;
use crate::{Place, Span};

impl Resolver<'_> {
    pub(super) fn check_vip_count(&mut self, family: Family, v3: bool) {
        // RFC 9568 §5.2.5 counts addresses in an octet; §7.2 forbids fragments, and 1500 octets
        // hold 40 of header, 8 of VRRP and 90 IPv6 addresses.
        let most = match family {
            Family::V4 => 255,
            Family::V6 => 90,
        };
        if let Some(vip) = self.raw.vips.get(most) {
            self.report.tolerate_as(
                Diagnostic::error(
                    Code::TooManyVips,
                    vip.address.span,
                    format!("{} VIPs do not fit into one advert", self.raw.vips.len()),
                )
                .label(format!("the first one too many; {most} {family} addresses fit"))
                .help("move the others to virtual_ipaddress_excluded, or make more instances"),
                "it and those behind it are excluded, as keepalived does",
            );
            if self.report.lenient {
                let mut excluded = self.raw.vips.split_off(most);
                excluded.append(&mut self.raw.excluded);
                self.raw.excluded = excluded;
            }
        }
        if !self.raw.vips.is_empty() || self.raw.vips_written || self.raw.no_vips {
            return;
        }
        let span = self.raw.name.span;
        if v3 {
            self.report.push(
                Diagnostic::error(Code::NoVip, span, "this instance has no VIP in its adverts")
                    .label("no virtual_ipaddress")
                    .help("add `virtual_ipaddress { ADDRESS }`, or `no_virtual_ipaddress` if scripts move something else"),
            );
        } else if self.raw.excluded.is_empty() {
            self.report.push(
                Diagnostic::warning(Code::NothingToHold, span, "this instance holds no VIP")
                    .label("no virtual_ipaddress")
                    .help("add `virtual_ipaddress { ADDRESS }`, or `no_virtual_ipaddress` if scripts move the address: mainstay then cannot guard it"),
            );
        }
    }

    pub(super) fn vips(&mut self, lines: Vec<VipLine>) -> (Vec<Vip>, Vec<Place>) {
        let mut places = Vec::with_capacity(lines.len());
        let mut vips = Vec::with_capacity(lines.len());
        for line in lines {
            let interface = match (&line.dev, &self.raw.interface) {
                (Some(dev), _) => dev.value.clone(),
                (None, Some(own)) => own.value.clone(),
                (None, None) => self.default_interface(line.address.span),
            };
            vips.push(line.on(interface));
            places.push(Place(line.address.span));
        }
        (vips, places)
    }

    pub(super) fn default_interface(&mut self, vip: Span) -> Name {
        if let Some(name) = &self.globals.default_interface {
            return name.clone();
        }
        if !self.raw.seen.contains_key("interface") {
            self.report.push(
                Diagnostic::warning(
                    Code::DefaultInterface,
                    vip,
                    "neither this VIP nor its instance names an interface",
                )
                .label("would be held on eth0, as keepalived does")
                .help("write `dev NAME` behind it, or `default_interface NAME` in global_defs"),
            );
        }
        Name::from("eth0")
    }

    pub(super) fn check_duplicates(
        &mut self,
        vips: &[Vip],
        vip_places: &[Place],
        excluded: &[Vip],
        excluded_places: &[Place],
    ) {
        let family = self.family();
        // An address may be in an advert once; on different interfaces it may be held twice (a
        // link-local gateway).
        let mut advertised = HashMap::new();
        let mut held = HashMap::new();
        let both = vips.iter().zip(vip_places).map(|pair| (pair, true));
        for ((vip, place), in_advert) in
            both.chain(excluded.iter().zip(excluded_places).map(|pair| (pair, false)))
        {
            let mut before = held.insert((vip.address, &vip.interface), place.0);
            if in_advert {
                before = before.or(advertised.insert(vip.address, place.0));
                self.vip_family(family, vip.address, place.0);
            }
            if let Some(before) = before {
                self.listed_twice(vip.address, place.0, before);
            }
        }
    }

    /// Leaves out the VIPs keepalived would leave out: those of the other family, and the second of
    /// two. Each is reported.
    pub(super) fn keep_what_keepalived_keeps(&mut self, family: Family) {
        let odd: Vec<_> = self
            .raw
            .vips
            .iter()
            .map(|line| (line.address.value, line.address.span))
            .filter(|(address, _)| Family::of(address) != family)
            .collect();
        for (address, span) in odd {
            self.vip_family(family, address, span);
        }
        self.raw.vips.retain(|line| Family::of(&line.address.value) == family);
        let mut known = HashMap::new();
        let mut twice = Vec::new();
        let own = self.raw.interface.as_ref().map(|at| at.value.clone());
        let mut first = |line: &VipLine| {
            let interface = line.dev.as_ref().map(|dev| dev.value.clone()).or_else(|| own.clone());
            match known.insert((line.address.value, interface), line.address.span) {
                Some(before) => twice.push((line.address.value, line.address.span, before)),
                None => return true,
            }
            false
        };
        self.raw.vips.retain(&mut first);
        self.raw.excluded.retain(&mut first);
        for (address, span, before) in twice {
            self.listed_twice(address, span, before);
        }
    }

    fn listed_twice(&mut self, address: IpAddr, span: Span, before: Span) {
        self.report.tolerate(
            Diagnostic::error(
                Code::DuplicateVip,
                span,
                format!("the VIP `{address}` is listed twice"),
            )
            .label("again here")
            .related(before, "first here")
            .help("remove one of them"),
        );
    }

    pub(super) fn vip_family(&mut self, family: Family, address: IpAddr, span: Span) {
        if Family::of(&address) == family {
            return;
        }
        let first = self.raw.vips.first().map(|vip| vip.address.span).unwrap_or_default();
        self.report.tolerate(
            Diagnostic::error(
                Code::MixedFamilies,
                span,
                "the VIPs in one advert are all IPv4 or all IPv6",
            )
            .label(format!("{}", Family::of(&address)))
            .related(first, format!("{family}"))
            .help("move it to virtual_ipaddress_excluded to hold it with the others, or make a second instance"),
        );
    }
}
