//! The page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cib::Score;
use cib::dates::WallTime;
use sched::{FailedView, Role, Shape};

use super::super::fencing;
use super::super::node_id;
use super::super::pairs::Place;
use super::{Scene, View, history, plural, stamp, status_word};
use crate::text::{self, Shown, nodes, resources::exit_word};

pub(super) fn page(scene: &Scene<'_>, view: &View) -> String {
    let mut parts: Vec<String> = Vec::new();
    for section in [
        "summary",
        "nodes",
        "resources",
        "attributes",
        "operations",
        "failcounts",
        "failures",
        "fencing",
        "bans",
    ] {
        // Operations are told with what was counted.
        let told = section == "failcounts" && view.has("operations");
        if told || !view.has(section) {
            continue;
        }
        let part = match section {
            "summary" => summary(scene),
            "nodes" => node_list(scene, view),
            "resources" => resource_list(scene, view),
            "attributes" => attributes(scene),
            "operations" => operations(scene, view.timing),
            "failcounts" => fail_counts(scene),
            "failures" => failures(scene),
            "fencing" => fencings(scene),
            _ => bans(scene),
        };
        parts.extend(Some(part).filter(|it| !it.is_empty()));
    }
    parts.join("\n")
}

fn summary(scene: &Scene<'_>) -> String {
    let seen = &scene.sheet.seen;
    let said = |name: &str| scene.option(name).unwrap_or_else(|| "unknown".into());
    let mut text = format!("Cluster Summary:\n  * Stack: {}\n", said("cluster-infrastructure"));
    let quorum = if seen.quorate { "with quorum" } else { "WITHOUT quorum" };
    let _ = match seen.nodes.iter().find(|it| it.is_dc) {
        Some(dc) => writeln!(
            text,
            "  * Current DC: {} (version {}) - partition {quorum}",
            dc.name,
            said("dc-version")
        ),
        None => writeln!(text, "  * Current DC: NONE"),
    };
    let _ = writeln!(text, "  * Last updated: {}", stamp(scene.around.now));
    let root = &scene.sheet.root;
    let by = [("update-user", "by"), ("update-client", "via"), ("update-origin", "on")];
    let by: String = by
        .iter()
        .filter_map(|(name, word)| {
            Some(format!(" {word} {}", root.get(name).filter(|it| !it.is_empty())?))
        })
        .collect();
    let written = root.get("cib-last-written").unwrap_or_default();
    let _ = writeln!(text, "  * Last change:  {written}{by}");
    let (nodes, leaves) = (seen.nodes.len(), super::instances(scene));
    let _ = writeln!(text, "  * {nodes} node{} configured", plural(nodes));
    let of = |is: &dyn Fn(&&sched::ResourceView) -> bool| {
        seen.resources
            .iter()
            .filter(|it| it.shape == Shape::Primitive && !it.orphan)
            .filter(is)
            .count()
    };
    let disabled = of(&|it| it.target_role == Some(Role::Stopped));
    let blocked = of(&|it| it.blocked);
    let _ = write!(text, "  * {leaves} resource instance{} configured", plural(leaves));
    if disabled > 0 || blocked > 0 {
        let mut parts = Vec::new();
        if disabled > 0 {
            parts.push(format!("{disabled} DISABLED"));
        }
        if blocked > 0 {
            parts.push(format!("{blocked} BLOCKED from further action due to failure"));
        }
        let _ = write!(text, " ({})", parts.join(", "));
    }
    text.push('\n');
    if seen.maintenance_mode {
        text.push_str("\n              *** Resource management is DISABLED ***\n");
        text.push_str("  The cluster will not attempt to start, stop or recover services\n");
    }
    text
}

fn node_list(scene: &Scene<'_>, view: &View) -> String {
    let seen = &scene.sheet.seen;
    let mut text = String::from("Node List:\n");
    if !view.by_node {
        nodes::lines(seen, 2, &mut text);
        return text;
    }
    let shown = Shown { places: false, inactive: true, pending: true };
    for (at, node) in seen.nodes.iter().enumerate() {
        let state = nodes::state(node).unwrap_or(if node.online { "online" } else { "OFFLINE" });
        let _ =
            writeln!(text, "  * {} {}: {state}:\n    * Resources:", nodes::kind(node), node.name);
        for it in &seen.resources {
            if it.shape == Shape::Primitive && it.running_on.contains(&at) {
                let _ = write!(text, "      * {}", text::resource(seen, it, shown));
            }
        }
    }
    text
}

