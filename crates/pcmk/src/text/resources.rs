//! The list of resources: one line for each primitive, a title and its members for each group.

use std::fmt::Write as _;

use sched::{Observed, ResourceView, Role, Shape};

use super::clones;

/// A state, and what can be asked of its resources.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub seen: &'a Observed,
    pub shown: Shown,
}

/// What of resources is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Where they are.
    pub places: bool,
    /// Those that are nowhere.
    pub inactive: bool,
    /// Operations that are under way.
    pub pending: bool,
}

impl Shown {
    /// All there is.
    pub const ALL: Self = Self { places: true, inactive: true, pending: true };
}

/// Writes the list, if there is anything in it.
pub(super) fn list(list: List<'_>, text: &mut String) {
    let lines = lines(list, 4);
    text.push_str("\n  * Full List of Resources:\n");
    text.push_str(if lines.is_empty() { "    * No resources\n" } else { &lines });
}

/// Its lines, without a title.
pub(super) fn lines(list: List<'_>, indent: usize) -> String {
    let seen = list.seen;
    let mut lines = String::new();
    for top in &seen.top {
        let resource = &seen.resources[*top];
        if resource.internal || (resource.orphan && !list.active(*top, true)) {
            continue;
        }
        list.show(*top, indent, &mut lines);
    }
    lines
}

/// What stands in brackets behind a name.
#[derive(Default)]
pub(super) struct Flags(Vec<String>);

impl Flags {
    pub(super) fn add(&mut self, flag: impl Into<String>) {
        self.0.push(flag.into());
    }

    pub(super) fn text(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!(" ({})", self.0.join(", ")) }
    }
}

/// What an exit code of an agent means.
pub(crate) fn exit_word(rc: i64) -> &'static str {
    match rc {
        0 => "ok",
        1 => "error",
        2 => "invalid parameter",
        3 => "unimplemented feature",
        4 => "insufficient privileges",
        5 => "not installed",
        6 => "not configured",
        7 => "not running",
        8 => "promoted",
        9 => "failed in promoted role",
        190 => "degraded",
        191 => "degraded in promoted role",
        _ => "unknown",
    }
}

