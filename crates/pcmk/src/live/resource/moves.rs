//! Where resources shall and shall not be, by an administrator's word: `move`, `ban`, `clear`.
//!
//! A move is a location constraint that says so, with the ids that Pacemaker's tools give them:
//! `cli-prefer-RESOURCE` and `cli-ban-RESOURCE-on-NODE`. With a lifetime the constraint is a rule that
//! stops to hold by itself. What these tools write, those read, and the other way round.

use cib::dates::{WallTime, duration};
use cib::edit::Operation;
use cib::xml::Element;

use crate::failure::Failure;
use crate::live::EXISTS;
use crate::live::file::scope;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which.
    pub resource: &'a str,
    /// Where to, or where not; none: away from where it is.
    pub node: Option<&'a str>,
    /// Only about being promoted.
    pub promoted: bool,
    /// The moment from which it does not hold any more.
    pub until: Option<&'a str>,
    /// Also from where it is, and although it is there already.
    pub force: bool,
}

/// What is to be done, and told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// The changes, in order.
    pub operations: Vec<Operation>,
    /// On standard output.
    pub told: Vec<String>,
    /// What whoever asked should know.
    pub warnings: Vec<String>,
}

/// When a span that begins now is over.
#[must_use]
pub fn until(text: &str, now: WallTime) -> Option<String> {
    Some(now.after(duration(text)?)?.spelled())
}

/// `--move`
///
/// # Errors
/// When it is there already, or it is not said where to and it is not at one place.
pub fn shift(cib: &Element, asked: &Asked<'_>, places: &[(String, bool)]) -> Result<Done, Failure> {
    let Some(node) = asked.node else { return ban(cib, asked, places) };
    let counted: Vec<&str> = of_role(asked, places);
    let there = counted == [node];
    if there && !asked.force {
        let text = "crm_resource: Error performing operation: Requested item already exists".into();
        return Err(Failure { status: EXISTS, text });
    }
    // What was said about that node before gives way.
    let mut done = clear(cib, asked, None);
    done.told = told_until(asked);
    done.operations.push(put(cib, prefer(asked, node)));
    if asked.force && !there {
        match counted[..] {
            [from] => {
                let from_there = Asked { node: Some(from), ..*asked };
                done.operations.push(put(cib, banned(&from_there, from)));
                done.warnings.push(warning(asked, from));
            }
            _ => done.warnings.push(format!(
                "Resource '{}' is not at one place now: it may be started where it is again",
                asked.resource
            )),
        }
    }
    Ok(done)
}

/// `--ban`
///
/// # Errors
/// When it is not said where, and it is not at one place.
pub fn ban(cib: &Element, asked: &Asked<'_>, places: &[(String, bool)]) -> Result<Done, Failure> {
    let counted = of_role(asked, places);
    let node = match (asked.node, &counted[..]) {
        (Some(node), _) => node,
        (None, [only]) => only,
        (None, several) => {
            let what = if asked.promoted { "promoted" } else { "active" };
            let text = format!(
                "crm_resource: Resource '{}' not moved: {what} in {} locations.\n\
                 To prevent '{}' from {} on a specific location, specify a node.",
                asked.resource,
                several.len(),
                asked.resource,
                if asked.promoted { "being promoted" } else { "running" },
            );
            return Err(Failure::usage(text));
        }
    };
    Ok(Done {
        operations: vec![put(cib, banned(asked, node))],
        told: told_until(asked),
        warnings: vec![warning(asked, node)],
    })
}

/// `--clear`: of a resource, or only what is about a node; with `expired` only what does not hold any
/// more by then.
#[must_use]
pub fn clear(cib: &Element, asked: &Asked<'_>, expired: Option<WallTime>) -> Done {
    let mut done = Done::default();
    let section = scope("constraints").find(cib);
    let mut found: Vec<&Element> =
        section.into_iter().flat_map(|it| it.named("rsc_location")).collect();
    // Bans first: what is only preferred must not bring something back to where it is banned.
    found.sort_by_key(|it| it.id().is_some_and(|id| id.starts_with("cli-prefer-")));
    for constraint in found {
        let Some(id) = constraint.id() else { continue };
        let prefers = id == format!("cli-prefer-{}", asked.resource);
        let bans = id.strip_prefix(&format!("cli-ban-{}-on-", asked.resource));
        let about = match asked.node {
            Some(node) => bans == Some(node) || (prefers && place(constraint) == Some(node)),
            None => prefers || bans.is_some(),
        };
        if !about || expired.is_some_and(|now| !is_over(constraint, now)) {
            continue;
        }
        let object = Element::new("rsc_location").with("id", id);
        done.operations.push(Operation::Delete(scope("constraints"), object));
        done.told.push(format!("Removing constraint: {id}"));
    }
    done
}

