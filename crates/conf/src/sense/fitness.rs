//! VIPs that are no address of a host: what a network is called, what reaches all of it, what routers do
//! not forward. The kernel takes them, and nobody can use them.
//!
//! What can never be held (multicast, loopback, the unspecified address) was refused when the file was
//! read. Where a VIP is written without its length nothing says which network it is of; `check --host`
//! asks the interface.

use core::net::IpAddr;

use base::{Scope, Vip};

use crate::Config;
use crate::diagnostic::{Code, Diagnostic};

/// What `address` is in a network of this length, if a host cannot have it there.
#[must_use]
pub fn unfit(address: IpAddr, prefix: u8) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            // RFC 3021: two addresses are two hosts.
            let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            match u32::from(address) & host {
                _ if prefix >= 31 => None,
                0 => Some("the network's own address"),
                bits if bits == host => Some("the network's broadcast address"),
                _ => None,
            }
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            (prefix < 127 && u128::from(address) & host == 0)
                .then_some("the anycast address of the network's routers (RFC 4291 §2.6.1)")
        }
    }
}

/// What is wrong with an address whatever network it is of.
fn reserved(vip: &Vip) -> Option<(&'static str, &'static str)> {
    let IpAddr::V4(address) = vip.address else { return None };
    let [first, ..] = address.octets();
    if first == 0 || first >= 240 {
        return Some((
            "reserved, and no host takes it (RFC 1112, RFC 1122)",
            "write a unicast address of the network the VIP is to be reached in",
        ));
    }
    (address.is_link_local() && vip.scope == Scope::GLOBAL).then_some((
        "link-local, and said to be reached from everywhere (RFC 3927)",
        "add `scope link`, or write an address of the network the VIP is to be reached in",
    ))
}

/// Every VIP that no host can have.
pub(super) fn vips(config: &Config, out: &mut Vec<Diagnostic>) {
    for instance in &config.instances {
        let places = instance.places.vips.iter().chain(&instance.places.excluded);
        for (vip, place) in instance.all_vips().zip(places) {
            let in_network = || {
                let help = "write an address between the first and the last of the network";
                unfit(vip.address, vip.prefix).map(|what| (what, help))
            };
            if let Some((what, help)) = reserved(vip).or_else(in_network) {
                out.push(
                    Diagnostic::warning(
                        Code::UnfitVip,
                        place.0,
                        format!("the VIP `{}/{}` is {what}", vip.address, vip.prefix),
                    )
                    .label("nobody can be served at it")
                    .help(help),
                );
            }
        }
    }
}
