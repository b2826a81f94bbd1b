//! `crm_resource`: what resources are, where they are, and where they shall be.
//!
//! Moves, bans and their ends are in [`moves`]; parameters in `parameters`; what can be asked in
//! `queries`; forgetting failures in [`clean`]; what is done at once in `by_hand`.

mod by_hand;
pub mod clean;
pub mod moves;
pub(crate) mod parameters;
mod queries;

use std::ffi::OsString;

use cib::Cib;
use cib::edit::Operation;
use cib::xml::Element;
use sched::{Observed, ResourceView, Role, Shape};

use super::file::scope;
use super::words::{Spec, Takes, Words};
use super::{Answered, Around, Door, NO_SUCH, Opens, Said, node_id, perform};
use crate::failure::Failure;

const SPECS: [Spec; 49] = [
    ('L', &["list"], Takes::Nothing),
    ('l', &["list-raw"], Takes::Nothing),
    ('O', &["list-operations"], Takes::Nothing),
    ('o', &["list-all-operations"], Takes::Nothing),
    ('α', &["list-standards"], Takes::Nothing),
    ('W', &["locate"], Takes::Nothing),
    ('q', &["query-xml"], Takes::Nothing),
    ('w', &["query-xml-raw"], Takes::Nothing),
    ('g', &["get-parameter"], Takes::Value),
    ('G', &["get-property"], Takes::Value),
    ('p', &["set-parameter"], Takes::Value),
    ('d', &["delete-parameter"], Takes::Value),
    ('Y', &["why"], Takes::Nothing),
    ('M', &["move"], Takes::Nothing),
    ('B', &["ban"], Takes::Nothing),
    ('U', &["clear", "un-move"], Takes::Nothing),
    ('C', &["cleanup"], Takes::Nothing),
    ('R', &["refresh"], Takes::Nothing),
    ('D', &["delete"], Takes::Nothing),
    ('β', &["wait"], Takes::Nothing),
    ('ε', &["force-check"], Takes::Nothing),
    ('ζ', &["force-start"], Takes::Nothing),
    ('η', &["force-stop"], Takes::Nothing),
    ('θ', &["force-promote"], Takes::Nothing),
    ('ι', &["force-demote"], Takes::Nothing),
    ('κ', &["validate"], Takes::Nothing),
    ('λ', &["restart"], Takes::Nothing),
    ('r', &["resource"], Takes::Value),
    ('t', &["resource-type"], Takes::Value),
    ('N', &["node", "host"], Takes::Value),
    ('H', &[], Takes::Value),
    ('m', &["meta"], Takes::Nothing),
    ('z', &["utilization"], Takes::Nothing),
    ('v', &["parameter-value"], Takes::Value),
    ('s', &["set-name"], Takes::Value),
    ('i', &["nvpair"], Takes::Value),
    ('u', &["lifetime"], Takes::Value),
    ('γ', &["promoted", "master"], Takes::Nothing),
    ('e', &["expired"], Takes::Nothing),
    ('n', &["operation"], Takes::Value),
    ('I', &["interval"], Takes::Value),
    ('T', &["timeout"], Takes::Value),
    ('f', &["force"], Takes::Nothing),
    ('Q', &["quiet"], Takes::Nothing),
    ('x', &["xml-file"], Takes::Value),
    ('V', &["verbose"], Takes::Nothing),
    ('δ', &["recursive"], Takes::Nothing),
    ('$', &["version"], Takes::Nothing),
    ('?', &["help"], Takes::Nothing),
];

const HELP: &str = "crm_resource --list | --list-raw | --list-operations [-N NODE]
crm_resource -r RESOURCE --locate | --why | --query-xml | --get-property NAME
crm_resource -r RESOURCE [-m | -z] --get-parameter NAME | --set-parameter NAME -v VALUE | --delete-parameter NAME
crm_resource -r RESOURCE --move [-N NODE] | --ban [-N NODE] | --clear [-N NODE] [--expired]
             [--promoted] [--lifetime SPAN] [--force]
crm_resource [-r RESOURCE] [-N NODE] --cleanup | --refresh
crm_resource -r RESOURCE -t TYPE --delete
crm_resource -r RESOURCE --restart [-T SECONDS]
crm_resource -r RESOURCE --force-check | --force-start | --force-stop | --force-promote | --force-demote
             | --validate [-T SECONDS] [--force]
crm_resource --wait [-T SECONDS]
";

