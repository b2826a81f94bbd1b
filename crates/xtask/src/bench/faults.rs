//! `cargo xtask bench faults`: every row of the table of faults, with mainstay and with keepalived in turns.
//!
//! Three nodes, one VIP. The judges are `failover.py` and `vip_probe.py` of `../shared/lab`; what they have
//! no word for, `crates/lab/faults.sh` does when it is sent SIGHUP. Some scenes are played beside each other,
//! for nearly all of their time is waiting; floods are played alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::figures::{Figure, Spread};
use super::{load, machine};

mod rows;

use rows::{FAULTS, Fault, Who};

/// Where the results go.
const PAGE: &str = "docs/performance-faults.md";
/// Scenes beside each other.
const BESIDE: usize = 5;
/// `arpwatch` asks as often, in milliseconds.
const ROUND: i64 = 10;

/// What came of one scene.
struct Outcome {
    /// Milliseconds the client was without an answer, if it got one in the end.
    silent: Option<Figure>,
    /// It had none in the end.
    open: bool,
    /// The longest time two nodes had the address.
    two: Option<Figure>,
    /// How long two MACs answered one ARP request.
    answered: Option<Figure>,
    /// Probes that two nodes answered.
    twice: u64,
    /// How often the address went from one node to another.
    moves: Option<Figure>,
    holders: usize,
    /// For how long the probe itself stood still.
    stood: Option<Figure>,
    note: Vec<String>,
}

/// Who plays which row at which interval.
#[derive(Clone, Copy)]
struct Scene {
    fault: usize,
    advert: &'static str,
    who: Who,
}

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    /// How often.
    pub(crate) runs: usize,
    /// The rows that `faults.sh` knows by these words, with commas between, and no others.
    pub(crate) only: Option<&'a str>,
    /// This mainstay, and not one that is built for it.
    pub(crate) binary: Option<&'a str>,
}

/// Plays what was chosen, and writes the page or, of one row, that row of it.
pub(super) fn bench(root: &Path, choice: &Choice<'_>) -> Result<(), String> {
    let Choice { runs, only, binary } = *choice;
    let lab = root.ancestors().map(|above| above.join("shared/lab")).find(|lab| lab.is_dir());
    let lab = lab.ok_or_else(|| format!("no shared/lab beside or above {}", root.display()))?;
    let built = root.join("target/release/mainstay");
    let binary = match binary {
        Some(binary) => {
            super::build(root, &["--example", "forge"])?;
            root.join(binary)
        }
        None => super::build(root, &["--bins", "--example", "forge"]).map(|()| built)?,
    };
    let mut machine = format!("Runs of each: {runs}; {}", machine());
    let mut scenes = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        if only.is_some_and(|only| !only.split(',').any(|word| word == fault.word)) {
            continue;
        }
        for advert in fault.adverts {
            for who in fault.who {
                scenes.push(Scene { fault: number, advert, who: *who });
            }
        }
    }
    if scenes.is_empty() {
        let words: Vec<&str> = FAULTS.iter().map(|fault| fault.word).collect();
        return Err(format!("no such row; there are {}", words.join(", ")));
    }
    let stage = Stage { root: root.to_path_buf(), lab, binary };
    let mut found: Vec<Vec<Outcome>> = scenes.iter().map(|_| Vec::new()).collect();
    for loud in [false, true] {
        // Run by run through all rows, so that both meet the same weather.
        let turns: Vec<usize> = (0..runs).flat_map(|_| 0..scenes.len()).collect();
        let turns: Vec<usize> =
            turns.into_iter().filter(|n| FAULTS[scenes[*n].fault].loud == loud).collect();
        let (next, ended) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(&turn) = turns.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = stage.play(scenes[turn]);
                ended.lock().unwrap_or_else(PoisonError::into_inner).push((turn, outcome));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..if loud { 1 } else { BESIDE } {
                scope.spawn(work);
            }
        });
        for (turn, outcome) in ended.into_inner().unwrap_or_else(PoisonError::into_inner) {
            found[turn].push(outcome?);
        }
    }
    let _ = write!(machine, ", after: {}", load());
    let text = match only {
        None => page(&machine, &scenes, &found),
        Some(_) => {
            let known = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
            eprintln!("{machine}");
            replaced(&known, &table(&scenes, &found))
        }
    };
    std::fs::write(root.join(PAGE), &text).map_err(|error| format!("{PAGE}: {error}"))?;
    print!("{text}");
    Ok(())
}

