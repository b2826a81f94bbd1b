//! KEEPALIVED-MIB's tables of what is tracked: what there is, and who tracks what with which weight.

use base::{TrackerKind, Verdict};

use super::facts::{Own, weight_cells};
use super::row;
use super::view::{Scene, View};
use super::{Value, Weighed};

/// Which table says what an instance tracks, which what a group does, and from which column on: of
/// interfaces, scripts, files, processes, sessions.
const TABLES: [(u32, u32, u32); 5] =
    [(4, 14, 1), (5, 15, 2), (12, 16, 2), (20, 22, 2), (17, 19, 2)];

/// All of them.
pub(super) fn tables(view: &mut View, scene: &Scene<'_>) {
    let snapshot = scene.snapshot;
    for (at, one) in snapshot.instances().enumerate() {
        if let Some(own) = scene.facts.instances.get(&one.config.name) {
            tracked(view, own, row(at), |(of_instance, _, _)| of_instance);
        }
    }
    for (at, (_, own)) in scene.facts.groups.iter().enumerate() {
        tracked(view, own, row(at), |(_, of_group, _)| of_group);
    }
    scripts(view, scene);
    files(view, scene);
    processes(view, scene);
    sessions(view, scene);
}

fn tracked(view: &mut View, own: &Own, whose: u32, table: impl Fn((u32, u32, u32)) -> u32) {
    for (tables, list) in TABLES.into_iter().zip(&own.0) {
        for (at, (name, weight, reverse)) in list.iter().enumerate() {
            let column = tables.2;
            let mut cells = vec![(column, Value::text(&**name))];
            cells.extend(weight_cells(column + 1, *weight, *reverse));
            view.vrrp_row(table(tables), &[whose, row(at)], cells);
        }
    }
}

fn weight_of(list: &[Weighed], at: usize) -> (i32, bool) {
    list.get(at).map(|(_, weight, reverse)| (*weight, *reverse)).unwrap_or_default()
}

fn scripts(view: &mut View, scene: &Scene<'_>) {
    let snapshot = scene.snapshot;
    for (at, script) in snapshot.face.scripts.iter().enumerate() {
        let (weight, reverse) = weight_of(&scene.facts.weights[0], at);
        let verdict = snapshot.verdict(TrackerKind::Script, &script.name);
        let result = match (verdict, script.bad_at_first) {
            (Verdict::Unknown, true) => 5,
            (Verdict::Unknown, false) => 1,
            (Verdict::Bad, _) => 2,
            (Verdict::Good | Verdict::Number(_), _) => 3,
        };
        let cells = [
            (2, Value::text(&*script.name)),
            (3, Value::text(&script.command)),
            (4, Value::integer(script.interval.as_secs())),
            (5, Value::Integer(weight)),
            (6, Value::Integer(result)),
            (7, Value::gauge(script.rise)),
            (8, Value::gauge(script.fall)),
            (9, Value::truth(reverse)),
        ];
        view.vrrp_row(9, &[row(at)], cells);
    }
}

fn files(view: &mut View, scene: &Scene<'_>) {
    let snapshot = scene.snapshot;
    for (at, (name, path, _)) in snapshot.face.files.iter().enumerate() {
        let (weight, reverse) = weight_of(&scene.facts.weights[1], at);
        let number = match snapshot.verdict(TrackerKind::File, name) {
            Verdict::Number(number) => number,
            Verdict::Unknown | Verdict::Good | Verdict::Bad => 0,
        };
        let mut cells =
            vec![(2, Value::text(&**name)), (3, Value::text(path)), (4, Value::Integer(number))];
        cells.extend(weight_cells(5, weight, reverse));
        view.vrrp_row(13, &[row(at)], cells);
    }
}

fn processes(view: &mut View, scene: &Scene<'_>) {
    let snapshot = scene.snapshot;
    for (at, process) in snapshot.face.processes.iter().enumerate() {
        let (weight, reverse) = weight_of(&scene.facts.weights[2], at);
        let matching = match process.matching.as_str() {
            "exact" => 1,
            "partial" => 2,
            "initial" => 3,
            _ => 0,
        };
        let running = snapshot.standing.processes.get(&process.name).copied();
        let good = snapshot.verdict(TrackerKind::Process, &process.name) == Verdict::Good;
        let mut cells = vec![
            (2, Value::text(&*process.name)),
            (3, Value::text(&process.command)),
            (5, Value::Integer(matching)),
            (8, Value::gauge(process.least)),
            (9, process.most.map_or(Value::Integer(-1), Value::integer)),
            (10, Value::gauge(process.fork_delay.as_micros())),
            (11, Value::gauge(process.terminate_delay.as_micros())),
            (12, Value::truth(scene.facts.whole_lines.contains(&process.name))),
            (13, Value::integer(running.unwrap_or_default())),
            (14, Value::truth(good)),
        ];
        if !process.arguments.is_empty() {
            cells.push((4, Value::text(process.arguments.join(" "))));
        }
        cells.extend(weight_cells(6, weight, reverse));
        view.vrrp_row(21, &[row(at)], cells);
    }
}

fn sessions(view: &mut View, scene: &Scene<'_>) {
    for (at, (name, weight, reverse)) in scene.facts.weights[3].iter().enumerate() {
        let up = scene.snapshot.verdict(TrackerKind::Bfd, name) == Verdict::Good;
        let mut cells = vec![(2, Value::text(&**name)), (3, Value::Integer(i32::from(up)))];
        cells.extend(weight_cells(4, *weight, *reverse));
        view.vrrp_row(18, &[row(at)], cells);
    }
}
