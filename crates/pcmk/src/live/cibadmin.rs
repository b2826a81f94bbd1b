//! `cibadmin`: the document, read and changed.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;

use cib::digest;
use cib::edit::{self, Operation, Scope};
use cib::patch::Patch;
use cib::upgrade;
use cib::xml::{self, Element};
use cib::xpath::{Found, XPath};

use super::words::{Spec, Takes, Words};
use super::{Answered, Around, Door, NO_SUCH, Opens, Said, refused};
use crate::failure::Failure;

const SPECS: [Spec; 31] = [
    ('Q', &["query"], Takes::Nothing),
    ('C', &["create"], Takes::Nothing),
    ('M', &["modify"], Takes::Nothing),
    ('R', &["replace"], Takes::Nothing),
    ('D', &["delete"], Takes::Nothing),
    ('d', &["delete-all"], Takes::Nothing),
    ('P', &["patch"], Takes::Nothing),
    ('E', &["erase"], Takes::Nothing),
    ('B', &["bump"], Takes::Nothing),
    ('u', &["upgrade"], Takes::Nothing),
    ('a', &["empty"], Takes::Perhaps),
    ('5', &["md5-sum"], Takes::Nothing),
    ('6', &["md5-sum-versioned"], Takes::Nothing),
    ('o', &["scope", "obj_type"], Takes::Value),
    ('A', &["xpath"], Takes::Value),
    ('e', &["node-path"], Takes::Nothing),
    ('n', &["no-children"], Takes::Nothing),
    ('X', &["xml-text"], Takes::Value),
    ('x', &["xml-file"], Takes::Value),
    ('p', &["xml-pipe"], Takes::Nothing),
    ('c', &["allow-create"], Takes::Nothing),
    ('f', &["force"], Takes::Nothing),
    ('l', &["local"], Takes::Nothing),
    ('s', &["sync-call"], Takes::Nothing),
    ('t', &["timeout"], Takes::Value),
    ('N', &["node", "host"], Takes::Value),
    ('U', &["user"], Takes::Value),
    ('V', &["verbose"], Takes::Nothing),
    ('F', &["no-bcast"], Takes::Nothing),
    ('$', &["version"], Takes::Nothing),
    ('?', &["help"], Takes::Nothing),
];

const HELP: &str =
    "cibadmin --query [--scope SECTION | --xpath PATH [--node-path]] [--no-children] [--user NAME]
cibadmin --create | --modify [--allow-create] | --replace | --delete [--scope SECTION] XML
cibadmin --replace | --delete | --delete-all --xpath PATH [XML]
cibadmin --patch XML | --erase --force | --bump | --upgrade --force | --empty
cibadmin --md5-sum | --md5-sum-versioned [XML]
where XML is --xml-text TEXT, --xml-file FILE or --xml-pipe
";

/// The version of the words an empty document is written in.
const FEATURES: &str = "3.16.1";

