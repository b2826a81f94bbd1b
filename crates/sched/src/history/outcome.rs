//! What one record of a history means.

use cib::Score;
use cib::model::{History, OpRecord};

use crate::action::{Flags, OnFail};
use crate::task::{Key, Task};
use crate::world::{NodeId, NodeKind, Role, RscId, Variant, World};

/// A record with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub rsc: RscId,
    pub node: NodeId,
    pub op: &'a OpRecord,
    pub state: usize,
    pub history: usize,
    pub index: usize,
}

/// How an operation ended, after all translations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Pending,
    Done,
    NotInstalled,
    NotConnected,
    Error,
    Hard,
    Fatal,
    Cancelled,
}

const NOT_RUNNING: i64 = 7;
const PROMOTED: i64 = 8;

impl Record<'_> {
    pub(crate) fn probe(&self) -> bool {
        &*self.op.operation == "monitor" && self.op.interval == 0
    }

    fn expected(&self) -> i64 {
        self.op.key.as_ref().map_or(-1, |key| key.target_rc)
    }

    /// A probe that fails because the agent is not there tells that nothing runs.
    fn masked(&self) -> bool {
        self.probe() && (matches!(self.op.rc, Some(5 | 2)) || self.op.status == Some(7))
    }
}

impl<'c> World<'c> {
    pub(crate) fn set_active(&mut self, rsc: RscId) {
        let top = self.top_of(rsc, false);
        self[rsc].role = if self[top].promotable { Role::Unpromoted } else { Role::Started };
    }

    /// Replays one record.
    pub(crate) fn replay(
        &mut self,
        record: &Record<'c>,
        last_failure: &mut Option<usize>,
        on_fail: &mut OnFail,
        history: &'c History,
    ) {
        let op = record.op;
        if op.operation.is_empty()
            || !matches!(
                &*op.operation,
                "monitor"
                    | "start"
                    | "stop"
                    | "promote"
                    | "demote"
                    | "migrate_to"
                    | "migrate_from"
                    | "reload"
                    | "reload-agent"
                    | "asyncmon"
            )
        {
            return;
        }
        let (rsc, node) = (record.rsc, record.node);
        let expired = self.expired(record);
        let (status, rc) = self.translate(record, expired, on_fail);
        let masked = !self.in_bundle(rsc) && record.masked();
        let expected = record.expected();
        if expired && self.forget(record, rc, masked) {
            return;
        }
        if masked {
            self.update_state(record, expected, *last_failure, on_fail, history);
            self.note_failure(record);
            let target = self.ban_target(rsc);
            self.ban(target, Some(node), "masked-probe-failure");
            return;
        }
        match status {
            Status::Pending => self.pending(record, *last_failure, history),
            Status::Cancelled => {}
            Status::Done => self.update_state(record, rc, *last_failure, on_fail, history),
            Status::NotInstalled => {
                let (mut strategy, fail_role) = self.strategy(record);
                if strategy == OnFail::Ignore {
                    strategy = OnFail::Recover;
                }
                let target = self.ban_target(rsc);
                self.ban(target, Some(node), "hard-error");
                self.fail(record, rc, strategy, fail_role, on_fail);
                *last_failure = Some(record.index);
            }
            Status::NotConnected | Status::Error | Status::Hard | Status::Fatal => {
                if status == Status::NotConnected && self.is_guest_or_remote(node) {
                    if let Some(connection) = self[node].remote {
                        if self[connection].managed {
                            self[connection].failed = true;
                            self[connection].stop_requested = true;
                        }
                    }
                }
                self.failed(record, status, rc, last_failure, on_fail, history);
            }
        }
    }

    fn failed(
        &mut self,
        record: &Record<'c>,
        status: Status,
        rc: i64,
        last_failure: &mut Option<usize>,
        on_fail: &mut OnFail,
        history: &'c History,
    ) {
        let (strategy, fail_role) = self.strategy(record);
        let stop = &*record.op.operation == "stop";
        if strategy == OnFail::Ignore || (strategy == OnFail::RestartContainer && stop) {
            self.update_state(record, record.expected(), *last_failure, on_fail, history);
            self[record.rsc].failure_ignored = true;
            self.note_failure(record);
            let mild = matches!(*on_fail, OnFail::Ignore | OnFail::Demote | OnFail::Recover);
            if strategy == OnFail::RestartContainer && mild {
                *on_fail = strategy;
            }
            return;
        }
        self.fail(record, rc, strategy, fail_role, on_fail);
        *last_failure = Some(record.index);
        let target = self.ban_target(record.rsc);
        match status {
            Status::Hard => self.ban(target, Some(record.node), "hard-error"),
            Status::Fatal => self.ban(target, None, "fatal-error"),
            _ => {}
        }
    }

