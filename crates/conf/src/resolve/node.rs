//! What concerns the node: everything of `global_defs` and of the top level that no instance needs.

use core::time::Duration;
use std::collections::HashMap;

use base::Name;

use super::trackers::default_user;
use crate::blocks::{RawConfig, RawGlobals};
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::given::Given;
use crate::reader::{At, shown};
use crate::ways::{Tables, ways};
use crate::{
    AdvertBuffers, AgentAddress, BufferPolicy, BufferSize, Buffers, Dbus, Fifo, Fifos, FilePlaces,
    Firewall, Hooks, LinkDelay, LinkRules, Mail, MailServer, Node, Pacing, Place, PolledLink,
    Reload, Run, Scheduling, Snmp, Span, StaticAddress, Statics, TrackGroup,
};

/// What the names of generated interfaces begin with: a number, a dot and a VRID follow, and the
/// kernel takes 15 octets.
fn vmac_prefix(given: &Given, keyword: &str, report: &mut Report) -> Option<Name> {
    let prefix = given.name(keyword)?;
    let bad = |c: char| c.is_whitespace() || matches!(c, '/' | ':');
    if prefix.is_empty() || prefix.len() > 8 || prefix.contains(bad) {
        report.push(
            Diagnostic::error(
                Code::BadVmac,
                given.place(keyword, Span::default()).0,
                format!("{} cannot begin the name of an interface", shown(&prefix)),
            )
            .label("1 to 8 octets, without `/`, `:` and blanks")
            .help("write a shorter one, such as `vrrp`"),
        );
        return None;
    }
    Some(prefix)
}

/// What a process is called; the kernel keeps 15 octets.
fn process_name(given: &Given, keyword: &str, report: &mut Report) -> Option<Name> {
    let name = given.name(keyword)?;
    if name.len() > 15 {
        report.push(
            Diagnostic::warning(
                Code::OutOfRange,
                given.place(keyword, Span::default()).0,
                format!("{} is too long for the name of a process", shown(&name)),
            )
            .label("the kernel keeps 15 octets of it")
            .help("write a shorter one"),
        );
    }
    Some(name)
}

/// Everything about the node.
pub(super) fn node(raw: &RawConfig, globals: &RawGlobals, report: &mut Report) -> Node {
    let (top, given) = (&raw.given, &globals.given);
    let prefix = vmac_prefix(given, "vmac_prefix", report).unwrap_or_else(|| Name::from("vrrp"));
    Node {
        mail: Mail {
            alerts: [
                globals.smtp_alert,
                globals.smtp_alert_vrrp,
                given.switch("smtp_alert_checker"),
            ],
            ..mail(given, report)
        },
        fifos: fifos(globals, report),
        hooks: hooks(globals),
        run: Run {
            namespace: top.name("net_namespace"),
            instance: top.name("instance"),
            pid_directory: top.flag("use_pid_dir"),
            wait_for_children: top
                .time("child_wait_time")
                .unwrap_or(Run::default().wait_for_children),
            process_name: process_name(given, "process_name", report),
            vrrp_process_name: process_name(given, "vrrp_process_name", report),
            bfd_process_name: process_name(given, "bfd_process_name", report),
            process_names: given.flag("process_names"),
        },
        vrrp: scheduling(given, "vrrp"),
        bfd: scheduling(given, "bfd"),
        buffers: buffers(given, report),
        firewall: firewall(given),
        snmp: snmp(given, report),
        dbus: Dbus {
            enabled: given.flag("enable_dbus"),
            service: given.text("dbus_service_name").unwrap_or(Dbus::default().service),
            no_interface: given
                .text("dbus_no_interface_name")
                .unwrap_or(Dbus::default().no_interface),
        },
        reload: Reload {
            time_file: given.text("reload_time_file"),
            repeat: given.flag("reload_repeat"),
            marker: given.text("reload_file"),
        },
        files: files(given, report),
        links: links(raw, globals, report),
        vmac_addr_prefix: vmac_prefix(given, "vmac_addr_prefix", report)
            .unwrap_or_else(|| prefix.clone()),
        vmac_prefix: prefix,
        use_symlink_paths: given.flag("use_symlink_paths"),
        supplementary_groups: given.flag("set_supplementary_groups"),
        log_unknown_vrids: given.flag("log_unknown_vrids"),
        delay_after_boot: given.time("vrrp_delay_after_boot").unwrap_or_default(),
        disable_local_igmp: given.flag("disable_local_igmp"),
        notify_priority_changes: given.flag("vrrp_notify_priority_changes"),
    }
}

