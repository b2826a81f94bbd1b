//! Plays one case with both, and says in what they differed.
//!
//! Who is right about time is not asked: after each act both have at least as long as the protocol
//! allows, and then as long as a busy machine may need to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use lab::wait_for;
use linux::clock::monotonic;

use crate::case::{Act, Case};
use crate::pair::{Pair, View, Who};

/// How long two that differ are waited for.
const PATIENCE: Duration = Duration::from_secs(12);

/// What came of a case.
pub(crate) struct Verdict {
    /// By aspect: after which act they first differed, and how.
    differences: BTreeMap<&'static str, String>,
    story: String,
    logs: String,
}

/// Plays it; what is `known` to differ is not waited for.
pub(crate) fn play(case: &Case, known: &BTreeSet<String>) -> Verdict {
    let begun = monotonic();
    let mut pairs = [Who::Keepalived, Who::Mainstay].map(|who| Pair::build(case, who));
    let mut verdict =
        Verdict { differences: BTreeMap::new(), story: String::new(), logs: String::new() };
    for act in &case.acts {
        for pair in &mut pairs {
            pair.perform(act, case);
        }
        sleep(case.settles_in(act));
        let expected = |aspect: &&'static str, verdict: &Verdict| {
            !known.contains(*aspect) && !verdict.differences.contains_key(*aspect)
        };
        let mut views = pairs.each_ref().map(Pair::view);
        let agree = |views: &[View; 2]| {
            let aspects = views[0].keys().chain(views[1].keys());
            aspects
                .filter(|aspect| expected(aspect, &verdict))
                .all(|aspect| views[0].get(aspect) == views[1].get(aspect))
        };
        if !agree(&views) {
            let _ = wait_for(PATIENCE, || {
                sleep(Duration::from_millis(300));
                views = pairs.each_ref().map(Pair::view);
                agree(&views)
            });
        }
        verdict.note(act, &views);
        let at = monotonic().since(begun);
        verdict.story.push_str(&format!("{at:.1?} {act:?}\n"));
        for (who, view) in ["keepalived", "mainstay"].iter().zip(&views) {
            verdict.story.push_str(&format!(" {who}\n{}", shown(view)));
        }
    }
    verdict.logs = pairs.each_ref().map(Pair::logs).concat();
    verdict
}

impl Verdict {
    fn note(&mut self, act: &Act, [theirs, ours]: &[View; 2]) {
        let aspects: BTreeSet<_> = theirs.keys().chain(ours.keys()).copied().collect();
        for aspect in aspects {
            let list = |view: &View| view.get(aspect).cloned().unwrap_or_default();
            let (theirs, ours) = (list(theirs), list(ours));
            if theirs != ours {
                let text = || format!("after {act:?}\n{}", compared(&theirs, &ours));
                self.differences.entry(aspect).or_insert_with(text);
            }
        }
    }

    /// What differs without being known to, and what is known to and does not.
    pub(crate) fn faults(&self, name: &str, known: &BTreeSet<String>) -> Vec<String> {
        let unknown = self.differences.iter().filter(|(aspect, _)| !known.contains(**aspect));
        let mut faults: Vec<String> =
            unknown.map(|(aspect, text)| format!("{name}: {aspect} differ {text}")).collect();
        if !faults.is_empty() && std::env::var_os("MAINSTAY_ALIKE").is_some() {
            faults.push(self.logs.clone());
        }
        let gone = known.iter().filter(|aspect| !self.differences.contains_key(aspect.as_str()));
        faults.extend(gone.map(|aspect| {
            format!("{name}: {aspect} are explained in docs/differences.md and do not differ")
        }));
        faults
    }

    /// Everything both did, and what differs, known or not.
    pub(crate) fn story(&self, name: &str) -> String {
        let known: Vec<_> =
            self.differences.iter().map(|(aspect, text)| format!("{aspect}: {text}")).collect();
        format!("== {name}\n{}\n-- differs\n{}", self.story, known.join("\n"))
    }
}

fn shown(view: &View) -> String {
    let mut text = String::new();
    for (aspect, lines) in view {
        // The kernel has very many of its own.
        let own = |line: &&String| *aspect != "routes" || line.contains("table main");
        for line in lines.iter().filter(own) {
            text.push_str(&format!("  {aspect} {line}\n"));
        }
    }
    text
}

/// Lines of one only, each side's in order.
fn compared(theirs: &[String], ours: &[String]) -> String {
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        let mut rest = b.to_vec();
        let extra = |line: &&String| match rest.iter().position(|other| other == *line) {
            Some(at) => {
                rest.remove(at);
                false
            }
            None => true,
        };
        a.iter().filter(extra).map(|line| format!("    {line}")).collect()
    };
    let (of_them, of_us) = (only(theirs, ours), only(ours, theirs));
    if of_them.is_empty() && of_us.is_empty() {
        let list = |lines: &[String]| lines.join("\n    ");
        return format!(
            "  in order: keepalived\n    {}\n  mainstay\n    {}",
            list(theirs),
            list(ours)
        );
    }
    format!(
        "  only with keepalived\n{}\n  only with mainstay\n{}",
        of_them.join("\n"),
        of_us.join("\n")
    )
}
