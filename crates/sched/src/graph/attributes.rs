//! What a step tells its executor: parameters and meta attributes.

use std::collections::BTreeMap;

use cib::model::Text;

use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, RscId, Variant, World};

fn meta_name(name: &str) -> Text {
    format!("CRM_meta_{}", name.replace('-', "_")).into()
}

impl World<'_> {
    pub(super) fn step_attributes(
        &mut self,
        id: ActionId,
        node: Option<NodeId>,
    ) -> Vec<(Text, Text)> {
        let mut all: BTreeMap<Text, Text> = BTreeMap::new();
        let action = self[id].clone();
        let mut put = |name: &str, value: Text| {
            all.insert(meta_name(name), value);
        };
        if let Some(node) = node {
            put("on_node", self[node].name.clone());
            put("on_node_uuid", self[node].id.clone());
        }
        if let Some(extra) = &action.extra {
            if let Some(rc) = extra.target_rc {
                put("op_target_rc", rc.to_string().into());
            }
            if let Some(op) = &extra.fence_op {
                put("stonith_action", op.clone());
            }
            if let Some((source, target)) = extra.migration {
                put("migrate_source", self[source].name.clone());
                put("migrate_target", self[target].name.clone());
            }
            if let Some((task, interval)) = extra.cancels {
                put("operation", task.word().into());
                put("interval", interval.to_string().into());
            }
            for (name, value) in &extra.meta {
                put(name, value.clone());
            }
        }
        let Some(rsc) = action.rsc else { return all.into_iter().collect() };
        if let Key::Notify(phase, about) = &action.key {
            put("notify_key_type", phase.word().into());
            put("notify_key_operation", about.word().into());
            put(
                "notify_type",
                if phase.word().ends_with("pre") { "pre".into() } else { "post".into() },
            );
            let about =
                action.extra.as_ref().and_then(|extra| extra.about).unwrap_or(about.undone());
            put("notify_operation", about.word().into());
        }
        if self[rsc].variant == Variant::Primitive && (!action.pseudo() || action.node.is_some()) {
            let meta = self.op_meta(rsc, &action.key);
            for (name, value) in &meta.values {
                if matches!(&**name, "timeout" | "interval" | "requires") {
                    continue;
                }
                all.entry(meta_name(name)).or_insert_with(|| value.clone());
            }
            all.insert("CRM_meta_timeout".into(), meta.timeout.to_string().into());
            if action.interval() > 0 {
                all.insert("CRM_meta_interval".into(), action.interval().to_string().into());
                let task = action.task.word().into();
                all.entry("CRM_meta_name".into()).or_insert(task);
            }
            let mut parameters = self.parameters(rsc, action.node);
            self.substitute_address(rsc, action.node, &mut parameters);
            for (name, value) in parameters {
                all.entry(name).or_insert(value);
            }
        }
        self.parent_attributes(rsc, &mut all);
        let _ = Task::Start;
        all.into_iter().collect()
    }

    fn parent_attributes(&self, rsc: RscId, all: &mut BTreeMap<Text, Text>) {
        let mut at = Some(rsc);
        while let Some(id) = at {
            let it = &self[id];
            if let Some(number) = it.meta.get("clone") {
                all.entry("CRM_meta_clone".into()).or_insert_with(|| number.clone());
            }
            if it.variant == Variant::Clone {
                let yes = |on: bool| -> Text { if on { "true".into() } else { "false".into() } };
                let mut put = |name: &str, value: Text| {
                    all.insert(meta_name(name), value);
                };
                put("globally_unique", yes(it.unique));
                put("notify", yes(it.notify));
                put("clone_max", it.instances.max.to_string().into());
                put("clone_node_max", it.instances.node_max.to_string().into());
                if it.promotable {
                    let (max, node_max) =
                        (it.instances.promoted_max, it.instances.promoted_node_max);
                    for name in ["promoted_max", "master_max"] {
                        put(name, max.to_string().into());
                    }
                    for name in ["promoted_node_max", "master_node_max"] {
                        put(name, node_max.to_string().into());
                    }
                }
            }
            at = it.parent;
        }
    }
}
