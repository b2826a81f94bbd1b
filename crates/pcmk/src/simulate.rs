//! `crm_simulate` and `mainstay simulate`: reads a CIB, shows what would be done, and on request
//! carries it out on paper.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cib::Cib;
use cib::dates::WallTime;
use cib::xml::{Document, Element};
use sched::{Ask, Step, StepKind, Transition};

use crate::execute::{self, Outcome};
use crate::failure::Failure;
use crate::inject;
use crate::live::Live;
pub use crate::options::{Options, read_options};
use crate::paper::{Model, Tree};
use crate::{dot, graph, input, picture, text};

/// The priority of steps that a failure does not hold up.
const URGENT: i64 = 1_000_000;

/// Runs the command as `crm_simulate`; its exit status.
#[must_use]
pub fn main(arguments: &[OsString], now: WallTime, live: Live<'_>) -> u8 {
    let mut options = match read_options(arguments) {
        Ok(options) => options,
        Err(error) => return finish("crm_simulate", Err(Failure::usage(error))),
    };
    if options.live && options.in_place {
        let why = "-X: a running cluster is not changed by what might be; say which file with -x";
        return finish("crm_simulate", Err(Failure::usage(why.into())));
    }
    if options.live {
        match live() {
            Ok(path) => options.input = Some(path),
            Err(error) => return finish("crm_simulate", Err(error)),
        }
    }
    if options.version {
        println!("mainstay {} (reads and prints as Pacemaker 2.1.5)", env!("CARGO_PKG_VERSION"));
        return 0;
    }
    if options.help {
        print!("{}", include_str!("usage/crm_simulate.txt"));
        return 0;
    }
    match answer(&options, now) {
        Ok((text, rest)) => {
            let given = options.answer.give(&text, arguments, 0).map(|()| String::new());
            let status = finish("crm_simulate", given.map_err(Failure::from));
            // The process ends: what is left is given back at once, not piece by piece.
            std::mem::forget(rest);
            status
        }
        Err(error) => finish("crm_simulate", Err(error)),
    }
}

/// Says what went wrong, if anything; the exit status.
#[must_use]
pub fn finish(name: &str, outcome: Result<String, Failure>) -> u8 {
    match outcome {
        Ok(text) => {
            print!("{text}");
            0
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            error.status
        }
    }
}

/// Does what is asked for; what to print.
///
/// # Errors
/// When the CIB cannot be read, a file cannot be written, or what is to be injected does not fit.
pub fn run(options: &Options, clock: WallTime) -> Result<String, Failure> {
    Ok(answer(options, clock)?.0)
}

