//! What is done for somebody who may not do everything.
//!
//! It is judged where it is applied, by the ACLs the document has then: whoever may change them cannot
//! be overtaken by what was asked for before. It is carried out as for anybody else, and what it has
//! changed is held against what the account may change; if that is too much, nothing has happened.

use cib::acl::Acl;

use super::{Refusal, State};
use crate::operation::{Entry, Operation};

impl State {
    pub(super) fn change_as(
        &mut self,
        entry: &Entry,
        user: &str,
        groups: &[String],
        operation: &Operation,
    ) -> Result<bool, Refusal> {
        let theirs = matches!(
            operation,
            Operation::Cib { .. }
                | Operation::Attribute { .. }
                | Operation::Private { .. }
                | Operation::Forget { .. }
                | Operation::Absolve { .. }
        );
        if !theirs {
            return Err(Refusal::Denied(format!("{user} cannot ask for that: only root can")));
        }
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let acl = Acl::of(&self.cib, user, &groups);
        if acl.is_unbound() {
            return self.change(entry, operation);
        }
        let before = self.clone();
        let done = self.change(entry, operation);
        let allowed = done.and_then(|changed| {
            let denied = |error: cib::acl::Denied| Refusal::Denied(format!("{user} {error}"));
            acl.check(&before.cib, &self.cib).map_err(denied)?;
            // What waits to be written would be by nobody in particular later: it counts as written.
            let mut later = self.clone();
            later.settle_all();
            acl.check(&before.cib, &later.cib).map_err(denied)?;
            Ok(changed)
        });
        if allowed.is_err() {
            *self = before;
        }
        allowed
    }
}
