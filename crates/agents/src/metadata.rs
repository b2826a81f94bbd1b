//! What an agent says of itself: parameters, actions, versions (OCF 1.0 and 1.1; fence agents use the
//! same form).
//!
//! Agents are not to be believed. What makes a description useless (it is no XML, describes nothing,
//! names a parameter twice, gives a time that is none) is an error that says what and where; what is
//! merely wrong (another name, an action missing that every agent must have) is a complaint, and the
//! rest is used.

use core::time::Duration;
use std::collections::BTreeSet;

use base::Name;
use cib::value;
use cib::xml::{self, Element};
use serde::{Deserialize, Serialize};

/// Longer descriptions are not read.
pub const LONGEST: usize = 512 * 1024;

/// Everything an agent says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// The version of the agent.
    pub version: String,
    /// The version of the standard it keeps to, as in `1.1`; empty if it does not say.
    pub standard: String,
    /// One line.
    pub short: String,
    /// Several.
    pub long: String,
    /// Its parameters, in its order.
    pub parameters: Vec<Parameter>,
    /// Its actions, in its order; one name may be there several times (monitors).
    pub actions: Vec<Action>,
    /// What is wrong with it.
    pub complaints: Vec<String>,
}

/// One parameter.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// No two resources have the same values in the parameters of this group.
    pub unique: Option<String>,
    /// It must be given.
    pub required: bool,
    /// It can be changed without a restart.
    pub reloadable: bool,
    /// It is of yesterday.
    pub deprecated: bool,
    /// `string`, `integer`, `boolean`, `select`, …
    pub kind: String,
    /// What holds if it is not given.
    pub default: Option<String>,
    /// What may be chosen from.
    pub options: Vec<String>,
    /// One line.
    pub short: String,
    /// Several.
    pub long: String,
}

/// One action.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// How long it may take at least.
    pub timeout: Option<Duration>,
    /// How often it is repeated.
    pub interval: Option<Duration>,
    /// How long after a start it is done first.
    pub start_delay: Option<Duration>,
    /// How thorough it is.
    pub depth: Option<String>,
    /// In which role.
    pub role: Option<String>,
    /// Of a fence agent: to be done when a node joins.
    pub automatic: bool,
    /// Of a fence agent: to be done on the node itself.
    pub on_target: bool,
}

/// Why a description is of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MetadataError {
    /// It is too long, or does not end.
    #[error("it wrote more than {LONGEST} octets of metadata")]
    TooLong,
    /// It is not text.
    #[error("its metadata is not UTF-8: octet {0}")]
    NotText(usize),
    /// It wrote nothing.
    #[error("it wrote no metadata")]
    Nothing,
    /// It is not XML.
    #[error("its metadata is {0}")]
    NotXml(xml::Error),
    /// It is something else.
    #[error("its metadata begins with <{0}>, not with <resource-agent>")]
    Root(String),
    /// Something has no name.
    #[error("<{element}> number {number} of its metadata has no name")]
    NoName {
        /// `parameter` or `action`.
        element: &'static str,
        /// Which, from 1 on.
        number: usize,
    },
    /// A parameter cannot be called that.
    #[error("`{0}` cannot be the name of a parameter")]
    BadName(String),
    /// The same parameter twice.
    #[error("parameter `{0}` is described twice in its metadata")]
    Twice(String),
    /// Neither yes nor no.
    #[error("parameter `{parameter}`: {attribute}=\"{value}\" is neither 0 nor 1")]
    Truth {
        /// Of which.
        parameter: String,
        /// What.
        attribute: &'static str,
        /// As it is written.
        value: String,
    },
    /// Not a time.
    #[error("action `{action}`: {attribute}=\"{value}\" is not a time")]
    Time {
        /// Of which.
        action: String,
        /// What.
        attribute: &'static str,
        /// As it is written.
        value: String,
    },
}

