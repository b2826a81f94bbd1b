//! How the two public exporters read keepalived's dumps, from what each of them looks for: line by
//! line, so that what they would stumble over is stumbled over here.

use std::collections::BTreeMap;

use serde_json::Value;

/// An instance as exporters know it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) state: String,
    pub(crate) wanted: String,
    pub(crate) interface: String,
    pub(crate) garp_delay: u64,
    pub(crate) vrid: u64,
    pub(crate) vips: Vec<(String, String)>,
}

fn value(line: &str, between: char) -> (&str, &str) {
    let mut parts = line.trim().split(between);
    (parts.next().unwrap_or_default().trim(), parts.next().unwrap_or_default().trim())
}

/// The one that keeps names, and lists under a name that ends in a colon.
pub(crate) fn instances(text: &str) -> BTreeMap<String, Seen> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    let (mut instance, mut key) = (String::new(), String::new());
    for line in text.lines() {
        if line.starts_with(" VRRP Instance") && line.contains('=') {
            instance = value(line, '=').1.to_owned();
            all.insert(instance.clone(), Seen::default());
        } else if line.starts_with("   ") && !instance.is_empty() {
            let seen = all.get_mut(&instance).unwrap();
            let found = if line.starts_with("     ") {
                line.trim().to_owned()
            } else if line.contains('=') || line.contains(':') {
                let (name, found) = value(line, if line.contains('=') { '=' } else { ':' });
                key = name.to_owned();
                found.to_owned()
            } else {
                continue;
            };
            match key.as_str() {
                name if name.starts_with("Virtual IP (") && !found.is_empty() => {
                    let words: Vec<&str> = found.split(' ').collect();
                    assert!(words.len() >= 3, "{found}");
                    seen.vips.push((words[0].to_owned(), words[2].to_owned()));
                }
                "State" => seen.state = found,
                "Wantstate" => seen.wanted = found,
                "Interface" => seen.interface = found,
                "Gratuitous ARP delay" => seen.garp_delay = found.parse().unwrap(),
                "Virtual Router ID" => seen.vrid = found.parse().unwrap(),
                _ => {}
            }
        } else if !line.starts_with(" VRRP Version") && !line.starts_with(" VRRP Script") {
            instance.clear();
        }
    }
    all
}

/// Scripts: name, status, state.
pub(crate) fn scripts(text: &str) -> Vec<(String, String, String)> {
    let mut all: Vec<(String, String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with(" VRRP Script") && line.contains('=') {
            all.push((value(line, '=').1.to_owned(), String::new(), String::new()));
            inside = true;
        } else if line.starts_with("   ") && inside {
            let script = all.last_mut().unwrap();
            match value(line, '=') {
                ("Status", found) => script.1 = found.to_owned(),
                ("State", found) => script.2 = found.to_owned(),
                _ => {}
            }
        } else if !line.starts_with("    ") {
            inside = false;
        }
    }
    all
}

/// The other one: it gives an instance up at the first line without `=`, and pairs what it has found
/// with the counters by their order.
pub(crate) fn in_order(text: &str) -> Vec<(String, String)> {
    let (mut all, mut name, mut state) = (Vec::new(), String::new(), String::new());
    for line in text.lines() {
        if line.starts_with(" VRRP Instance") && line.contains('=') {
            name = value(line, '=').1.to_owned();
        } else if line.starts_with("   ") && line.contains('=') && !name.is_empty() {
            match value(line, '=') {
                ("State", found) => state = found.to_owned(),
                ("Last transition", found) => {
                    found.split(' ').next().unwrap().parse::<f64>().unwrap();
                }
                _ => {}
            }
        } else if !line.starts_with(" VRRP Version") && !name.is_empty() {
            all.push((std::mem::take(&mut name), std::mem::take(&mut state)));
        }
    }
    all
}

/// Counters by instance and `section/name`.
pub(crate) fn counters(text: &str) -> Vec<(String, BTreeMap<String, u64>)> {
    let mut all: Vec<(String, BTreeMap<String, u64>)> = Vec::new();
    let mut section = String::new();
    for line in text.lines() {
        if line.starts_with("VRRP Instance") {
            all.push((value(line, ':').1.to_owned(), BTreeMap::new()));
        } else if line.starts_with("  ") && line.ends_with(':') {
            section = value(line, ':').0.to_owned();
        } else {
            if !line.starts_with("    ") {
                section.clear();
            }
            let (name, count) = value(line, ':');
            let count = count.parse().unwrap();
            all.last_mut().unwrap().1.insert(format!("{section}/{name}"), count);
        }
    }
    all
}

/// The keys of each element's `data` and `stats`, in their order, and the elements.
pub(crate) fn elements(json: &Value) -> Vec<(String, Value)> {
    let list = json.as_array().or_else(|| json["vrrp"].as_array()).expect("a list");
    let name = |one: &Value| one["data"]["iname"].as_str().unwrap().to_owned();
    list.iter().map(|one| (name(one), one.clone())).collect()
}

/// Every `name` of an instance's lines `   name = value`, and every heading of a list.
pub(crate) fn names(text: &str, block: &str) -> Vec<String> {
    let begin = text.lines().skip_while(|line| line.trim_end() != block).skip(1);
    let inside = begin.take_while(|line| line.starts_with("   "));
    let own = inside.filter(|line| !line.starts_with("     "));
    let name = |line: &str| {
        let name = line.trim().split([':', '=']).next().unwrap_or_default().trim();
        name.split('(').next().unwrap_or_default().trim().to_owned()
    };
    own.map(name).collect()
}

/// The headings of all sections.
pub(crate) fn sections(text: &str) -> Vec<&str> {
    let heading = |line: &'_ str| line.starts_with("------<");
    text.lines()
        .filter(|line| heading(line))
        .map(|line| line.trim_matches(['-', '<', '>', ' ']))
        .collect()
}