fn mail(given: &Given, report: &mut Report) -> Mail {
    let server = given.words("smtp_server").and_then(|words| {
        let port = match words.get(1) {
            None => 25,
            Some(at) => match at.value.parse() {
                Ok(port) if port > 0 => port,
                _ => {
                    report.tolerate(
                        Diagnostic::error(
                            Code::OutOfRange,
                            at.span,
                            format!("{} is no port", shown(&at.value)),
                        )
                        .label("expected 1 to 65535")
                        .help("write `smtp_server HOST [PORT]`"),
                    );
                    return None;
                }
            },
        };
        let host = words.first()?;
        Some(MailServer { host: host.value.clone(), port, place: Place(host.span) })
    });
    // A line may hold `Name <a@b>` unquoted, or several addresses.
    let mut to = Vec::new();
    for row in given.rows("notification_email") {
        let words: Vec<_> = row.iter().map(|at| at.value.as_str()).collect();
        if words.len() > 1 && words.last().is_some_and(|last| last.starts_with('<')) {
            to.push(words.join(" "));
        } else {
            to.extend(words.into_iter().map(str::to_owned));
        }
        for at in row.iter().filter(|at| row.len() == 1 && !at.value.contains('@')) {
            report.push(
                Diagnostic::warning(
                    Code::NoMailTo,
                    at.span,
                    format!("{} is no mail address", shown(&at.value)),
                )
                .label("a local account, if anything")
                .help("write NAME@DOMAIN"),
            );
        }
    }
    Mail {
        to,
        from: given.text("notification_email_from"),
        server,
        timeout: given.time("smtp_connect_timeout").unwrap_or(Mail::default().timeout),
        greeting: given.text("smtp_helo_name"),
        no_faults: given.flag("no_email_faults"),
        alerts: [None; 3],
    }
}

fn fifos(globals: &RawGlobals, report: &mut Report) -> Fifos {
    let given = &globals.given;
    let mut one = |path: &str, script: &str| {
        let fifo = given.fifo(path);
        let mut script_command = given.command(script);
        default_user(script_command.iter_mut(), globals);
        if fifo.is_none() && script_command.is_none() {
            return None;
        }
        if fifo.is_none() {
            report.tolerate(
                Diagnostic::error(
                    Code::ValueMissing,
                    given.span(script).unwrap_or_default(),
                    format!("`{script}` has no FIFO to read"),
                )
                .label("nothing to read")
                .help(format!("add `{path} PATH`")),
            );
            if report.lenient {
                return None;
            }
        }
        let (path, owner) = fifo.map_or((None, None), |(path, owner)| (Some(path), owner));
        Some(Fifo { path, owner, script: script_command })
    };
    let all = one("notify_fifo", "notify_fifo_script");
    let mut vrrp = one("vrrp_notify_fifo", "vrrp_notify_fifo_script");
    let same =
        all.as_ref().zip(vrrp.as_ref()).is_some_and(|(a, b)| a.path.is_some() && a.path == b.path);
    if same {
        report.tolerate(
            Diagnostic::error(
                Code::SetTwice,
                given.span("vrrp_notify_fifo").unwrap_or_default(),
                "two FIFOs have the same path",
            )
            .label("the path of notify_fifo")
            .help("give each a path of its own"),
        );
        vrrp = None;
    }
    Fifos { all, vrrp, states_on_reload: given.flag("fifo_write_vrrp_states_on_reload") }
}

