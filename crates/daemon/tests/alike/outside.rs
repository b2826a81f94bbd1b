//! What a node shows to others, looked at in the cases that ask for it by `also`: mail, dumps, the log,
//! signals and properties on D-Bus, and whether a VIP answers the client.
//!
//! Compared is what programs and people around keepalived look at (reference §2), with the readers
//! that the tests of these faces use. Left out is what depends on a moment or on a dead link: how many
//! adverts and resignations were counted, the priority of a holder that has gone, and mail about a stop,
//! which keepalived loses as it ends.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::{Lab, Node};
use serde_json::Value;

#[path = "../outward/readers.rs"]
#[allow(dead_code, reason = "shared with those who ask for more")]
mod readers;

/// What is looked at beside scripts, FIFO and kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Also {
    Mail,
    Dumps,
    Log,
    Bus,
    Snmp,
    Reach,
}

impl Also {
    pub(crate) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "mail" => Self::Mail,
            "dumps" => Self::Dumps,
            "log" => Self::Log,
            "bus" => Self::Bus,
            "snmp" => Self::Snmp,
            "reach" => Self::Reach,
            _ => return None,
        })
    }

    /// As rows of docs/differences.md have it.
    pub(crate) fn aspect(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Dumps => "dumps",
            Self::Log => "log",
            Self::Bus => "bus",
            Self::Snmp => "snmp",
            Self::Reach => "reach",
        }
    }
}

/// A bus on which anybody may do anything.
pub(crate) const BUS_CONF: &str = include_str!("../everybody.conf");

/// Starts it, and somebody who writes its signals down.
pub(crate) const BUS_BEGINS: &str = "mkdir -p /run/dbus; \
     setsid dbus-daemon --config-file=/run/lab/bus.conf --nofork --nopidfile >/dev/null 2>&1 & \
     n=0; until test -S /run/dbus/system_bus_socket || test $n -gt 200; do sleep 0.05; n=$((n+1)); done; \
     setsid dbus-monitor --address unix:path=/run/dbus/system_bus_socket type=signal \
     >/run/lab/signals 2>&1 & \
     n=0; until grep -q NameAcquired /run/lab/signals || test $n -gt 200; do sleep 0.05; n=$((n+1)); done";

/// Shows the signals, and the properties of whoever has sent one.
pub(crate) const BUS_SHOW: &str = "cat /run/lab/signals; echo ==; \
     for p in $(grep -o 'path=/org/keepalived[^;]*/Instance/[^;]*' /run/lab/signals | cut -c6- | sort -u); \
     do for w in Name State; do \
     v=$(dbus-send --bus=unix:path=/run/dbus/system_bus_socket --dest=org.keepalived.Vrrp1 \
     --print-reply=literal $p org.freedesktop.DBus.Properties.Get \
     string:org.keepalived.Vrrp1.Instance string:$w 2>/dev/null); echo $p $w is $v; done; done";

/// Has the daemon write each dump, waits until it is whole, and shows it.
pub(crate) const DUMPS_SHOW: &str = "ask() { \
     rm -f /run/lab/keepalived.$2; kill -$1 $(cat /run/lab/pid) || return 0; n=0; old=x; \
     while test $n -lt 200; do sleep 0.05; n=$((n+1)); \
     new=$(wc -c 2>/dev/null </run/lab/keepalived.$2 || echo none); \
     test \"$new\" = \"$old\" && test \"$new\" != none && test \"$new\" != 0 && break; old=$new; done; \
     cat /run/lab/keepalived.$2; }; \
     if test -s /run/lab/pid && kill -0 $(cat /run/lab/pid) 2>/dev/null; then \
     ask USR1 data; echo; echo ==; ask USR2 stats; echo ==; ask 36 json; fi";

/// Signals by object, each object's in their order; then properties.
pub(crate) fn bus(text: &str) -> Vec<String> {
    let (signals, properties) = text.split_once("==\n").expect("both are shown");
    let mut heard: Vec<String> = Vec::new();
    let mut ours = false;
    for line in signals.lines() {
        if line.starts_with("signal ") {
            ours = line.contains("interface=org.keepalived.");
            let part = |key: &str| line.split(key).nth(1).and_then(|rest| rest.split(';').next());
            if let (true, Some(path), Some(member)) = (ours, part("path="), part("member=")) {
                heard.push(format!("{path} {member}"));
            }
        } else if let (true, Some(last)) = (ours, heard.last_mut()) {
            last.push(' ');
            last.push_str(line.trim());
        }
    }
    heard.sort_by_key(|line| line.split(' ').next().unwrap_or_default().to_owned());
    // keepalived tells some states twice, and that an instance is only being made or waits for the
    // first word of a script; its scripts are told of neither.
    heard.retain(|line| !line.ends_with(" VrrpStatusChange uint32 0"));
    heard.dedup();
    let waits = |at: usize| {
        let fault = |line: &String| line.strip_suffix("uint32 3").map(str::to_owned);
        let path = heard.get(at).and_then(fault);
        // The first word of a process is the first of all, or follows the end (98) of the one before.
        let first = |before: &String, path: &str| {
            !before.starts_with(path) || before.ends_with(" VrrpStatusChange uint32 98")
        };
        path.is_some_and(|path| at == 0 || first(&heard[at - 1], &path))
    };
    let begins: Vec<usize> = (0..heard.len()).filter(|at| waits(*at)).collect();
    begins.iter().rev().for_each(|at| drop(heard.remove(*at)));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    heard.extend(properties.lines().map(words));
    heard
}

