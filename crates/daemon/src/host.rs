//! What this machine means for a configuration: interfaces that are not there, settings of the
//! kernel, and programs that take addresses away.
//!
//! Everything is read from files that say it, from what `nft` shows of the firewall and the kernel of
//! its addresses; nothing is changed and nothing is sent. What cannot be read is not guessed at.

mod addresses;
mod firewall;
mod packet;
mod ruleset;

use std::fs;
use std::path::PathBuf;

use base::Family;
use conf::{Code, Config, Diagnostic, InstanceConfig, Reach, Span};

/// An instance names an interface that this machine has not.
fn absent(name: &str, span: Span, instance: &InstanceConfig) -> Diagnostic {
    let what = format!("there is no interface `{name}` on this machine");
    Diagnostic::warning(Code::HostInterface, span, what)
        .label(format!("`{}` waits for it", instance.name))
        .help("correct the name as `ip link` shows it, or bring the interface up")
}

/// Everything this machine has to say; of the network namespace that the configuration works in, if it
/// names one.
pub(crate) fn findings(config: &Config) -> Vec<Diagnostic> {
    let Some(name) = &config.node.run.namespace else { return here(config, false) };
    let looked = std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            linux::look_into_network(name)?;
            Ok::<_, std::io::Error>(here(config, true))
        });
        there.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))
    });
    looked.unwrap_or_else(|why| {
        let what = format!("the network namespace `{name}` cannot be looked into: {why}");
        let first = config.instances.first().map(|one| one.places.name.0);
        vec![
            Diagnostic::warning(Code::HostInterface, first.unwrap_or_default(), what)
                .label("nothing is said about its interfaces, addresses and firewall")
                .help(format!("`ip netns add {name}`, and run this check as root")),
        ]
    })
}

fn here(config: &Config, elsewhere: bool) -> Vec<Diagnostic> {
    let mut out = Host { root: "/".into(), elsewhere }.findings(config);
    addresses::findings(config, &mut out);
    if !config.instances.is_empty() {
        firewall::findings(config, &mut out);
    }
    out
}

/// The machine whose files are below this directory.
struct Host {
    root: PathBuf,
    /// It is a network namespace that no manager of this machine's network sees.
    elsewhere: bool,
}

impl Host {
    /// What its files say.
    fn findings(&self, config: &Config) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        for instance in &config.instances {
            self.interface(instance, &mut out);
        }
        if let Some(first) = config.instances.first() {
            if !self.elsewhere {
                self.managers(first, &mut out);
            }
            self.virtual_macs(config, &mut out);
            self.nonlocal_bind(config, &mut out);
        }
        out
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn read(&self, path: &str) -> Option<String> {
        Some(fs::read_to_string(self.path(path)).ok()?.trim().to_owned())
    }

