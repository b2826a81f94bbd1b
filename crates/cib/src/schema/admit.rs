//! Whether a CIB may be planned for, as far as its schema goes.
//!
//! Not quite whether it is valid: one of a schema before 3.0 is brought to today's words first, and
//! for that any schema from the one it names on will do. Schemas that came after the latest known
//! one are read as if they were that, and cannot be asked; where a document wants no schema, none is.

use super::check::{validate, validate_as};
use super::finding::Report;
use super::version::Schema;
use crate::xml::Element;

/// Before the first schema had its name.
const ANCIENT: [&str; 2] = ["pacemaker-0.6", "transitional-0.6"];
/// What is being tried out.
const UNSTABLE: &str = "pacemaker-next";

/// Why a document is not planned for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// In a sentence without a full stop.
    pub why: String,
    /// What is wrong, by the schema it names.
    pub report: Report,
}

/// Whether a document may be planned for.
///
/// # Errors
/// When a schema refuses it.
pub fn admit(root: &Element) -> Result<(), Refusal> {
    let Some(name) = root.get("validate-with").filter(|name| *name != "none") else {
        return Ok(());
    };
    if name == UNSTABLE || is_later(name) {
        return Ok(());
    }
    let ancient = ANCIENT.contains(&name).then_some(Schema::OLDEST);
    let Some(schema) = Schema::named(name).or(ancient) else {
        return Err(Refusal { why: "no schema has that name".into(), report: validate(root) });
    };
    let report = validate_as(root, schema);
    if report.is_valid() {
        return Ok(());
    }
    if schema >= Schema::V3_0 {
        return Err(Refusal { why: format!("{schema} refuses it"), report });
    }
    let mut later = Schema::ALL.iter().map(|(later, _)| *later).filter(|later| *later > schema);
    if later.any(|later| validate_as(root, later).is_valid()) {
        return Ok(());
    }
    let why = format!("it is valid by no schema from {schema} to {}", Schema::LATEST);
    Err(Refusal { why, report })
}

/// Whether a schema's number is beyond all that are known.
fn is_later(name: &str) -> bool {
    let number = |name: &str| {
        let (major, minor) = name.strip_prefix("pacemaker-")?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    number(name) > number(Schema::LATEST.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml;

    fn admitted(schema: &str, node: &str) -> Result<(), String> {
        let text = format!(
            "<cib {schema} admin_epoch='0' epoch='0' num_updates='0'><configuration><crm_config/>\
             <nodes><node id='1' uname='n' {node}/></nodes><resources/><constraints/>\
             </configuration><status/></cib>"
        );
        admit(&xml::parse(&text).expect("a CIB").root).map_err(|refusal| refusal.why)
    }

    #[test]
    fn a_schema_that_is_named_is_asked() {
        for (schema, plain, odd) in [
            ("", true, true),
            ("validate-with='none'", true, true),
            ("validate-with='pacemaker-3.9'", true, false),
            ("validate-with='pacemaker-3.0'", true, false),
            // Nodes had to have a type; later they had not.
            ("validate-with='pacemaker-1.0'", true, false),
            ("validate-with='pacemaker-0.6'", true, false),
            ("validate-with='pacemaker-2.10'", true, false),
            // Nobody here knows these.
            ("validate-with='pacemaker-3.10'", true, true),
            ("validate-with='pacemaker-4.0'", true, true),
            ("validate-with='pacemaker-next'", true, true),
            ("validate-with=''", false, false),
            ("validate-with='pacemaker-'", false, false),
            ("validate-with='pacemaker-2.11'", false, false),
        ] {
            assert_eq!(admitted(schema, "").is_ok(), plain, "{schema}");
            assert_eq!(admitted(schema, "odd='1'").is_ok(), odd, "{schema}");
        }
        let refused = admitted("validate-with='pacemaker-1.0'", "odd='1'").expect_err("odd");
        assert_eq!(refused, "it is valid by no schema from pacemaker-1.0 to pacemaker-3.9");
    }
}