/// `cibadmin`
pub(super) fn run(arguments: &[OsString], _: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("cibadmin", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = answer(&words, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

fn failed(status: u8, words: &str) -> Failure {
    Failure { status, text: format!("Call failed: {words}") }
}

/// An error of an edit, as this tool tells it.
fn told(error: &edit::Error) -> Failure {
    let (status, words) = refused(error);
    let text = format!("Call failed: {words}\n  {error}");
    Failure { status, text }
}

fn answer(words: &Words, opens: Opens<'_>) -> Result<Said, Failure> {
    let Some(command) = words.last_of("QCMRDdPEBua56$?") else {
        return Err(Failure::usage(format!("cibadmin: say what to do\n{HELP}")));
    };
    match command {
        '?' => return Ok(Said::text(HELP)),
        '$' => return Ok(Said::text(super::version())),
        'a' => return Ok(Said::text(empty().pretty())),
        _ => {}
    }
    let input = input(words)?;
    if matches!(command, '5' | '6') {
        let root = match input {
            Some(root) => root,
            None => opens()?.cib()?,
        };
        let set = root.get("crm_feature_set").unwrap_or(FEATURES);
        return Ok(Said::text(match command {
            '5' => format!("Digest: {}\n", digest::on_disk(&root)),
            _ => format!("Versioned ({set}) digest: {}\n", digest::versioned(&root, Some(set))),
        }));
    }
    let dangerous = matches!(command, 'E' | 'u') || (command == 'd' && !words.has('A'));
    if dangerous && !words.has('f') {
        let text =
            "The supplied command is considered dangerous.  To prevent accidental destruction \
                    of the cluster, the --force flag is required in order to proceed."
                .into();
        return Err(Failure { status: 107, text });
    }
    let path = words.value('A').map(XPath::parse).transpose().map_err(|error| Failure {
        status: 65,
        text: format!("Call failed: Invalid argument\n  {error}"),
    })?;
    let mut door = opens()?;
    let door = door.as_mut();
    let cib = door.cib()?;
    let scope = scope(words);
    if command == 'Q' {
        let seen = match words.value('U') {
            Some(user) => cib::acl::Acl::of(&cib, user, &[]).readable(&cib),
            None => Some(cib),
        };
        let seen = seen.ok_or_else(|| failed(4, "Permission denied"))?;
        return query(words, &seen, scope, path.as_ref());
    }
    if command == 'u' {
        return raise(door, &cib);
    }
    let given = || {
        input.clone().ok_or_else(|| {
            Failure::usage("cibadmin: say what with --xml-text, --xml-file or --xml-pipe".into())
        })
    };
    let operation =
        match command {
            'C' => Operation::Create(by_what_it_is(scope, &given()?), given()?),
            'M' => {
                let (object, allow_create) = (given()?, words.has('c'));
                Operation::Modify { scope, object: counted(&cib, object), allow_create }
            }
            'R' => match path {
                Some(path) => Operation::ReplaceAt(path, given()?),
                None => Operation::Replace(scope, given()?),
            },
            'D' | 'd' => match path {
                Some(path) => Operation::DeleteAt { path, all: command == 'd' },
                None => Operation::Delete(scope, given()?),
            },
            'P' => {
                let patch = Patch::from_xml(&given()?);
                Operation::Patch(patch.map_err(|error| Failure {
                    status: 65,
                    text: format!("Call failed: {error}"),
                })?)
            }
            'E' => Operation::Erase,
            _ => Operation::Bump,
        };
    if let Err(error) = edit::perform(&cib, &operation) {
        let mut failure = told(&error);
        if let (edit::Error::Exists(_), Operation::Create(_, object)) = (&error, &operation) {
            failure.text += &format!("\n{}", update_failed(object).pretty().trim_end());
        }
        return Err(failure);
    }
    door.change(&operation).map_err(|failure| Failure {
        status: failure.status,
        text: format!("Call failed: {}", failure.text),
    })?;
    Ok(Said::default())
}

fn empty() -> Element {
    let mut cib = Element::new("cib")
        .with("crm_feature_set", FEATURES)
        .with("validate-with", "pacemaker-3.9")
        .with("epoch", "1")
        .with("num_updates", "0")
        .with("admin_epoch", "0");
    let configuration = cib.child_or_new("configuration");
    for section in ["crm_config", "nodes", "resources", "constraints"] {
        configuration.push(Element::new(section));
    }
    cib.push(Element::new("status"));
    cib
}

fn update_failed(object: &Element) -> Element {
    let mut update = Element::new("failed_update")
        .with("id", object.id().unwrap_or_default())
        .with("object_type", object.name())
        .with("operation", "cib_create")
        .with("reason", "File exists");
    update.push(object.clone());
    let mut all = Element::new("failed");
    all.push(update);
    all
}

fn scope(words: &Words) -> Scope {
    // A section nobody knows stands for the whole document, as it does with Pacemaker.
    words.value('o').and_then(Scope::named).unwrap_or(Scope::CIB)
}

/// Without a scope, a whole section says by its name where it goes.
fn by_what_it_is(scope: Scope, object: &Element) -> Scope {
    match Scope::named(object.name()) {
        Some(own) if scope == Scope::CIB => own,
        _ => scope,
    }
}

/// `admin_epoch="admin_epoch++"` counts up from what is there.
fn counted(cib: &Element, mut object: Element) -> Element {
    if object.name() != "cib" {
        return object;
    }
    for name in ["admin_epoch", "epoch", "num_updates"] {
        let Some(text) = object.get(name) else { continue };
        let by = match text.strip_prefix(name) {
            Some("++") => 1,
            Some(rest) => rest.strip_prefix("+=").and_then(|it| it.parse().ok()).unwrap_or(0),
            None => continue,
        };
        let now: u64 = cib.get(name).and_then(|it| it.parse().ok()).unwrap_or(0);
        object.set(name, &now.saturating_add(by).to_string());
    }
    object
}

fn input(words: &Words) -> Result<Option<Element>, Failure> {
    let unread = |name: &str, why: &dyn std::fmt::Display| Failure {
        status: 66,
        text: format!("cibadmin: {name} cannot be read: {why}"),
    };
    let (name, text) = match words.last_of("Xxp") {
        Some('X') => ("--xml-text".to_owned(), words.value('X').unwrap_or_default().to_owned()),
        Some('x') => {
            let file = words.value('x').unwrap_or_default();
            (file.to_owned(), fs::read_to_string(file).map_err(|error| unread(file, &error))?)
        }
        Some(_) => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| unread("standard input", &error))?;
            ("standard input".to_owned(), text)
        }
        None => return Ok(None),
    };
    let mut root = xml::parse(&text)
        .map_err(|error| Failure { status: 65, text: format!("cibadmin: {name}: {error}") })?;
    cib::blank::strip(&mut root.root);
    Ok(Some(root.root))
}

fn query(
    words: &Words,
    cib: &Element,
    scope: Scope,
    path: Option<&XPath>,
) -> Result<Said, Failure> {
    let found =
        edit::query(cib, scope, path).map_err(|_| failed(NO_SUCH, "No such device or address"))?;
    if path.is_none() {
        let whole = found.first().map(|it| shown(words, it)).unwrap_or_default();
        return Ok(Said::text(whole));
    }
    if words.has('e') {
        let lines = found.iter().map(|it| format!("{}\n", way(cib, &it.way)));
        return Ok(Said::text(lines.collect::<String>()));
    }
    if let [only] = found.as_slice() {
        return Ok(Said::text(shown(words, only)));
    }
    let mut all = Element::new("xpath-query");
    for it in &found {
        all.push(bare(words, it));
    }
    Ok(Said::text(all.pretty()))
}

fn bare(words: &Words, found: &Found<'_>) -> Element {
    let mut element = found.element.clone();
    if words.has('n') {
        element.children.clear();
    }
    element
}

fn shown(words: &Words, found: &Found<'_>) -> String {
    bare(words, found).pretty()
}

/// The path of an element: names, with ids where there are any.
fn way(cib: &Element, way: &[usize]) -> String {
    let (mut text, mut at) = (format!("/{}", cib.name()), cib);
    for step in way {
        let Some(below) = at.children.get(*step).and_then(xml::Node::element) else { break };
        at = below;
        text.push('/');
        text.push_str(at.name());
        if let Some(id) = at.id() {
            text.push_str(&format!("[@id='{id}']"));
        }
    }
    text
}

fn raise(door: &mut dyn Door, cib: &Element) -> Result<Said, Failure> {
    match upgrade::upgrade(cib).and_then(upgrade::raised) {
        Ok(new) if new.root == *cib => Ok(Said::default()),
        Ok(new) => {
            door.change(&Operation::Replace(Scope::CIB, new.root))?;
            Ok(Said::default())
        }
        Err(error) => Err(Failure { status: 78, text: format!("Call failed: {error}") }),
    }
}
