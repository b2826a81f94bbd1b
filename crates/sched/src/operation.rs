//! What the configuration says of an operation: timeout, on-fail, and the like.

use std::collections::HashMap;
use std::sync::Arc;

use cib::model::{Operation, Text};
use cib::rules::Facts;
use cib::value::milliseconds;

use crate::action::OnFail;
use crate::task::{Key, Task};
use crate::world::{Role, RscId, World};

/// What holds of an operation of a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpMeta {
    /// Everything said of it, defaults included.
    pub values: HashMap<Text, Text>,
    /// Milliseconds.
    pub timeout: i64,
    /// What its failure means.
    pub on_fail: OnFail,
    /// The role its resource falls to when it fails.
    pub fail_role: Role,
}

/// Whether an operation is switched on.
pub(crate) fn enabled(op: &Operation) -> bool {
    op.get("enabled").and_then(|text| cib::value::truth(text)).unwrap_or(true)
}

impl<'c> World<'c> {
    /// The configured operation with a name and interval.
    pub(crate) fn configured_op(
        &self,
        rsc: RscId,
        name: &str,
        interval: i64,
    ) -> Option<&Operation> {
        let ops = self[rsc].conf.operations.iter();
        ops.filter(|op| &*op.name == name)
            .find(|op| op.interval.unwrap_or(0).max(0) == interval && enabled(op))
    }

    /// So, by a key; the second look takes what is nearest: a promote's for a promotion's notify,
    /// any monitor's for a probe.
    pub(crate) fn op_for(&self, rsc: RscId, key: &Key) -> Option<&Operation> {
        let (task, interval) = match key {
            Key::Op(task, interval) => (*task, *interval),
            Key::Notify(_, _) => (Task::Notify, 0),
            Key::Named(_) => return None,
        };
        if let Some(op) = self.configured_op(rsc, task.word(), interval) {
            return Some(op);
        }
        // One that is switched off does not run, but says what it would mean.
        let ops = self[rsc].conf.operations.iter();
        let mut off =
            ops.filter(|op| &*op.name == task.word() && op.interval.unwrap_or(0) == interval);
        if let Some(op) = off.next() {
            return Some(op);
        }
        match task {
            Task::MigrateTo | Task::MigrateFrom => self.configured_op(rsc, "migrate", 0),
            // A probe without a configuration of its own takes the timeout of the most frequent
            // monitor.
            Task::Monitor if interval == 0 => None,
            _ => None,
        }
    }

    /// What holds of an operation.
    pub(crate) fn op_meta(&mut self, rsc: RscId, key: &Key) -> Arc<OpMeta> {
        if let Some(known) = self.op_cache.get(&(rsc, key.clone())) {
            return known.clone();
        }
        let meta = Arc::new(self.work_out(rsc, key));
        self.op_cache.insert((rsc, key.clone()), meta.clone());
        meta
    }

    fn work_out(&self, rsc: RscId, key: &Key) -> OpMeta {
        let (task, interval) = match key {
            Key::Op(task, interval) => (*task, *interval),
            _ => (Task::Notify, 0),
        };
        let it = &self[rsc];
        let agent = (&*it.class, &*it.provider, &*it.agent);
        let facts = Facts {
            now: self.now,
            agent: Some(agent),
            operation: Some((task.word(), interval)),
            ..Facts::default()
        };
        let mut values: HashMap<Text, Text> = HashMap::new();
        let op = self.op_for(rsc, key);
        if let Some(op) = op {
            op.meta.unpack(&facts, &mut values);
            for (name, value) in &op.attributes {
                if !matches!(&**name, "id" | "name" | "role" | "enabled" | "id-ref") {
                    values.insert(name.clone(), value.clone());
                }
            }
            if let Some(role) = op.get("role") {
                values.insert("role".into(), role.clone());
            }
        }
        self.cib.operation_defaults.unpack(&facts, &mut values);
        let probe = task == Task::Monitor && interval == 0;
        if probe && op.is_none() {
            let ops = it.conf.operations.iter();
            let monitors = ops.filter(|op| &*op.name == "monitor" && enabled(op));
            let frequent =
                monitors.filter(|op| op.interval.unwrap_or(0) > 0).min_by_key(|op| op.interval);
            if let Some(timeout) = frequent.and_then(|op| {
                let mut meta = HashMap::new();
                op.meta.unpack(&facts, &mut meta);
                op.get("timeout").cloned().or_else(|| meta.get("timeout").cloned())
            }) {
                values.insert("timeout".into(), timeout);
            }
        }
        let timeout = values.get("timeout").and_then(|text| milliseconds(text));
        let timeout = timeout.filter(|ms| *ms >= 0).unwrap_or(20_000);
        let (on_fail, fail_role) = self.on_fail(rsc, task, interval, &values);
        OpMeta { values, timeout, on_fail, fail_role }
    }

