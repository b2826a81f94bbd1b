//! `crm_attribute`, and the tools that are only other words for it: `crm_master`, `crm_standby`,
//! `crm_failcount`.
//!
//! An attribute lives with a node until it leaves (`--lifetime reboot`), with a node for good
//! (`forever`), or with the cluster (`--type`). Those that go when a node leaves are asked for and set
//! through the door's own ways; everything else is a change of the document.

use std::ffi::OsString;
use std::time::Duration;

use cib::Score;
use cib::xml::Element;

use super::pairs::{Found, Place};
use super::words::{Spec, Takes, Words};
use super::{Answered, Around, Door, NO_SUCH, Opens, Said, Wish, node_id, perform};
use crate::failure::Failure;

const SPECS: [Spec; 21] = [
    ('n', &["name", "attr-name"], Takes::Value),
    ('N', &["node"], Takes::Value),
    ('U', &["uname"], Takes::Value),
    ('v', &["update", "attr-value"], Takes::Value),
    ('G', &["query", "get-value"], Takes::Nothing),
    ('D', &["delete", "delete-attr"], Takes::Nothing),
    ('l', &["lifetime"], Takes::Value),
    ('t', &["type"], Takes::Value),
    ('s', &["set-name"], Takes::Value),
    ('i', &["id", "attr-id"], Takes::Value),
    ('d', &["default"], Takes::Value),
    ('p', &["promotion"], Takes::Perhaps),
    ('z', &["utilization"], Takes::Nothing),
    ('q', &["quiet"], Takes::Nothing),
    ('Q', &[], Takes::Nothing),
    ('r', &["resource"], Takes::Value),
    ('o', &["operation"], Takes::Value),
    ('I', &["interval"], Takes::Value),
    ('V', &["verbose"], Takes::Nothing),
    ('$', &["version"], Takes::Nothing),
    ('?', &["help"], Takes::Nothing),
];

const HELP: &str =
    "crm_attribute --name NAME [--node NODE] [--lifetime reboot|forever | --type SECTION]
              [--query [--quiet] [--default VALUE] | --update VALUE | --delete]
  -n NAME      the attribute; -p [RESOURCE]: its promotion score (default lifetime: reboot)
  -N NODE      whose; without it, this node's
  -l, -t       where: reboot|forever, or nodes, status, crm_config, rsc_defaults, op_defaults
  -z           what a node has room for, instead of an attribute
  -s SET       the set of values that is meant
  -G, -q       query; only the value
  -d VALUE     what to answer when there is none
  -v VALUE, -D set it, or take it away
";

/// `crm_attribute`
pub(super) fn run(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    go("crm_attribute", arguments, around, opens, |_, _| Ok(()))
}

/// `crm_master`: the promotion score of a resource, kept for good unless told otherwise.
pub(super) fn master(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    go("crm_master", arguments, around, opens, |words, asked| {
        let resource = words.value('r').or(around.resource.as_deref());
        let resource = resource.ok_or("say which resource with -r")?;
        asked.name = Some(format!("master-{resource}"));
        if !words.has('l') {
            asked.kind = Kind::Nodes;
        }
        asked.on_node = true;
        // Its letter for `--query`'s sort of quiet is another's here.
        asked.quiet = words.has('q') || words.has('Q');
        Ok(())
    })
}

/// `crm_standby`
pub(super) fn standby(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    go("crm_standby", arguments, around, opens, |words, asked| {
        asked.name = Some("standby".into());
        if !words.has('l') {
            asked.kind = Kind::Nodes;
        }
        asked.on_node = true;
        asked.default.get_or_insert_with(|| "off".into());
        Ok(())
    })
}

