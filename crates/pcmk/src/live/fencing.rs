//! `stonith_admin`: what was fenced and by what (`--history`, `--last`, `--list-registered`,
//! `--list-installed`), and fencing by hand (`--fence`, `--reboot`, `--unfence`, `--confirm`).
//!
//! Devices and levels are what the document says; none is registered beside it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::Duration;

use cib::dates::WallTime;
use cib::xml::Element;

use super::monitor::stamp;
use super::words::{Spec, Takes, Words};
use super::{Answered, Around, Fencing, NO_SUCH, Opens, Said, span};
use crate::failure::Failure;

const SPECS: [Spec; 13] = [
    ('F', &["fence"], Takes::Value),
    ('B', &["reboot"], Takes::Value),
    ('U', &["unfence"], Takes::Value),
    ('C', &["confirm"], Takes::Value),
    ('T', &["tag"], Takes::Value),
    ('H', &["history"], Takes::Value),
    ('h', &["last"], Takes::Value),
    ('L', &["list-registered"], Takes::Nothing),
    ('I', &["list-installed"], Takes::Nothing),
    ('q', &["quiet"], Takes::Nothing),
    ('t', &["timeout"], Takes::Value),
    ('V', &["verbose"], Takes::Nothing),
    ('$', &["version"], Takes::Nothing),
];

/// How long each device may take unless something else is said, and how much longer is waited.
const EACH: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// `stonith_admin`
pub(super) fn run(arguments: &[OsString], _: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("stonith_admin", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = answer(&words, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

fn answer(words: &Words, opens: Opens<'_>) -> Result<Said, Failure> {
    match words.last_of("HhLIFBUC$") {
        Some('F') => by_hand(words, 'F', Some("off"), opens),
        Some('B') => by_hand(words, 'B', Some("reboot"), opens),
        Some('U') => by_hand(words, 'U', Some("on"), opens),
        Some('C') => by_hand(words, 'C', None, opens),
        Some('$') => Ok(Said::text(super::version())),
        Some('I') => Ok(Said::text(installed())),
        Some('L') => registered(&opens()?.cib()?),
        Some('h') => {
            let node = words.value('h').unwrap_or_default();
            let here = opens()?.here()?;
            let last = here.fencings.iter().rev().find(|it| it.node == node && it.error.is_none());
            let when = last.map_or_else(|| "never".into(), |it| seconds(it.at).spelled());
            Ok(Said::text(format!("Node {node} last fenced at: {when}\n")))
        }
        Some('H') => {
            let here = opens()?.here()?;
            Ok(history(&here.fencings, words.value('H').unwrap_or("*")))
        }
        _ => Err(Failure::usage(
            "stonith_admin: say what to tell (--history NODE, --last NODE, --list-registered or \
             --list-installed) or to do (--fence, --reboot, --unfence or --confirm NODE)"
                .into(),
        )),
    }
}

/// Has a node fenced, and waits for what comes of it.
fn by_hand(
    words: &Words,
    letter: char,
    action: Option<&str>,
    opens: Opens<'_>,
) -> Result<Said, Failure> {
    let node = words.value(letter).unwrap_or_default();
    let each = words.value('t').and_then(span).unwrap_or(EACH);
    let mut door = opens()?;
    let of = |all: Vec<Fencing>| all.into_iter().filter(|it| it.node == node).collect::<Vec<_>>();
    let before = of(door.here()?.fencings);
    door.fence(node, action, each)?;
    let mut waited = Duration::ZERO;
    loop {
        // What is new is behind all that was there; of those the oldest may be forgotten by now.
        let now = of(door.here()?.fencings);
        let known = before.iter().rev().zip(now.iter().rev()).all(|(one, other)| one == other);
        if let Some(last) = now.last().filter(|_| !known || now.len() > before.len()) {
            return match &last.error {
                None => Ok(Said::default()),
                Some(why) => Err(Failure {
                    status: 1,
                    text: format!("stonith_admin: {node} was not fenced: {why}"),
                }),
            };
        }
        if waited >= each + GRACE {
            let text = format!("stonith_admin: {node} was not fenced in time");
            return Err(Failure { status: 124, text });
        }
        std::thread::sleep(LOOK_AGAIN);
        waited += LOOK_AGAIN;
    }
}

fn seconds(at: u64) -> WallTime {
    WallTime(i64::try_from(at).unwrap_or(i64::MAX))
}

/// How a fencing is told in one line.
pub(super) fn line(it: &Fencing) -> String {
    let done = match &it.action[..] {
        "off" => "off",
        "on" => "unfencing",
        _ => "reboot",
    };
    let by = if it.devices.is_empty() { "hand".to_owned() } else { it.devices.join(", ") };
    let when = stamp(seconds(it.at));
    match &it.error {
        None => format!(
            "{done} of {} successful: delegate={by}, client=mainstay, origin={}, completed='{when}'",
            it.node, it.origin
        ),
        Some(error) => format!(
            "{done} of {} failed ({error}): delegate={by}, client=mainstay, origin={}, completed='{when}'",
            it.node, it.origin
        ),
    }
}

/// The same as XML.
pub(super) fn element(it: &Fencing) -> Element {
    let state = if it.error.is_none() { "success" } else { "failed" };
    let mut told = Element::new("fence_event").with("status", state);
    if let Some(error) = &it.error {
        told.set("exit-reason", error);
    }
    told.with("action", &it.action)
        .with("target", &it.node)
        .with("client", "mainstay")
        .with("origin", &it.origin)
        .with("delegate", &it.devices.join(","))
        .with("completed", &stamp(seconds(it.at)))
}

fn history(all: &[Fencing], node: &str) -> Said {
    let mut said = Said::default();
    let mut list = Element::new("fence_history").with("target", node);
    for it in all.iter().rev().filter(|it| matches!(node, "" | "*") || it.node == node) {
        let _ = writeln!(said.text, "{}", line(it));
        list.push(element(it));
    }
    said.content.push(list);
    said
}

fn registered(cib: &Element) -> Result<Said, Failure> {
    let resources = cib.child("configuration").and_then(|it| it.child("resources"));
    let all = resources.into_iter().flat_map(Element::descend);
    let devices = all.filter(|it| it.name() == "primitive" && it.get("class") == Some("stonith"));
    let ids: Vec<&str> = devices.filter_map(Element::id).collect();
    if ids.is_empty() {
        return Err(Failure { status: NO_SUCH, text: "No fence devices found".into() });
    }
    let mut text: String = ids.iter().map(|id| format!("{id}\n")).collect();
    let plural = if ids.len() == 1 { "device" } else { "devices" };
    let _ = writeln!(text, "\n{} fence {plural} found", ids.len());
    Ok(Said::text(text))
}

fn installed() -> String {
    let mut names: Vec<String> = std::fs::read_dir("/usr/sbin")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("fence_") && !name.starts_with("fence_virtd"))
        .collect();
    names.sort();
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    format!("{lines}{} fence agents found\n", names.len())
}