    fn on_fail(
        &self,
        rsc: RscId,
        task: Task,
        interval: i64,
        values: &HashMap<Text, Text>,
    ) -> (OnFail, Role) {
        let it = &self[rsc];
        let fencing = self.options.fencing;
        let mut said = values.get("on-fail").map(|text| text.to_ascii_lowercase());
        // A promotion that fails demotes anyway; only a promoted instance's monitor can be asked to.
        if said.as_deref() == Some("demote") {
            let promoted = values.get("role").and_then(|role| Role::parse(role));
            let fits = task == Task::Promote
                || (task == Task::Monitor && interval > 0 && promoted == Some(Role::Promoted))
                || (task == Task::Promote);
            if !fits {
                said = None;
            }
        }
        if said.is_none() && (task == Task::Demote) {
            // A demote fails like the promoted monitor if that one demotes.
            let ops = it.conf.operations.iter();
            let monitor = ops.filter(|op| &*op.name == "monitor" && enabled(op)).find(|op| {
                op.interval.unwrap_or(0) > 0
                    && op.get("role").and_then(|role| Role::parse(role)) == Some(Role::Promoted)
            });
            let inherited =
                monitor.and_then(|op| op.get("on-fail")).map(|text| text.to_ascii_lowercase());
            said = inherited.filter(|word| word != "demote");
        }
        let mut fail_role = Role::Unknown;
        let mut on_fail = match said.as_deref() {
            Some("block") => Some(OnFail::Block),
            Some("fence") if fencing => Some(OnFail::Fence),
            Some("fence") => {
                fail_role = Role::Stopped;
                Some(OnFail::Stop)
            }
            Some("standby") => Some(OnFail::Standby),
            Some("ignore" | "nothing") => Some(OnFail::Ignore),
            Some("stop") => {
                fail_role = Role::Stopped;
                Some(OnFail::Stop)
            }
            Some("restart") => Some(OnFail::Recover),
            Some("restart-container") if it.container.is_some() => Some(OnFail::RestartContainer),
            Some("demote") => Some(OnFail::Demote),
            _ => None,
        };
        let container = it.container.is_some() && !it.is_remote_connection;
        if on_fail.is_none() && container {
            on_fail = Some(OnFail::RestartContainer);
        } else if it.is_remote_connection
            && it.container.is_none()
            && !matches!(
                on_fail,
                Some(
                    OnFail::Block | OnFail::Ignore | OnFail::Stop | OnFail::Standby | OnFail::Fence
                )
            )
            && !(task == Task::Monitor && interval == 0)
            && task != Task::Start
        {
            if it.managed {
                if it.reconnect != 0 {
                    fail_role = Role::Stopped;
                }
                on_fail = Some(OnFail::ResetRemote);
            } else {
                fail_role = Role::Stopped;
                on_fail = Some(OnFail::Stop);
            }
        }
        let on_fail = on_fail.unwrap_or(match task {
            Task::Stop if fencing => OnFail::Fence,
            Task::Stop => OnFail::Block,
            _ => OnFail::Recover,
        });
        if fail_role == Role::Unknown {
            fail_role = if task == Task::Promote { Role::Unpromoted } else { Role::Started };
        }
        (on_fail, fail_role)
    }
}