    fn interface(&self, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let Some(name) = &instance.interface else { return };
        let span = instance.places.interface.0;
        let base = format!("/sys/class/net/{name}");
        if !self.has(&base) {
            out.push(absent(name.as_str(), span, instance));
            return;
        }
        let flags = self
            .read(&format!("{base}/flags"))
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
        let six = instance.vips.iter().chain(&instance.excluded).any(|vip| vip.address.is_ipv6());
        if six {
            let disabled = self.read(&format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"));
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
    fn managers(&self, first: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let span = first.places.interface.0;
        if self.has("/run/systemd/netif/state") {
            let kept = ["/etc/systemd/networkd.conf", "/run/systemd/networkd.conf"]
                .iter()
                .map(|path| (*path).to_owned())
                .chain(self.drop_ins("/etc/systemd/networkd.conf.d"))
                .filter_map(|path| self.read(&path))
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
        if self.has("/run/NetworkManager")
            && let Some(name) = &first.interface
        {
            let managed = self
                .read(&format!("/run/NetworkManager/devices/{}", self.index(name)))
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

    fn index(&self, interface: &str) -> String {
        self.read(&format!("/sys/class/net/{interface}/ifindex")).unwrap_or_default()
    }

    fn drop_ins(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).into_iter().flatten().flatten();
        entries.map(|entry| format!("{directory}/{}", entry.file_name().display())).collect()
    }

    /// A parent that answers for what is its macvlan's, where nothing keeps it from doing so.
    fn virtual_macs(&self, config: &Config, out: &mut Vec<Diagnostic>) {
        for instance in config.instances.iter().filter(|i| i.family == Family::V4 && !i.lease) {
            let Some((vmac, name)) = instance.vmac.as_ref().zip(instance.interface.as_ref()) else {
                continue;
            };
            let ignores = |of: &str| self.read(&format!("/proc/sys/net/ipv4/conf/{of}/arp_ignore"));
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
    fn nonlocal_bind(&self, config: &Config, out: &mut Vec<Diagnostic>) {
        for instance in &config.instances {
            let bound = instance.notify.active.as_ref().or(instance.notify.any.as_ref());
            let nonlocal = self.read("/proc/sys/net/ipv4/ip_nonlocal_bind");
            if bound.is_none() && nonlocal.as_deref() == Some("0") && instance.family == Family::V4
            {
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

#[cfg(test)]
mod tests {
    use conf::Severity;

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

    /// A machine that has these files.
    struct Fake(Host);

    impl Fake {
        fn with(name: &str, files: &[(&str, &str)]) -> Self {
            let name = format!("mainstay-host-{name}-{}", std::process::id());
            let root = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&root);
            let fake = Fake(Host { root, elsewhere: false });
            fake.put("/sys/class/net/eth0/flags", "0x1003\n");
            fake.put("/sys/class/net/eth0/ifindex", "7\n");
            for (path, text) in files {
                fake.put(path, text);
            }
            fake
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// What it has to say: code, severity, message.
        fn says(&self, conf: &str) -> Vec<(&'static str, Severity, String)> {
            let found = self.0.findings(&config(conf)).into_iter();
            found.map(|one| (one.code.as_str(), one.severity, one.message)).collect()
        }

        /// The messages of one code.
        fn said(&self, code: &str, conf: &str) -> Vec<String> {
            let found = self.says(conf).into_iter().filter(|(of, ..)| *of == code);
            found.map(|(_, _, message)| message).collect()
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    fn instance(vip: &str, more: &str) -> String {
        format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 5\n version 3\n{more} \
             virtual_ipaddress {{\n {vip}\n }}\n}}\n"
        )
    }

    #[test]
    fn an_interface_that_is_down_or_carries_no_multicast_is_told() {
        let host = Fake::with("flags", &[("/sys/class/net/eth0/flags", "0x1002\n")]);
        let plain = instance("192.0.2.5", "");
        assert_eq!(host.said("C130", &plain), ["the interface `eth0` is down"]);
        host.put("/sys/class/net/eth0/flags", "0x3\n");
        assert_eq!(host.said("C130", &plain), ["the interface `eth0` carries no multicast"]);
        let unicast = instance("192.0.2.5", " unicast_peer {\n 192.0.2.3\n }\n");
        assert!(host.said("C130", &unicast).is_empty());
        host.put("/sys/class/net/eth0/flags", "0x1003\n");
        assert!(host.says(&plain).is_empty());
    }

    #[test]
    fn ipv6_that_is_switched_off_is_told_where_it_matters() {
        let switch = "/proc/sys/net/ipv6/conf/eth0/disable_ipv6";
        let host = Fake::with("ipv6", &[(switch, "1\n")]);
        let six = instance("2001:db8::5", "");
        assert_eq!(host.said("C131", &six), ["IPv6 is switched off on `eth0`"]);
        assert!(host.says(&instance("192.0.2.5", "")).is_empty());
        // One that only comes along is refused as well.
        let both = " virtual_ipaddress_excluded {\n 2001:db8::6\n }\n";
        let both = instance("192.0.2.5", both);
        assert_eq!(host.said("C131", &both), ["IPv6 is switched off on `eth0`"]);
        host.put(switch, "0\n");
        assert!(host.says(&six).is_empty() && host.says(&both).is_empty());
    }

    #[test]
    fn a_parent_that_answers_for_its_macvlan_is_told_where_no_lease_forbids_it() {
        let host = Fake::with("arp", &[("/proc/sys/net/ipv4/conf/eth0/arp_ignore", "0\n")]);
        let without = instance("192.0.2.5", " use_vmac\n lease off\n");
        let want = "`eth0` answers for the VIPs with its own MAC as well";
        assert_eq!(host.said("C131", &without), [want]);
        assert!(host.says(&instance("192.0.2.5", " use_vmac\n")).is_empty());
        for of in ["eth0", "all"] {
            host.put(&format!("/proc/sys/net/ipv4/conf/{of}/arp_ignore"), "1\n");
            assert!(host.says(&without).is_empty(), "{of}");
            host.put(&format!("/proc/sys/net/ipv4/conf/{of}/arp_ignore"), "0\n");
        }
    }

    #[test]
    fn a_service_that_cannot_bind_ahead_is_noted_where_no_script_starts_it() {
        let switch = "/proc/sys/net/ipv4/ip_nonlocal_bind";
        let host = Fake::with("bind", &[(switch, "0\n")]);
        let plain = instance("192.0.2.5", "");
        let said = host.says(&plain);
        assert!(matches!(&said[..], [("C131", Severity::Note, _)]), "{said:?}");
        let scripted = instance("192.0.2.5", " notify_master /bin/true\n");
        assert!(host.says(&scripted).is_empty());
        host.put(switch, "1\n");
        assert!(host.says(&plain).is_empty());
    }

    #[test]
    fn networkmanager_is_told_where_it_manages_the_interface() {
        let host = Fake::with("nm", &[("/run/NetworkManager/devices/8", "connection-uuid=1\n")]);
        let plain = instance("192.0.2.5", "");
        assert!(host.says(&plain).is_empty(), "another interface");
        host.put("/run/NetworkManager/devices/7", "[device]\nmanaged=false\n");
        assert!(host.says(&plain).is_empty(), "left alone");
        host.put("/run/NetworkManager/devices/7", "[device]\nconnection-uuid=2\n");
        let said = host.said("C132", &plain);
        assert!(matches!(&said[..], [one] if one.contains("NetworkManager manages `eth0`")));
    }

    #[test]
    fn networkd_is_told_unless_it_leaves_things_alone() {
        let host = Fake::with("networkd", &[("/run/systemd/netif/state", "OPER_STATE=routable\n")]);
        let plain = instance("192.0.2.5", "");
        assert_eq!(host.said("C132", &plain).len(), 1);
        let kept = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n";
        host.put("/etc/systemd/networkd.conf.d/10-vips.conf", kept);
        assert!(host.says(&plain).is_empty());
    }

    #[test]
    fn networkd_can_be_told_to_leave_things_alone() {
        assert!(keeps_foreign(
            "[Network]\nManageForeignRoutes = no\nManageForeignRoutingPolicyRules=no\n"
        ));
        assert!(!keeps_foreign("[Network]\nManageForeignRoutes=yes\n"));
    }
}
