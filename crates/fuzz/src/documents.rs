//! Pieces of a cluster document out of bytes: two versions with what leads from one to the other,
//! and rules with the moments they are asked about.

use cib::dates::{WallTime, duration, duration_seconds};
use cib::patch::{Check, Patch, diff};
use cib::rules::{Facts, Rule};
use cib::xml::{Element, Node};

use crate::bytes::Bytes;

const NAMES: [&str; 6] = ["nodes", "node", "resources", "primitive", "status", "nvpair"];
const KEYS: [&str; 4] = ["name", "value", "uname", "id"];
const WORDS: [&str; 6] = ["", "a", "b", "x&<\"'", "0", "\u{e4} \n"];

fn pick<T: Copy>(bytes: &mut Bytes<'_>, from: &[T]) -> Option<T> {
    let at = usize::from(bytes.next()?) % from.len().max(1);
    from.get(at).copied()
}

/// A tree whose elements have ids more often than not, as a CIB's do.
fn tree(bytes: &mut Bytes<'_>, depth: usize, ids: &mut u32) -> Element {
    let mut element = Element::new(pick(bytes, &NAMES).unwrap_or("node"));
    if bytes.small(4) > 0 {
        *ids += 1;
        element.set("id", &format!("i{ids}"));
    }
    while bytes.small(3) == 1 {
        let (key, word) = (pick(bytes, &KEYS[..3]), pick(bytes, &WORDS));
        element.set(key.unwrap_or("name"), word.unwrap_or_default());
    }
    let children = if depth == 0 { 0 } else { bytes.small(5) };
    for _ in 0..children {
        element.push(tree(bytes, depth - 1, ids));
    }
    element
}

/// Changes a tree here and there.
fn disturb(bytes: &mut Bytes<'_>, element: &mut Element, ids: &mut u32) {
    match bytes.small(9) {
        0 => element.retain(|child| child.get("name").is_some()),
        1 => element.push(tree(bytes, 2, ids)),
        2 => element.set(pick(bytes, &KEYS[..3]).unwrap_or("name"), "changed"),
        3 => {
            element.unset(pick(bytes, &KEYS).unwrap_or("name"));
        }
        4 => element.children.reverse(),
        _ => {}
    }
    for child in element.elements_mut() {
        disturb(bytes, child, ids);
    }
}

/// Two documents, and what leads from one to the other; then a patch for something else.
pub(crate) fn patch(bytes: &mut Bytes<'_>) {
    let mut ids = 0;
    let mut old = Element::new("cib");
    for (name, value) in [("admin_epoch", "0"), ("epoch", "1"), ("num_updates", "0")] {
        old.set(name, value);
    }
    old.push(tree(bytes, 3, &mut ids));
    let mut new = old.clone();
    disturb(bytes, &mut new, &mut ids);
    if new.get("epoch").is_some() {
        new.set("epoch", "2");
    }
    let Ok(found) = diff(&old, &new, bytes.flag()) else { return };
    let written = found.to_xml();
    let read = Patch::from_xml(&written).expect("what is written can be read");
    assert_eq!(read.to_xml(), written, "a patch changes when it is written");
    if let Ok(reached) = found.apply(&old, Check::Loose) {
        let left = diff(&reached, &new, false);
        assert!(left.is_ok_and(|left| left.is_empty()), "a patch does not lead to its end");
    }
    // On a document it was not made for it fails or does something, and that is all.
    let other = tree(bytes, 3, &mut ids);
    let _ = found.apply(&other, Check::Loose);
}

