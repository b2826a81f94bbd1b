//! Questions, and what is done about them.

use std::borrow::Cow;
use std::time::Duration;

use base::{Instant, Name};
use cib::acl::Acl;
use cib::edit::{self, Scope};
use cib::xml::Element;
use cib::xpath::{Part, XPath};
use cluster::node::{ByHand, Input};
use cluster::operation::{CibChange, FenceAction, VersionIs};
use cluster::{Operation, Role};
use raft::Token;
use ui::cluster::{Change, Request, Response};

use crate::report::status;
use crate::run::{Goal, Loop};
use crate::serve::{Reply, Who};

/// The longest time an invitation may be used.
const LIFETIME: u64 = 7 * 24 * 3600;

impl Loop {
    pub(crate) fn asked(&mut self, now: Instant, request: Request, reply: Reply) {
        let theirs = !matches!(
            request,
            Request::Invite { .. }
                | Request::Leave
                | Request::Remove { .. }
                | Request::Fence { .. }
        );
        if let (Who::Bound { user, .. }, false) = (reply.who(), theirs) {
            let text = format!("{user} cannot ask for that: only root can");
            return reply.answer(Response::Denied(text));
        }
        if let Some(why) = self.cannot(&request) {
            return reply.answer(Response::Error(why));
        }
        match request {
            Request::Status => reply.answer(Response::Status(Box::new(status(self, now)))),
            Request::Query { scope, xpath } => {
                let cib = self.node.state().cib();
                let Some(seen) = readable(cib, reply.who()) else {
                    let text = "the ACLs let you see nothing of it".into();
                    return reply.answer(Response::Denied(text));
                };
                let found = query(&seen, scope.as_deref(), xpath.as_deref());
                reply.answer(found.map_or_else(Response::Error, Response::Found));
            }
            Request::Change { expect, change } => {
                let expect = expect.map(|(admin, epoch, updates)| VersionIs(admin, epoch, updates));
                let operation = Operation::Cib { expect, change: of(change) };
                self.submit(now, operation, Some(reply));
            }
            Request::Standby { node, on } => {
                self.attribute(now, &node, ("standby", "on", on), reply)
            }
            Request::Maintenance { node, on } => {
                self.attribute(now, &node, ("maintenance", "true", on), reply);
            }
            Request::Invite { role, lifetime_s } => {
                let answer = self.invite(&role, lifetime_s);
                let answer = answer.map(|token| Response::Invited { token });
                reply.answer(answer.unwrap_or_else(Response::Error));
            }
            Request::Leave => self.leave(now, reply),
            Request::Remove { node } => self.remove(&node, reply),
            Request::SetAttribute { node, name, value, dampen_ms, private } => {
                let (node, name) = (Name::from(node), Name::from(name));
                let dampen = Duration::from_millis(dampen_ms);
                let operation = match private {
                    true => Operation::Private { node, name, value },
                    false => Operation::Attribute { node, name, value, dampen },
                };
                self.submit(now, operation, Some(reply));
            }
            Request::Attributes { name, node } => {
                let found = self.attributes(&Name::from(name), node.as_deref(), reply.who());
                reply.answer(Response::Attributes(found));
            }
            Request::Forget { node, resource } => {
                let (node, resource) = (Name::from(node), resource.map(Name::from));
                self.submit(now, Operation::Forget { node, resource }, Some(reply));
            }
            Request::Absolve { node, resource } => {
                let (node, resource) = (Name::from(node), Name::from(resource));
                self.submit(now, Operation::Absolve { node, resource }, Some(reply));
            }
            Request::Fence { node, action, timeout_ms } => {
                let timeout = Duration::from_millis(timeout_ms);
                let asked = self.fence(now, &node, action.as_deref(), timeout);
                reply.answer(asked.map_or_else(Response::Error, |()| Response::Unchanged));
            }
        }
    }