fn hooks(globals: &RawGlobals) -> Hooks {
    let given = &globals.given;
    let seconds = |name| given.integer(name).map_or(Duration::from_secs(10), Duration::from_secs);
    let mut hooks = Hooks {
        startup: given.command("startup_script"),
        startup_timeout: seconds("startup_script_timeout"),
        shutdown: given.command("shutdown_script"),
        shutdown_timeout: seconds("shutdown_script_timeout"),
    };
    default_user(hooks.startup.iter_mut().chain(&mut hooks.shutdown), globals);
    hooks
}

fn scheduling(given: &Given, process: &str) -> Scheduling {
    let name = |what: &str| format!("{process}_{what}");
    Scheduling {
        nice: given.integer(&name("priority")).unwrap_or(0),
        real_time: given.integer(&name("rt_priority")),
        run_limit: given
            .integer(&name("rlimit_rttime"))
            .map_or(Scheduling::default().run_limit, Duration::from_micros),
        locked: given.flag(&name("no_swap")),
        processors: given.numbers(&name("cpu_affinity")),
    }
}

fn buffers(given: &Given, report: &mut Report) -> Buffers {
    let size = |name: &str| {
        let octets = given.integer(name)?;
        Some(BufferSize { octets, force: given.flag(&format!("{name}_force")) })
    };
    let policy = given.words("vrrp_rx_bufs_policy").and_then(<[_]>::first).map(|at| {
        let policy = match at.value.as_str() {
            "MTU" => Some(BufferPolicy::Mtu),
            "ADVERT" => Some(BufferPolicy::Advert),
            text => text.parse().ok().map(BufferPolicy::Octets),
        };
        if policy.is_none() {
            report.tolerate(
                Diagnostic::error(
                    Code::NotAChoice,
                    at.span,
                    format!("{} is no policy", shown(&at.value)),
                )
                .label("expected MTU, ADVERT or a number of octets")
                .help("leave it out for the kernel's own size"),
            );
        }
        policy.unwrap_or(BufferPolicy::Kernel)
    });
    Buffers {
        netlink_commands: size("vrrp_netlink_cmd_rcv_bufs"),
        netlink_news: size("vrrp_netlink_monitor_rcv_bufs"),
        processes: size("process_monitor_rcv_bufs"),
        adverts: AdvertBuffers {
            policy: policy.unwrap_or(BufferPolicy::Kernel),
            times: given.integer("vrrp_rx_bufs_multiplier").unwrap_or(3),
        },
    }
}

fn firewall(given: &Given) -> Firewall {
    let words = |name: &str| {
        given.words(name).map(|words| words.iter().map(|at| at.value.clone()).collect())
    };
    let default = Firewall::default();
    Firewall {
        table: given.name("nftables").unwrap_or(default.table),
        priority: given.integer("nftables_priority").unwrap_or(default.priority),
        counters: given.flag("nftables_counters"),
        interface_numbers: given.flag("nftables_ifindex"),
        iptables: words("vrrp_iptables"),
        ipsets: words("vrrp_ipsets"),
    }
}

fn snmp(given: &Given, report: &mut Report) -> Snmp {
    let both = given.flag("enable_snmp_rfc");
    let mut socket = given.text("snmp_socket").unwrap_or(Snmp::default().socket);
    if AgentAddress::parse(&socket).is_none() {
        report.tolerate(
            Diagnostic::error(
                Code::NotAnAddress,
                given.span("snmp_socket").unwrap_or_default(),
                format!("{} is no address of a master agent", shown(&socket)),
            )
            .label("no name but `localhost` is looked up")
            .help("write unix:/PATH, tcp:ADDRESS:PORT or udp:ADDRESS:PORT"),
        );
        socket = Snmp::default().socket;
    }
    Snmp {
        vrrp: given.flag("enable_snmp_vrrp"),
        rfc_v2: both || given.flag("enable_snmp_rfcv2"),
        rfc_v3: both || given.flag("enable_snmp_rfcv3"),
        traps: given.flag("enable_traps"),
        socket,
    }
}

