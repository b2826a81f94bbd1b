//! What one instance may have beyond the protocol: virtual MACs, ipvlans, pacing.

use core::net::IpAddr;
use core::time::Duration;

use base::{Family, Interval, Name};

use super::Resolver;
use crate::diagnostic::{Code, Diagnostic};
use crate::given::Given;
use crate::lenient;
use crate::reader::{At, shown};
use crate::{ExtraAnnounce, Hmac, Ipvlan, OldChecksum, Vmac};

/// See [`crate::InstanceConfig`], whose fields these are.
pub(super) struct Extras {
    pub(super) hmac: Option<Hmac>,
    pub(super) allowed_sources: Vec<IpAddr>,
    pub(super) promote_secondaries: bool,
    pub(super) track_source: bool,
    pub(super) vmac: Option<Vmac>,
    pub(super) ipvlan: Option<Ipvlan>,
    pub(super) vrf: Option<Name>,
    pub(super) accept: bool,
    pub(super) extra_announce: Option<ExtraAnnounce>,
    pub(super) arp_gap: Option<Duration>,
    pub(super) na_gap: Option<Duration>,
    pub(super) owner_ignores_adverts: bool,
    pub(super) old_checksum: OldChecksum,
    pub(super) poll_carrier: bool,
    pub(super) receive_buffer: Option<u32>,
}