impl<'a> List<'a> {
    pub(super) fn resource(&self, at: usize) -> &'a ResourceView {
        &self.seen.resources[at]
    }

    pub(super) fn node_name(&self, at: usize) -> &'a str {
        &self.seen.nodes[at].name
    }

    /// The primitives a resource consists of.
    pub(super) fn leaves(&self, at: usize) -> Vec<usize> {
        let resource = self.resource(at);
        match (&resource.bundle, resource.shape) {
            (_, Shape::Primitive) => vec![at],
            (Some(bundle), _) => {
                let parts = bundle.replicas.iter().flat_map(|replica| {
                    [replica.ip, replica.child, Some(replica.container), replica.remote]
                });
                parts.flatten().flat_map(|part| self.leaves(part)).collect()
            }
            _ => resource.children.iter().flat_map(|child| self.leaves(*child)).collect(),
        }
    }

    /// Whether any (or all) of it runs where that counts.
    pub(super) fn active(&self, at: usize, all: bool) -> bool {
        let resource = self.resource(at);
        if resource.shape == Shape::Primitive {
            return resource.running_on.iter().any(|node| {
                let node = &self.seen.nodes[*node];
                node.unclean || node.online || !resource.managed
            });
        }
        let mut parts = resource.children.iter().map(|child| self.active(*child, all));
        if all {
            !resource.children.is_empty() && parts.all(|part| part)
        } else {
            parts.any(|part| part)
        }
    }

    /// The outermost resource around one.
    fn outermost(&self, resource: &'a ResourceView) -> &'a ResourceView {
        let mut top = resource;
        while let Some(parent) = top.parent.map(|parent| self.resource(parent)) {
            if parent.shape == Shape::Bundle {
                break;
            }
            top = parent;
        }
        top
    }

    /// Whether its target role keeps it from running (or from being promoted).
    pub(super) fn disabled(&self, resource: &'a ResourceView) -> bool {
        match resource.target_role {
            Some(Role::Stopped) => true,
            Some(Role::Unpromoted) => self.outermost(resource).promotable,
            _ => false,
        }
    }

    pub(super) fn flags(&self, resource: &'a ResourceView, first: &[&str]) -> Flags {
        let mut flags = Flags::default();
        for flag in first {
            flags.add(*flag);
        }
        if self.disabled(resource) {
            flags.add("disabled");
        }
        if resource.maintenance {
            flags.add("maintenance");
        } else if !resource.managed {
            flags.add("unmanaged");
        }
        flags
    }

    /// What was found wrong when somebody looked whether it is there.
    pub(super) fn failed_probe(&self, base: &str, node: Option<&str>) -> Option<i64> {
        let mut failed = self.seen.failed.iter().filter(|failed| {
            let of = failed.resource.split(':').next().unwrap_or_default();
            let probe = &*failed.task == "monitor" && failed.interval == 0;
            let hopeless = matches!(failed.rc, 2 | 5) || failed.status == 9;
            probe && hopeless && of == base && node.is_none_or(|name| &*failed.node == name)
        });
        failed.next().map(|failed| failed.rc)
    }

    /// Writes a resource and what is in it.
    pub(super) fn show(&self, at: usize, indent: usize, text: &mut String) {
        let resource = self.resource(at);
        if !self.shown.inactive && !self.active(at, false) {
            return;
        }
        match resource.shape {
            Shape::Primitive => {
                let name = if resource.unique { &resource.id } else { &resource.base };
                self.primitive(resource, name, resource.current, indent, text);
            }
            Shape::Group => {
                let hidden =
                    resource.children.iter().filter(|it| !self.active(**it, false)).count();
                let hidden = match hidden {
                    1 => Some("1 member inactive".to_owned()),
                    more => Some(format!("{more} members inactive")).filter(|_| more > 1),
                };
                let hidden = hidden.filter(|_| !self.shown.inactive);
                let first: Vec<&str> = hidden.as_deref().into_iter().collect();
                let flags = self.flags(resource, &first).text();
                let _ = writeln!(text, "{:indent$}* Resource Group: {}{flags}:", "", resource.id);
                for child in &resource.children {
                    self.show(*child, indent + 2, text);
                }
            }
            Shape::Clone => clones::clone(*self, resource, indent, text),
            Shape::Bundle => clones::bundle(*self, resource, indent, text),
        }
    }

    /// What is under way, if that is told.
    pub(super) fn pending_task(&self, resource: &'a ResourceView) -> Option<&'a str> {
        resource.pending.as_deref().filter(|_| self.shown.pending)
    }

    fn role(&self, resource: &'a ResourceView) -> Role {
        match resource.role {
            Role::Started if self.outermost(resource).promotable => Role::Unpromoted,
            role => role,
        }
    }

    fn state(&self, resource: &'a ResourceView) -> &'static str {
        let role = self.role(resource);
        if resource.failed {
            return if role == Role::Promoted { "FAILED Promoted" } else { "FAILED" };
        }
        match self.pending_task(resource) {
            Some("start") => "Starting",
            Some("stop") => "Stopping",
            Some("promote") => "Promoting",
            Some("demote") => "Demoting",
            Some("migrate_to" | "migrate_from") => "Migrating",
            _ => role.word(),
        }
    }

    /// Writes the line of a primitive that is said to be at a node.
    pub(super) fn primitive(
        &self,
        resource: &'a ResourceView,
        name: &str,
        node: Option<usize>,
        indent: usize,
        text: &mut String,
    ) {
        let colon = if resource.provider.is_empty() { "" } else { ":" };
        let _ = write!(
            text,
            "{:indent$}* {name}\t({}{colon}{}:{}):\t",
            "", resource.class, resource.provider, resource.agent
        );
        if resource.orphan {
            text.push_str(" ORPHANED");
        }
        let _ = write!(text, " {}", self.state(resource));
        // Where it is more than once, all places are listed at the end.
        let several = resource.running_on.len() > 1 && self.shown.places;
        let node = node.filter(|_| !several).map(|node| &self.seen.nodes[node]);
        if let Some(node) = node.filter(|_| self.shown.places) {
            let _ = write!(text, " {}", node.name);
        }
        if self.role(resource) == Role::Stopped {
            let probe = self.failed_probe(&resource.base, node.map(|node| &*node.name));
            if let Some(rc) = probe {
                let _ = write!(text, " ({}) ", exit_word(rc));
            }
        }
        let mut flags = Flags::default();
        if node.is_some_and(|node| !node.online && node.unclean) {
            flags.add("UNCLEAN");
        }
        if resource
            .lock_node
            .is_some_and(|lock| node.is_some_and(|it| it.name == self.seen.nodes[lock].name))
        {
            flags.add("LOCKED");
        }
        if self.pending_task(resource) == Some("monitor") {
            flags.add("Monitoring");
        }
        match resource.target_role {
            Some(Role::Stopped) => flags.add("disabled"),
            Some(Role::Unpromoted) if self.outermost(resource).promotable => {
                flags.add("target-role:Unpromoted");
            }
            _ => {}
        }
        if resource.blocked {
            flags.add("blocked");
        } else if resource.maintenance {
            flags.add("maintenance");
        } else if !resource.managed {
            flags.add("unmanaged");
        }
        if resource.failure_ignored {
            flags.add("failure ignored");
        }
        text.push_str(&flags.text());
        if several {
            let names: Vec<&str> =
                resource.running_on.iter().map(|node| self.node_name(*node)).collect();
            let _ = write!(text, " [ {} ]", names.join(" "));
        }
        text.push('\n');
    }
}