fn files(given: &Given, report: &mut Report) -> FilePlaces {
    let umask = given.text("umask").and_then(|text| {
        let parsed = umask(&text);
        if parsed.is_none() {
            report.tolerate(
                Diagnostic::error(
                    Code::NotANumber,
                    given.span("umask").unwrap_or_default(),
                    format!("{} is no mask", shown(&text)),
                )
                .label("expected up to 0777, or names such as IWGRP|IWOTH")
                .help("write it in octal: `umask 0022`"),
            );
        }
        parsed
    });
    FilePlaces {
        state: given.text("state_dump_file"),
        stats: given.text("stats_dump_file"),
        json: given.text("json_dump_file"),
        json_version: if given.choice("json_version") == Some("2") { 2 } else { 1 },
        use_instance_name: given.flag("data_use_instance"),
        umask: umask.unwrap_or(0o177),
        saved: given.text("config_save_dir"),
        temporary: given.text("tmp_config_directory"),
        iproute: ["iproute_etc_dir", "iproute_usr_dir"]
            .iter()
            .filter_map(|n| given.text(n))
            .collect(),
    }
}

/// A mask as C writes numbers, or names of rights joined by `|`.
fn umask(text: &str) -> Option<u32> {
    let number = if let Some(hexadecimal) = text.strip_prefix("0x") {
        u32::from_str_radix(hexadecimal, 16).ok()
    } else if text.starts_with('0') {
        u32::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    };
    let names = || {
        text.split('|').try_fold(0, |mask, name| {
            let bit = match name.trim().get(..2)? {
                "IR" => 4,
                "IW" => 2,
                "IX" => 1,
                _ => return None,
            };
            let shift = match name.trim().get(2..)? {
                "USR" => 6,
                "GRP" => 3,
                "OTH" => 0,
                _ => return None,
            };
            Some(mask | bit << shift)
        })
    };
    number.or_else(names).filter(|mask| *mask <= 0o777)
}

fn links(raw: &RawConfig, globals: &RawGlobals, report: &mut Report) -> LinkRules {
    let top = &raw.given;
    let mut delays: Vec<LinkDelay> = Vec::new();
    for row in top.rows("interface_up_down_delays") {
        let [interface, numbers @ ..] = &row[..] else { continue };
        let mut times = numbers.iter().map(|at| seconds(at, report));
        let (down, up) = (times.next().flatten(), times.next().flatten());
        if numbers.is_empty() || numbers.len() > 2 {
            report.tolerate(
                Diagnostic::error(
                    Code::ValueMissing,
                    interface.span,
                    "one or two delays belong here",
                )
                .label("for this interface")
                .help("write `INTERFACE DOWN [UP]`, in seconds"),
            );
        }
        delays.push(LinkDelay {
            interface: Name::from(interface.value.as_str()),
            down: down.unwrap_or_default(),
            up: up.unwrap_or_default(),
            place: Place(interface.span),
        });
    }
    let mut polled = Vec::new();
    for row in top.rows("linkbeat_interfaces") {
        let by = match row.get(1) {
            None => None,
            Some(at) => {
                let known = ["MII", "ETHTOOL", "IOCTL"].into_iter().find(|by| *by == at.value);
                if known.is_none() {
                    report.push(
                        Diagnostic::error(
                            Code::NotAChoice,
                            at.span,
                            format!("{} is no way to poll", shown(&at.value)),
                        )
                        .label("expected MII, ETHTOOL or IOCTL")
                        .help("leave it out for whichever works"),
                    );
                }
                known
            }
        };
        if let Some(interface) = row.first() {
            polled.push(PolledLink { interface: Name::from(interface.value.as_str()), by });
        }
    }
    let mut paced: HashMap<Name, Span> = HashMap::new();
    let pacing = raw.pacing.iter().map(|(span, given)| {
        let own = given.name("interface").map(|name| (name, given.span("interface")));
        let listed = given.listed("interfaces");
        let listed = listed.map(|at| (Name::from(at.value.as_str()), Some(at.span)));
        let mut interfaces: Vec<Name> = Vec::new();
        for (name, at) in own.into_iter().chain(listed) {
            let at = at.unwrap_or(*span);
            match paced.insert(name.clone(), at) {
                None => interfaces.push(name),
                Some(before) => report.tolerate(
                    Diagnostic::error(
                        Code::TwoGroups,
                        at,
                        format!("{} stands in a garp_group twice", shown(&name)),
                    )
                    .label("again here")
                    .related(before, "first here")
                    .help("list it once: its announcements have one pace"),
                ),
            }
        }
        if given.span("interface").is_none() && given.rows("interfaces").is_empty() {
            report.tolerate(
                Diagnostic::error(Code::ValueMissing, *span, "this group names no interface")
                    .label("paces nothing")
                    .help("add `interface NAME` or `interfaces { ... }`"),
            );
        }
        Pacing {
            interfaces,
            arp_gap: given.time("garp_interval"),
            na_gap: given.time("gna_interval"),
        }
    });
    LinkRules {
        pacing: pacing.collect(),
        delays,
        poll_all: top.flag("linkbeat_use_polling"),
        polled,
        default: globals.default_interface.clone().unwrap_or_else(|| Name::from("eth0")),
    }
}