    fn ban_target(&self, rsc: RscId) -> RscId {
        if self[rsc].unique { rsc } else { self.top_of(rsc, false) }
    }

    fn strategy(&mut self, record: &Record<'_>) -> (OnFail, Role) {
        let task = Task::parse(&record.op.operation).unwrap_or(Task::Monitor);
        let meta = self.op_meta(record.rsc, &Key::Op(task, record.op.interval));
        (meta.on_fail, meta.fail_role)
    }

    fn translate(
        &mut self,
        record: &Record<'_>,
        expired: bool,
        on_fail: &mut OnFail,
    ) -> (Status, i64) {
        let (rsc, node, op) = (record.rsc, record.node, record.op);
        let mut rc = op.rc.unwrap_or(1);
        if matches!(rc, 190 | 191) {
            rc = if rc == 190 { 0 } else { PROMOTED };
            if !expired && (!self[node].shutdown || self[node].online) {
                self.note_failure(record);
            }
        }
        let mut status = op.status.unwrap_or(4);
        if !self.in_bundle(rsc) && record.masked() && (status != 0 || rc != NOT_RUNNING) {
            status = 0;
            rc = NOT_RUNNING;
        }
        let mut result = match status {
            -1 => return (Status::Pending, rc),
            0 | 4 => Status::Done,
            1 => return (Status::Cancelled, rc),
            5 => return (Status::Hard, rc),
            6 => return (Status::Fatal, rc),
            7 => return (Status::NotInstalled, rc),
            8 => return (Status::NotConnected, rc),
            10 | 11 => return (Status::Hard, rc),
            // Timeouts, and what an agent does not support.
            _ => return (Status::Error, rc),
        };
        let (expected, probe) = (record.expected(), record.probe());
        if rc != expected {
            result = Status::Error;
        }
        match rc {
            0 => {
                if probe && expected == NOT_RUNNING {
                    result = Status::Done;
                }
            }
            NOT_RUNNING => {
                if probe || expected == rc || !self[rsc].managed {
                    result = Status::Done;
                    self[rsc].role = Role::Stopped;
                    *on_fail = OnFail::Ignore;
                    self[rsc].next_role = Role::Unknown;
                }
            }
            PROMOTED => {
                if probe && rc != expected {
                    result = Status::Done;
                }
                if !expired || rc == expected {
                    self[rsc].role = Role::Promoted;
                }
            }
            9 => {
                if !expired {
                    self[rsc].role = Role::Promoted;
                }
                result = Status::Error;
            }
            6 => result = Status::Fatal,
            3 if op.interval != 0 => result = Status::Error,
            2..=5 => {
                if !expired && &*op.operation == "stop" && !self.can_fence(node) {
                    self[rsc].managed = false;
                    self[rsc].blocked = true;
                }
                result = Status::Hard;
            }
            _ => {}
        }
        (result, rc)
    }

    /// Leaves out what has expired; whether there is nothing more to do.
    fn forget(&mut self, record: &Record<'_>, rc: i64, masked: bool) -> bool {
        let (rsc, node) = (record.rsc, record.node);
        if masked && record.op.rc.unwrap_or(1) != record.expected() {
            if self[rsc].role <= Role::Stopped {
                self[rsc].role = Role::Unknown;
            }
            return true;
        }
        if rc == record.expected() {
            return false;
        }
        if record.op.interval == 0 {
            return true;
        }
        if self[node].online && !self[node].unclean {
            // The monitor is to be asked anew.
            self.expired_monitors.push((rsc, node, record.state, record.history, record.index));
            return true;
        }
        false
    }