    /// Has a node fenced, or takes it for down.
    fn fence(
        &mut self,
        now: Instant,
        node: &str,
        action: Option<&str>,
        timeout: Duration,
    ) -> Result<(), String> {
        let name = Name::from(node);
        let state = self.node.state();
        if state.members().get(&name).is_none() {
            let known: Vec<&str> = state.members().iter().map(|(it, _)| &**it).collect();
            return Err(format!("{node} is no member; there are: {}", known.join(", ")));
        }
        if self.engine.status().leadership.leader.is_none() {
            return Err("nobody leads, so nobody can have it fenced".into());
        }
        let reached = self.engine.status().peers.get(&name).is_some_and(|reached| *reached);
        let own = self.home.identity.name.clone();
        let action = match action {
            None if reached || name == own => {
                return Err(format!("{node} is in touch: it is not down"));
            }
            None => None,
            Some(word) => {
                let known = FenceAction::parse(word);
                Some(known.ok_or(format!("`{word}` is none of off, reboot and on"))?)
            }
        };
        self.node.handle(now, Input::ByHand(ByHand { node: name, action, timeout, by: own }));
        Ok(())
    }

    /// What nodes have under a name, as far as who asks may see it.
    fn attributes(&self, name: &Name, only: Option<&str>, who: &Who) -> Vec<(String, String)> {
        let state = self.node.state();
        let seen = readable(state.cib(), who);
        let all = state.members().iter().filter(|(node, member)| {
            let asked = only.is_none_or(|only| *only == ***node || *only == *member.id);
            // Who does not see a node does not see what it has.
            let path = format!("/cib/status/node_state[@id='{}']", member.id);
            let sees =
                |cib: &Element| XPath::parse(&path).is_ok_and(|it| !it.select(cib).is_empty());
            asked && seen.as_deref().is_some_and(sees)
        });
        let value = |node: &Name| Some((node.to_string(), state.attribute_of(node, name)?));
        all.filter_map(|(node, _)| value(node)).collect()
    }

    /// Sets an attribute of a node in the configuration, or takes it away.
    fn attribute(
        &mut self,
        now: Instant,
        node: &str,
        (name, value, on): (&str, &str, bool),
        reply: Reply,
    ) {
        match permanent(self.node.state().cib(), node, name, value, on) {
            Ok(Some(change)) => {
                let operation = Operation::Cib { expect: None, change };
                self.submit(now, operation, Some(reply));
            }
            Ok(None) => reply.answer(Response::Unchanged),
            Err(why) => reply.answer(Response::Error(why)),
        }
    }

    fn invite(&mut self, role: &str, lifetime_s: u64) -> Result<String, String> {
        let role = match role {
            "voter" => Role::Voter,
            "learner" => Role::Learner,
            "witness" => Role::Witness,
            _ => return Err(format!("`{role}` is no role: it is voter, learner or witness")),
        };
        if lifetime_s == 0 || lifetime_s > LIFETIME {
            return Err(format!("an invitation counts for 1 to {LIFETIME} seconds"));
        }
        let secret = self.engine.invite(role, Duration::from_secs(lifetime_s));
        let secret = secret?;
        let (address, key) = (self.home.identity.address, self.home.key.print());
        Ok(Token { address, key, secret }.to_string())
    }

    fn leave(&mut self, now: Instant, reply: Reply) {
        let own = &self.home.identity.name;
        let status = self.engine.status();
        let others = status.voters.iter().any(|voter| voter != own);
        let refused = if !matches!(self.goal, Goal::Stay) {
            Some("this node is being stopped already".to_owned())
        } else if !others && self.members.len() > 1 {
            Some(format!(
                "{own} is the only one that votes: without it the others could not agree on anything; \
                 invite another voter first, or have the others leave"
            ))
        } else if !others {
            Some(format!(
                "{own} is all of its cluster: end mainstay here and remove {} instead",
                self.home.dir.display()
            ))
        } else if status.leadership.leader.is_none() {
            Some(
                "nobody leads, so nobody can agree to it: see `mainstay cluster status`; have this \
                 node removed from the others' side if it cannot come back"
                    .to_owned(),
            )
        } else {
            None
        };
        match refused {
            Some(why) => reply.answer(Response::Error(why)),
            None => self.depart(now, true, Some(reply)),
        }
    }