/// The same, and what it was found from.
fn answer(options: &Options, clock: WallTime) -> Result<(String, impl Sized), Failure> {
    let mut sheet = Sheet::read(options)?;
    let mut out = Printed { text: String::new(), quiet: options.quiet };
    let (now, dated) = present(options, sheet.cib(), clock);
    if sheet.tree().get("validate-with") == Some("none") {
        out.say("Schema validation of configuration is disabled (enabling is encouraged and prevents common misconfigurations)\n");
    }
    out.say(&dated);
    let ask = Ask {
        scores: options.scores,
        reasons: false,
        considered: options.dot.is_some(),
        before: !options.quiet,
    };
    let plan = |cib: &Cib| options.plans().then(|| sched::plan_with(cib, now, ask));
    // What is planned for is what is shown first, unless something happens in between.
    let mut planned = if options.events.is_empty() { plan(sheet.cib()) } else { None };
    if !options.quiet {
        let observed = planned.is_none().then(|| sched::observe(sheet.cib(), now));
        let found = planned.as_ref().map(|plan| &plan.before).or(observed.as_ref());
        if let Some(seen) = found {
            out.say(&text::held_back(seen));
            out.say(&text::status("Current cluster status:", seen, true));
        }
        out.say(&more_status(options, sheet.tree()));
    }
    if let (Sheet::Full { document, cib }, false) = (&mut sheet, options.events.is_empty()) {
        out.say("\nPerforming Requested Modifications:\n");
        for event in &options.events {
            for line in inject::apply(&mut document.root, event, clock.0)? {
                out.say(&format!("  * {line}\n"));
            }
        }
        *cib = Cib::read(&document.root);
        out.say(&dated);
        planned = plan(cib);
    }
    if let (Some(path), Sheet::Full { document, .. }) = (&options.save_input, &sheet) {
        save(path, &document.to_string())?;
    }
    let Some(transition) = planned.take() else { return Ok((out.text, (sheet, planned))) };
    if options.utilization {
        let seen = sched::observe(sheet.cib(), now);
        out.text.push_str(&text::capacities("Original", &seen.nodes));
    }
    if options.scores && !options.quiet {
        out.say("\nAssignment Scores:\n");
    }
    for line in &transition.scores {
        let _ = writeln!(out.text, "{line}");
    }
    if options.utilization {
        out.text.push_str(&text::capacities("Remaining", &transition.nodes));
    }
    save_graphs(options, &transition)?;
    if !options.quiet {
        out.say(&text::summary(&transition));
    }
    if !options.carries_out() || (options.quiet && !options.needs_document()) {
        return Ok((out.text, (sheet, Some(transition))));
    }
    out.say("\nExecuting Cluster Transition:\n");
    sheet.carry_out(&transition, options, clock, &mut out);
    if !options.quiet {
        out.say(&dated);
        let nothing = transition.steps.iter().all(|step| step.kind == StepKind::Pseudo);
        let observed = (!nothing).then(|| sched::observe(sheet.cib(), now));
        let after = observed.as_ref().unwrap_or(&transition.before);
        out.say(&text::status("Revised Cluster Status:", after, false));
        out.say(&more_status(options, sheet.tree()));
    }
    let store = if options.in_place { options.input.as_deref() } else { None };
    if let Sheet::Full { document, .. } = &sheet {
        for path in options.save_output.as_deref().into_iter().chain(store) {
            save(path, &document.to_string())?;
        }
    }
    Ok((out.text, (sheet, Some(transition))))
}

/// A CIB that is looked at, planned for, and has plans carried out on it.
enum Sheet {
    /// With all of its document.
    Full { document: Document, cib: Cib },
    /// Only what is known of it, and its tree without histories.
    Lean { tree: Element, model: Model },
}

impl Sheet {
    fn read(options: &Options) -> Result<Self, Failure> {
        if options.needs_document() {
            let (name, text) = input::text(options.input.as_deref())?;
            let document = input::document(&name, &text)?;
            let cib = Cib::read(&document.root);
            return Ok(Self::Full { document, cib });
        }
        let (cib, tree) = input::cib(options.input.as_deref())?;
        Ok(Self::Lean { tree, model: Model::new(cib) })
    }

    fn cib(&self) -> &Cib {
        match self {
            Self::Full { cib, .. } => cib,
            Self::Lean { model, .. } => &model.cib,
        }
    }

    /// The document, at least without its histories.
    fn tree(&self) -> &Element {
        match self {
            Self::Full { document, .. } => &document.root,
            Self::Lean { tree, .. } => tree,
        }
    }

    /// Carries out a plan. After a failure only what is urgent is begun, if all it waits for was done.
    fn carry_out(
        &mut self,
        transition: &Transition,
        options: &Options,
        clock: WallTime,
        out: &mut Printed,
    ) {
        let known = names(transition);
        let outcome = Outcome { rc: None, at: clock.0 };
        match self {
            Self::Lean { tree, model } => {
                for step in execute::order(transition).into_iter().map(|at| &transition.steps[at]) {
                    out.tell(step, &execute::shown_name(step, &known));
                    execute::apply(model, step, &known, outcome);
                    // A node that is fenced loses the attributes that are shown from the tree.
                    if step.kind == StepKind::Cluster {
                        execute::apply(&mut Tree::new(tree), step, &known, outcome);
                    }
                }
            }
            Self::Full { document, cib } => {
                let mut paper = Tree::new(&mut document.root);
                let mut failed = false;
                let mut done = HashSet::new();
                for at in execute::order(transition) {
                    let step = &transition.steps[at];
                    let ready = || step.inputs.iter().all(|it| done.contains(it));
                    if failed && !(step.priority >= URGENT && ready()) {
                        continue;
                    }
                    done.insert(at);
                    let name = execute::shown_name(step, &known);
                    out.tell(step, &name);
                    let Some(failure) = options.failures.iter().find(|it| it.is_of(step, &name))
                    else {
                        execute::apply(&mut paper, step, &known, outcome);
                        continue;
                    };
                    let rc = failure.rc;
                    out.say(&format!("Pretending action {} failed with rc={rc}\n", step.id));
                    let id = step.node.as_ref().map(|(_, id)| id.to_string()).unwrap_or_default();
                    for line in inject::count_failure(paper.cib(), failure, &id, clock.0) {
                        out.say(&format!("  * {line}\n"));
                    }
                    execute::apply(&mut paper, step, &known, Outcome { rc: Some(rc), ..outcome });
                    failed = true;
                }
                *cib = Cib::read(&document.root);
            }
        }
    }
}

