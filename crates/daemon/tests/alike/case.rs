//! A case: one configuration for both nodes, which features it shows, and what is done to the nodes.
//!
//! In a case's file, `=== name` begins one; up to `---` stand, line by line, `features`, `pace` (the
//! advert interval in seconds, from which follows how long anything takes), `cards` (how many network
//! cards a node has, 1 if not said), `longer` (seconds that everything takes beyond the usual),
//! `announcements` (whether they are counted), `also` (what else is looked at, see `outside`), `reach`
//! (VIPs the client asks), `namespace` (of which name, with `eth1` in it), `options` (of the command
//! line) and the acts. Then comes the configuration, and after
//! another `---` the one that a `reload` brings. What differs between the nodes is marked as
//! keepalived has it, by `@a` and `@b`. Two lines stand for what nearly every case needs:
//! `%globals` within global_defs, and `%notify NAME` within an instance or a group.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::expand::expand;
use crate::outside::Also;

/// The nodes, the first of them the stronger.
pub(crate) const NODES: [&str; 2] = ["a", "b"];

/// Something that is done to the nodes; then everything has time to settle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// The daemon is started on this node.
    Start(String),
    /// It is stopped in good order, and its end awaited.
    Stop(String),
    /// It reads the other configuration, on these nodes.
    Reload(Vec<String>),
    /// A command of the shell on a node.
    Shell(String, String),
    /// Nothing but this time.
    Wait(Duration),
}

/// See the head of this file.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) features: Vec<u8>,
    pub(crate) pace: Duration,
    pub(crate) cards: u8,
    longer: Duration,
    /// Whether a start of the weaker node may change anything.
    waits_for_b: bool,
    pub(crate) announcements: bool,
    pub(crate) also: BTreeSet<Also>,
    pub(crate) reach: Vec<IpAddr>,
    pub(crate) namespace: Option<String>,
    pub(crate) options: String,
    pub(crate) acts: Vec<Act>,
    text: String,
    other: Option<String>,
}

impl Case {
    /// The configuration at the start.
    pub(crate) fn text(&self) -> String {
        expand(&self.text)
    }

    /// The one that a reload brings: the same where there is no other.
    pub(crate) fn other(&self) -> String {
        expand(self.other.as_ref().unwrap_or(&self.text))
    }

    /// How long after `act` everything has happened that will.
    pub(crate) fn settles_in(&self, act: &Act) -> Duration {
        // A backup waits three intervals and a bit of one for a holder that is silent.
        let silence = self.pace * 4 + Duration::from_millis(400);
        let skew = self.pace + Duration::from_millis(900);
        self.longer
            + match act {
                Act::Stop(_) => skew,
                Act::Wait(time) => *time,
                Act::Start(node) if node == "b" && !self.waits_for_b => skew,
                Act::Start(_) | Act::Reload(_) | Act::Shell(..) => silence,
            }
    }

    /// How long it takes.
    pub(crate) fn length(&self) -> Duration {
        self.acts.iter().map(|act| self.settles_in(act)).sum()
    }
}

/// Every case there is.
pub(crate) fn all() -> Vec<Case> {
    const FILES: [&str; 9] = [
        include_str!("cases/basics.conf"),
        include_str!("cases/protocol.conf"),
        include_str!("cases/trackers.conf"),
        include_str!("cases/groups.conf"),
        include_str!("cases/ways.conf"),
        include_str!("cases/devices.conf"),
        include_str!("cases/language.conf"),
        include_str!("cases/node.conf"),
        include_str!("cases/outside.conf"),
    ];
    let mut cases = Vec::new();
    for text in FILES {
        let begins = text.split("\n=== ").skip(1);
        cases.extend(begins.map(read));
    }
    let mut names: Vec<_> = cases.iter().map(|case: &Case| case.name.clone()).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is given twice: {names:?}");
    cases
}

fn read(text: &str) -> Case {
    let (name, rest) = text.split_once('\n').unwrap();
    let mut parts = rest.split("---\n");
    let mut case = Case {
        name: name.trim().to_owned(),
        features: Vec::new(),
        pace: Duration::from_secs(1),
        cards: 1,
        longer: Duration::ZERO,
        waits_for_b: false,
        announcements: false,
        also: BTreeSet::new(),
        reach: Vec::new(),
        namespace: None,
        options: String::new(),
        acts: NODES.map(|node| Act::Start(node.to_owned())).to_vec(),
        text: String::new(),
        other: None,
    };
    for line in parts.next().unwrap().lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        header(&mut case, word, rest);
    }
    case.text = parts.next().unwrap_or_else(|| panic!("{name}: no configuration")).to_owned();
    case.other = parts.next().map(str::to_owned);
    case.waits_for_b = rest.contains("\nfirst b") || rest.contains("\n @b priority 150");
    if case.acts.len() == 2 && !rest.contains("\nfirst ") {
        // What is done unless a case says otherwise.
        for act in ["stop a", "start a", "down a eth0", "up a eth0", "reload", "stop a", "stop b"] {
            let (word, rest) = act.split_once(' ').unwrap_or((act, ""));
            header(&mut case, word, rest);
        }
    }
    case
}

fn header(case: &mut Case, word: &str, rest: &str) {
    let seconds = |text: &str| Duration::from_secs_f64(text.parse().unwrap());
    let both = || NODES.map(str::to_owned).to_vec();
    let nodes = |rest: &str| if rest.is_empty() { both() } else { vec![rest.to_owned()] };
    let link = |rest: &str, way: &str| {
        let (node, card) = rest.split_once(' ').unwrap();
        Act::Shell(node.to_owned(), format!("ip link set {card} {way}"))
    };
    match word {
        "features" => case.features = rest.split(' ').map(|n| n.parse().unwrap()).collect(),
        "pace" => case.pace = seconds(rest),
        "cards" => case.cards = rest.parse().unwrap(),
        "longer" => case.longer = seconds(rest),
        "announcements" => case.announcements = true,
        "also" => {
            let one = |word| Also::named(word).unwrap_or_else(|| panic!("{}: {word}?", case.name));
            case.also.extend(rest.split(' ').map(one).collect::<Vec<_>>());
        }
        "reach" => {
            case.also.insert(Also::Reach);
            case.reach = rest.split(' ').map(|vip| vip.parse().unwrap()).collect();
        }
        "namespace" => case.namespace = Some(rest.to_owned()),
        "options" => case.options = rest.to_owned(),
        // Instead of one after the other.
        "first" => case.acts = vec![Act::Start(rest.to_owned())],
        "start" => case.acts.push(Act::Start(rest.to_owned())),
        "stop" => case.acts.push(Act::Stop(rest.to_owned())),
        "reload" => case.acts.push(Act::Reload(nodes(rest))),
        "down" | "up" => case.acts.push(link(rest, word)),
        "sh" => {
            let (node, command) = rest.split_once(' ').unwrap();
            case.acts.push(Act::Shell(node.to_owned(), command.to_owned()));
        }
        "wait" => case.acts.push(Act::Wait(seconds(rest))),
        _ => panic!("{}: what is `{word}`?", case.name),
    }
}
