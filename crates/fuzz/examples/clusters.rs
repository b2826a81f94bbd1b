//! `clusters --seeds A..B` (or files): plans for the clusters of these numbers, each until it is at
//! rest, and counts by class what must not be. `clusters --print SEED` writes one of them.
//! `clusters --generated A..B` takes the random CIBs of the scheduler suite's generator instead of our own.
//!
//! Not every cluster can come to rest. One that does not is given to Debian's crm_simulate, plan
//! after plan likewise: where that does not rest either, it is counted, and no fault. Without
//! crm_simulate, or with `--alone`, none is. Nor is it a fault that something stays active twice behind a stop that
//! the plan says is blocked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::panic;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use fuzz::clusters::{Class, judge};
use fuzz::unrest::Unrest;

/// Plans carried out one after the other by crm_simulate before it must be at rest.
const ROUNDS: usize = 6;

/// What crm_simulate makes of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Upstream {
    Rests,
    Restless,
    /// It calls its own plan invalid, or cannot finish carrying it out.
    Invalid,
    /// It has no plan.
    Fails,
    /// There is none, or it was not to be asked (`--alone`).
    Missing,
}

impl Upstream {
    const ALL: [Self; 5] = [Self::Restless, Self::Invalid, Self::Rests, Self::Fails, Self::Missing];

    fn told(self) -> &'static str {
        match self {
            Self::Rests => "crm_simulate rests",
            Self::Restless => "crm_simulate neither",
            Self::Invalid => "crm_simulate neither, for it cannot carry out its own plan",
            Self::Fails => "crm_simulate fails",
            Self::Missing => "crm_simulate was not asked",
        }
    }

    fn ask(text: &str) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("clusters-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let answer = Self::ask_in(&folder, text);
        std::fs::remove_dir_all(&folder)?;
        answer
    }

    fn ask_in(folder: &Path, text: &str) -> std::io::Result<Self> {
        let (document, graph) = (folder.join("cib.xml"), folder.join("graph.xml"));
        std::fs::write(&document, text)?;
        for _ in 0..ROUNDS {
            let mut command = Command::new("crm_simulate");
            command.args(["-S", "-Q", "-x"]).arg(&document).arg("-G").arg(&graph);
            let Ok(output) = command.arg("-O").arg(&document).output() else {
                return Ok(Self::Missing);
            };
            let plan = std::fs::read_to_string(&graph).unwrap_or_default();
            if plan.is_empty() {
                return Ok(Self::Fails);
            }
            if !output.status.success() {
                return Ok(Self::Invalid);
            }
            let works = |line: &str| {
                line.contains("<crm_event ")
                    || (line.contains("<rsc_op ") && !line.contains("operation=\"delete\""))
            };
            if !plan.lines().any(works) {
                return Ok(Self::Rests);
            }
            std::fs::remove_file(&graph)?;
        }
        Ok(Self::Restless)
    }
}

