//! What the demo says happened, each with whether it did.

/// Sentences that were checked, by chapter. A demo is only as good as the worst of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claims {
    chapters: Vec<(String, Vec<Claim>)>,
}

/// One checked sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The sentence.
    pub text: String,
    /// Whether it was true.
    pub held: bool,
}

impl Claims {
    /// Begins a chapter; the claims that follow are its.
    pub(crate) fn chapter(&mut self, title: &str) {
        self.chapters.push((title.to_owned(), Vec::new()));
    }

    /// Notes a sentence, and whether it is true.
    pub(crate) fn check(&mut self, text: impl Into<String>, held: bool) {
        if self.chapters.is_empty() {
            self.chapter("");
        }
        if let Some((_, claims)) = self.chapters.last_mut() {
            claims.push(Claim { text: text.into(), held });
        }
    }

    /// The chapters in order, each with its claims.
    #[must_use]
    pub fn chapters(&self) -> &[(String, Vec<Claim>)] {
        &self.chapters
    }

    /// How many there are, and how many did not hold.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let all = || self.chapters.iter().flat_map(|(_, claims)| claims);
        (all().count(), all().filter(|claim| !claim.held).count())
    }

    /// Whether something was claimed, and all of it held.
    #[must_use]
    pub fn all_held(&self) -> bool {
        matches!(self.count(), (1.., 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_false_claim_spoils_all_and_none_at_all_proves_nothing() {
        let mut claims = Claims::default();
        assert!(!claims.all_held());
        claims.chapter("one");
        claims.check("true", true);
        assert!(claims.all_held());
        claims.chapter("two");
        claims.check("false", false);
        claims.check("true again", true);
        assert!(!claims.all_held());
        assert_eq!(claims.count(), (3, 1));
        assert_eq!(claims.chapters()[1].1.len(), 2);
    }
}
