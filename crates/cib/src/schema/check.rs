//! Holding a document against the table.
//!
//! Of the forms an element may have, the one with the least to complain about is taken for what
//! was meant; its complaints are told, and its content decides about the children.

mod value;

use std::collections::HashMap;

use super::finding::{Code, Finding, Report};
use super::table::{Child, Content, Form, Kind, Range, Rule, Slot, shared};
use super::version::Schema;
use crate::blank;
use crate::xml::{Element, Node, Span};

/// Checks a CIB against the schema it names.
#[must_use]
pub fn validate(root: &Element) -> Report {
    let named = root.get("validate-with");
    match named.and_then(Schema::named) {
        Some(schema) => validate_as(root, schema),
        None if named == Some("none") => Report::default(),
        None => {
            let mut report = Report::default();
            let what = match named {
                Some(name) => format!("the schema `{name}` is not known"),
                None => "it names no schema".to_owned(),
            };
            let help = format!(
                "write validate-with=\"{}\", or any down to {}",
                Schema::LATEST,
                Schema::OLDEST
            );
            let mut finding = Finding::new(Code::UnknownSchema, root.span, what, help);
            if named.is_some() {
                finding = finding.attribute("validate-with");
            }
            report.push(finding);
            report
        }
    }
}

/// Checks a CIB against a schema of one's choice.
#[must_use]
pub fn validate_as(root: &Element, schema: Schema) -> Report {
    let mut checker = Checker {
        schema,
        shared: schema,
        ids: HashMap::new(),
        references: Vec::new(),
        report: Report::default(),
    };
    if root.name() == "cib" {
        checker.element(root, Rule::Cib);
        checker.dangling();
    } else {
        checker.report.push(Finding::new(
            Code::WrongRoot,
            root.span,
            format!("<{}> is no CIB", root.name()),
            "give the whole document, with <cib> as its root".to_owned(),
        ));
    }
    let mut report = checker.report;
    report.findings.sort_by_key(|finding| (finding.span.start, finding.code));
    report
}

struct Checker {
    schema: Schema,
    /// The schema whose sets and rules the present section uses.
    shared: Schema,
    ids: HashMap<String, Span>,
    references: Vec<Reference>,
    report: Report,
}

/// An attribute that must name the id of an element somewhere.
struct Reference {
    element: String,
    attribute: &'static str,
    id: String,
    span: Span,
}

impl Checker {
    fn element(&mut self, element: &Element, rule: Rule) {
        let schema = if rule.is_shared() { self.shared } else { self.schema };
        let forms = rule.forms().iter().filter(|form| form.range.has(schema));
        let best = forms
            .map(|form| (complaints(element, form, schema), form))
            .min_by_key(|(complaints, _)| complaints.len());
        let Some((complaints, form)) = best else { return };
        for complaint in complaints {
            self.report.push(complaint);
        }
        self.collect_ids(element, form, schema);
        let slots = match form.content {
            Content::Anything => return,
            Content::Nothing => &[],
            Content::Mixed(slots) | Content::Listed(slots) => slots,
        };
        if element.children.iter().any(is_text) {
            self.report.push(Finding::new(
                Code::StrayText,
                element.span,
                format!("text stands in <{}>, which only takes elements", element.name()),
                "remove it, or make it a comment: <!-- … -->".to_owned(),
            ));
        }
        for child in element.elements() {
            if rule == Rule::Configuration {
                self.shared = shared(child.name(), self.schema);
            }
            let known = slots.iter().find_map(|slot| find(slot, child.name(), schema));
            if let Some(known) = known {
                self.element(child, known.rule);
            }
        }
    }

    fn collect_ids(&mut self, element: &Element, form: &Form, schema: Schema) {
        let known = || {
            let all = form.attributes.iter().flat_map(|group| group.iter());
            all.filter(|attribute| attribute.range.has(schema))
        };
        for attribute in known().filter(|it| matches!(it.kind, Kind::IdRef)) {
            if let Some(id) = element.get(attribute.name) {
                self.references.push(Reference {
                    element: element.name().to_owned(),
                    attribute: attribute.name,
                    id: id.trim().to_owned(),
                    span: element.span,
                });
            }
        }
        let ids = known().filter(|it| matches!(it.kind, Kind::Id));
        for value in ids.filter_map(|attribute| element.get(attribute.name)) {
            let value = value.trim();
            if let Some(first) = self.ids.insert(value.to_owned(), element.span) {
                self.ids.insert(value.to_owned(), first);
                let mut finding = Finding::new(
                    Code::DuplicateId,
                    element.span,
                    format!("<{}> has the id `{value}`, which another element has", element.name()),
                    "give one of them another id".to_owned(),
                )
                .attribute("id");
                finding.related = Some((first, "the first one".to_owned()));
                self.report.push(finding);
            }
        }
    }
}

impl Checker {
    fn dangling(&mut self) {
        for reference in std::mem::take(&mut self.references) {
            if self.ids.contains_key(&reference.id) {
                continue;
            }
            let Reference { element, attribute, id, span } = reference;
            let id: String = id.chars().take(60).collect();
            let message =
                format!("{attribute} of <{element}> names `{id}`, and no element has that id");
            let help = "write the id of an element that exists, or remove the reference".to_owned();
            self.report
                .push(Finding::new(Code::Dangling, span, message, help).attribute(attribute));
        }
    }
}

fn is_text(node: &Node) -> bool {
    matches!(node, Node::Text(_) | Node::CData(_)) && !blank::is(node)
}

fn find<'a>(slot: &'a Slot, name: &str, schema: Schema) -> Option<&'a Child> {
    slot.children.iter().find(|child| child.name == name && child.range.has(schema))
}

