//! FRR's vrrpd, and I07–I09.
//!
//! vrrpd makes no interface of its own: it speaks for one that carries exactly the virtual router's
//! MAC, with the VIPs on it for good; being Backup means that zebra keeps it down (`protodown`). So
//! whether it holds is its own word, not its kernel's addresses.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Family, State};
use lab::{CommandLine, DIR, Need, Process, ProcessSignal, wait_for};
use linux::Sysctl;
use serde_json::Value;

use crate::bench::{Bench, OURS, PATIENCE, PEER};
use crate::exchange::hold_then_follow;
use crate::mode::{Mode, Part, V2, V3_IPV4, V3_IPV6, VRID};
use crate::speaker::{Speaker, faults};

const ZEBRA: &str = "/usr/lib/frr/zebra";
const VRRPD: &str = "/usr/lib/frr/vrrpd";

/// vrrpd on a node, with the zebra it needs.
pub(crate) struct Frr {
    node: &'static str,
    zebra: Option<Process>,
    vrrpd: Option<Process>,
}

impl Frr {
    pub(crate) fn on(node: &'static str) -> Self {
        Self { node, zebra: None, vrrpd: None }
    }

    /// Says something to vrrpd's command line.
    fn say(&self, bench: &Bench, lines: &[&str]) -> String {
        let mut arguments = vec![
            "vtysh".to_owned(),
            "--vty_socket".to_owned(),
            format!("{DIR}/frr"),
            "-d".to_owned(),
            "vrrpd".to_owned(),
        ];
        for line in lines {
            arguments.extend(["-c".to_owned(), (*line).to_owned()]);
        }
        let answer = bench.lab.node(self.node).output(&CommandLine { arguments }, PATIENCE);
        answer.unwrap().unwrap_or_else(|| panic!("vrrpd does not answer\n{}", self.logs()))
    }

    /// `show vrrp json`: what it thinks of the virtual router.
    fn view(&self, bench: &Bench) -> Value {
        let text = self.say(bench, &["show vrrp json"]);
        let json = &text[text.find('[').unwrap_or_default()..];
        let all: Value = serde_json::from_str(json).unwrap();
        all[0][if bench.mode.family == Family::V4 { "v4" } else { "v6" }].clone()
    }

    fn logs(&self) -> String {
        [&self.zebra, &self.vrrpd].into_iter().flatten().map(Process::log).collect()
    }

    fn plug_macvlan(&self, bench: &Bench) {
        let (name, mac, generate, vip) = match bench.mode.family {
            Family::V4 => ("vrrp4", format!("00:00:5e:00:01:{VRID:02x}"), "none", "193.168.0.6/16"),
            // A link-local address made of the MAC would be the same on all routers.
            Family::V6 => {
                ("vrrp6", format!("00:00:5e:00:02:{VRID:02x}"), "random", "2001:db8::6/64")
            }
        };
        let node = bench.lab.node(self.node);
        let ip = |line: String| {
            let done = node.output(&CommandLine::parse(&format!("ip {line}")), PATIENCE).unwrap();
            assert!(done.is_some(), "ip {line}");
        };
        ip(format!("link add {name} link eth0 type macvlan mode bridge"));
        ip(format!("link set {name} address {mac} addrgenmode {generate}"));
        node.run(move || {
            // Or eth0 answers for the VIP as well, with its own MAC.
            Sysctl::ArpIgnore("all".into(), 1).write().unwrap();
            Sysctl::ArpAnnounce("all".into(), 2).write().unwrap();
            Sysctl::AcceptDad(name.into(), false).write().unwrap();
        });
        ip(format!("addr add {vip} dev {name}"));
        ip(format!("link set {name} up"));
    }

    fn launch(&self, bench: &Bench, program: &str) -> Process {
        let dir = format!("{DIR}/frr");
        let name = program.rsplit('/').next().unwrap_or_default();
        let line = format!(
            "{program} -f {dir}/{name}.conf -i {dir}/{name}.pid -z {dir}/zserv.api \
             --vty_socket {dir} -A 127.0.0.1 -P 0 --log stdout"
        );
        bench.lab.node(self.node).spawn(&CommandLine::parse(&line)).unwrap()
    }
}