#[derive(Default)]
struct Counts {
    all: u64,
    panics: u64,
    once: u64,
    wrong: BTreeMap<Class, u64>,
    restless: BTreeMap<(Unrest, Upstream), u64>,
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut counts = Counts::default();
    if let [option, seed] = &arguments[..]
        && option == "--print"
    {
        let Ok(seed) = seed.parse() else {
            eprintln!("--print {seed}: the number of a cluster is expected");
            return ExitCode::from(2);
        };
        print!("{}", fuzz::cluster(seed));
        return ExitCode::SUCCESS;
    }
    let alone = arguments.iter().position(|it| it == "--alone");
    if let Some(at) = alone {
        arguments.remove(at);
    }
    let ask = alone.is_none();
    if let [option, range] = &arguments[..]
        && (option == "--seeds" || option == "--generated")
    {
        let ends = range.split_once("..").map(|(from, to)| (from.parse(), to.parse()));
        let Some((Ok(from), Ok(to))) = ends else {
            eprintln!("{option} {range}: a range is given as 0..1000");
            return ExitCode::from(2);
        };
        if option == "--seeds" {
            for seed in from..to {
                one(&format!("seed {seed}"), &fuzz::cluster(seed), ask, &mut counts);
            }
        } else if let Err(error) = generated(from..to, ask, &mut counts) {
            eprintln!("--generated {range}: {error}");
            return ExitCode::FAILURE;
        }
    } else {
        for name in &arguments {
            match std::fs::read_to_string(name) {
                Ok(text) => one(name, &text, ask, &mut counts),
                Err(error) => eprintln!("{name}: {error}"),
            }
        }
    }
    if report(&counts) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the suite's generator for each line of arguments it reads, in one process: a new interpreter
/// for each CIB would take longer than planning does. A NUL ends a CIB.
const DRIVER: &str = r"
import sys
path = sys.argv[1]
code = compile(open(path).read(), path, 'exec')
for line in sys.stdin:
    sys.argv = [path] + line.split()
    exec(code, {'__name__': '__main__'})
    sys.stdout.write('\0')
    sys.stdout.flush()
";
const STATES: [&str; 5] = ["stopped", "running", "nodefail", "failures", "join"];

/// What the generator is asked for under this number: 2-5 nodes, 4-15 primitives, 0-12 constraints,
/// each state in turn.
fn wish(seed: u64) -> String {
    let mut rest = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let mut draw = |limit: u64| {
        let drawn = rest % limit;
        rest /= limit;
        drawn
    };
    let (nodes, resources, constraints) = (2 + draw(4), 4 + draw(12), draw(13));
    let state = usize::try_from(seed % 5).map_or(STATES[0], |at| STATES[at]);
    format!(
        "--shape random --nodes {nodes} --resources {resources} --constraints {constraints} --state {state} --seed {seed}"
    )
}

/// Judges the generator's CIBs of these numbers.
fn generated(seeds: Range<u64>, ask: bool, counts: &mut Counts) -> std::io::Result<()> {
    let missing = || std::io::Error::other("no shared/suites/scheduler above the project");
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let generator = above
        .map(|folder| folder.join("shared/suites/scheduler/gen_cib.py"))
        .find(|script| script.is_file())
        .ok_or_else(missing)?;
    let mut python = Command::new("python3");
    python.args(["-c", DRIVER]).arg(generator).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn()?;
    let (Some(mut asked), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(std::io::Error::other("python3 has no pipes"));
    };
    let mut answers = BufReader::new(answers);
    for seed in seeds {
        writeln!(asked, "{}", wish(seed))?;
        asked.flush()?;
        let mut text = Vec::new();
        answers.read_until(0, &mut text)?;
        if text.pop() != Some(0) {
            return Err(std::io::Error::other(format!("the generator ended at {seed}")));
        }
        let text = String::from_utf8(text).map_err(std::io::Error::other)?;
        one(&format!("seed {seed}"), &text, ask, counts);
    }
    drop(asked);
    child.wait()?;
    Ok(())
}

/// Tells what was found; whether there was nothing that must not be.
fn report(counts: &Counts) -> bool {
    println!("{} clusters, {} of them at rest after at most one plan", counts.all, counts.once);
    println!("  {:>6}  panics", counts.panics);
    let mut clean = counts.panics == 0 && counts.all > 0;
    for class in Class::ALL {
        let count = counts.wrong.get(&class).copied().unwrap_or(0);
        println!("  {count:>6}  {}", class.told());
        clean &= count == 0 || matches!(class, Class::Held | Class::Restless);
    }
    for unrest in Unrest::ALL {
        for upstream in Upstream::ALL {
            let count = counts.restless.get(&(unrest, upstream)).copied().unwrap_or(0);
            if count > 0 {
                println!("  {count:>6}      of these: {}; {}", unrest.told(), upstream.told());
            }
            clean &= count == 0 || !matches!(upstream, Upstream::Rests | Upstream::Fails);
        }
    }
    let restless = counts.wrong.get(&Class::Restless).copied().unwrap_or(0);
    let tenths = (1_000 * restless).checked_div(counts.all).unwrap_or(0);
    println!("  {}.{} % never come to rest", tenths / 10, tenths % 10);
    clean
}

fn one(name: &str, text: &str, ask: bool, counts: &mut Counts) {
    counts.all += 1;
    match panic::catch_unwind(|| judge(text)) {
        Err(_) => {
            counts.panics += 1;
            println!("{name}: panic");
        }
        Ok(Err(error)) => println!("{name}: {error}"),
        Ok(Ok(verdict)) => {
            counts.once += u64::from(verdict.rests && verdict.rounds <= 1);
            let mut classes: Vec<Class> = verdict.wrong.iter().map(|(class, _)| *class).collect();
            classes.dedup();
            for (class, what) in &verdict.wrong {
                println!("{name}: {}: {what}", class.told());
            }
            if let Some(unrest) = verdict.unrest {
                let upstream = if ask { Upstream::ask(text) } else { Ok(Upstream::Missing) };
                let upstream = upstream.unwrap_or(Upstream::Missing);
                println!("{name}: never at rest: {}; {}", unrest.told(), upstream.told());
                *counts.restless.entry((unrest, upstream)).or_insert(0) += 1;
            }
            for class in classes {
                *counts.wrong.entry(class).or_insert(0) += 1;
            }
        }
    }
}
