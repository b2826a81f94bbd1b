//! `mainstay resource`: what an administrator asks of resources most, in fewer words than
//! `crm_resource` needs. It is that tool that does it, so both leave the same behind.

use std::path::Path;

use pcmk::live::Door as _;
use pcmk::live::Told;
use ui::cli::{ResourceArgs, ResourceCommand};

use crate::document::print;
use crate::exit::Exit;
use crate::tools::{self, Live};

/// Does what was asked; errors go to standard error.
pub(crate) fn main(args: &ResourceArgs) -> Exit {
    match act(&args.command) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Fatal
        }
    }
}

fn act(command: &ResourceCommand) -> Result<Exit, String> {
    match command {
        ResourceCommand::List(ask) => tool(&ask.control, &["-L"], ""),
        ResourceCommand::Show(args) => show(&args.ask.control, &args.resource),
        ResourceCommand::Start(args) => {
            let words = ["-r", &args.resource, "-m", "-p", "target-role", "-v", "Started"];
            tool(&args.ask.control, &words, "")
        }
        ResourceCommand::Stop(args) => {
            let words = ["-r", &args.resource, "-m", "-p", "target-role", "-v", "Stopped"];
            tool(&args.ask.control, &words, "")
        }
        ResourceCommand::Move(args) => {
            let mut words = vec!["-M", "-r", &args.resource];
            words.extend(args.node.iter().flat_map(|node| ["-N", node]));
            words.extend(args.lasts.iter().flat_map(|span| ["-u", span]));
            words.extend(args.promoted.then_some("--promoted"));
            words.extend(args.force.then_some("-f"));
            let hint = format!(
                "it holds until `mainstay resource clear {}`{}\n",
                args.resource,
                if args.lasts.is_some() { " or that moment" } else { "" }
            );
            tool(&args.ask.control, &words, &hint)
        }
        ResourceCommand::Ban(args) => {
            let mut words = vec!["-B", "-r", &args.resource];
            words.extend(args.node.iter().flat_map(|node| ["-N", node]));
            words.extend(args.lasts.iter().flat_map(|span| ["-u", span]));
            words.extend(args.promoted.then_some("--promoted"));
            tool(&args.ask.control, &words, "")
        }
        ResourceCommand::Clear(args) => {
            let mut words = vec!["-U", "-r", &args.resource];
            words.extend(args.node.iter().flat_map(|node| ["-N", node]));
            words.extend(args.expired.then_some("-e"));
            tool(&args.ask.control, &words, "")
        }
        ResourceCommand::Cleanup(args) => {
            let mut words = vec![if args.all { "-R" } else { "-C" }];
            words.extend(args.resource.iter().flat_map(|it| ["-r", it]));
            words.extend(args.node.iter().flat_map(|node| ["-N", node]));
            tool(&args.ask.control, &words, "")
        }
    }
}

/// Runs `crm_resource`; where it has nothing to say, `instead` is said.
fn tool(control: &Path, words: &[&str], instead: &str) -> Result<Exit, String> {
    let all: Vec<&str> = std::iter::once("crm_resource").chain(words.iter().copied()).collect();
    let Told { text, errors, status } = tools::on(control, &all);
    if status != 0 {
        let lines = errors.iter().flat_map(|it| it.lines());
        let lines: Vec<&str> = lines
            .map(|it| it.trim_start_matches("crm_resource: ").trim_start_matches("error: "))
            .filter(|line| !line.starts_with("Error performing operation"))
            .collect();
        return Err(lines.join("\n"));
    }
    for line in &errors {
        eprintln!("{line}");
    }
    print(if text.is_empty() { instead } else { &text })
}

/// Where a resource is, what it is made of, and why.
fn show(control: &Path, resource: &str) -> Result<Exit, String> {
    let root = Live::open(control).and_then(|mut door| door.cib());
    let root = root.map_err(|failure| failure.text.trim_start_matches("error: ").to_owned())?;
    let cib = ::cib::Cib::read(&root);
    let question = pcmk::why::Question { resource: resource.to_owned(), node: None, json: false };
    let why = pcmk::why::explain(&cib, tools::now(), &question)?;
    let left = pcmk::live::resource::moves::left(&root, Some(resource));
    let left: String = left.map(|it| format!("  constraint {it}\n")).collect();
    let told = tools::on(control, &["crm_resource", "-r", resource, "-w"]);
    print(&format!("{why}{left}{}", told.text))
}