    fn pending(&mut self, record: &Record<'_>, last_failure: Option<usize>, history: &'c History) {
        let (rsc, node, op) = (record.rsc, record.node, record.op);
        if let Some(failure) = last_failure.and_then(|at| history.operations.get(at)) {
            let same = failure.operation == op.operation && failure.interval == op.interval;
            let newer = match (op.last_rc_change, failure.last_rc_change) {
                (Some(this), Some(that)) => that >= this,
                _ => false,
            };
            if same && newer {
                return;
            }
        }
        match &*op.operation {
            "start" => {
                self[rsc].start_pending = true;
                self.set_active(rsc);
            }
            "promote" => self[rsc].role = Role::Promoted,
            "migrate_to" if self[node].unclean => {
                // What was on its way to the target may have got there.
                let target = op.migrate_target.clone().and_then(|name| self.node_named(&name));
                if let Some(target) = target {
                    self.act(rsc, Key::STOP, Some(target), false);
                }
            }
            _ => {}
        }
        if self[rsc].pending_task.is_none() && !record.probe() {
            self[rsc].pending_task = Some(op.operation.clone());
            self[rsc].pending_node = Some(node);
        }
    }

    fn update_state(
        &mut self,
        record: &Record<'c>,
        rc: i64,
        last_failure: Option<usize>,
        on_fail: &mut OnFail,
        history: &'c History,
    ) {
        let (rsc, op) = (record.rsc, record.op);
        let mut clear = false;
        if rc == 5 || (!self.in_bundle(rsc) && record.masked()) {
            self[rsc].role = Role::Stopped;
        } else if rc == NOT_RUNNING {
            clear = true;
        } else {
            match &*op.operation {
                "monitor" => {
                    let failure = last_failure.and_then(|at| history.operations.get(at));
                    clear = failure.is_some_and(|failure| {
                        failure.operation == op.operation && failure.interval == op.interval
                    });
                    if self[rsc].role < Role::Started {
                        self.set_active(rsc);
                    }
                }
                "start" | "migrate_from" => {
                    self[rsc].role = Role::Started;
                    clear = true;
                }
                "stop" => {
                    self[rsc].role = Role::Stopped;
                    clear = true;
                }
                "promote" => {
                    self[rsc].role = Role::Promoted;
                    clear = true;
                }
                "demote" => {
                    clear = *on_fail == OnFail::Demote;
                    self[rsc].role = Role::Unpromoted;
                }
                "migrate_to" => self.migrated_away(record),
                _ => {
                    if self[rsc].role < Role::Started {
                        self.set_active(rsc);
                    }
                }
            }
        }
        if !clear {
            return;
        }
        match *on_fail {
            OnFail::Stop | OnFail::Standby | OnFail::Fence => {}
            OnFail::ResetRemote if self[rsc].reconnect != 0 => {}
            _ => {
                *on_fail = OnFail::Ignore;
                self[rsc].next_role = Role::Unknown;
            }
        }
    }

    fn fail(
        &mut self,
        record: &Record<'c>,
        rc: i64,
        strategy: OnFail,
        fail_role: Role,
        on_fail: &mut OnFail,
    ) {
        let (rsc, node) = (record.rsc, record.node);
        if self.options.symmetric || rc != 5 {
            self.note_failure(record);
        }
        *on_fail = on_fail.worse(strategy);
        match &*record.op.operation {
            "stop" => self.ban(rsc, Some(node), "__stop_fail__"),
            "migrate_to" => self.migrate_to_failed(record),
            "migrate_from" => self.migrate_from_failed(record),
            "promote" => self[rsc].role = Role::Promoted,
            "demote" if strategy == OnFail::Block => {
                self[rsc].role = Role::Promoted;
                self[rsc].next_role = Role::Stopped;
            }
            "demote" if rc == NOT_RUNNING => self[rsc].role = Role::Stopped,
            "demote" => self[rsc].role = Role::Unpromoted,
            _ => {}
        }
        if record.probe() && rc == 5 {
            self[rsc].role = Role::Stopped;
        } else if self[rsc].role < Role::Started {
            self.set_active(rsc);
        }
        if fail_role != Role::Started && self[rsc].next_role < fail_role {
            self[rsc].next_role = fail_role;
        }
        if fail_role == Role::Stopped {
            self.ban_everywhere(rsc);
        }
    }

