//! `crm_simulate` alone, for quick turns while working on the scheduler.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let (Ok(pattern), Some(path)) = (std::env::var("DUMP"), arguments.get(2)) {
        dump(&pattern, path);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = cib::dates::WallTime(i64::try_from(now).unwrap_or(i64::MAX));
    ExitCode::from(pcmk::simulate::main(&arguments, now, &mut pcmk::live::no_cluster))
}

/// Prints what became of the actions whose names contain a pattern.
fn dump(pattern: &str, path: &std::ffi::OsStr) {
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let Ok(cib) = cib::Cib::parse(&text) else { return };
    let now = cib.execution_date.unwrap_or_default();
    let ask = sched::Ask { considered: true, ..sched::Ask::default() };
    let transition = sched::plan_with(&cib, now, ask);
    let name = |id: u32| transition.considered.iter().find(|a| a.id == id).map(|a| a.name.clone());
    for action in transition.considered.iter().filter(|action| action.name.contains(pattern)) {
        eprintln!(
            "{} {} optional={} runnable={} pseudo={} print={} graph={}",
            action.id,
            action.name,
            action.optional,
            action.runnable,
            action.pseudo,
            action.print_always,
            action.in_graph
        );
        for sched::Before { id, waits, .. } in &action.before {
            eprintln!(
                "    after {} {}",
                name(*id).unwrap_or_default(),
                if *waits { "*" } else { "" }
            );
        }
    }
}
