//! Parameters, meta attributes and utilization of resources: what holds, and how it is set.

use std::collections::HashMap;

use cib::Cib;
use cib::model::{Kind, Resource};
use cib::rules::Facts;
use cib::xml::Element;

use super::Sheet;
use crate::failure::Failure;
use crate::live::pairs::Place;
use crate::live::words::Words;
use crate::live::{Around, Door, Said, perform};

pub(super) fn run(
    door: &mut dyn Door,
    sheet: &Sheet,
    words: &Words,
    resource: &str,
    around: &Around,
) -> Result<Said, Failure> {
    let sets = match (words.has('m'), words.has('z')) {
        (true, _) => "meta_attributes",
        (_, true) => "utilization",
        _ => "instance_attributes",
    };
    let base = sheet.resource(resource)?.base.to_string();
    let set = words.value('s');
    match words.last_of("gpd") {
        Some('g') => {
            let name = words.value('g').unwrap_or_default();
            Ok(get(&sheet.cib, &base, sets, name, around))
        }
        Some('p') => {
            let name = words.value('p').unwrap_or_default();
            let value = words.value('v').ok_or_else(|| {
                Failure::usage("crm_resource: You need to supply a value with -v".into())
            })?;
            let (text, operation) = put(sheet, &base, sets, name, value, (set, words.value('i')));
            perform(door, &sheet.root, &operation)?;
            Ok(Said::text(text))
        }
        _ => {
            let name = words.value('d').unwrap_or_default();
            let (place, owner, _) = aim(sheet, &base, sets, name, set);
            let mut found = place.find(&sheet.root, name, set);
            found.retain(|it| words.value('i').is_none_or(|id| it.id == id));
            let Some(one) = found.first() else { return Ok(Said::default()) };
            perform(door, &sheet.root, &place.take(&one.id))?;
            Ok(Said::text(format!("Deleted '{owner}' option: id={} name={name}\n", one.id)))
        }
    }
}

/// The change by which a resource has a value, and how it is told.
pub(crate) fn put(
    sheet: &Sheet,
    resource: &str,
    sets: &'static str,
    name: &str,
    value: &str,
    (set, id): (Option<&str>, Option<&str>),
) -> (String, cib::edit::Operation) {
    let (place, owner, told) = aim(sheet, resource, sets, name, set);
    let (set_id, pair) = place.aim(&sheet.root, name, set, id);
    let text =
        format!("{told}Set '{owner}' option: id={pair} set={set_id} name={name} value={value}\n");
    (text, place.put(&sheet.root, name, value, set, id))
}

/// Where a value belongs: a meta attribute of what is copied is one of the clone, unless it is there
/// already. The place, whose it is, and what is to be said about that.
pub(super) fn aim(
    sheet: &Sheet,
    resource: &str,
    sets: &'static str,
    name: &str,
    set: Option<&str>,
) -> (Place, String, String) {
    let resources = sheet.root.child("configuration").and_then(|it| it.child("resources"));
    let own = |id: &str| {
        let element = resources.into_iter().flat_map(Element::descend);
        let mut element = element.filter(|it| it.id() == Some(id));
        element.next().map_or("primitive", Element::name).to_owned()
    };
    let place = Place::resource(&own(resource), resource, sets);
    let around = resources.into_iter().flat_map(Element::descend).find(|it| {
        matches!(it.name(), "clone" | "master" | "bundle")
            && it.elements().any(|child| child.id() == Some(resource))
    });
    let known = !place.find(&sheet.root, name, set).is_empty();
    if let (Some(around), false, "meta_attributes") = (around, known, sets)
        && let Some(id) = around.id()
    {
        let told = format!("Performing update of '{name}' on '{id}', the parent of '{resource}'\n");
        return (Place::resource(around.name(), id, sets), id.to_owned(), told);
    }
    (place, resource.to_owned(), String::new())
}

/// A value as it holds now, templates, groups, defaults and rules considered.
fn get(cib: &Cib, resource: &str, sets: &str, name: &str, around: &Around) -> Said {
    match effective(cib, resource, sets, name, around) {
        Some(value) => {
            let told = Element::new("item").with("name", name).with("value", &value);
            Said { text: format!("{value}\n"), content: vec![told], ..Said::default() }
        }
        None => Said {
            errors: vec![format!("Attribute '{name}' not found for '{resource}'")],
            ..Said::default()
        },
    }
}

/// That value.
pub(crate) fn effective(
    cib: &Cib,
    resource: &str,
    sets: &str,
    name: &str,
    around: &Around,
) -> Option<String> {
    let mut values = HashMap::new();
    let facts = Facts { now: around.now, ..Facts::default() };
    let way = way(&cib.resources, resource);
    for (depth, it) in way.iter().rev().enumerate() {
        match sets {
            "meta_attributes" => it.meta.unpack(&facts, &mut values),
            "utilization" if depth == 0 => it.utilization.unpack(&facts, &mut values),
            "instance_attributes" => it.parameters.unpack(&facts, &mut values),
            _ => {}
        }
    }
    if sets == "meta_attributes" {
        cib.resource_defaults.unpack(&facts, &mut values);
    }
    values.get(name).map(ToString::to_string)
}

/// The resources on the way down to one, itself last.
pub(super) fn way<'a>(all: &'a [Resource], id: &str) -> Vec<&'a Resource> {
    for it in all {
        if &*it.id == id {
            return vec![it];
        }
        let below = match &it.kind {
            Kind::Primitive { .. } => continue,
            Kind::Group(members) => way(members, id),
            Kind::Clone { child, .. } => way(std::slice::from_ref(&**child), id),
            Kind::Bundle(bundle) => way(bundle.child.as_slice(), id),
        };
        if !below.is_empty() {
            return std::iter::once(it).chain(below).collect();
        }
    }
    Vec::new()
}