    /// What the whole history of a resource on a node comes to.
    pub(crate) fn conclude(&mut self, rsc: RscId, node: NodeId, on_fail: OnFail) {
        let active = self[rsc].role > Role::Stopped;
        if self[rsc].role != Role::Unknown {
            let mut at = Some(rsc);
            while let Some(id) = at {
                if !self[id].known_on.contains(&node) {
                    self[id].known_on.push(node);
                }
                at = if self[id].unique { None } else { self[id].parent };
            }
        }
        if active && !self[node].online && !self[node].maintenance && self[rsc].managed {
            self.lost_with_node(rsc, node);
        }
        let effective = if self[node].unclean { OnFail::Ignore } else { on_fail };
        self.respond(rsc, node, effective, active);
        if self[rsc].failed && self[rsc].is_remote_connection {
            let name = self[rsc].id.clone();
            if let Some(remote) = self.node_named(&name) {
                if self[remote].unclean {
                    self[remote].unseen = false;
                }
            }
        }
        if active {
            self.add_running(rsc, node, on_fail != OnFail::Ignore);
            match effective {
                OnFail::Ignore => {}
                OnFail::Demote | OnFail::Block => self[rsc].failed = true,
                _ => {
                    self[rsc].failed = true;
                    self[rsc].stop_requested = true;
                }
            }
        } else if self[rsc].history_id.as_deref().is_some_and(|id| id.contains(':')) {
            self[rsc].history_id = None;
        } else {
            for stop in self.tasks_of(rsc, Task::Stop, Some(node)) {
                self[stop].flags.insert(Flags::OPTIONAL);
            }
        }
        let it = &self[rsc];
        if it.role == Role::Stopped
            && !it.running_on.is_empty()
            && it.partial_target.is_some()
            && it.partial_source == Some(node)
        {
            self[rsc].role = Role::Started;
        }
    }

    fn lost_with_node(&mut self, rsc: RscId, node: NodeId) {
        let mut fence = false;
        if self.is_guest(node) {
            self[rsc].failed = true;
            self[rsc].stop_requested = true;
            fence = true;
        } else if self.options.fencing {
            if self.is_remote(node) {
                if let Some(connection) = self[node].remote {
                    if !self[connection].failed {
                        // Only if the connection cannot be had elsewhere.
                        self[node].unseen = true;
                    }
                }
            }
            fence = true;
        }
        if fence {
            let reason = format!("{} is thought to be active there", self[rsc].id);
            self.want_fencing(node, &reason, false);
        }
    }

    fn respond(&mut self, rsc: RscId, node: NodeId, on_fail: OnFail, active: bool) {
        match on_fail {
            OnFail::Ignore => {}
            OnFail::Demote => {
                self[rsc].failed = true;
                self.act(rsc, Key::DEMOTE, Some(node), false);
            }
            OnFail::Fence => {
                let reason = format!("{} failed there", self[rsc].id);
                self.want_fencing(node, &reason, false);
            }
            OnFail::Standby => {
                self[node].standby = true;
                self[node].standby_onfail = true;
            }
            OnFail::Block => {
                self[rsc].managed = false;
                self[rsc].blocked = true;
            }
            OnFail::Stop => self[rsc].next_role = Role::Stopped,
            OnFail::Recover => {
                if active {
                    self[rsc].failed = true;
                    self[rsc].stop_requested = true;
                    self.act(rsc, Key::STOP, Some(node), false);
                }
            }
            OnFail::RestartContainer => {
                self[rsc].failed = true;
                self[rsc].stop_requested = true;
                match self[rsc].container {
                    Some(container) if self.in_bundle(rsc) => self.stop_needed.push(container),
                    Some(container) => {
                        self.act(container, Key::STOP, Some(node), false);
                    }
                    None if active => {
                        self.act(rsc, Key::STOP, Some(node), false);
                    }
                    None => {}
                }
            }
            OnFail::ResetRemote => {
                self[rsc].failed = true;
                self[rsc].stop_requested = true;
                if self.options.fencing {
                    let name = self[rsc].id.clone();
                    if let Some(remote) = self.node_named(&name) {
                        if self[remote].kind == NodeKind::Remote && !self[remote].remote_was_fenced
                        {
                            self.want_fencing(remote, "remote connection is unrecoverable", false);
                        }
                    }
                }
                if active {
                    self.act(rsc, Key::STOP, Some(node), false);
                }
                if self[rsc].reconnect != 0 {
                    self[rsc].next_role = Role::Stopped;
                }
            }
        }
        let _ = (Score::ZERO, Variant::Primitive);
    }
}