impl Speaker for Frr {
    fn node(&self) -> &'static str {
        self.node
    }

    fn start(&mut self, bench: &mut Bench, part: &Part) {
        if self.vrrpd.is_some() {
            let again = format!("no vrrp {VRID} shutdown");
            self.say(bench, &["conf t", "interface eth0", &again]);
            return;
        }
        self.plug_macvlan(bench);
        let vips = match part.mode.family {
            Family::V4 => format!(" vrrp {VRID} ip 193.168.0.6\n"),
            Family::V6 => format!(" vrrp {VRID} ipv6 fe80::6\n vrrp {VRID} ipv6 2001:db8::6\n"),
        };
        let conf = format!(
            "debug vrrp protocol\ninterface eth0\n vrrp {VRID} version {}\n vrrp {VRID} priority \
             {}\n vrrp {VRID} advertisement-interval {}\n{vips}",
            part.mode.number(),
            part.priority,
            part.mode.interval.as_millis(),
        );
        let dir = PathBuf::from(DIR).join("frr");
        let node = bench.lab.node_mut(self.node);
        node.write(dir.join("zebra.conf"), "", 0o640).unwrap();
        node.write(dir.join("vrrpd.conf"), conf, 0o640).unwrap();
        let (own, socket) = (dir.clone(), dir.join("zserv.api"));
        node.run(move || {
            // Both daemons give root up for the user of this name.
            let (user, group) = frr_user();
            for path in [own.clone(), own.join("zebra.conf"), own.join("vrrpd.conf")] {
                chown(path, Some(user), Some(group)).unwrap();
            }
        });
        self.zebra = Some(self.launch(bench, ZEBRA));
        let node = bench.lab.node(self.node);
        let exists = || {
            let socket = socket.clone();
            node.run(move || socket.exists())
        };
        assert!(wait_for(PATIENCE, exists).is_some(), "{}", self.logs());
        self.vrrpd = Some(self.launch(bench, VRRPD));
        let control = dir.join("vrrpd.vty");
        let listens = || {
            let control = control.clone();
            node.run(move || control.exists())
        };
        assert!(wait_for(PATIENCE, listens).is_some(), "{}", self.logs());
    }

    fn holds(&self, bench: &Bench) -> bool {
        self.view(bench)["status"] == "Master"
    }

    fn resign(&mut self, bench: &Bench) {
        self.say(bench, &["conf t", "interface eth0", &format!("vrrp {VRID} shutdown")]);
    }

    fn freeze(&self, _: &Bench) {
        self.vrrpd.iter().for_each(|vrrpd| vrrpd.signal(ProcessSignal::STOP));
    }

    fn thaw(&self, _: &Bench) {
        self.vrrpd.iter().for_each(|vrrpd| vrrpd.signal(ProcessSignal::CONT));
    }

    fn kill(&self, _: &Bench) {
        self.vrrpd.iter().for_each(|vrrpd| vrrpd.signal(ProcessSignal::KILL));
    }

    fn agrees(&self, bench: &Bench, part: &Part, state: State) {
        let view = self.view(bench);
        let word = match state {
            State::Initialize => "Initialize",
            State::Backup => "Backup",
            State::Active => "Master",
        };
        assert_eq!(view["status"], word, "{view:#}");
        let interval = view["masterAdverInterval"].as_u64().unwrap();
        assert_eq!(Duration::from_millis(interval), part.mode.interval, "{view:#}");
        for (key, ours) in [
            ("skewTime", part.mode.skew(part.priority)),
            ("masterDownInterval", part.mode.active_down(part.priority)),
        ] {
            // It counts in hundredths of a second.
            let theirs = Duration::from_millis(view[key].as_u64().unwrap());
            assert!(theirs.abs_diff(ours) <= Duration::from_millis(10), "{key}: {ours:?} {view:#}");
        }
    }

    fn complaints(&self, _: &Bench) -> Vec<String> {
        faults(&self.vrrpd.iter().map(Process::log).collect::<String>())
    }
}

/// The user and group `frr`.
pub(crate) fn frr_user() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("frr:")).expect("the package's user");
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn with_frr(mode: Mode) {
    if !lab::requires(&[
        Need::Root,
        Need::program(ZEBRA),
        Need::program(VRRPD),
        Need::program("vtysh"),
        Need::program("ip"),
        Need::file(Path::new("/etc/passwd")),
    ]) {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let part = Part::new(mode, 100);
    hold_then_follow(&mut bench, &mut Frr::on("peer"), &part, &part);
}

#[test]
fn i07_frr_v2_we_hold_then_follow() {
    with_frr(V2);
}

#[test]
fn i08_frr_v3_ipv4_we_hold_then_follow() {
    with_frr(V3_IPV4);
}

#[test]
fn i09_frr_v3_ipv6_we_hold_then_follow() {
    with_frr(V3_IPV6);
}