impl Resolver<'_> {
    pub(super) fn extras(
        &mut self,
        family: Family,
        v3: bool,
        interval: Option<Interval>,
    ) -> Extras {
        let given = core::mem::take(&mut self.raw.given);
        let extra = self.extra_announce(&given);
        let extras = Extras {
            hmac: self.hmac(v3, interval),
            allowed_sources: self.allowed_sources(&given, family),
            promote_secondaries: given.flag("promote_secondaries"),
            track_source: given.flag("track_src_ip"),
            vmac: self.vmac(&given),
            ipvlan: self.ipvlan(&given, family),
            vrf: given.name("vrf"),
            accept: !given.flag("no_accept"),
            extra_announce: extra,
            arp_gap: given.time("garp_interval"),
            na_gap: given.time("gna_interval"),
            owner_ignores_adverts: given
                .switch("owner_ignore_adverts")
                .unwrap_or(self.globals.given.flag("vrrp_owner_ignore_adverts")),
            old_checksum: match given.text("old_unicast_checksum") {
                None => OldChecksum::Detect,
                Some(word) if word == "never" => OldChecksum::Never,
                Some(_) => OldChecksum::Always,
            },
            poll_carrier: given.flag("linkbeat_use_polling"),
            receive_buffer: given.integer("kernel_rx_buf_size"),
        };
        self.raw.given = given;
        extras
    }

    /// `[all] SECONDS`, its own or the one for all instances; 0 is none.
    fn extra_announce(&mut self, given: &Given) -> Option<ExtraAnnounce> {
        let words = given
            .words("garp_extra_if")
            .or_else(|| self.globals.given.words("vrrp_garp_extra_if"))?
            .to_vec();
        let (all, number) = match &words[..] {
            [all, number] if all.value == "all" => (true, number),
            [number] => (false, number),
            [other, ..] => {
                self.bad_words(other, "expected [all] SECONDS", "write `garp_extra_if all 60`");
                return None;
            }
            [] => return None,
        };
        match number.value.parse::<u64>() {
            Ok(0) => None,
            Ok(seconds @ 1..=86_400) => {
                Some(ExtraAnnounce { all, every: Duration::from_secs(seconds) })
            }
            _ => {
                self.bad_words(
                    number,
                    "expected 0 to 86400 seconds",
                    "write `garp_extra_if all 60`",
                );
                let seconds = lenient::number("garp_extra_if", &number.value, 1, 86_400)?;
                let every = Duration::from_secs(u64::try_from(seconds).ok()?);
                self.report.lenient.then_some(ExtraAnnounce { all, every })
            }
        }
    }

    fn bad_words(&mut self, at: &At<String>, label: &str, help: &str) {
        self.report.tolerate(
            Diagnostic::error(
                Code::BadOption,
                at.span,
                format!("{} cannot stand here", shown(&at.value)),
            )
            .label(label)
            .help(help),
        );
    }

    fn vmac(&mut self, given: &Given) -> Option<Vmac> {
        let Some(words) = given.words("use_vmac").map(<[_]>::to_vec) else {
            if let Some(span) = self.raw.seen.get("vmac_xmit_base") {
                self.report.push(
                    Diagnostic::warning(
                        Code::BadVmac,
                        *span,
                        "`vmac_xmit_base` only means something with `use_vmac`",
                    )
                    .label("has no effect")
                    .help("add `use_vmac`, or remove this line"),
                );
            }
            return given.flag("use_vmac_addr").then(|| Vmac {
                name: None,
                mac: None,
                group: None,
                own: false,
                transmit_on_base: true,
                for_all_vips: true,
                announce_link: false,
                place: given.place("use_vmac_addr", self.raw.name.span),
            });
        };
        let mut vmac = Vmac {
            name: None,
            mac: None,
            group: None,
            own: true,
            transmit_on_base: given.flag("vmac_xmit_base"),
            for_all_vips: given.flag("use_vmac_addr"),
            announce_link: false,
            place: given.place("use_vmac", self.raw.name.span),
        };
        let mut words = words.iter();
        while let Some(at) = words.next() {
            match at.value.as_str() {
                "netlink_notify_msg" => vmac.announce_link = true,
                "group" => vmac.group = self.link_group(words.next(), at),
                "name" => {
                    if let Some(at) = words.next() {
                        vmac.name = self.link_name(at);
                    }
                }
                text if text.contains(':') => {
                    match mac(text, self.raw.vrid.as_ref().map(|v| v.value)) {
                        Some(mac) => vmac.mac = Some(mac),
                        None => self.bad_words(
                            at,
                            "expected a MAC of 5 or 6 octets",
                            "write 02:00:5e:00:01:33, unicast; with 5 octets the VRID is the last",
                        ),
                    }
                }
                _ if vmac.name.is_none() => vmac.name = self.link_name(at),
                _ => self.bad_words(
                    at,
                    "the interface has a name already",
                    "write `use_vmac [INTERFACE] [MAC]`; its parent is the instance's interface",
                ),
            }
        }
        if self.raw.interface.is_none() && self.globals.default_interface.is_none() {
            self.report.push(
                Diagnostic::error(
                    Code::BadVmac,
                    vmac.place.0,
                    "a virtual MAC needs an interface to lie on",
                )
                .label("this instance names none")
                .help("add `interface NAME`"),
            );
        }
        let unicast = !self.raw.peers.is_empty() || self.raw.unicast_peer.is_some();
        if unicast && !vmac.transmit_on_base {
            self.report.push(
                Diagnostic::warning(
                    Code::BadVmac,
                    vmac.place.0,
                    "unicast adverts cannot be sent from a virtual MAC",
                )
                .label("sent from the real interface, as keepalived does")
                .help("add `vmac_xmit_base`"),
            );
            vmac.transmit_on_base = true;
        }
        Some(vmac)
    }

    fn link_group(&mut self, word: Option<&At<String>>, before: &At<String>) -> Option<u32> {
        let number = word.and_then(|at| at.value.parse().ok());
        if number.is_none() {
            self.bad_words(word.unwrap_or(before), "expected a number", "write `group NUMBER`");
        }
        number
    }

    fn link_name(&mut self, at: &At<String>) -> Option<Name> {
        let legal = !at.value.is_empty()
            && at.value.len() <= 15
            && !at.value.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':'));
        if !legal {
            self.bad_words(at, "no name of an interface", "write a name of at most 15 octets");
            return None;
        }
        Some(Name::from(at.value.as_str()))
    }

    fn ipvlan(&mut self, given: &Given, family: Family) -> Option<Ipvlan> {
        let words = given.words("use_ipvlan")?.to_vec();
        let place = given.place("use_ipvlan", self.raw.name.span);
        let mut ipvlan = Ipvlan { name: None, address: None, mode: "bridge", place };
        let mut words = words.iter();
        while let Some(at) = words.next() {
            let bare = at.value.split('/').next().unwrap_or_default();
            match (at.value.as_str(), bare.parse::<IpAddr>()) {
                ("group", _) => {
                    self.link_group(words.next(), at);
                }
                (mode @ ("bridge" | "private" | "vepa"), _) => {
                    ipvlan.mode = match mode {
                        "private" => "private",
                        "vepa" => "vepa",
                        _ => "bridge",
                    };
                }
                (_, Ok(address)) => ipvlan.address = Some(address),
                _ => ipvlan.name = self.link_name(at),
            }
        }
        if family == Family::V4 && ipvlan.address.is_none() {
            self.report.push(
                Diagnostic::error(
                    Code::BadVmac,
                    place.0,
                    "an IPv4 ipvlan needs an address of its own",
                )
                .label("no address")
                .help("write `use_ipvlan INTERFACE ADDRESS/LENGTH`"),
            );
        }
        Some(ipvlan)
    }
}

/// Six octets, or five and the VRID; of a unicast MAC.
fn mac(text: &str, vrid: Option<u8>) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> =
        text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let mut octets = octets?;
    if octets.len() == 5 {
        octets.push(vrid?);
    }
    let mac: [u8; 6] = octets.try_into().ok()?;
    (mac[0] & 1 == 0).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_has_six_octets_or_takes_the_vrid() {
        assert_eq!(mac("02:0:0:0:1:ff", None), Some([2, 0, 0, 0, 1, 255]));
        assert_eq!(mac("02:0:0:0:1", Some(51)), Some([2, 0, 0, 0, 1, 51]));
        assert_eq!(mac("02:0:0:0:1", None), None);
        assert_eq!(mac("01:0:0:0:1:2", None), None, "a group");
        assert_eq!(mac("02:0:0", Some(1)), None);
    }
}
