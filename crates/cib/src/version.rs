//! How new a CIB is: `admin_epoch.epoch.num_updates`, compared from the left.
//!
//! Whoever changes the configuration raises `epoch` and starts `num_updates` afresh; what only
//! concerns the status raises `num_updates`; `admin_epoch` is for people who want to win against
//! everything else. Two documents with the same version are taken to be the same document, so no
//! change may go without a bump.

use std::fmt;

use crate::xml::Element;

/// The attributes of `<cib>` that make up the version, most significant first.
pub const ATTRIBUTES: [&str; 3] = ["admin_epoch", "epoch", "num_updates"];

/// A version, ordered by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version {
    /// Changed by hand only.
    pub admin_epoch: u64,
    /// Changed with the configuration.
    pub epoch: u64,
    /// Changed with the status.
    pub num_updates: u64,
}

/// What a change touched, as far as the version cares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Touched {
    /// Nothing at all.
    Nothing,
    /// The status section, or attributes of `<cib>` that say how the cluster is doing.
    Status,
    /// The configuration, or how it is to be read.
    Configuration,
}

/// A version attribute that is no number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{attribute}=\"{value}\"` is no version: write a whole number from 0 on")]
pub struct Error {
    /// Which of [`ATTRIBUTES`].
    pub attribute: &'static str,
    /// What stands there.
    pub value: String,
}

impl Version {
    /// The version an element (`<cib>`, or `<source>` and `<target>` of a patch) carries. An
    /// attribute that is not there counts as zero.
    ///
    /// # Errors
    /// When one of them is no number.
    pub fn of(element: &Element) -> Result<Self, Error> {
        let number = |attribute: &'static str| match element.get(attribute) {
            None => Ok(0),
            Some(value) => value
                .trim()
                .parse()
                .map_err(|_| Error { attribute, value: value.chars().take(80).collect() }),
        };
        Ok(Self {
            admin_epoch: number(ATTRIBUTES[0])?,
            epoch: number(ATTRIBUTES[1])?,
            num_updates: number(ATTRIBUTES[2])?,
        })
    }

    /// Writes it into an element.
    pub fn write(self, element: &mut Element) {
        for (name, value) in ATTRIBUTES.iter().zip(self.parts()) {
            element.set(name, &value.to_string());
        }
    }

    /// The version after a change.
    #[must_use]
    pub fn bumped(self, touched: Touched) -> Self {
        match touched {
            Touched::Nothing => self,
            Touched::Status => Self { num_updates: self.num_updates.saturating_add(1), ..self },
            Touched::Configuration => {
                Self { epoch: self.epoch.saturating_add(1), num_updates: 0, ..self }
            }
        }
    }

    fn parts(self) -> [u64; 3] {
        [self.admin_epoch, self.epoch, self.num_updates]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.admin_epoch, self.epoch, self.num_updates)
    }
}

/// What differs between two CIBs, the version itself and notes about the last write left aside.
#[must_use]
pub fn touched(old: &Element, new: &Element) -> Touched {
    let configuration = |cib: &Element| -> Vec<Element> {
        cib.elements().filter(|child| child.name() != "status").map(meaning).collect()
    };
    // Which attributes of <cib> are configuration: those that say how to read it.
    let reading = |cib: &Element| {
        ["validate-with", "crm_feature_set", "remote-tls-port", "remote-clear-port"]
            .map(|name| cib.get(name).map(str::to_owned))
    };
    if reading(old) != reading(new) || configuration(old) != configuration(new) {
        return Touched::Configuration;
    }
    if meaning(&without_version(old)) == meaning(&without_version(new)) {
        Touched::Nothing
    } else {
        Touched::Status
    }
}

fn without_version(cib: &Element) -> Element {
    let mut copy = cib.clone();
    for name in ATTRIBUTES {
        copy.unset(name);
    }
    copy
}

/// The same without the white space between elements.
fn meaning(element: &Element) -> Element {
    let mut copy = element.clone();
    crate::blank::strip(&mut copy);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn version(a: u64, e: u64, n: u64) -> Version {
        Version { admin_epoch: a, epoch: e, num_updates: n }
    }

    #[test]
    fn the_left_number_counts_most() {
        assert!(version(1, 0, 0) > version(0, 9, 9));
        assert!(version(0, 2, 0) > version(0, 1, 9));
        assert!(version(0, 1, 2) > version(0, 1, 1));
        assert_eq!(version(0, 1, 2).to_string(), "0.1.2");
    }

    #[test]
    fn bumps() {
        let start = version(3, 4, 5);
        assert_eq!(start.bumped(Touched::Nothing), start);
        assert_eq!(start.bumped(Touched::Status), version(3, 4, 6));
        assert_eq!(start.bumped(Touched::Configuration), version(3, 5, 0));
        let last = version(u64::MAX, u64::MAX, u64::MAX);
        assert_eq!(last.bumped(Touched::Status), last);
    }

    #[test]
    fn reading_and_writing() {
        let mut cib = parse("<cib epoch=\"7\" num_updates=\"1\"/>").expect("xml").root;
        assert_eq!(Version::of(&cib), Ok(version(0, 7, 1)));
        version(1, 2, 3).write(&mut cib);
        assert_eq!(Version::of(&cib), Ok(version(1, 2, 3)));
        cib.set("epoch", "-1");
        let error = Version::of(&cib).expect_err("no number");
        assert_eq!(error.attribute, "epoch");
    }

    #[test]
    fn what_was_touched() {
        let read = |text: &str| parse(text).expect("xml").root;
        let cib = read("<cib epoch=\"1\"><configuration><a/></configuration><status/></cib>");
        let cases = [
            (
                "<cib epoch=\"2\">\n<configuration>\n<a/></configuration><status/></cib>",
                Touched::Nothing,
            ),
            (
                "<cib epoch=\"1\"><configuration><a/></configuration><status><b/></status></cib>",
                Touched::Status,
            ),
            (
                "<cib epoch=\"1\" have-quorum=\"1\"><configuration><a/></configuration><status/></cib>",
                Touched::Status,
            ),
            (
                "<cib epoch=\"1\"><configuration><a b=\"\"/></configuration><status/></cib>",
                Touched::Configuration,
            ),
            (
                "<cib epoch=\"1\" validate-with=\"x\"><configuration><a/></configuration><status/></cib>",
                Touched::Configuration,
            ),
        ];
        for (text, want) in cases {
            assert_eq!(touched(&cib, &read(text)), want, "{text}");
        }
    }
}