fn resource_list(scene: &Scene<'_>, view: &View) -> String {
    let seen = &scene.sheet.seen;
    if view.by_node {
        let mut idle = seen.clone();
        idle.top.retain(|top| {
            let leaves = leaves(seen, *top);
            leaves.iter().any(|leaf| seen.resources[*leaf].running_on.is_empty())
        });
        let lines = text::resources(&idle, 2, Shown::ALL);
        let hide = !view.inactive || lines.is_empty();
        return if hide { String::new() } else { format!("Inactive Resources:\n{lines}") };
    }
    let title = if view.inactive { "Full List of Resources" } else { "Active Resources" };
    let lines = text::resources(seen, 2, Shown { inactive: view.inactive, ..Shown::ALL });
    let none = if view.inactive { "  * No resources\n" } else { "  * No active resources\n" };
    format!("{title}:\n{}", if lines.is_empty() { none } else { &lines })
}

fn leaves(seen: &sched::Observed, at: usize) -> Vec<usize> {
    let it = &seen.resources[at];
    if it.shape == Shape::Primitive {
        return vec![at];
    }
    it.children.iter().flat_map(|child| leaves(seen, *child)).collect()
}

/// Attributes people asked for: not those by which the cluster keeps its own books.
pub(super) fn attributes_of(scene: &Scene<'_>, name: &str, id: &str) -> BTreeMap<String, String> {
    let own = ["fail-count", "last-failure", "terminate", "standby", "probe_complete", "shutdown"];
    let root = &scene.sheet.root;
    let all = Place::node(id, false).all(root).into_iter();
    let all = all.chain(Place::transient(id, name).all(root));
    all.filter(|it| {
        !own.iter().any(|prefix| it.name.starts_with(prefix)) && !it.name.starts_with('#')
    })
    .map(|it| (it.name, it.value))
    .collect()
}

fn attributes(scene: &Scene<'_>) -> String {
    let mut text = String::new();
    for node in scene.sheet.seen.nodes.iter().filter(|it| it.online) {
        let all = attributes_of(scene, &node.name, &node.id);
        if all.is_empty() {
            continue;
        }
        if text.is_empty() {
            text.push_str("Node Attributes:\n");
        }
        let _ = writeln!(text, "  * {}: {}:", nodes::kind(node), node.name);
        for (name, value) in all {
            let _ = writeln!(text, "    * {name:<32}\t: {value:<10}");
        }
    }
    text
}

fn operations(scene: &Scene<'_>, timing: bool) -> String {
    let mut text = String::new();
    let (mut node, mut resource) = (String::new(), String::new());
    for done in history(&scene.sheet.root) {
        if text.is_empty() {
            text.push_str("Operations:\n");
        }
        if done.node != node {
            node.clone_from(&done.node);
            resource.clear();
            let _ = writeln!(text, "  * Node: {node}:");
        }
        if done.resource != resource {
            resource.clone_from(&done.resource);
            let id = node_id(&scene.sheet.root, &node).map(|(id, _)| id).unwrap_or_default();
            let counts = counted(scene, &id, &node);
            let _ = writeln!(text, "    * {}:", threshold(scene, &resource, counts.get(&resource)));
        }
        let task = if done.task == "monitor" && done.interval == 0 { "probe" } else { &done.task };
        let _ = write!(text, "      * ({}) {task}", done.call);
        if done.interval > 0 {
            let _ = write!(text, ": interval=\"{}ms\"", done.interval);
        }
        if timing {
            let colon = if done.interval > 0 { "" } else { ":" };
            let _ = write!(
                text,
                "{colon} last-rc-change=\"{}\" exec-time=\"{}ms\" queue-time=\"{}ms\" rc={} ({})",
                done.changed,
                done.exec,
                done.queue,
                done.rc,
                exit_word(done.rc)
            );
        }
        text.push('\n');
    }
    text
}

/// The failures of a node's resources: how many are counted, and when the last one was.
pub(super) fn counted(scene: &Scene<'_>, id: &str, name: &str) -> BTreeMap<String, (Score, i64)> {
    let mut counts: BTreeMap<String, (Score, i64)> = BTreeMap::new();
    for it in Place::transient(id, name).all(&scene.sheet.root) {
        let count = it.name.strip_prefix("fail-count-").and_then(|it| it.split('#').next());
        let last = it.name.strip_prefix("last-failure-").and_then(|it| it.split('#').next());
        if let (Some(of), Some(by)) = (count, Score::parse(&it.value)) {
            let entry = counts.entry(of.to_owned()).or_insert((Score::ZERO, 0));
            entry.0 = entry.0 + by;
        }
        if let (Some(of), Ok(at)) = (last, it.value.parse::<i64>()) {
            let entry = counts.entry(of.to_owned()).or_insert((Score::ZERO, 0));
            entry.1 = entry.1.max(at);
        }
    }
    counts.retain(|_, (count, _)| *count != Score::ZERO);
    counts
}

fn threshold(scene: &Scene<'_>, of: &str, failures: Option<&(Score, i64)>) -> String {
    let mut text = format!("{of}: migration-threshold={}", scene.threshold(of));
    if let Some((count, last)) = failures {
        let _ = write!(text, " fail-count={count}");
        if *last > 0 {
            let _ = write!(text, " last-failure='{}'", stamp(WallTime(*last)));
        }
    }
    text
}