/// Where the judges and the judged are.
struct Stage {
    root: PathBuf,
    lab: PathBuf,
    binary: PathBuf,
}

impl Stage {
    fn play(&self, Scene { fault, advert, who }: Scene) -> Result<Outcome, String> {
        let fault = &FAULTS[fault];
        let binary = match who {
            Who::Keepalived => PathBuf::from("/usr/sbin/keepalived"),
            Who::Mainstay => self.binary.clone(),
        };
        let script = self.root.join("crates/lab/faults.sh");
        let (script, binary) = (script.display(), binary.display());
        let command = format!("{script} {} {binary} {{conf}} {{dir}}/control", fault.word);
        eprintln!("{} at {advert} s: {}", fault.word, who.name());
        // The judge looks on for six of its intervals, which need not be those of the adverts.
        let extra = format!("advert_int {advert}\n  {}", fault.extra);
        let watch = if advert == "1" { fault.watch } else { fault.watch_fast };
        let output = Command::new("python3")
            .arg(self.lab.join("failover.py"))
            .args(["--cmd", &command, "--fault", "reload", "--runs", "1"])
            .args(["--advert", watch, "--extra", &extra])
            .env("JUDGE", self.lab.join("vip_probe.py"))
            .env("FORGE", self.root.join("target/release/examples/forge"))
            .output()
            .map_err(|error| format!("python3: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let verdict = said.lines().find(|line| line.starts_with("{\"outage_ms\""));
        let Some(verdict) = verdict.and_then(|line| serde_json::from_str(line).ok()) else {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} at {advert} s, {}: {said}{complaint}", fault.word, who.name()));
        };
        Ok(outcome(&verdict))
    }
}

/// What the judges say, each in its own way.
fn outcome(verdict: &Value) -> Outcome {
    let folder = Path::new(verdict["dir"].as_str().unwrap_or_default());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let watched = read("addr.txt");
    // Lines as Python prints what it has: `name: value`, strings between apostrophes.
    let told = |name: &str| -> Option<Value> {
        let line = watched.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        serde_json::from_str(&line.replace('\'', "\"")).ok()
    };
    let asked: Value = serde_json::from_str(&read("n1/arp.json")).unwrap_or_default();
    let rounds = asked["two_macs_rounds"].as_i64();
    let open = verdict["outage_open"].as_bool() == Some(true);
    Outcome {
        silent: Figure::of(&verdict["outage_ms"]).filter(|_| !open),
        open,
        two: told("two_holders_longest_ms").as_ref().and_then(Figure::of),
        answered: rounds.map(|rounds| Figure(rounds * ROUND * 1000)),
        twice: verdict["dup_two_nodes"].as_u64().unwrap_or_default(),
        moves: told("events").as_ref().and_then(moves),
        holders: verdict["holders"].as_array().map_or(0, Vec::len),
        stood: Figure::of(&verdict["max_send_gap_ms"]),
        note: read("n1/note").lines().map(str::to_owned).collect(),
    }
}

/// How often somebody else than before came by the address.
fn moves(events: &Value) -> Option<Figure> {
    let events = events.as_array()?.iter().filter(|event| event[2] == "add");
    let nodes: Vec<&Value> = events.map(|event| &event[1]).collect();
    let moves = nodes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    Some(Figure(i64::try_from(moves).ok()? * 1000))
}