    fn remove(&mut self, node: &str, reply: Reply) {
        let name = Name::from(node);
        let why = if name == self.home.identity.name {
            Some(
                "that is this node: `mainstay cluster leave` stops what runs here first".to_owned(),
            )
        } else if !self.members.contains_key(&name) {
            let known: Vec<&str> = self.members.keys().map(|it| &**it).collect();
            Some(format!("{node} is no member; there are: {}", known.join(", ")))
        } else if self.engine.status().peers.get(&name).is_some_and(|reached| *reached) {
            Some(format!(
                "{node} is in touch, and may run resources: use `mainstay cluster leave` there"
            ))
        } else {
            None
        };
        if let Some(why) = why {
            return reply.answer(Response::Error(why));
        }
        self.expel(name, Some(reply));
    }
}

fn of(change: Change) -> CibChange {
    match change {
        Change::Create { scope, xml } => CibChange::Create { scope, xml },
        Change::Modify { scope, xml, allow_create } => {
            CibChange::Modify { scope, xml, allow_create }
        }
        Change::Replace { scope, xml } => CibChange::Replace { scope, xml },
        Change::ReplaceAt { path, xml } => CibChange::ReplaceAt { path, xml },
        Change::Delete { scope, xml } => CibChange::Delete { scope, xml },
        Change::DeleteAt { path, all } => CibChange::DeleteAt { path, all },
        Change::Patch { xml } => CibChange::Patch { xml },
        Change::Erase => CibChange::Erase,
        Change::Bump => CibChange::Bump,
    }
}

/// What of a document somebody may see.
fn readable<'a>(cib: &'a Element, who: &Who) -> Option<Cow<'a, Element>> {
    let Who::Bound { user, groups } = who else { return Some(Cow::Borrowed(cib)) };
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let acl = Acl::of(cib, user, &groups);
    if acl.is_unbound() {
        return Some(Cow::Borrowed(cib));
    }
    acl.readable(cib).map(Cow::Owned)
}

/// What the document says at a place.
fn query(cib: &Element, scope: Option<&str>, xpath: Option<&str>) -> Result<String, String> {
    let names = || edit::SCOPES.map(|(name, _)| name).join(", ");
    let scope = match scope {
        None => Scope::CIB,
        Some(name) => Scope::named(name)
            .ok_or_else(|| format!("there is no scope `{name}`; there are: {}", names()))?,
    };
    let path = xpath.map(XPath::parse).transpose().map_err(|error| error.to_string())?;
    let found = edit::query(cib, scope, path.as_ref()).map_err(|error| error.to_string())?;
    let mut text = String::new();
    for it in found {
        match it.part {
            Part::Whole => text += &it.element.pretty(),
            Part::Attribute(_, value) => text += &format!("{value}\n"),
            Part::Text(words) | Part::Comment(words) => text += &format!("{words}\n"),
        }
    }
    Ok(text)
}

