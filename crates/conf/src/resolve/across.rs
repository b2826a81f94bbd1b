//! What is wrong only because of another instance.

use std::collections::HashMap;

use base::Mac;

use crate::blocks::RawInstance;
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::{InstanceConfig, Reach, Span};

/// Names are unique: everything from status to notify scripts tells instances apart by them.
pub(super) fn check_names(instances: &mut Vec<RawInstance>, report: &mut Report) {
    let mut known = HashMap::new();
    let mut again = Vec::new();
    for (at, instance) in instances.iter().enumerate() {
        let name = &instance.name;
        let before = *known.entry(name.value.as_str()).or_insert((at, name.span));
        if before.0 != at {
            again.push(at);
            report.tolerate(
                Diagnostic::error(
                    Code::DuplicateName,
                    name.span,
                    "two instances have the same name",
                )
                .label("again here; keepalived would keep only the first")
                .related(before.1, "first here")
                .help("give each instance a name of its own"),
            );
        }
    }
    let mut at = 0;
    instances.retain(|_| {
        at += 1;
        !again.contains(&(at - 1))
    });
}

/// A virtual router is family, VRID and interface (RFC 9568 §1.6); beyond the RFC also by which group,
/// and with unicast by which of our addresses.
pub(super) fn check_routers(instances: &[InstanceConfig], report: &mut Report) {
    let mut known = HashMap::new();
    for instance in instances {
        let source = match instance.reach {
            Reach::Multicast { group } => Some(group),
            Reach::Unicast { .. } => instance.source,
        };
        let key = (instance.family, instance.vrid, &instance.interface, source);
        let places = &instance.places;
        if let Some(before) = known.insert(key, places.vrid.0) {
            report.push(
                Diagnostic::error(
                    Code::DuplicateRouter,
                    places.vrid.0,
                    format!(
                        "two instances are the same virtual router: {} VRID {}{}",
                        instance.family,
                        instance.vrid,
                        instance.interface.as_ref().map_or(String::new(), |i| format!(" on {i}"))
                    ),
                )
                .label("again here")
                .related(before, "first here")
                .help("choose a VRID that is not yet used on this interface, 1 to 255"),
            );
        }
    }
}

/// An interface with a virtual MAC belongs to one instance, and a MAC lies once on an interface.
pub(super) fn check_vmacs(instances: &[InstanceConfig], report: &mut Report) {
    let (mut names, mut macs) = (HashMap::new(), HashMap::new());
    for instance in instances {
        let Some(vmac) = instance.vmac.as_ref().filter(|vmac| vmac.own) else { continue };
        let again = |before: Span, message: String, help: &str| {
            Diagnostic::error(Code::BadVmac, vmac.place.0, message)
                .label("again here")
                .related(before, "first here")
                .help(help)
        };
        if let Some(name) = &vmac.name
            && let Some(before) = names.insert(name, vmac.place.0)
        {
            let message = format!("two instances want `{name}` as their own interface");
            report.push(again(before, message, "leave the name out, or choose another"));
        }
        let mac = vmac.mac.map_or(Mac::virtual_router(instance.family, instance.vrid), Mac);
        if let Some(before) = macs.insert((&instance.interface, mac), vmac.place.0) {
            let message = format!("two instances want {mac} on the same interface");
            report.push(again(before, message, "give one of them another MAC: `use_vmac MAC`"));
        }
    }
}

/// One VIP in two instances can be held by two nodes, each Active in one of them.
pub(super) fn check_vips(instances: &[InstanceConfig], report: &mut Report) {
    let mut known = HashMap::new();
    for (number, instance) in instances.iter().enumerate() {
        let places = instance.places.vips.iter().chain(&instance.places.excluded);
        for (vip, place) in instance.all_vips().zip(places) {
            let before = *known.entry((vip.address, &vip.interface)).or_insert((number, place.0));
            if before.0 != number {
                report.push(
                    Diagnostic::warning(
                        Code::DuplicateVip,
                        place.0,
                        format!("two instances hold the VIP `{}`", vip.address),
                    )
                    .label("again here")
                    .related(before.1, "first here")
                    .help("keep it in one of them: two nodes could each be Active in one"),
                );
            }
        }
    }
}