/// What is wrong with an element if it is meant in this form; its children's own content aside.
fn complaints(element: &Element, form: &Form, schema: Schema) -> Vec<Finding> {
    let mut found = Vec::new();
    if matches!(form.content, Content::Anything) {
        return found;
    }
    attributes(element, form, schema, &mut found);
    match form.content {
        Content::Anything => {}
        Content::Nothing => content(element, &[], false, schema, &mut found),
        Content::Mixed(slots) => content(element, slots, false, schema, &mut found),
        Content::Listed(slots) => content(element, slots, true, schema, &mut found),
    }
    found
}

fn attributes(element: &Element, form: &Form, schema: Schema, found: &mut Vec<Finding>) {
    let name = element.name();
    let all = || form.attributes.iter().flat_map(|group| group.iter());
    let known = || all().filter(|attribute| attribute.range.has(schema));
    for attr in element.attrs() {
        match known().find(|attribute| attribute.name == &*attr.name) {
            None => {
                let other = all().find(|attribute| attribute.name == &*attr.name);
                let names: Vec<&str> = known().map(|attribute| attribute.name).collect();
                let help = match other {
                    Some(attribute) => elsewhere(attribute.range, schema),
                    None if names.is_empty() => format!("remove it: <{name}> takes no attributes"),
                    None => format!("remove it; <{name}> takes here: {}", names.join(", ")),
                };
                let message = format!("<{name}> does not take the attribute `{}` here", attr.name);
                found.push(
                    Finding::new(Code::UnknownAttribute, element.span, message, help)
                        .attribute(&attr.name),
                );
            }
            Some(attribute) => {
                if let Err(expected) = value::check(attribute.kind, &attr.value, schema) {
                    let message = format!(
                        "`{}` is no value for {} of <{name}>",
                        attr.value.chars().take(60).collect::<String>(),
                        attr.name
                    );
                    found.push(
                        Finding::new(Code::BadValue, element.span, message, expected)
                            .attribute(&attr.name),
                    );
                }
            }
        }
    }
    for attribute in known().filter(|it| it.must && element.get(it.name).is_none()) {
        found.push(Finding::new(
            Code::MissingAttribute,
            element.span,
            format!("<{name}> has no {}", attribute.name),
            format!("add {}=\"…\"", attribute.name),
        ));
    }
    for (set, least) in form
        .one_of
        .iter()
        .map(|set| (set, 1_usize))
        .chain(form.at_most_one_of.iter().map(|set| (set, 0_usize)))
    {
        let there: Vec<&str> =
            set.iter().copied().filter(|name| element.get(name).is_some()).collect();
        if there.len() > 1 {
            found.push(Finding::new(
                Code::Exclusive,
                element.span,
                format!("<{name}> has {} at once", there.join(" and ")),
                "keep one of them".to_owned(),
            ));
        } else if there.len() < least {
            found.push(Finding::new(
                Code::MissingAttribute,
                element.span,
                format!("<{name}> has neither {}", set.join(" nor ")),
                "add one of them".to_owned(),
            ));
        }
    }
}

fn content(
    element: &Element,
    slots: &[Slot],
    in_order: bool,
    schema: Schema,
    found: &mut Vec<Finding>,
) {
    let mut counts = vec![0_usize; slots.len()];
    let mut reached = 0;
    for child in element.elements() {
        let at = slots.iter().position(|slot| find(slot, child.name(), schema).is_some());
        let Some(at) = at else {
            found.push(stranger(element, child, slots, schema));
            continue;
        };
        counts[at] = counts[at].saturating_add(1);
        if counts[at] > slots[at].most {
            found.push(Finding::new(
                Code::TooMany,
                child.span,
                format!(
                    "<{}> takes no more than {} of {}",
                    element.name(),
                    slots[at].most,
                    names(&slots[at], schema)
                ),
                "remove this one, or put both into one".to_owned(),
            ));
        }
        if in_order && at < reached {
            found.push(Finding::new(
                Code::OutOfOrder,
                child.span,
                format!("<{}> stands too late in <{}>", child.name(), element.name()),
                format!("move it in front of {}", names(&slots[reached], schema)),
            ));
        }
        reached = reached.max(at);
    }
    for (slot, count) in slots.iter().zip(counts) {
        if count < slot.least {
            found.push(Finding::new(
                Code::MissingElement,
                element.span,
                format!("<{}> has no {}", element.name(), names(slot, schema)),
                "add one inside it".to_owned(),
            ));
        }
    }
}

fn stranger(element: &Element, child: &Element, slots: &[Slot], schema: Schema) -> Finding {
    let everything = || slots.iter().flat_map(|slot| slot.children.iter());
    let other = everything().find(|it| it.name == child.name());
    let may: Vec<String> =
        everything().filter(|it| it.range.has(schema)).map(|it| format!("<{}>", it.name)).collect();
    let help = match other {
        Some(other) => elsewhere(other.range, schema),
        None if may.is_empty() => format!("remove it: <{}> is empty here", element.name()),
        None => format!("remove it, or move it; here may stand: {}", may.join(", ")),
    };
    let message = format!("<{}> cannot stand in <{}>", child.name(), element.name());
    Finding::new(Code::UnknownElement, child.span, message, help)
}

/// Help for what another schema has.
fn elsewhere(range: Range, schema: Schema) -> String {
    if range.since > schema {
        format!("it exists since {}: raise validate-with (it is {schema})", range.since)
    } else {
        format!("it exists until {} only: upgrade the document", range.until)
    }
}

fn names(slot: &Slot, schema: Schema) -> String {
    let names: Vec<String> = slot
        .children
        .iter()
        .filter(|child| child.range.has(schema))
        .map(|child| format!("<{}>", child.name))
        .collect();
    names.join(" or ")
}