/// The change by which a node has an attribute for good, or has it no more; none if it is so.
fn permanent(
    cib: &Element,
    node: &str,
    name: &str,
    value: &str,
    on: bool,
) -> Result<Option<CibChange>, String> {
    let nodes = cib.child("configuration").and_then(|it| it.child("nodes"));
    let all = || nodes.into_iter().flat_map(|it| it.named("node"));
    let is = |it: &&Element| it.get("uname") == Some(node) || it.id() == Some(node);
    let Some(found) = all().find(is) else {
        let known: Vec<&str> = all().filter_map(|it| it.get("uname")).collect();
        return Err(format!("there is no node {node}; there are: {}", known.join(", ")));
    };
    let id = found.id().unwrap_or_default();
    let sets = || found.named("instance_attributes");
    let pair = sets()
        .flat_map(|set| set.named("nvpair").map(move |pair| (set, pair)))
        .find(|(_, pair)| pair.get("name") == Some(name));
    if !on {
        let Some(pair) = pair.and_then(|(_, pair)| pair.id()) else { return Ok(None) };
        let xml = Element::new("nvpair").with("id", pair).to_string();
        return Ok(Some(CibChange::Delete { scope: "nodes".into(), xml }));
    }
    if pair.is_some_and(|(_, pair)| pair.get("value") == Some(value)) {
        return Ok(None);
    }
    let fresh = format!("nodes-{id}");
    let set = pair.map(|(set, _)| set).or_else(|| sets().next()).and_then(Element::id);
    let set = set.unwrap_or(&fresh);
    let fresh = format!("{set}-{name}");
    let pair = pair.and_then(|(_, pair)| pair.id()).unwrap_or(&fresh);
    let pair = Element::new("nvpair").with("id", pair).with("name", name).with("value", value);
    let mut set = Element::new("instance_attributes").with("id", set);
    set.push(pair);
    let mut node = Element::new("node").with("id", id);
    node.push(set);
    let (scope, xml) = ("nodes".to_owned(), node.to_string());
    Ok(Some(CibChange::Modify { scope, xml, allow_create: true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIB: &str = "<cib validate-with='pacemaker-3.9' epoch='1' num_updates='0' admin_epoch='0'>\
        <configuration><crm_config/><nodes><node id='1' uname='a'/><node id='2' uname='b'>\
        <instance_attributes id='mine'><nvpair id='sb' name='standby' value='off'/>\
        </instance_attributes></node></nodes><resources/><constraints/></configuration><status/></cib>";

    fn after(cib: &str, change: CibChange) -> String {
        let mut state = cluster::State::new(cib::xml::parse(cib).expect("a CIB").root);
        let operation = Operation::Cib { expect: None, change };
        let entry = cluster::Entry { at: base::Wall::new(1, 0), by: "a".into(), operation };
        let outcome = state.apply(1, &entry);
        assert!(matches!(outcome, cluster::Outcome::Done(_)), "{outcome:?}");
        state.cib().to_string()
    }

    #[test]
    fn an_attribute_of_a_node_is_set_where_it_is_and_taken_away_again() {
        let cib = cib::xml::parse(CIB).expect("a CIB").root;
        for (node, set, pair) in [("a", "nodes-1", "nodes-1-standby"), ("2", "mine", "sb")] {
            let change = permanent(&cib, node, "standby", "on", true).expect("known").expect("new");
            let text = after(CIB, change);
            let want = format!("<nvpair id=\"{pair}\" name=\"standby\" value=\"on\"/>");
            assert!(text.contains(&want) && text.contains(&format!("id=\"{set}\"")), "{text}");
            let now = cib::xml::parse(&text).expect("a CIB").root;
            assert_eq!(permanent(&now, node, "standby", "on", true), Ok(None));
            let gone =
                permanent(&now, node, "standby", "on", false).expect("known").expect("there");
            assert!(!after(&text, gone).contains(&format!("id=\"{pair}\"")));
        }
        assert_eq!(permanent(&cib, "a", "maintenance", "true", false), Ok(None));
        let unknown = permanent(&cib, "c", "standby", "on", true).expect_err("nobody");
        assert!(unknown.contains("there are: a, b"), "{unknown}");
    }

    #[test]
    fn who_is_bound_sees_what_the_acls_let_it_see() {
        let text = CIB.replace(
            "<crm_config/>",
            "<crm_config><cluster_property_set id='s'><nvpair id='e' name='enable-acl' value='true'/>\
             </cluster_property_set></crm_config>",
        );
        let acls = "<constraints/><acls><acl_role id='r'><acl_permission id='p' kind='read' \
                    xpath='//nodes'/></acl_role><acl_target id='ann'><role id='r'/></acl_target></acls>";
        let cib = cib::xml::parse(&text.replace("<constraints/>", acls)).expect("a CIB").root;
        let who = |user: &str| Who::Bound { user: user.into(), groups: Vec::new() };
        let seen = readable(&cib, &who("ann")).expect("something");
        assert_eq!(query(&seen, None, Some("//node[@id='2']/@uname")), Ok("b\n".into()));
        assert!(query(&seen, None, Some("//acl_role")).is_err());
        assert!(readable(&cib, &who("eve")).is_none());
        assert_eq!(readable(&cib, &Who::Above).as_deref(), Some(&cib));
    }

    #[test]
    fn a_query_finds_a_section_a_path_or_says_what_there_is() {
        let cib = cib::xml::parse(CIB).expect("a CIB").root;
        assert!(query(&cib, Some("nodes"), None).expect("there").starts_with("<nodes>"));
        assert_eq!(query(&cib, None, Some("//node[@id='2']/@uname")), Ok("b\n".into()));
        assert!(query(&cib, Some("nose"), None).expect_err("none").contains("resources"));
        assert!(query(&cib, None, Some("//clone")).is_err());
    }
}