/// `crm_resource`
pub(super) fn run(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("crm_resource", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = answer(&words, around, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

/// A document, and what it says of its cluster.
pub(crate) struct Sheet {
    pub(super) root: Element,
    pub(super) cib: Cib,
    pub(super) seen: Observed,
}

impl Sheet {
    pub(super) fn read(root: Element, around: &Around) -> Self {
        let cib = Cib::read(&root);
        let seen = sched::observe(&cib, around.now);
        Self { root, cib, seen }
    }

    /// The resource of a name: itself, or the first instance of it.
    pub(super) fn resource(&self, name: &str) -> Result<&ResourceView, Failure> {
        let all = &self.seen.resources;
        let exact = all.iter().find(|it| &*it.id == name);
        exact.or_else(|| all.iter().find(|it| &*it.base == name)).ok_or_else(|| unknown(name))
    }

    /// All instances a name stands for.
    pub(super) fn instances(&self, name: &str) -> Result<Vec<&ResourceView>, Failure> {
        let all = &self.seen.resources;
        let exact: Vec<_> = all.iter().filter(|it| &*it.id == name).collect();
        if !exact.is_empty() {
            return Ok(exact);
        }
        let alike: Vec<_> = all.iter().filter(|it| &*it.base == name).collect();
        if alike.is_empty() { Err(unknown(name)) } else { Ok(alike) }
    }

    /// Where a resource is: names of nodes, and whether it is promoted there.
    pub(super) fn places(&self, name: &str) -> Result<Vec<(String, bool)>, Failure> {
        let mut places: Vec<(String, bool)> = Vec::new();
        for instance in self.instances(name)? {
            for node in &instance.running_on {
                let promoted = self
                    .leaves(instance)
                    .iter()
                    .any(|leaf| leaf.role == Role::Promoted && leaf.running_on.contains(node));
                let name = self.seen.nodes[*node].name.to_string();
                if !places.iter().any(|(known, _)| *known == name) {
                    places.push((name, promoted));
                }
            }
        }
        Ok(places)
    }

    fn leaves<'a>(&'a self, of: &'a ResourceView) -> Vec<&'a ResourceView> {
        if of.shape == Shape::Primitive {
            return vec![of];
        }
        of.children.iter().flat_map(|it| self.leaves(&self.seen.resources[*it])).collect()
    }

    /// The name of a node that is spelt so, or differently.
    pub(super) fn node(&self, name: &str) -> Result<String, Failure> {
        let known = self.seen.nodes.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        let known = known.map(|it| it.name.to_string());
        known.or_else(|| node_id(&self.root, name).map(|(_, name)| name)).ok_or_else(|| Failure {
            status: NO_SUCH,
            text: format!(
                "crm_resource: Node '{name}' not found\nError performing operation: No such object"
            ),
        })
    }
}

fn unknown(name: &str) -> Failure {
    Failure {
        status: NO_SUCH,
        text: format!(
            "crm_resource: Resource '{name}' not found\nError performing operation: No such object"
        ),
    }
}

fn answer(words: &Words, around: &Around, opens: Opens<'_>) -> Result<Said, Failure> {
    let usage = |text: &str| Failure::usage(format!("crm_resource: {text}"));
    let verb = words.last_of("LlOoαWqwgGpdYMBUCRDβεζηθικλ$?");
    match verb {
        Some('?') => return Ok(Said::text(HELP)),
        Some('$') => return Ok(Said::text(super::version())),
        Some('α') => return Ok(Said::text("ocf\nlsb\nservice\nsystemd\nstonith\n")),
        _ => {}
    }
    let mut door = opens()?;
    let door = door.as_mut();
    if verb == Some('β') {
        return queries::wait(door, words, around);
    }
    let sheet = Sheet::read(door.cib()?, around);
    let named = words.value('N').or(words.value('H'));
    let node = named.map(|name| sheet.node(name)).transpose()?;
    let node = node.as_deref();
    if matches!(verb, None | Some('L' | 'l' | 'O' | 'o')) {
        return Ok(queries::list(&sheet, verb, words.value('r'), node));
    }
    if matches!(verb, Some('C' | 'R')) {
        return clean::run(door, &sheet, words.value('r'), node, verb == Some('R'));
    }
    if verb == Some('Y') && !words.has('r') {
        return Ok(queries::why(&sheet, None));
    }
    let resource = words.value('r').ok_or_else(|| usage("Must supply a resource id with -r"))?;
    let forced = by_hand::FORCED.iter().find(|(letter, ..)| verb == Some(*letter));
    if let Some((_, name, action)) = forced {
        return by_hand::force(door, &sheet, words, resource, (name, action), around);
    }
    match verb {
        Some('λ') => by_hand::restart(door, &sheet, words, resource, around),
        Some('W') => queries::locate(&sheet, resource, words.has('Q')),
        Some('q' | 'w') => queries::xml(&sheet, resource, verb == Some('w')),
        Some('G') => queries::property(&sheet, resource, words.value('G').unwrap_or_default()),
        Some('Y') => {
            sheet.resource(resource)?;
            Ok(queries::why(&sheet, Some(resource)))
        }
        Some('g' | 'p' | 'd') => parameters::run(door, &sheet, words, resource, around),
        Some('D') => {
            let kind = words
                .value('t')
                .ok_or_else(|| usage("You need to specify a resource type with -t"))?;
            let object = Element::new(kind).with("id", resource);
            perform(door, &sheet.root, &Operation::Delete(scope("resources"), object))?;
            Ok(Said::default())
        }
        _ => {
            let until = match words.value('u') {
                Some(text) => Some(moves::until(text, around.now).ok_or_else(|| {
                    let text = format!(
                        "Invalid duration specified: {text}\nPlease refer to \
                         https://en.wikipedia.org/wiki/ISO_8601#Durations for examples of valid \
                         durations"
                    );
                    Failure::usage(text)
                })?),
                None => None,
            };
            let asked = moves::Asked {
                resource,
                node,
                promoted: words.has('γ'),
                until: until.as_deref(),
                force: words.has('f'),
            };
            sheet.resource(resource)?;
            let places = sheet.places(resource)?;
            let done = match verb {
                Some('M') => moves::shift(&sheet.root, &asked, &places)?,
                Some('B') => moves::ban(&sheet.root, &asked, &places)?,
                _ => {
                    let expired = words.has('e').then_some(around.now);
                    moves::clear(&sheet.root, &asked, expired)
                }
            };
            carry_out(door, done, words.has('Q'))
        }
    }
}

/// Has the changes made, one after the other, and says what is to be known about them.
fn carry_out(door: &mut dyn Door, done: moves::Done, quiet: bool) -> Result<Said, Failure> {
    for operation in &done.operations {
        let cib = door.cib()?;
        perform(door, &cib, operation)?;
    }
    let mut said = Said::default();
    if !quiet {
        let lines = done.told.iter().chain(&done.warnings);
        said.text = lines.map(|line| format!("{line}\n")).collect();
    }
    Ok(said)
}