/// Seconds up to 255, with a fraction.
fn seconds(at: &At<String>, report: &mut Report) -> Option<Duration> {
    let time = crate::value::parse_time(&at.value).filter(|time| *time <= Duration::from_secs(255));
    if time.is_none() {
        report.tolerate(
            Diagnostic::error(Code::NotATime, at.span, format!("{} is no delay", shown(&at.value)))
                .label("expected 0 to 255 seconds")
                .help("write seconds, as in 1 or 0.5"),
        );
    }
    time
}

/// Addresses, routes and rules that stay, and whether the track groups they name exist.
pub(super) fn statics(
    raw: &mut RawConfig,
    globals: &RawGlobals,
    groups: &[TrackGroup],
    tables: &Tables<'_>,
    report: &mut Report,
) -> Statics {
    let default = globals.default_interface.clone().unwrap_or_else(|| Name::from("eth0"));
    let lines = raw.given.vips.remove("static_ipaddress").unwrap_or_default();
    let mut known = HashMap::new();
    let addresses: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let dev = line.dev.as_ref().map(|dev| dev.value.clone());
            let interface = dev.unwrap_or_else(|| default.clone());
            let span = line.address.span;
            if let Some(before) = known.insert((line.address.value, interface.clone()), span) {
                report.tolerate(
                    Diagnostic::error(
                        Code::DuplicateVip,
                        span,
                        format!("the address `{}` is listed twice", line.address.value),
                    )
                    .label("again here")
                    .related(before, "first here")
                    .help("remove one of them"),
                );
            }
            StaticAddress { vip: line.on(interface), options: line.options, place: Place(span) }
        })
        .collect();
    let routes = core::mem::take(&mut raw.given.routes);
    let rules = core::mem::take(&mut raw.given.rules);
    let named = addresses
        .iter()
        .map(|a| (&a.options.track_group, a.place))
        .chain(routes.iter().map(|r| (&r.track_group, r.place)))
        .chain(rules.iter().map(|r| (&r.track_group, r.place)));
    for (group, place) in named {
        if let Some(group) = group
            && !groups.iter().any(|known| known.name == *group)
        {
            report.tolerate(
                Diagnostic::error(
                    Code::UnknownMember,
                    place.0,
                    format!("no `track_group` is called {}", shown(group)),
                )
                .label("names it; keepalived would ignore it")
                .help(format!(
                    "add `track_group {group} {{ group {{ ... }} }}`, or correct the name"
                )),
            );
        }
    }
    let ways = ways(&routes, &rules, Some(&default), tables, report);
    Statics { addresses, routes, rules, ways }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_number_or_names() {
        for (text, want) in [
            ("0022", Some(0o022)),
            ("18", Some(0o022)),
            ("0x12", Some(0o022)),
            ("IWGRP|IWOTH", Some(0o022)),
            ("IWGRP | IRUSR", Some(0o420)),
            ("01000", None),
            ("rubbish", None),
        ] {
            assert_eq!(umask(text), want, "{text}");
        }
    }
}
