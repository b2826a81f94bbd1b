//! What this machine means for a configuration: interfaces that are not there, settings of the
//! kernel, and programs that take addresses away.
//!
//! Everything is read from files that say it, and from what `nft` shows of the firewall; nothing is
//! changed and nothing is sent. What cannot be read is not guessed at.

mod firewall;
mod packet;
mod ruleset;

use std::fs;
use std::path::Path;

use base::Family;
use conf::{Code, Config, Diagnostic, InstanceConfig, Reach};

/// Everything this machine has to say.
pub(crate) fn findings(config: &Config) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for instance in &config.instances {
        interface(instance, &mut out);
    }
    if let Some(first) = config.instances.first() {
        managers(first, &mut out);
        virtual_macs(config, &mut out);
        nonlocal_bind(config, &mut out);
        firewall::findings(config, &mut out);
    }
    out
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn interface(instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
    let Some(name) = &instance.interface else { return };
    let span = instance.places.interface.0;
    let base = format!("/sys/class/net/{name}");
    if !Path::new(&base).exists() {
        out.push(
            Diagnostic::warning(
                Code::HostInterface,
                span,
                format!("there is no interface `{name}` on this machine"),
            )
            .label(format!("`{}` waits for it", instance.name))
            .help("correct the name as `ip link` shows it, or bring the interface up"),
        );
        return;
    }
    let flags = read(&format!("{base}/flags"))
        .and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    let flag = |bit: u32| flags.is_some_and(|flags| flags & bit != 0);
    // IFF_UP, IFF_LOOPBACK, IFF_MULTICAST of <linux/if.h>.
    if flags.is_some() && !flag(0x1) {
        out.push(
            Diagnostic::warning(
                Code::HostInterface,
                span,
                format!("the interface `{name}` is down"),
            )
            .label(format!("`{}` cannot take part", instance.name))
            .help(format!("`ip link set {name} up`")),
        );
    }
    let multicast = matches!(instance.reach, Reach::Multicast { .. });
    if multicast && flags.is_some() && !flag(0x1000) {
        out.push(
            Diagnostic::warning(
                Code::HostInterface,
                span,
                format!("the interface `{name}` carries no multicast"),
            )
            .label("adverts would be heard by nobody")
            .help("use `unicast_peer`, or another interface"),
        );
    }
    if flag(0x8) {
        out.push(
            Diagnostic::warning(
                Code::HostInterface,
                span,
                format!("`{name}` is a loopback interface"),
            )
            .label("no other node hears it")
            .help("name the interface of the network the VIPs are in"),
        );
    }
    if instance.family == Family::V6 {
        let disabled = read(&format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"));
        if disabled.as_deref() == Some("1") {
            out.push(
                Diagnostic::warning(
                    Code::HostSysctl,
                    span,
                    format!("IPv6 is switched off on `{name}`"),
                )
                .label("no IPv6 VIP can be held here")
                .help(format!("`sysctl net.ipv6.conf.{name}.disable_ipv6=0`")),
            );
        }
    }
}

/// Programs that remove addresses they did not set.
fn managers(first: &InstanceConfig, out: &mut Vec<Diagnostic>) {
    let span = first.places.interface.0;
    if Path::new("/run/systemd/netif/state").exists() {
        let kept = ["/etc/systemd/networkd.conf", "/run/systemd/networkd.conf"]
            .iter()
            .map(|path| (*path).to_owned())
            .chain(drop_ins("/etc/systemd/networkd.conf.d"))
            .filter_map(|path| read(&path))
            .any(|text| keeps_foreign(&text));
        if !kept {
            out.push(
                Diagnostic::warning(
                    Code::HostManager,
                    span,
                    "systemd-networkd runs here and removes routes and rules it did not set",
                )
                .label("also VIPs, when it reconfigures this interface")
                .help("set ManageForeignRoutes=no and ManageForeignRoutingPolicyRules=no in networkd.conf; KeepConfiguration=yes on the link"),
            );
        }
    }
    if Path::new("/run/NetworkManager").exists()
        && let Some(name) = &first.interface
    {
        let managed = read(&format!("/run/NetworkManager/devices/{}", index(name)))
            .is_some_and(|text| text.contains("connection-uuid="));
        if managed {
            out.push(
                Diagnostic::warning(
                    Code::HostManager,
                    span,
                    format!("NetworkManager manages `{name}` and removes addresses when it reactivates it"),
                )
                .label("VIPs are put back at once, but there is a gap")
                .help("mark the interface as unmanaged, or give it a static profile and leave it alone"),
            );
        }
    }
}

fn index(interface: &str) -> String {
    read(&format!("/sys/class/net/{interface}/ifindex")).unwrap_or_default()
}

fn drop_ins(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// Whether networkd is told to leave what others set.
fn keeps_foreign(text: &str) -> bool {
    let is = |line: &str, key: &str| {
        line.split_once('=').is_some_and(|(name, value)| {
            name.trim() == key && matches!(value.trim(), "no" | "false" | "off" | "0")
        })
    };
    text.lines().any(|line| is(line, "ManageForeignRoutes"))
        && text.lines().any(|line| is(line, "ManageForeignRoutingPolicyRules"))
}

/// A parent that answers for what is its macvlan's, where nothing keeps it from doing so.
fn virtual_macs(config: &Config, out: &mut Vec<Diagnostic>) {
    for instance in config.instances.iter().filter(|i| i.family == Family::V4 && !i.lease) {
        let Some((vmac, name)) = instance.vmac.as_ref().zip(instance.interface.as_ref()) else {
            continue;
        };
        let ignores = |of: &str| read(&format!("/proc/sys/net/ipv4/conf/{of}/arp_ignore"));
        let ignores = |of: &str| ignores(of).is_some_and(|value| value != "0");
        if !ignores("all") && !ignores(name) {
            out.push(
                Diagnostic::warning(
                    Code::HostSysctl,
                    vmac.place.0,
                    format!("`{name}` answers for the VIPs with its own MAC as well"),
                )
                .label("neighbours may learn either")
                .help(format!(
                    "leave the lease on, whose table sees to it, or `sysctl net.ipv4.conf.{name}.arp_ignore=1`"
                )),
            );
        }
    }
}

/// Services that cannot bind to a VIP that is not there.
fn nonlocal_bind(config: &Config, out: &mut Vec<Diagnostic>) {
    for instance in &config.instances {
        let bound = instance.notify.active.as_ref().or(instance.notify.any.as_ref());
        let nonlocal = read("/proc/sys/net/ipv4/ip_nonlocal_bind");
        if bound.is_none() && nonlocal.as_deref() == Some("0") && instance.family == Family::V4 {
            out.push(
                Diagnostic::note(
                    Code::HostSysctl,
                    instance.places.name.0,
                    "a service that listens on a VIP itself cannot start before this node holds it",
                )
                .label("net.ipv4.ip_nonlocal_bind is 0"),
            );
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        conf::load(conf::Source { name: "t", text: text.as_bytes() }, conf::Options::default())
            .config
            .unwrap()
    }

    #[test]
    fn an_interface_that_is_not_there_is_missed_and_a_loopback_is_no_interface() {
        let text = |name: &str| {
            format!(
                "vrrp_instance A {{\n interface {name}\n virtual_router_id 5\n virtual_ipaddress {{\n 192.0.2.5\n }}\n}}\n"
            )
        };
        let codes = |name: &str| -> Vec<_> {
            findings(&config(&text(name)))
                .into_iter()
                .filter(|d| d.code == Code::HostInterface)
                .map(|d| d.message)
                .collect()
        };
        assert_eq!(codes("nosuch0"), ["there is no interface `nosuch0` on this machine"]);
        assert!(codes("lo").iter().any(|message| message.contains("loopback")));
    }

    #[test]
    fn networkd_can_be_told_to_leave_things_alone() {
        assert!(keeps_foreign(
            "[Network]\nManageForeignRoutes = no\nManageForeignRoutingPolicyRules=no\n"
        ));
        assert!(!keeps_foreign("[Network]\nManageForeignRoutes=yes\n"));
    }
}