fn page(machine: &str, scenes: &[Scene], found: &[Vec<Outcome>]) -> String {
    let mut text = format!(
        "# Faults\n\nWritten by `cargo xtask bench faults`; do not edit. Three nodes, one VIP; keepalived and \
         mainstay in turns in one run, of each\nrow least / **median** / most. *Without an answer* is what a \
         client that asks each 2 ms saw; *two have it* is by the kernels' word\n(`addrwatch`), *two answer* by \
         ARP requests each {ROUND} ms (`arpwatch`), the longest time and the sum of a run; *moves* count how \
         often\nthe address went to another node; *holders* are counted at the end of each run; *probe late* \
         is for how long the probe itself stood\nstill at most: nothing is known better than that. What each \
         promise is: [guarantees.md](guarantees.md#shown-by).\n\n{machine}.\n\n| fault | bound | adverts, s \
         | who | without an answer, ms | two have it, ms | two answer, ms | moves | holders | probe late, ms \
         | besides |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    text += &table(scenes, found);
    text
}

/// The page with these rows in the place of those of the same fault, interval and daemon.
fn replaced(page: &str, rows: &str) -> String {
    let of = |line: &str| -> Option<[String; 3]> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        Some([cells.first()?, cells.get(2)?, cells.get(3)?].map(|cell| (*cell).to_owned()))
    };
    let mut text = String::new();
    for line in page.lines() {
        let same = rows.lines().find(|row| of(row).is_some() && of(row) == of(line));
        text += same.unwrap_or(line);
        text.push('\n');
    }
    text
}

fn table(scenes: &[Scene], found: &[Vec<Outcome>]) -> String {
    let mut text = String::new();
    for (scene, outcomes) in scenes.iter().zip(found) {
        let Fault { what, bound, .. } = &FAULTS[scene.fault];
        let all = |figure: fn(&Outcome) -> Option<Figure>| -> Spread {
            Spread::of(&outcomes.iter().map(figure).collect::<Vec<_>>())
        };
        let holders: BTreeSet<usize> = outcomes.iter().map(|outcome| outcome.holders).collect();
        let holders: Vec<String> = holders.iter().map(usize::to_string).collect();
        let stood = outcomes.iter().filter_map(|outcome| outcome.stood).max().unwrap_or(Figure(0));
        let mut besides: BTreeSet<String> =
            outcomes.iter().flat_map(|outcome| outcome.note.clone()).collect();
        let twice: u64 = outcomes.iter().map(|outcome| outcome.twice).sum();
        if twice > 0 {
            besides.insert(format!("{twice} probes answered by two"));
        }
        let open = outcomes.iter().filter(|outcome| outcome.open).count();
        if open > 0 {
            besides.insert(format!("{open} times nobody answered until the end"));
        }
        let _ = writeln!(
            text,
            "| {what} | {bound} | {} | {} | {} | {} | {} | {} | {} | {stood} | {} |",
            scene.advert,
            scene.who.name(),
            all(|outcome| outcome.silent),
            all(|outcome| outcome.two),
            all(|outcome| outcome.answered),
            all(|outcome| outcome.moves),
            holders.join(" or "),
            besides.into_iter().collect::<Vec<_>>().join("; "),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_somebody_else_and_not_the_same_again() {
        let of = |text: &str| moves(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"[[0,"n1","add"],[9,"n1","del"],[9.5,"n1","add"]]"#), Some(Figure(0)));
        assert_eq!(of(r#"[[0,"n1","add"],[9,"n1","del"],[9,"n2","add"]]"#), Some(Figure(1000)));
    }

    #[test]
    fn a_row_that_is_played_again_takes_the_place_of_what_was_there() {
        let page = "# Faults\n\n| a | b | 1 | mainstay | 7 |\n| a | b | 1 | keepalived | 9 |\n";
        let text = replaced(page, "| a | b | 1 | keepalived | 8 |\n");
        assert_eq!(
            text,
            "# Faults\n\n| a | b | 1 | mainstay | 7 |\n| a | b | 1 | keepalived | 8 |\n"
        );
    }

    #[test]
    fn every_row_has_a_word_of_its_own_that_the_script_knows() {
        let script = include_str!("../../../lab/faults.sh");
        let words: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.word).collect();
        assert_eq!(words.len(), FAULTS.len());
        for word in words {
            let known = word.split('-').next().unwrap_or_default();
            assert!(script.contains(known), "{word}");
        }
    }
}