/// The CIB that options name, after their events, and the time they mean.
///
/// # Errors
/// When the CIB cannot be read, or what is to be injected does not fit.
pub fn load(options: &Options, clock: WallTime) -> Result<(Cib, WallTime), Failure> {
    let (name, text) = input::text(options.input.as_deref())?;
    let mut document = input::document(&name, &text)?;
    for event in &options.events {
        inject::apply(&mut document.root, event, clock.0)?;
    }
    let cib = Cib::read(&document.root);
    let (now, _) = present(options, &cib, clock);
    Ok((cib, now))
}

/// Writes pictures of what would be done.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(
    cib: &Cib,
    now: WallTime,
    transition: Option<&Path>,
    placement: Option<&Path>,
) -> Result<(), Failure> {
    let plan = sched::plan(cib, now);
    if let Some(path) = transition {
        write(path, &picture::transition(&plan))?;
    }
    if let Some(path) = placement {
        write(path, &picture::placement(&plan))?;
    }
    Ok(())
}

/// What has been printed so far.
struct Printed {
    text: String,
    quiet: bool,
}

impl Printed {
    /// Prints what is for people.
    fn say(&mut self, text: &str) {
        if !self.quiet {
            let first = self.text.is_empty();
            self.text.push_str(if first { text.trim_start_matches('\n') } else { text });
        }
    }

    /// Prints what is done in a step.
    fn tell(&mut self, step: &Step, name: &str) {
        if !self.quiet {
            text::executed(step, name, &mut self.text);
        }
    }
}

/// The time to plan for, and how it is announced.
fn present(options: &Options, cib: &Cib, clock: WallTime) -> (WallTime, String) {
    match (options.time, cib.execution_date) {
        (Some(time), _) => {
            let said = options.time_text.clone().unwrap_or_else(|| time.spelled());
            (time, format!("Setting effective cluster time: {said}\n"))
        }
        (None, Some(time)) => {
            (time, format!("Using the original execution date of: {}\n", time.spelled()))
        }
        (None, None) => (clock, String::new()),
    }
}

fn more_status(options: &Options, cib: &Element) -> String {
    let mut text = String::new();
    if options.attributes {
        text.push_str(&text::attributes(cib));
    }
    if options.fail_counts {
        text.push_str(&text::fail_counts(cib));
    }
    text
}

/// The names by which resources are known.
#[must_use]
pub fn names(transition: &Transition) -> HashSet<String> {
    let all = transition.resources.iter();
    all.flat_map(|it| std::iter::once(&it.id).chain(&it.history_id))
        .map(ToString::to_string)
        .collect()
}

fn save_graphs(options: &Options, transition: &Transition) -> Result<(), Failure> {
    if let Some(path) = &options.graph {
        let named = |error: std::io::Error| Failure::graph(path, &error);
        let mut file = fs::File::create(path).map_err(named)?;
        graph::write(transition, &mut file).map_err(named)?;
    }
    if let Some(path) = &options.dot {
        write(path, &dot::render(transition, options.all_actions))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::graph(path, &error))
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::saving(path, &error))
}
