//! `crm_node`: who this node is, and who is there.

use std::ffi::OsString;
use std::fmt::Write as _;

use cib::xml::Element;

use super::words::{Spec, Takes, Words};
use super::{Answered, Around, NO_SUCH, Opens, Said};
use crate::failure::Failure;

const SPECS: [Spec; 11] = [
    ('n', &["name"], Takes::Nothing),
    ('i', &["cluster-id"], Takes::Nothing),
    ('l', &["list"], Takes::Nothing),
    ('p', &["partition"], Takes::Nothing),
    ('q', &["quorum"], Takes::Nothing),
    ('N', &["name-for-id"], Takes::Value),
    ('R', &["remove"], Takes::Value),
    ('f', &["force"], Takes::Nothing),
    ('Q', &["quiet"], Takes::Nothing),
    ('V', &["verbose"], Takes::Nothing),
    ('$', &["version"], Takes::Nothing),
];

/// `crm_node`
pub(super) fn run(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("crm_node", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = answer(&words, around, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

fn answer(words: &Words, around: &Around, opens: Opens<'_>) -> Result<Said, Failure> {
    let asked = words.last_of("nilpqNR$");
    if asked == Some('$') {
        return Ok(Said::text(super::version()));
    }
    // Whoever runs an agent has told it; so it is called however often without asking anybody.
    if let (Some('n'), Some(node)) = (asked, &around.on_node) {
        return Ok(Said::text(format!("{node}\n")));
    }
    if asked.is_none() {
        return Err(Failure::usage("crm_node: say what to tell: -n, -i, -l, -p or -q".into()));
    }
    let mut door = opens()?;
    let here = door.here()?;
    let mut said = Said::default();
    let mut members = here.members.clone();
    members.sort_by_key(|(id, name, _)| (id.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    match asked {
        Some('n') => said.text = format!("{}\n", here.node),
        Some('i') => said.text = format!("{}\n", here.id),
        Some('q') => {
            said.text = format!("{}\n", u8::from(here.quorum));
            said.content.push(Element::new("cluster-info").with("quorum", word(here.quorum)));
        }
        Some('l') => {
            let mut nodes = Element::new("nodes");
            for (id, name, there) in &members {
                let state = if *there { "member" } else { "lost" };
                let _ = writeln!(said.text, "{id} {name} {state}");
                nodes.push(
                    Element::new("node").with("id", id).with("name", name).with("state", state),
                );
            }
            said.content.push(nodes);
        }
        Some('p') => {
            let mut nodes = Element::new("nodes");
            for (id, name, _) in members.iter().filter(|(_, _, there)| *there) {
                let _ = write!(said.text, "{name} ");
                nodes.push(Element::new("node").with("id", id).with("name", name));
            }
            said.text.push('\n');
            said.content.push(nodes);
        }
        Some('N') => {
            let wanted = words.value('N').unwrap_or_default();
            let found = members.iter().find(|(id, _, _)| id == wanted);
            let (_, name, _) = found.ok_or_else(|| Failure {
                status: NO_SUCH,
                text: format!("crm_node: Node {wanted} is not known to cluster"),
            })?;
            said.text = format!("{name}\n");
        }
        _ => {
            let node = words.value('R').unwrap_or_default();
            if !words.has('f') {
                let text = "The supplied command is considered dangerous.  To prevent accidental \
                            destruction of the cluster, the --force flag is required in order to \
                            proceed."
                    .into();
                return Err(Failure { status: 64, text });
            }
            door.remove(node)?;
        }
    }
    Ok(said)
}

fn word(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}
