//! Carries out a [`DeviceOp`]: the only place where an interface with a virtual MAC is made, removed,
//! set up or down.
//!
//! It is made as a macvlan in private mode, down, and without an address of its own: an interface
//! identifier made of a virtual MAC would be the same on every node (RFC 9568 §7.4). The kernel takes
//! the latter only in a second message; if that is refused, the device is removed again.

use std::io;

use base::{Device, DeviceAsk, DeviceDone, DeviceOp, Errno, IfIndex, OpDone};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoMacVlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use crate::netlink::{NetlinkError, Request, RouteSocket};

/// The hand that makes and changes devices. Needs `CAP_NET_ADMIN` for more than refusals.
#[derive(Debug)]
pub struct Devices {
    route: RouteSocket,
}

impl Devices {
    /// Opens a routing socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// See [`RouteSocket::open`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { route: RouteSocket::open()? })
    }

    /// Carries out one operation.
    pub fn execute(&mut self, ask: DeviceAsk) -> DeviceDone {
        let outcome = match &ask.op {
            DeviceOp::Make { device, on } => self.make(device, *on),
            DeviceOp::Remove { index } => {
                self.request(RouteNetlinkMessage::DelLink(numbered(*index)), 0)
            }
            DeviceOp::Raise { index } => self.set_up(*index, true),
            DeviceOp::Lower { index } => self.set_up(*index, false),
        };
        DeviceDone { ticket: ask.ticket, outcome }
    }

    fn make(&mut self, device: &Device, on: IfIndex) -> OpDone {
        let mut link = named(&device.name);
        link.attributes.push(LinkAttribute::Link(on.get()));
        link.attributes.push(LinkAttribute::Address(device.mac.0.to_vec()));
        link.attributes.extend(device.group.map(LinkAttribute::Group));
        let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
        let info = vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(data)];
        link.attributes.push(LinkAttribute::LinkInfo(info));
        self.request(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)?;
        let mut link = named(&device.name);
        let none = vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)];
        link.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(none)]));
        match self.request(RouteNetlinkMessage::NewLink(link), 0) {
            Ok(()) => Ok(()),
            // A kernel without IPv6 makes no identifiers either.
            Err(Errno(libc::EAFNOSUPPORT | libc::EOPNOTSUPP)) => Ok(()),
            Err(errno) => {
                let _ = self.request(RouteNetlinkMessage::DelLink(named(&device.name)), 0);
                Err(errno)
            }
        }
    }

    fn set_up(&mut self, index: IfIndex, up: bool) -> OpDone {
        let mut link = numbered(index);
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        link.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::NewLink(link), 0)
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> OpDone {
        self.route.request(&Request { message, flags }).map_err(|error| match error {
            NetlinkError::Refused(refusal) => refusal.errno,
            NetlinkError::Io(error) => Errno(error.raw_os_error().unwrap_or(libc::EIO)),
            NetlinkError::Undecodable(_) | NetlinkError::Unsteady => Errno(libc::EIO),
        })
    }
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn numbered(index: IfIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index.get();
    message
}

#[cfg(test)]
mod tests {
    use base::{KernelFact, LinkFact, Mac, Macvlan, Ticket};
    use serde_json::Value;

    use super::*;
    use crate::Monitor;
    use crate::testing::{in_namespace, index, ip};

    fn device() -> Device {
        Device {
            name: "vrrp.51".into(),
            parent: "va".into(),
            mac: Mac([0, 0, 0x5e, 0, 1, 51]),
            group: Some(7),
            ipv6: true,
            local_igmp: true,
        }
    }

    fn run(hands: &mut Devices, op: DeviceOp) -> OpDone {
        let done = hands.execute(DeviceAsk { ticket: Ticket::new(3), op });
        assert_eq!(done.ticket.number(), 3);
        done.outcome
    }

    fn fact(name: &str) -> Option<LinkFact> {
        let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
        match monitor.snapshot().unwrap() {
            KernelFact::Snapshot { links, .. } => links.into_iter().find(|link| link.name == name),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn vrrp_108_a_device_is_a_private_macvlan_that_makes_no_identifier_of_its_mac() {
        in_namespace(|| {
            ip("link add va type veth peer name vb");
            ip("link set va up");
            ip("link set vb up");
            let (mut hands, on) = (Devices::open().unwrap(), index("va"));
            assert_eq!(run(&mut hands, DeviceOp::Make { device: device(), on }), Ok(()));
            let made = fact("vrrp.51").unwrap();
            assert_eq!(made.mac, Some(device().mac));
            assert_eq!(made.macvlan, Some(Macvlan { below: on, up: false }));
            assert_eq!(fact("va").unwrap().macvlan, None);
            let shown = ip("-j -d link show dev vrrp.51");
            let shown: Vec<Value> = serde_json::from_str(&shown).unwrap();
            assert_eq!(shown[0]["linkinfo"]["info_kind"], "macvlan");
            assert_eq!(shown[0]["linkinfo"]["info_data"]["mode"], "private");
            assert_eq!(shown[0]["inet6_addr_gen_mode"], "none");
            assert_eq!(shown[0]["group"], "7");

            let index = made.index;
            assert_eq!(run(&mut hands, DeviceOp::Raise { index }), Ok(()));
            assert!(fact("vrrp.51").unwrap().macvlan.unwrap().up);
            assert_eq!(ip("-6 address show dev vrrp.51"), "");
            assert_eq!(run(&mut hands, DeviceOp::Lower { index }), Ok(()));
            assert!(!fact("vrrp.51").unwrap().macvlan.unwrap().up);
            let again = run(&mut hands, DeviceOp::Make { device: device(), on });
            assert_eq!(again, Err(Errno::EXIST));
            assert_eq!(run(&mut hands, DeviceOp::Remove { index }), Ok(()));
            assert_eq!(fact("vrrp.51"), None);
            assert_eq!(run(&mut hands, DeviceOp::Remove { index }), Err(Errno::NODEV));
            assert_eq!(run(&mut hands, DeviceOp::Raise { index }), Err(Errno::NODEV));
        });
    }
}
