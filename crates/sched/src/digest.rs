//! Digests of parameters: has a definition changed since an operation was executed?

use std::collections::{BTreeMap, HashMap};

use cib::model::{OpRecord, Text};
use md5::{Digest as _, Md5};

use crate::task::{Key, Task};
use crate::world::{NodeId, RscId, World};

/// What a comparison found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Nothing is recorded to compare with.
    Unknown,
    Same,
    /// Something changed that an agent can take in while it runs.
    Reloadable,
    Restart,
    /// Only what is private changed (or was masked).
    PrivateOnly,
}

/// The digest of parameters, as history entries record it.
pub(crate) fn digest<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Text {
    let sorted: BTreeMap<&str, &str> = parameters.collect();
    let mut text = String::from(" <parameters");
    for (name, value) in sorted {
        text.push(' ');
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '&' => text.push_str("&amp;"),
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                '"' => text.push_str("&quot;"),
                '\n' => text.push_str("&#10;"),
                '\t' => text.push_str("&#9;"),
                '\r' => text.push_str("&#13;"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push_str("/>\n");
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        for half in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(half.into(), 16).unwrap_or('0'));
        }
    }
    hex.into()
}

/// Names that are not part of what an agent is given.
fn counts(name: &str) -> bool {
    !matches!(name, "id" | "op-digest" | "crm_feature_set" | "target_rc")
        && !name.starts_with("CRM_meta_")
}

impl World<'_> {
    /// Whether the parameters of a record differ from the configuration at all.
    pub(crate) fn parameters_changed(&mut self, rsc: RscId, node: NodeId, op: &OpRecord) -> bool {
        let task = Task::parse(&op.operation).unwrap_or(Task::Monitor);
        !matches!(self.compare(rsc, node, op, task, false), Change::Unknown | Change::Same)
    }

    /// All parameters of an operation on a node, as far as digests go.
    fn digested(
        &mut self,
        rsc: RscId,
        node: NodeId,
        task: Task,
        interval: i64,
    ) -> (HashMap<Text, Text>, bool) {
        let mut all = self.parameters(rsc, Some(node));
        self.substitute_address(rsc, Some(node), &mut all);
        let mut own = HashMap::new();
        {
            let lookup = |name: &str| self.node_attribute(node, name);
            let facts = cib::rules::Facts { node: Some(&lookup), ..self.facts() };
            if let Some(op) = self.op_for(rsc, &Key::Op(task, interval)) {
                op.parameters.unpack(&facts, &mut own);
            }
        }
        let has_own = interval == 0 && !own.is_empty();
        all.extend(own);
        all.retain(|name, _| counts(name));
        if interval > 0 {
            let timeout = self.op_meta(rsc, &Key::Op(task, interval)).timeout;
            all.insert("CRM_meta_timeout".into(), timeout.to_string().into());
        }
        (all, has_own)
    }

    /// Compares a record with the configuration. `expired` says that its failure has, so that it
    /// is to be done anew in any case.
    pub(crate) fn compare(
        &mut self,
        rsc: RscId,
        node: NodeId,
        op: &OpRecord,
        task: Task,
        expired: bool,
    ) -> Change {
        let (all, has_own) = self.digested(rsc, node, task, op.interval);
        let pairs = || all.iter().map(|(name, value)| (&**name, &**value));
        let full = digest(pairs());
        let restart = op.restart_digest.as_ref().map(|_| match &op.force_restart {
            Some(names) => {
                let names: Vec<&str> = names.split_whitespace().collect();
                digest(pairs().filter(|(name, _)| names.contains(name)))
            }
            None => full.clone(),
        });
        let change = if expired || (op.restart_digest.is_some() && restart != op.restart_digest) {
            Change::Restart
        } else {
            match &op.digest {
                None => Change::Unknown,
                Some(recorded) if *recorded == full => return Change::Same,
                Some(_) if op.interval == 0 && has_own => Change::Restart,
                Some(_) => Change::Reloadable,
            }
        };
        if let (Some(recorded), false) = (&op.secure_digest, expired) {
            let secret = op.secure_params.clone().unwrap_or_default();
            let secret: Vec<&str> = secret.split_whitespace().collect();
            // Once, what the fencer itself evaluates was left out, too.
            let old = op
                .feature_set
                .as_deref()
                .is_some_and(|set| cib::rules::versions(set, "3.16.0").is_lt());
            let skips = old && self[rsc].fence_device;
            let open = digest(pairs().filter(|(name, _)| {
                let fencer =
                    name.starts_with("pcmk_") || matches!(*name, "provides" | "stonith-timeout");
                !secret.contains(name) && *name != "CRM_meta_timeout" && !(skips && fencer)
            }));
            if open == *recorded {
                return Change::PrivateOnly;
            }
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn no_parameters_have_the_digest_everybody_knows() {
        assert_eq!(&*digest(std::iter::empty()), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }
}