/// The constraints that tools have left: of a resource, or of all.
pub fn left<'a>(
    cib: &'a Element,
    resource: Option<&'a str>,
) -> impl Iterator<Item = &'a Element> + 'a {
    let section = scope("constraints").find(cib);
    section.into_iter().flat_map(|it| it.named("rsc_location")).filter(move |it| {
        let ours =
            it.id().is_some_and(|id| id.starts_with("cli-prefer-") || id.starts_with("cli-ban-"));
        ours && resource.is_none_or(|resource| it.get("rsc") == Some(resource))
    })
}

fn of_role<'a>(asked: &Asked<'_>, places: &'a [(String, bool)]) -> Vec<&'a str> {
    // Who asks about a promotable one means where it is promoted, unless it is at one place anyhow.
    let promoted = asked.promoted;
    let counted = places.iter().filter(|(_, is)| !promoted || *is);
    counted.map(|(node, _)| &**node).collect()
}

/// The node a constraint is about.
fn place(constraint: &Element) -> Option<&str> {
    constraint.get("node").or_else(|| constraint.child("rule")?.child("expression")?.get("value"))
}

fn is_over(constraint: &Element, now: WallTime) -> bool {
    let dates = constraint.child("rule").and_then(|rule| rule.child("date_expression"));
    dates.and_then(|it| WallTime::parse(it.get("end")?)).is_some_and(|end| end < now)
}

fn told_until(asked: &Asked<'_>) -> Vec<String> {
    let until = asked.until.iter();
    until.map(|it| format!("Migration will take effect until: {it}")).collect()
}

fn warning(asked: &Asked<'_>, node: &str) -> String {
    let resource = asked.resource;
    let what = if asked.promoted { "being promoted" } else { "running" };
    format!(
        "WARNING: Creating rsc_location constraint 'cli-ban-{resource}-on-{node}' with a score of \
         -INFINITY for resource {resource} on {node}.\n\tThis will prevent {resource} from {what} on \
         {node} until the constraint is removed using the clear option or by editing the CIB with an \
         appropriate tool\n\tThis will be the case even if {node} is the last node in the cluster"
    )
}

/// What takes the place of one of the same id, or is new.
fn put(cib: &Element, object: Element) -> Operation {
    let section = scope("constraints").find(cib);
    let known = section.into_iter().flat_map(Element::elements).any(|it| it.id() == object.id());
    match known {
        true => Operation::Replace(scope("constraints"), object),
        false => Operation::Modify { scope: scope("constraints"), object, allow_create: true },
    }
}

fn location(id: &str, asked: &Asked<'_>) -> Element {
    let role = if asked.promoted { "Promoted" } else { "Started" };
    Element::new("rsc_location").with("id", id).with("rsc", asked.resource).with("role", role)
}

fn banned(asked: &Asked<'_>, node: &str) -> Element {
    let id = format!("cli-ban-{}-on-{node}", asked.resource);
    let ids = [format!("{id}-rule"), format!("{id}-expr"), format!("{id}-lifetime")];
    limited(location(&id, asked), node, "-INFINITY", asked.until, &ids)
}

fn prefer(asked: &Asked<'_>, node: &str) -> Element {
    let of = asked.resource;
    let ids = ["rule", "expr", "lifetime-end"].map(|part| format!("cli-prefer-{part}-{of}"));
    limited(location(&format!("cli-prefer-{of}"), asked), node, "INFINITY", asked.until, &ids)
}

fn limited(
    mut constraint: Element,
    node: &str,
    score: &str,
    until: Option<&str>,
    [rule, expression, lifetime]: &[String; 3],
) -> Element {
    let Some(until) = until else {
        return constraint.with("node", node).with("score", score);
    };
    let mut it =
        Element::new("rule").with("id", rule).with("score", score).with("boolean-op", "and");
    it.push(
        Element::new("expression")
            .with("id", expression)
            .with("attribute", "#uname")
            .with("operation", "eq")
            .with("value", node)
            .with("type", "string"),
    );
    it.push(
        Element::new("date_expression")
            .with("id", lifetime)
            .with("operation", "lt")
            .with("end", until),
    );
    constraint.push(it);
    constraint
}
