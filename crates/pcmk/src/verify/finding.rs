//! What `crm_verify` can say about a CIB, and how much it weighs.

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// The configuration is not right.
    Error,
    /// Something is wrong in the cluster, not with its configuration: told, but not counted.
    Trouble,
    /// It may be not right.
    Warning,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// What it is, in words.
    pub text: String,
}

/// Findings, each told once.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one, unless it has been told.
    pub(super) fn add(&mut self, weight: Weight, text: String) {
        if !self.0.iter().any(|known| known.text == text) {
            self.0.push(Finding { weight, text });
        }
    }

    /// Adds an error.
    pub(super) fn error(&mut self, text: String) {
        self.add(Weight::Error, text);
    }

    /// Adds a warning.
    pub(super) fn warning(&mut self, text: String) {
        self.add(Weight::Warning, text);
    }

    /// Adds that something is on its way out.
    pub(super) fn deprecated(&mut self, what: &str, instead: &str) {
        let instead = if instead.is_empty() { "leave it out" } else { instead };
        self.warning(format!("{what} is on its way out: {instead}"));
    }

    /// All of them, in the order in which they were found.
    #[must_use]
    pub(super) fn list(self) -> Vec<Finding> {
        self.0
    }
}
