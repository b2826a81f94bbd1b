//! What is wrong with a document, where, and what to do about it.

use crate::xml::Span;

base::codes! {
    UnknownSchema = "X001", "The document follows a schema that is not known.";
    WrongRoot = "X002", "The root element is not <cib>.";
    UnknownElement = "X010", "The element cannot stand here.";
    MissingElement = "X011", "An element is missing.";
    TooMany = "X012", "An element stands here more often than it may.";
    OutOfOrder = "X013", "An element stands behind one that must come after it.";
    StrayText = "X014", "Text stands where only elements belong.";
    UnknownAttribute = "X020", "The element does not take this attribute.";
    MissingAttribute = "X021", "An attribute is missing.";
    Exclusive = "X022", "Attributes exclude each other.";
    BadValue = "X023", "The attribute cannot have this value.";
    DuplicateId = "X024", "Two elements have the same id.";
    Dangling = "X025", "A reference leads to no element.";
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// The start tag it is about.
    pub span: Span,
    /// The attribute it is about, if it is about one that is there.
    pub attribute: Option<String>,
    /// Another start tag that has to do with it, and what to say there.
    pub related: Option<(Span, String)>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Finding {
    pub(super) fn new(code: Code, span: Span, message: String, help: String) -> Self {
        Self { code, span, attribute: None, related: None, message, help }
    }

    pub(super) fn attribute(mut self, name: &str) -> Self {
        self.attribute = Some(name.to_owned());
        self
    }
}

/// Everything found in a document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What was found, in the order of the text; no more than [`Report::LIMIT`].
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub dropped: usize,
}

impl Report {
    /// No more than this many are kept: what is no CIB at all should not take a gigabyte to say so.
    pub const LIMIT: usize = 200;

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.findings.is_empty() && self.dropped == 0
    }

    pub(super) fn push(&mut self, finding: Finding) {
        if self.findings.len() < Self::LIMIT {
            self.findings.push(finding);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_in_order() {
        let text: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(text.iter().collect::<BTreeSet<_>>().len(), text.len());
        assert!(text.is_sorted());
        assert!(Code::ALL.iter().all(|code| code.meaning().ends_with('.')));
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let mut report = Report::default();
        for _ in 0..500 {
            report.push(Finding::new(
                Code::StrayText,
                Span::default(),
                String::new(),
                String::new(),
            ));
        }
        assert_eq!((report.findings.len(), report.dropped), (Report::LIMIT, 300));
    }
}