impl Metadata {
    /// Reads what an agent called `agent` wrote.
    ///
    /// # Errors
    /// See [`MetadataError`].
    pub fn read(agent: &str, octets: &[u8]) -> Result<Self, MetadataError> {
        if octets.len() > LONGEST {
            return Err(MetadataError::TooLong);
        }
        let text = std::str::from_utf8(octets)
            .map_err(|error| MetadataError::NotText(error.valid_up_to()))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(MetadataError::Nothing);
        }
        let document = xml::parse(text).map_err(MetadataError::NotXml)?;
        let root = document.root;
        if root.name() != "resource-agent" {
            return Err(MetadataError::Root(root.name().to_owned()));
        }
        let own = root.get("version").unwrap_or_default();
        let mut read = Self {
            name: root.get("name").unwrap_or_default().to_owned(),
            version: own.to_owned(),
            standard: child_text(&root, "version"),
            short: match root.get("shortdesc") {
                Some(short) => short.to_owned(),
                None => child_text(&root, "shortdesc"),
            },
            long: child_text(&root, "longdesc"),
            ..Self::default()
        };
        let all = |list: &'static str, name: &'static str| -> Vec<&Element> {
            root.child(list).into_iter().flat_map(|it| it.named(name)).collect()
        };
        for (number, element) in (1..).zip(all("actions", "action")) {
            read.actions.push(Action::read(number, element)?);
        }
        let mut names = BTreeSet::new();
        for (number, element) in (1..).zip(all("parameters", "parameter")) {
            let parameter = Parameter::read(number, element)?;
            if !names.insert(parameter.name.clone()) {
                return Err(MetadataError::Twice(parameter.name));
            }
            read.parameters.push(parameter);
        }
        // Until OCF 1.1 there was but one reload, of what is not unique.
        if read.can("reload") && !read.can("reload-agent") {
            for parameter in &mut read.parameters {
                parameter.reloadable |= parameter.unique.is_none();
            }
        }
        read.complain(agent);
        Ok(read)
    }

    fn complain(&mut self, agent: &str) {
        let is_fence_agent = self.can("off") || self.can("on") || self.can("metadata");
        if self.name != agent {
            self.complaints.push(format!("it calls itself `{}`, not `{agent}`", self.name));
        }
        if !is_fence_agent {
            for needed in ["start", "stop", "monitor"] {
                if !self.can(needed) {
                    self.complaints.push(format!("it has no action `{needed}`"));
                }
            }
        }
        for parameter in self.parameters.iter().filter(|it| it.required && it.default.is_some()) {
            let default = parameter.default.as_deref().unwrap_or_default();
            if !default.is_empty() && !is_fence_agent {
                let name = &parameter.name;
                self.complaints.push(format!("`{name}` is required and has a default"));
            }
        }
    }

    /// Whether it has an action.
    #[must_use]
    pub fn can(&self, action: &str) -> bool {
        self.actions.iter().any(|it| it.name == action)
    }

    /// The parameters of which a change needs a restart, if the agent can take in others without one.
    #[must_use]
    pub fn fixed(&self) -> Option<Vec<Name>> {
        let reloads = self.can("reload-agent") || self.can("reload");
        let some = self.parameters.iter().any(|it| it.reloadable);
        let fixed = self.parameters.iter().filter(|it| !it.reloadable);
        (reloads && some).then(|| fixed.map(|it| Name::from(&*it.name)).collect())
    }

    /// What is wrong with these parameters, as far as the description tells.
    #[must_use]
    pub fn judge(&self, given: &[(String, String)]) -> Vec<String> {
        let ours = |name: &str| name.starts_with("CRM_meta_") || name.starts_with("crm_");
        let mut wrong = Vec::new();
        for parameter in self.parameters.iter().filter(|it| it.required) {
            let there = given.iter().any(|(name, _)| *name == parameter.name);
            let has_default = parameter.default.as_deref().is_some_and(|it| !it.is_empty());
            if !there && !has_default {
                wrong.push(format!("`{}` must be given", parameter.name));
            }
        }
        for (name, value) in given.iter().filter(|(name, _)| !ours(name)) {
            let Some(parameter) = self.parameters.iter().find(|it| it.name == *name) else {
                // Agents' tracing, understood by their library.
                if !name.starts_with("trace_") && name != "OCF_CHECK_LEVEL" {
                    wrong.push(format!("there is no parameter `{name}`"));
                }
                continue;
            };
            let good = match &*parameter.kind {
                "integer" => value.trim().parse::<i64>().is_ok(),
                "boolean" => value::truth(value).is_some(),
                "select" => parameter.options.is_empty() || parameter.options.contains(value),
                _ => true,
            };
            if !good && !value.is_empty() {
                wrong.push(format!(
                    "`{name}` is `{value}`, which is not of type {}",
                    parameter.kind
                ));
            }
        }
        wrong
    }
}

