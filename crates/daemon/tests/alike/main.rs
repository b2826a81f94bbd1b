//! The same two nodes once with Debian's keepalived and once with mainstay, for configuration after
//! configuration: the same node holds, the kernels have the same addresses, routes, rules and
//! macvlans, and the same is told in the same order to scripts and to whoever reads the FIFO (in some
//! cases also by mail, in dumps, in the log, on D-Bus, and to a client of the VIP); from the start, over a stop of the holder, its return, a broken link and a reload, to the end.
//!
//! The configurations stand in `cases`, each with the features of the keepalived reference (§7) it
//! shows and the acts to be played. Both pairs are played at once, each in namespaces of its own, and
//! many cases beside each other: they mostly sleep. What differs must stand in the table "In
//! operation" of docs/differences.md, and nothing may stand there that does not differ.
//!
//! `MAINSTAY_ALIKE=word` plays only the cases with that word in their names, and prints everything.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod case;
mod document;
mod expand;
mod features;
mod judge;
mod kernel;
mod outside;
mod pair;
mod snmp;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Case;
use judge::Verdict;
use lab::Need;

/// So many that differ are played once more, with nothing beside them: two daemons that start at the
/// same moment are not scheduled alike on a machine that is busy. What does differ does so again.
const AGAIN: usize = 5;

/// So many cases are played beside each other: they sleep nineteen parts of twenty.
const BESIDE: usize = 16;

/// Plays all, and gives what came of each.
fn play_all(
    cases: &[&Case],
    known: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Result<Verdict, String>> {
    let results: Vec<_> = cases.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((case, result)) = cases.get(at).zip(results.get(at)) else { return };
            let none = BTreeSet::new();
            let known = known.get(&case.name).unwrap_or(&none);
            let played = catch_unwind(AssertUnwindSafe(|| judge::play(case, known)));
            let played = played.map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_else(|| "it panicked".to_owned())
            });
            *result.lock().unwrap() = Some(played);
        }
    };
    std::thread::scope(|scope| {
        for number in 0..BESIDE.min(cases.len()) {
            let name = format!("alike-{number}");
            std::thread::Builder::new().name(name).spawn_scoped(scope, work).unwrap();
        }
    });
    results.into_iter().map(|result| result.into_inner().unwrap().unwrap()).collect()
}

#[test]
fn two_nodes_do_the_same_under_keepalived_and_under_mainstay() {
    if !lab::requires(&[
        Need::Root,
        Need::program("/usr/sbin/keepalived"),
        Need::program("/usr/sbin/nft"),
        Need::program("ip"),
        Need::program("/usr/sbin/snmpd"),
        Need::program("/usr/sbin/snmptrapd"),
        Need::program("snmpbulkwalk"),
    ]) {
        return;
    }
    let only = std::env::var("MAINSTAY_ALIKE").ok();
    let mut cases = case::all();
    if let Some(word) = &only {
        cases.retain(|case| case.name.contains(word));
    }
    // The long ones first, so that none is waited for at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(case.length()));
    let document = document::read();
    let known = document::explained(&document);
    let faults = |case: &Case, result: &Result<Verdict, String>| match result {
        Err(panic) => vec![format!("{}: {panic}", case.name)],
        Ok(verdict) => {
            if only.is_some() {
                eprintln!("{}", verdict.story(&case.name));
            }
            verdict.faults(&case.name, known.get(&case.name).unwrap_or(&BTreeSet::new()))
        }
    };
    let mut wrong = Vec::new();
    let mut played: Vec<&Case> = cases.iter().collect();
    for last in [false, true] {
        let results = play_all(&played, &known);
        let told: Vec<_> = played.iter().zip(&results).map(|it| faults(it.0, it.1)).collect();
        wrong = told.concat();
        let differ = played.iter().zip(&told).filter(|it| !it.1.is_empty());
        let differ: Vec<_> = differ.map(|it| *it.0).collect();
        if last || differ.is_empty() || differ.len() > AGAIN {
            break;
        }
        eprintln!("once more: {}", wrong.join("\n\n"));
        played = differ;
    }
    if only.is_none() {
        let named: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
        for name in known.keys().filter(|name| !named.contains(name)) {
            wrong.push(format!("{name} is explained in docs/differences.md and is no case"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn each_feature_in_force_is_shown_by_two_cases() {
    let cases = case::all();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let missing = features::shown_too_rarely(&cases, &document::read());
    assert!(missing.is_empty(), "shown by fewer than two cases:\n{}", missing.join("\n"));
}