fn fail_counts(scene: &Scene<'_>) -> String {
    let mut text = String::new();
    for node in &scene.sheet.seen.nodes {
        let counts = counted(scene, &node.id, &node.name);
        if counts.is_empty() {
            continue;
        }
        if text.is_empty() {
            text.push_str("Migration Summary:\n");
        }
        let _ = writeln!(text, "  * {}: {}:", nodes::kind(node), node.name);
        for (of, failures) in &counts {
            let _ = writeln!(text, "    * {}", threshold(scene, of, Some(failures)));
        }
    }
    text
}

/// A span in the largest unit that has no rest.
fn every(millis: i64) -> String {
    match millis {
        it if it % 3_600_000 == 0 => format!("{}h", it / 3_600_000),
        it if it % 60_000 == 0 => format!("{}m", it / 60_000),
        it if it % 1_000 == 0 => format!("{}s", it / 1_000),
        it => format!("{it}ms"),
    }
}

/// How a failure is told.
pub(crate) fn failure(it: &FailedView) -> String {
    let task = match (&*it.task, it.interval) {
        ("monitor", 0) => "probe".to_owned(),
        (task, 0) => task.to_owned(),
        (task, millis) => format!("{}-interval {task}", every(millis)),
    };
    let mut text = format!("{} {task} on {}", it.resource, it.node);
    let _ = match it.status {
        0 => write!(text, " returned '{}'", exit_word(it.rc)),
        -1 => write!(text, " pending"),
        status => {
            let reason = it.reason.as_deref().map_or_else(String::new, |it| format!(": {it}"));
            write!(text, " could not be executed ({}{reason})", status_word(status))
        }
    };
    if let Some(reason) = it.reason.as_deref().filter(|_| it.status == 0) {
        let _ = write!(text, " ({reason})");
    }
    if let Some(at) = it.last_rc_change {
        let _ = write!(text, " at {}", stamp(WallTime(at)));
    }
    if let Some(took) =
        it.exec_time.as_deref().and_then(|it| it.parse::<i64>().ok()).filter(|it| *it > 0)
    {
        let _ = write!(text, " after {}", span(took));
    }
    text
}

/// A span in all units it has.
fn span(millis: i64) -> String {
    let (seconds, rest) = (millis / 1_000, millis % 1_000);
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m")];
    let mut text: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if rest == 0 {
        let _ = write!(text, "{}s", seconds % 60);
    } else if seconds == 0 {
        let _ = write!(text, "{rest}ms");
    } else {
        let _ = write!(text, "{}.{rest:03}s", seconds % 60);
    }
    text
}

fn failures(scene: &Scene<'_>) -> String {
    let failed = &scene.sheet.seen.failed;
    if failed.is_empty() {
        return String::new();
    }
    let lines: String = failed.iter().map(|it| format!("  * {}\n", failure(it))).collect();
    format!("Failed Resource Actions:\n{lines}")
}

fn fencings(scene: &Scene<'_>) -> String {
    let Some(here) = scene.here.as_ref().filter(|it| !it.fencings.is_empty()) else {
        return String::new();
    };
    let lines = here.fencings.iter().rev().map(|it| format!("  * {}\n", fencing::line(it)));
    format!("Fencing History:\n{}", lines.collect::<String>())
}

fn bans(scene: &Scene<'_>) -> String {
    let mut lines = String::new();
    for ban in super::bans(scene) {
        let what = if ban.promoted { "from being promoted" } else { "from running" };
        let _ = writeln!(lines, "  * {}\tprevents {} {what} on {}", ban.id, ban.resource, ban.node);
    }
    if lines.is_empty() { lines } else { format!("Negative Location Constraints:\n{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_with_all_that_is_known_of_them() {
        let it = FailedView {
            resource: "b".into(),
            node: "n2".into(),
            task: "start".into(),
            interval: 0,
            rc: 198,
            status: 2,
            call_id: 12,
            reason: Some("Resource agent did not complete in time".into()),
            last_rc_change: Some(1_700_000_200),
            exec_time: Some("20002".into()),
            queue_time: None,
        };
        assert_eq!(
            failure(&it),
            "b start on n2 could not be executed (Timed Out: Resource agent did not complete in \
             time) at Tue Nov 14 22:16:40 2023 after 20.002s"
        );
        let monitor = FailedView {
            task: "monitor".into(),
            interval: 90_000,
            rc: 7,
            status: 0,
            reason: None,
            exec_time: Some("0".into()),
            ..it
        };
        assert_eq!(
            failure(&monitor),
            "b 90s-interval monitor on n2 returned 'not running' at Tue Nov 14 22:16:40 2023"
        );
        for (millis, text) in
            [(20, "20ms"), (1_000, "1s"), (61_500, "1m1.500s"), (3_600_000, "1h0s")]
        {
            assert_eq!(span(millis), text);
        }
    }
}
