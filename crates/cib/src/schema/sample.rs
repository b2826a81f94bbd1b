//! Arbitrary valid documents: the table read the other way round.
//!
//! For tests and fuzzers. Everything left open is decided by a function of the caller's, so a
//! seed reproduces a document.

use super::table::{Attribute, Child, Content, Form, Kind, Rule, Slot, shared};
use super::version::Schema;
use crate::xml::Element;

/// A document that is valid by a schema. `choose(n)` decides between `n` ways, 0 to `n - 1`.
pub fn sample(schema: Schema, choose: &mut dyn FnMut(usize) -> usize) -> Element {
    let mut sampler = Sampler { schema, shared: schema, ids: 0, choose };
    let mut cib = sampler.element("cib", Rule::Cib, 0);
    // References need something to refer to, which is known only now.
    let ids = sampler.ids.max(1);
    if sampler.ids == 0
        && let Some(configuration) = cib.child_mut("configuration")
    {
        let set = Element::new("cluster_property_set").with("id", "id-1");
        configuration.child_or_new("crm_config").push(set);
    }
    refer(&mut cib, &mut |ways| choose(ways), ids);
    cib.set("validate-with", schema.name());
    cib
}

/// Stands for a reference until all ids are known.
const REFERENCE: &str = "\u{1}";

fn refer(element: &mut Element, choose: &mut dyn FnMut(usize) -> usize, ids: usize) {
    let names: Vec<_> = element
        .attrs()
        .iter()
        .filter(|attr| &*attr.value == REFERENCE)
        .map(|attr| attr.name.clone())
        .collect();
    for name in names {
        let id = choose(ids).min(ids - 1).saturating_add(1);
        element.set(&name, &format!("id-{id}"));
    }
    for child in element.elements_mut() {
        refer(child, choose, ids);
    }
}

struct Sampler<'c> {
    schema: Schema,
    shared: Schema,
    ids: usize,
    choose: &'c mut dyn FnMut(usize) -> usize,
}

impl Sampler<'_> {
    fn pick<'a, T>(&mut self, from: &[&'a T]) -> Option<&'a T> {
        if from.is_empty() {
            return None;
        }
        let at = (self.choose)(from.len());
        from.get(at.min(from.len() - 1)).copied()
    }

    fn yes(&mut self) -> bool {
        (self.choose)(2) == 1
    }

    fn element(&mut self, name: &str, rule: Rule, depth: usize) -> Element {
        let schema = if rule.is_shared() { self.shared } else { self.schema };
        let mut element = Element::new(name);
        let forms: Vec<&Form> = rule.forms().iter().filter(|it| it.range.has(schema)).collect();
        let Some(form) = self.pick(&forms) else { return element };
        self.attributes(&mut element, form, schema);
        let slots: &[Slot] = match form.content {
            Content::Anything | Content::Nothing => &[],
            Content::Mixed(slots) | Content::Listed(slots) => slots,
        };
        let mut children = Vec::new();
        for slot in slots {
            let known: Vec<&Child> =
                slot.children.iter().filter(|child| child.range.has(schema)).collect();
            // Rules contain rules; below some depth only what is needed is made, and the first.
            let deep = depth > 7;
            let more = if deep { 0 } else { (self.choose)(3) };
            let count = slot.least.saturating_add(more).min(slot.most);
            for _ in 0..count {
                let child = if deep { known.first().copied() } else { self.pick(&known) };
                let Some(child) = child else { continue };
                if rule == Rule::Configuration {
                    self.shared = shared(child.name, self.schema);
                }
                children.push(self.element(child.name, child.rule, depth + 1));
            }
        }
        if matches!(form.content, Content::Mixed(_)) {
            for at in (1..children.len()).rev() {
                let other = (self.choose)(at + 1).min(at);
                children.swap(at, other);
            }
        }
        for child in children {
            element.push(child);
        }
        element
    }

    fn attributes(&mut self, element: &mut Element, form: &Form, schema: Schema) {
        let known: Vec<&Attribute> = form
            .attributes
            .iter()
            .flat_map(|group| group.iter())
            .filter(|attribute| attribute.range.has(schema))
            .collect();
        let sets = form.one_of.iter().chain(form.at_most_one_of);
        let mut closed: Vec<&str> = Vec::new();
        for (at, set) in sets.enumerate() {
            let there: Vec<&Attribute> =
                known.iter().copied().filter(|it| set.contains(&it.name)).collect();
            closed.extend(set.iter());
            let needed = at < form.one_of.len();
            if let Some(attribute) = self.pick(&there)
                && (needed || self.yes())
            {
                let value = self.value(attribute.kind, schema);
                element.set(attribute.name, &value);
            }
        }
        for attribute in known.into_iter().filter(|it| !closed.contains(&it.name)) {
            if attribute.must || self.yes() {
                let value = self.value(attribute.kind, schema);
                element.set(attribute.name, &value);
            }
        }
    }

    fn value(&mut self, kind: Kind, schema: Schema) -> String {
        let one = |sampler: &mut Self, words: &[&str]| {
            let at = (sampler.choose)(words.len());
            words.get(at).copied().unwrap_or_default().to_owned()
        };
        match kind {
            Kind::Text => one(self, &["", "x", "some text", "5s", "ü<&>\"'"]),
            Kind::Id => {
                self.ids = self.ids.saturating_add(1);
                format!("id-{}", self.ids)
            }
            Kind::IdRef => REFERENCE.to_owned(),
            Kind::Bool => one(self, &["true", "false", "1", "0"]),
            Kind::Integer => one(self, &["0", "-1", "+3", "007"]),
            Kind::Natural => one(self, &["0", "1", "42"]),
            Kind::Positive => one(self, &["1", "9"]),
            Kind::Score => one(self, &["INFINITY", "-INFINITY", "+INFINITY", "0", "-100"]),
            Kind::Words(words) => {
                let known: Vec<_> = words.iter().filter(|word| word.range.has(schema)).collect();
                self.pick(&known).map_or("", |word| word.text).to_owned()
            }
            Kind::But(_) => one(self, &["something", "else"]),
            Kind::Devices => one(self, &["a", "a,b", "a.1,b-2,c_3"]),
            Kind::Ports => one(self, &["2000-2010", "80"]),
        }
    }
}