/// `crm_failcount`
pub(super) fn fail_count(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("crm_failcount", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = count(&words, around, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

fn count(words: &Words, around: &Around, opens: Opens<'_>) -> Result<Said, Failure> {
    let usage = |text: &str| Failure::usage(format!("crm_failcount: {text}"));
    let resource = words.value('r').or(around.resource.as_deref());
    let resource = resource.ok_or_else(|| usage("say which resource with -r"))?;
    let mut door = opens()?;
    let cib = door.cib()?;
    let named = words.value('N').or(words.value('U'));
    let (id, uname) = node(door.as_mut(), &cib, named, around)?;
    if words.has('D') || words.value('v') == Some("0") {
        door.absolve(&uname, resource)?;
        return Ok(Said::text(format!("Cleaned up {resource} on {uname}\n")));
    }
    if words.has('v') {
        return Err(usage("failures are counted by the cluster: -v takes 0 only"));
    }
    let about = match words.value('o') {
        Some(operation) => {
            let interval = words.value('I').and_then(cib::value::milliseconds).unwrap_or(0);
            format!("fail-count-{resource}#{operation}_{interval}")
        }
        None => format!("fail-count-{resource}#"),
    };
    let counts = Place::transient(&id, &uname).all(&cib).into_iter();
    let counts = counts.filter(|it| {
        it.name == about || (words.value('o').is_none() && it.name.starts_with(&about))
    });
    let sum = counts.filter_map(|it| Score::parse(&it.value)).fold(Score::ZERO, |sum, it| sum + it);
    Ok(Said::text(if words.has('q') || words.has('Q') {
        format!("{sum}\n")
    } else {
        format!("scope=status  name=fail-count-{resource} value={sum}\n")
    }))
}

/// Where an attribute is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Status,
    Nodes,
    Config,
    ResourceDefaults,
    OperationDefaults,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "status" | "reboot" => Self::Status,
            "nodes" | "forever" => Self::Nodes,
            "crm_config" => Self::Config,
            "rsc_defaults" => Self::ResourceDefaults,
            "op_defaults" => Self::OperationDefaults,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Nodes => "nodes",
            Self::Config => "crm_config",
            Self::ResourceDefaults => "rsc_defaults",
            Self::OperationDefaults => "op_defaults",
        }
    }
}

/// What is asked for.
struct Asked {
    name: Option<String>,
    kind: Kind,
    on_node: bool,
    quiet: bool,
    default: Option<String>,
}