/// A rule, asked about some moments, and dates as anybody might write them.
pub(crate) fn rules(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut text = String::new();
    let root = rule(&mut bytes, 3, &mut text);
    let rule = Rule::read(&root, &|it| it);
    let attribute =
        |name: &str| WORDS.iter().find(|_| name.len().is_multiple_of(2)).map(|it| (*it).into());
    while let Some(byte) = bytes.next() {
        let now = WallTime(moment(&mut bytes, byte));
        let facts = Facts { now, node: Some(&attribute), ..Facts::default() };
        assert_eq!(rule.holds(&facts), rule.holds(&facts), "a rule changes its mind");
        let spelled = now.spelled();
        if (-60_000_000_000..250_000_000_000).contains(&now.0) {
            assert_eq!(WallTime::parse(&spelled), Some(now), "{spelled} is read otherwise");
        }
    }
    let words = String::from_utf8_lossy(data);
    for word in words.split(',') {
        if let Some(time) = WallTime::parse(word) {
            let _ = (time.civil(), time.spelled());
            if let Some(span) = duration(word) {
                let _ = time.after(span);
            }
        }
        let _ = duration_seconds(word);
        let _ = cib::value::milliseconds(word);
        let _ = cib::Score::parse(word);
    }
}

/// A moment near now, far from it, or beyond any calendar.
fn moment(bytes: &mut Bytes<'_>, kind: u8) -> i64 {
    let small = i64::try_from(bytes.small(65_536)).unwrap_or(0);
    match kind % 4 {
        0 => 1_700_000_000 + small,
        1 => small * 4_000_000,
        2 => -small * 4_000_000,
        _ => i64::MAX - small,
    }
}

fn rule(bytes: &mut Bytes<'_>, depth: usize, text: &mut String) -> Element {
    let mut element = Element::new("rule").with("id", "r");
    element.set("score", pick(bytes, &["INFINITY", "-INFINITY", "1", "x"]).unwrap_or("1"));
    element.set("boolean-op", pick(bytes, &["and", "or", "xor"]).unwrap_or("and"));
    for _ in 0..bytes.small(4) {
        let part = match bytes.small(if depth == 0 { 3 } else { 4 }) {
            0 => expression(bytes),
            1 | 2 => date(bytes, text),
            _ => rule(bytes, depth - 1, text),
        };
        element.push(part);
    }
    element
}

fn expression(bytes: &mut Bytes<'_>) -> Element {
    let operations = ["eq", "ne", "lt", "gt", "lte", "gte", "defined", "not_defined", "?"];
    let kinds = ["string", "integer", "number", "version", "?"];
    let sources = ["literal", "param", "meta"];
    let mut it = Element::new("expression").with("id", "e").with("attribute", "ab");
    it.set("operation", pick(bytes, &operations).unwrap_or("eq"));
    it.set("type", pick(bytes, &kinds).unwrap_or("string"));
    it.set("value-source", pick(bytes, &sources).unwrap_or("literal"));
    let value = String::from_utf8_lossy(bytes.take(4)).into_owned();
    it.set("value", &value);
    it
}

fn date(bytes: &mut Bytes<'_>, text: &mut String) -> Element {
    let operations = ["in_range", "gt", "lt", "date_spec", "in"];
    let mut it = Element::new("date_expression").with("id", "d");
    it.set("operation", pick(bytes, &operations).unwrap_or("gt"));
    for side in ["start", "end"] {
        if bytes.flag() {
            text.clear();
            let length = usize::try_from(bytes.small(24)).unwrap_or(0);
            text.push_str(match bytes.small(4) {
                0 => "2023-11-14",
                1 => "2023-W46-2 12:00",
                2 => "2023-318T24:00:00 +14",
                _ => "",
            });
            text.push_str(&String::from_utf8_lossy(bytes.take(length)));
            it.set(side, text);
        }
    }
    let fields = ["years", "months", "monthdays", "weekdays", "yeardays", "weeks", "weekyears"];
    for child in ["duration", "date_spec"] {
        let mut inner = Element::new(child).with("id", "s");
        for _ in 0..bytes.small(4) {
            let field = pick(bytes, &fields).unwrap_or("hours");
            let (low, high) = (bytes.small(70), bytes.small(70_000));
            let range = match bytes.small(4) {
                0 => low.to_string(),
                1 => format!("{low}-"),
                2 => format!("-{high}"),
                _ => format!("{low}-{high}"),
            };
            inner.set(field, &range);
        }
        it.children.push(Node::Element(inner));
    }
    it
}