impl Parameter {
    fn read(number: usize, element: &Element) -> Result<Self, MetadataError> {
        let name = named("parameter", number, element)?;
        if name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
            return Err(MetadataError::BadName(name));
        }
        let truth = |attribute: &'static str| match element.get(attribute) {
            None | Some("") => Ok(false),
            Some(text) => value::truth(text).ok_or_else(|| MetadataError::Truth {
                parameter: name.clone(),
                attribute,
                value: text.to_owned(),
            }),
        };
        let group = element.get("unique-group").map(str::to_owned);
        let unique = match group {
            Some(group) => Some(group),
            // By itself, that is a group of one.
            None => truth("unique")?.then(|| format!("_{name}")),
        };
        let content = element.child("content");
        let content = |attribute: &str| content.and_then(|it| it.get(attribute));
        let options = element.child("content").into_iter().flat_map(|it| it.named("option"));
        Ok(Self {
            unique,
            required: truth("required")?,
            reloadable: truth("reloadable")?,
            deprecated: truth("deprecated")? || element.child("deprecated").is_some(),
            kind: content("type").unwrap_or("string").to_owned(),
            default: content("default").map(str::to_owned),
            options: options.filter_map(|it| it.get("value")).map(str::to_owned).collect(),
            short: child_text(element, "shortdesc"),
            long: child_text(element, "longdesc"),
            name,
        })
    }
}

impl Action {
    fn read(number: usize, element: &Element) -> Result<Self, MetadataError> {
        let name = named("action", number, element)?;
        let time = |attribute: &'static str| match element.get(attribute) {
            None | Some("") => Ok(None),
            Some(text) => {
                let millis = value::milliseconds(text).and_then(|it| u64::try_from(it).ok());
                let bad = || MetadataError::Time {
                    action: name.clone(),
                    attribute,
                    value: text.to_owned(),
                };
                millis.map(Duration::from_millis).map(Some).ok_or_else(bad)
            }
        };
        let truth = |attribute: &str| value::is_true(element.get(attribute));
        Ok(Self {
            timeout: time("timeout")?,
            interval: time("interval")?,
            start_delay: time("start-delay")?,
            depth: element.get("depth").map(str::to_owned),
            role: element.get("role").map(str::to_owned),
            automatic: truth("automatic"),
            on_target: truth("on_target"),
            name,
        })
    }
}

fn named(element: &'static str, number: usize, found: &Element) -> Result<String, MetadataError> {
    match found.get("name").map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(MetadataError::NoName { element, number }),
    }
}

