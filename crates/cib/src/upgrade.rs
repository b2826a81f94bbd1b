//! Old documents in today's words.
//!
//! Between schemas 1.3 and 2.0 access lists were rewritten, between 2.10 and 3.0 settings that had
//! gone out of use were renamed, moved or dropped; all other steps only allow more. So a document
//! goes through at most two rewritings ([`acls`] and [`settings`]) and then follows the latest
//! schema by which it is valid. What was done is told in a sentence each.

mod acls;
mod settings;

use crate::schema::{Report, Schema, validate_as};
use crate::version::{Touched, Version};
use crate::xml::Element;

/// A document in today's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upgraded {
    /// The document.
    pub root: Element,
    /// The schema it followed.
    pub from: Schema,
    /// The schema it follows now.
    pub to: Schema,
    /// Whether anything but the name of the schema changed.
    pub changed: bool,
    /// What was renamed, moved or dropped, a sentence each.
    pub notes: Vec<String>,
}

/// Why a document cannot be upgraded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// It does not follow its own schema, or any.
    #[error(
        "the document is not valid by {schema}: correct it first, or name the schema it follows in validate-with"
    )]
    Invalid {
        /// The schema it was held against.
        schema: Schema,
        /// What is wrong.
        report: Report,
    },
    /// What came out follows no schema; an omission of ours, since every valid document can be upgraded.
    #[error("the upgraded document is not valid by {schema}")]
    Result {
        /// The schema it was held against.
        schema: Schema,
        /// What is wrong.
        report: Report,
    },
    /// Its version cannot be read.
    #[error(transparent)]
    Version(#[from] crate::version::Error),
}

/// Brings a CIB to the latest schema. The version is left alone; see [`raised`].
///
/// # Errors
/// When it is not valid to begin with.
pub fn upgrade(cib: &Element) -> Result<Upgraded, Error> {
    let from = follows(cib)?;
    let mut root = cib.clone();
    let mut notes = Vec::new();
    if from < Schema::V2_0 {
        acls::rewrite(&mut root, &mut notes);
    }
    if from < Schema::V3_0 {
        settings::rewrite(&mut root, &mut notes);
    }
    let changed = root != *cib;
    let least = from.max(Schema::V3_0);
    let mut reports =
        Schema::ALL.iter().rev().map(|(schema, _)| *schema).filter(|schema| *schema >= least);
    let to = reports.find(|schema| validate_as(&root, *schema).is_valid());
    let Some(to) = to else {
        let schema = Schema::LATEST;
        return Err(Error::Result { schema, report: validate_as(&root, schema) });
    };
    root.set("validate-with", to.name());
    Ok(Upgraded { root, from, to, changed, notes })
}

/// The same with the version that an upgrade of a running cluster's CIB gets: one that wins against
/// every copy that was not upgraded.
///
/// # Errors
/// When the version cannot be read.
pub fn raised(mut upgraded: Upgraded) -> Result<Upgraded, Error> {
    if upgraded.from != upgraded.to {
        let old = Version::of(&upgraded.root)?;
        let admin_epoch = old.admin_epoch.saturating_add(1);
        let new = Version { admin_epoch, epoch: 1, num_updates: 1 };
        let touched = if upgraded.changed { Touched::Configuration } else { Touched::Status };
        new.bumped(touched).write(&mut upgraded.root);
    }
    Ok(upgraded)
}

/// The schema a document follows: the one it names, or the first by which it is valid.
fn follows(cib: &Element) -> Result<Schema, Error> {
    match cib.get("validate-with").and_then(Schema::named) {
        Some(schema) => {
            let report = validate_as(cib, schema);
            if report.is_valid() { Ok(schema) } else { Err(Error::Invalid { schema, report }) }
        }
        None => {
            let mut all = Schema::ALL.iter().map(|(schema, _)| *schema);
            all.find(|schema| validate_as(cib, *schema).is_valid()).ok_or_else(|| {
                let schema = Schema::LATEST;
                Error::Invalid { schema, report: validate_as(cib, schema) }
            })
        }
    }
}