/// What exporters read out of the three dumps.
pub(crate) fn dumps(text: &str) -> Vec<String> {
    let mut parts = text.split("==\n");
    let (Some(data), Some(stats), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return vec!["nobody runs".to_owned()];
    };
    let mut lines: Vec<String> = Vec::new();
    for (name, seen) in readers::instances(data) {
        lines.push(format!("data {name}: {seen:?}"));
    }
    lines.extend(readers::scripts(data).iter().map(|script| format!("data {script:?}")));
    for (name, counts) in readers::counters(stats) {
        for (what, count) in counts {
            let moment =
                ["Advertisements/", "Priority Zero/"].iter().any(|part| what.starts_with(part));
            let count = if moment { String::new() } else { count.to_string() };
            lines.push(format!("stats {name}: {what} {count}"));
        }
    }
    let json: Value = serde_json::from_str(json).unwrap_or_default();
    let list = if json.is_array() { readers::elements(&json) } else { Vec::new() };
    for (name, element) in list {
        for (key, value) in element["data"].as_object().into_iter().flatten() {
            if !["last_transition", "master_priority"].contains(&key.as_str()) {
                lines.push(format!("json {name}: {key} {value}"));
            }
        }
    }
    lines
}

/// Lines that people look for, each once, in no order: which of two comes first is told elsewhere.
pub(crate) fn log(text: &str) -> Vec<String> {
    const KNOWN: &[&str] = &[
        "Entering ",
        "setting VIPs.",
        "Changing effective priority",
        "now returning",
        "VRRP_Script(",
        "Syncing instances to",
        "Sending gratuitous ARP on",
    ];
    let line = |line: &str| -> Option<String> {
        let begin = KNOWN.iter().find_map(|known| line.find(known))?;
        // A name in front belongs to it.
        let named = ["(", "Script `", "VRRP_Group("].iter().filter_map(|mark| line.find(mark));
        let begin = named.chain([begin]).min().unwrap_or(begin);
        Some(line[begin..].trim_end().replace(" (init)", ""))
    };
    text.lines().filter_map(line).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether each VIP answers the client, with a refusal at least.
pub(crate) fn reach(lab: &Lab, vips: &[IpAddr]) -> Vec<String> {
    let asked = |vip: &IpAddr| {
        let to = SocketAddr::new(*vip, 7008);
        let limit = Duration::from_millis(700);
        let outcome = lab.client().run(move || TcpStream::connect_timeout(&to, limit));
        let answers = match outcome {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        };
        format!("{vip} {}", if answers { "answers" } else { "is silent" })
    };
    vips.iter().map(asked).collect()
}

/// Subjects and texts of the mail that has come.
pub(crate) type Letters = Arc<Mutex<Vec<String>>>;

/// Takes mail on port 2525 of the node until the test is over.
pub(crate) fn post_office(node: &Node) -> Letters {
    let listener = node.run(|| TcpListener::bind("127.0.0.1:2525").unwrap());
    let letters = Letters::default();
    let into = Arc::clone(&letters);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let into = Arc::clone(&into);
            std::thread::spawn(move || take(&stream, &into));
        }
    });
    letters
}

/// One conversation; whoever breaks it off has sent nothing.
fn take(mut stream: &TcpStream, into: &Letters) -> Option<()> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 here")?;
    let (mut reads, mut head) = (false, true);
    let mut letter = String::new();
    for line in lines {
        let line = line.ok()?;
        if !reads && line.eq_ignore_ascii_case("QUIT") {
            // keepalived asks for ever of whoever does not say it with this number.
            return say("221 bye");
        } else if !reads {
            reads = line.eq_ignore_ascii_case("DATA");
            say(if reads { "354 go on" } else { "250 ok" })?;
            head = true;
        } else if line == "." {
            let letter = std::mem::take(&mut letter);
            if !letter.contains(" - Stopping ") {
                into.lock().ok()?.push(letter);
            }
            say("250 ok")?;
            reads = false;
        } else if head {
            head = !line.is_empty();
            letter.push_str(line.strip_prefix("Subject: ").unwrap_or_default());
        } else if !line.is_empty() {
            letter.push_str(&format!(" | {line}"));
        }
    }
    None
}
