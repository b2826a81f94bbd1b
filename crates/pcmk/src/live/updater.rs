//! `attrd_updater`: transient attributes, by those who set many of them and look rarely.

use std::ffi::OsString;
use std::time::Duration;

use cib::xml::Element;

use super::attribute::counting;
use super::words::{Spec, Takes, Words};
use super::{Answered, Around, NO_SUCH, Opens, Said, Wish, span};
use crate::failure::Failure;

const SPECS: [Spec; 15] = [
    ('n', &["name"], Takes::Value),
    ('v', &["update"], Takes::Value),
    ('U', &[], Takes::Value),
    ('B', &["update-both"], Takes::Value),
    ('Y', &["update-delay"], Takes::Nothing),
    ('Q', &["query"], Takes::Nothing),
    ('D', &["delete"], Takes::Nothing),
    ('R', &["refresh"], Takes::Nothing),
    ('d', &["delay"], Takes::Value),
    ('S', &["set"], Takes::Value),
    ('N', &["node"], Takes::Value),
    ('A', &["all"], Takes::Nothing),
    ('p', &["private"], Takes::Nothing),
    ('q', &["quiet"], Takes::Nothing),
    ('V', &["verbose"], Takes::Nothing),
];

/// `attrd_updater`
pub(super) fn run(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("attrd_updater", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = answer(&words, around, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

fn answer(words: &Words, around: &Around, opens: Opens<'_>) -> Result<Said, Failure> {
    let usage = |text: &str| Failure::usage(format!("attrd_updater: {text}"));
    if words.has('R') {
        // Written and told are one thing here: there is nothing to be told anew.
        opens()?;
        return Ok(Said::default());
    }
    let name = words.value('n').ok_or_else(|| usage("say which attribute with -n"))?;
    let dampen = match words.value('d') {
        Some(text) => span(text).ok_or_else(|| usage(&format!("-d {text} is no time")))?,
        None => Duration::ZERO,
    };
    let mut door = opens()?;
    let named = words.value('N').filter(|node| *node != "localhost").map(str::to_owned);
    let node = match named.or_else(|| around.on_node.clone()) {
        Some(node) => node,
        None => door.here().map_or_else(|_| around.host.clone(), |here| here.node),
    };
    if words.has('Q') {
        let node = (!words.has('A')).then_some(&*node);
        let values = door.values(name, node)?;
        if values.is_empty() {
            let text =
                format!("attrd_updater: Could not query value of {name}: attribute does not exist");
            return Err(Failure { status: NO_SUCH, text });
        }
        let mut said = Said::default();
        for it in values {
            said.text += &format!("name=\"{name}\" host=\"{}\" value=\"{}\"\n", it.node, it.value);
            let told = Element::new("attribute").with("name", name).with("value", &it.value);
            said.content.push(told.with("host", &it.node));
        }
        return Ok(said);
    }
    let value = words.last_of("vUB").and_then(|letter| words.value(letter)).map(counting);
    if value.is_none() && words.has('Y') {
        // How long to wait comes with each value here.
        return Ok(Said::default());
    }
    if value.is_none() && !words.has('D') {
        return Err(usage("say what to do: -v VALUE, -D or -Q"));
    }
    let value = value.filter(|_| !words.has('D'));
    let name = name.to_owned();
    door.set(&Wish { node, name, value, dampen, private: words.has('p') })?;
    Ok(Said::default())
}