fn child_text(element: &Element, name: &str) -> String {
    element.child(name).map(|it| it.text().trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Result<Metadata, MetadataError> {
        let text = format!(
            "<?xml version='1.0'?>\n<!DOCTYPE resource-agent SYSTEM 'ra-api-1.dtd'>\n\
             <resource-agent name='X' version='0.9'><version>1.1</version>{inner}</resource-agent>"
        );
        Metadata::read("X", text.as_bytes())
    }

    #[test]
    fn a_description_is_read_whole() {
        let read = read(
            "<longdesc lang='en'> Long. </longdesc><shortdesc>Short</shortdesc>
            <parameters>
              <parameter name='ip' unique='1' required='1'><content type='string' default=''/>
                <shortdesc lang='en'>Where</shortdesc></parameter>
              <parameter name='a' unique-group='ab' reloadable='1'><content type='integer' default='5'/></parameter>
              <parameter name='old' deprecated='1'><content type='select'><option value='x'/><option value='y'/></content></parameter>
            </parameters>
            <actions>
              <action name='start' timeout='20s'/><action name='stop' timeout='20'/>
              <action name='monitor' timeout='20' interval='10s' depth='0' role='Promoted' start-delay='1min'/>
              <action name='reload-agent' timeout='500ms'/><action name='meta-data'/>
            </actions>",
        )
        .unwrap();
        assert_eq!((&*read.standard, &*read.version, &*read.long), ("1.1", "0.9", "Long."));
        assert_eq!(read.complaints, Vec::<String>::new());
        let [ip, a, old] = &read.parameters[..] else { panic!("{read:?}") };
        assert!(ip.required && !ip.reloadable && ip.unique.as_deref() == Some("_ip"));
        assert_eq!((&*ip.short, ip.default.as_deref()), ("Where", Some("")));
        assert!(!a.required && a.reloadable && a.unique.as_deref() == Some("ab"));
        assert!(old.deprecated && old.options == ["x", "y"]);
        let seconds = |number| Some(Duration::from_secs(number));
        let monitor = &read.actions[2];
        assert_eq!((monitor.timeout, monitor.interval), (seconds(20), seconds(10)));
        assert_eq!((monitor.start_delay, monitor.role.as_deref()), (seconds(60), Some("Promoted")));
        assert_eq!(read.actions[3].timeout, Some(Duration::from_millis(500)));
    }

    #[test]
    fn before_1_1_what_is_not_unique_is_reloadable() {
        let read = read(
            "<parameters><parameter name='a' unique='1'/><parameter name='b' unique='0'/></parameters>
             <actions><action name='reload'/></actions>",
        );
        let reloadable: Vec<_> = read.unwrap().parameters.iter().map(|it| it.reloadable).collect();
        assert_eq!(reloadable, [false, true]);
    }

    #[test]
    fn lies_are_told_precisely() {
        let action = |rest: &str| format!("<actions><action {rest}/></actions>");
        let parameter = |rest: &str| format!("<parameters>{rest}</parameters>");
        for (inner, error) in [
            (action("timeout='1'"), "<action> number 1 of its metadata has no name"),
            (
                action("name='start' timeout='soon'"),
                "action `start`: timeout=\"soon\" is not a time",
            ),
            (
                action("name='monitor' interval='-3s'"),
                "action `monitor`: interval=\"-3s\" is not a time",
            ),
            (
                parameter("<parameter name='a'/><parameter name='a'/>"),
                "parameter `a` is described twice in its metadata",
            ),
            (
                parameter("<parameter name='a'/><parameter/>"),
                "<parameter> number 2 of its metadata has no name",
            ),
            (
                parameter("<parameter name='a' required='perhaps'/>"),
                "parameter `a`: required=\"perhaps\" is neither 0 nor 1",
            ),
            (parameter("<parameter name='a b'/>"), "`a b` cannot be the name of a parameter"),
        ] {
            assert_eq!(read(&inner).unwrap_err().to_string(), error);
        }
        let told = |octets: &[u8]| Metadata::read("X", octets).unwrap_err().to_string();
        assert_eq!(told(b" \n"), "it wrote no metadata");
        assert_eq!(told(b"<a>\xff</a>"), "its metadata is not UTF-8: octet 3");
        assert_eq!(
            told(b"<actions/>"),
            "its metadata begins with <actions>, not with <resource-agent>"
        );
        assert!(told(b"usage: X start|stop").starts_with("its metadata is not well-formed XML"));
        assert!(
            told(b"<resource-agent name='X'>").starts_with("its metadata is not well-formed XML")
        );
        assert!(told(&vec![b' '; LONGEST + 1]).starts_with("it wrote more than"));
    }

    #[test]
    fn another_name_and_missing_actions_are_complaints() {
        let text =
            b"<resource-agent name='Y'><actions><action name='start'/></actions></resource-agent>";
        let complaints = Metadata::read("X", text).unwrap().complaints;
        assert_eq!(
            complaints,
            [
                "it calls itself `Y`, not `X`",
                "it has no action `stop`",
                "it has no action `monitor`"
            ]
        );
    }

    #[test]
    fn parameters_are_judged_by_it() {
        let metadata = read(
            "<parameters><parameter name='ip' required='1'/>
             <parameter name='count'><content type='integer'/></parameter>
             <parameter name='bg'><content type='boolean' default='yes'/></parameter></parameters>",
        )
        .unwrap();
        let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        assert!(metadata.judge(&given(&[("ip", "a"), ("count", "3"), ("bg", "no")])).is_empty());
        assert!(metadata.judge(&given(&[("ip", "a"), ("CRM_meta_timeout", "1")])).is_empty());
        assert_eq!(
            metadata.judge(&given(&[("count", "many"), ("bg", "maybe"), ("pi", "a")])),
            [
                "`ip` must be given",
                "`count` is `many`, which is not of type integer",
                "`bg` is `maybe`, which is not of type boolean",
                "there is no parameter `pi`"
            ]
        );
    }
}