fn go(
    tool: &'static str,
    arguments: &[OsString],
    around: &Around,
    opens: Opens<'_>,
    adjust: impl Fn(&Words, &mut Asked) -> Result<(), String>,
) -> Answered {
    let words = match Words::read(tool, &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let usage = |text: String| Failure::usage(format!("{tool}: {text}"));
    let said = asked(&words, around)
        .and_then(|mut asked| adjust(&words, &mut asked).map(|()| asked))
        .map_err(usage)
        .and_then(|asked| answer(tool, &words, &asked, around, opens));
    Answered { said: said.unwrap_or_else(Into::into), answer: words.answer }
}

fn asked(words: &Words, around: &Around) -> Result<Asked, String> {
    let promotion = words.has('p');
    let mut name = words.value('n').map(str::to_owned);
    if promotion {
        let resource = words.value('p').or(around.resource.as_deref());
        let resource = resource.ok_or("-p: say which resource, or let an agent call")?;
        name = Some(format!("master-{resource}"));
    }
    let node = words.has('N') || words.has('U');
    let said = words.last_of("lt").and_then(|letter| words.value(letter));
    let kind = match said {
        Some(word) => Kind::parse(word)
            .ok_or(format!("`{word}` is neither a lifetime nor a section with attributes"))?,
        None if promotion => Kind::Status,
        None if node || words.has('z') => Kind::Nodes,
        None => Kind::Config,
    };
    let on_node = matches!(kind, Kind::Status | Kind::Nodes);
    let quiet = words.has('q') || words.has('Q');
    Ok(Asked { name, kind, on_node, quiet, default: words.value('d').map(str::to_owned) })
}

/// The node that is meant: id and name.
fn node(
    door: &mut dyn Door,
    cib: &Element,
    named: Option<&str>,
    around: &Around,
) -> Result<(String, String), Failure> {
    let name = match named.filter(|name| *name != "localhost" && *name != "auto") {
        Some(name) => name.to_owned(),
        None => match &around.on_node {
            Some(node) => node.clone(),
            // A file does not know where it is read.
            None => door.here().map_or_else(|_| around.host.clone(), |here| here.node),
        },
    };
    node_id(cib, &name).ok_or_else(|| Failure {
        status: NO_SUCH,
        text: format!("crm_attribute: Could not map name={name} to a UUID"),
    })
}

fn answer(
    tool: &str,
    words: &Words,
    asked: &Asked,
    around: &Around,
    opens: Opens<'_>,
) -> Result<Said, Failure> {
    if words.has('?') {
        return Ok(Said::text(HELP));
    }
    if words.has('$') {
        return Ok(Said::text(super::version()));
    }
    let mut door = opens()?;
    let door = door.as_mut();
    let cib = door.cib()?;
    let (mut owner, place) = (
        String::new(),
        match asked.kind {
            Kind::Config | Kind::ResourceDefaults | Kind::OperationDefaults => {
                Place::options(asked.kind.word())
            }
            Kind::Nodes | Kind::Status => Place::options("crm_config"),
        },
    );
    let place = if asked.on_node {
        let (id, uname) = node(door, &cib, words.value('N').or(words.value('U')), around)?;
        owner = uname;
        match asked.kind {
            Kind::Status => Place::transient(&id, &owner),
            _ => Place::node(&id, words.has('z')),
        }
    } else {
        place
    };
    let (set, id) = (words.value('s'), words.value('i'));
    let name = asked.name.as_deref();
    let found = |name: &str| {
        let mut found = place.find(&cib, name, set);
        found.retain(|it| id.is_none_or(|id| it.id == id));
        found
    };
    let transient = asked.kind == Kind::Status;
    match words.last_of("vDG") {
        Some('v') => {
            let name =
                name.ok_or_else(|| Failure::usage(format!("{tool}: -v needs a name (-n)")))?;
            let value = words.value('v').unwrap_or_default();
            if transient {
                door.set(&wish(&owner, name, Some(counting(value))))?;
                return Ok(Said::default());
            }
            several(tool, name, &found(name))?;
            perform(door, &cib, &place.put(&cib, name, value, set, id))?;
            Ok(Said::default())
        }
        Some('D') => {
            let name =
                name.ok_or_else(|| Failure::usage(format!("{tool}: -D needs a name (-n)")))?;
            if transient {
                let told = found(name).first().map(|it| deleted(asked.kind, it, None));
                door.set(&wish(&owner, name, None))?;
                return Ok(Said::text(told.unwrap_or_default()));
            }
            let known = found(name);
            several(tool, name, &known)?;
            let Some(one) = known.first() else { return Ok(Said::default()) };
            perform(door, &cib, &place.take(&one.id))?;
            Ok(Said::text(deleted(asked.kind, one, set)))
        }
        _ => {
            let known: Vec<(String, String)> = match name {
                Some(name) if transient => {
                    let values = door.values(name, Some(&owner))?.into_iter();
                    values.map(|it| (name.to_owned(), it.value)).collect()
                }
                Some(name) => found(name).into_iter().map(|it| (it.name, it.value)).collect(),
                None => {
                    let all = place.all(&cib).into_iter();
                    let all = all.filter(|it| set.is_none_or(|set| it.set == set));
                    all.map(|it| (it.name, it.value)).collect()
                }
            };
            query(tool, asked, known)
        }
    }
}

fn query(tool: &str, asked: &Asked, mut known: Vec<(String, String)>) -> Result<Said, Failure> {
    if let (true, Some(name), Some(value)) = (known.is_empty(), &asked.name, &asked.default) {
        known.push((name.clone(), value.clone()));
    }
    if known.is_empty() {
        let text = format!("{tool}: Error performing operation: No such device or address");
        return Err(Failure { status: NO_SUCH, text });
    }
    let scope = asked.kind.word();
    let mut said = Said::default();
    for (name, value) in known {
        said.text += &match asked.quiet {
            true => format!("{value}\n"),
            false => format!("scope={scope}  name={name} value={value}\n"),
        };
        let told = Element::new("attribute").with("name", &name).with("value", &value);
        said.content.push(told.with("scope", scope));
    }
    Ok(said)
}

fn several(tool: &str, name: &str, found: &[Found]) -> Result<(), Failure> {
    if found.len() < 2 {
        return Ok(());
    }
    let mut text =
        format!("{tool}: Multiple attributes match name={name}: say which with --set-name or --id");
    for it in found {
        text += &format!("\n  Value: {} \t(id={}, set={})", it.value, it.id, it.set);
    }
    Err(Failure { status: 109, text })
}

fn deleted(kind: Kind, found: &Found, set: Option<&str>) -> String {
    let what = match kind {
        Kind::Status | Kind::Nodes => "attribute",
        Kind::Config | Kind::ResourceDefaults | Kind::OperationDefaults => "option",
    };
    let set = set.map_or_else(String::new, |set| format!(" set={set}"));
    format!("Deleted {} {what}: id={}{set} name={}\n", kind.word(), found.id, found.name)
}

fn wish(node: &str, name: &str, value: Option<String>) -> Wish {
    let (node, name) = (node.to_owned(), name.to_owned());
    Wish { node, name, value, dampen: Duration::ZERO, private: false }
}

/// `name++` and `name+=3` count up from what is there; the name does not matter.
pub(super) fn counting(value: &str) -> String {
    if value.len() > 2 && value.ends_with("++") {
        return "++".into();
    }
    match value.split_once("+=") {
        Some((name, by)) if !name.is_empty() && by.parse::<i64>().is_ok() => format!("+={by}"),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_up_is_told_from_what_is_a_value() {
        for (text, want) in
            [("x++", "++"), ("fail+=3", "+=3"), ("++", "++"), ("a+=b", "a+=b"), ("100", "100")]
        {
            assert_eq!(counting(text), want);
        }
    }
}
