//! Access lists of before 2.0: users with permissions of their own, and elements named after what
//! they permit.

use crate::xml::{Element, Node};

pub(super) fn rewrite(cib: &mut Element, notes: &mut Vec<String>) {
    let configuration = cib.child_mut("configuration");
    let Some(acls) = configuration.and_then(|it| it.child_mut("acls")) else { return };
    let mut after = Vec::new();
    for node in std::mem::take(&mut acls.children) {
        match node {
            Node::Element(user) if user.name() == "acl_user" => {
                let (target, role) = user_of_today(user, notes);
                after.push(Node::Element(target));
                after.extend(role.map(Node::Element));
            }
            Node::Element(mut role) => {
                permissions(&mut role, notes);
                after.push(Node::Element(role));
            }
            other => after.push(other),
        }
    }
    acls.children = after;
}

/// A user only has roles today; permissions of their own become a role of their own.
fn user_of_today(mut user: Element, notes: &mut Vec<String>) -> (Element, Option<Element>) {
    user.rename("acl_target");
    let direct = user.elements().any(|it| matches!(it.name(), "read" | "write" | "deny"));
    if !direct {
        for role in user.elements_mut().filter(|it| it.name() == "role_ref") {
            role.rename("role");
        }
        return (user, None);
    }
    let id = user.id().unwrap_or_default().to_owned();
    let name = format!("auto-{id}");
    let mut role = Element::new("acl_role").with("id", &name);
    role.children = std::mem::take(&mut user.children);
    permissions(&mut role, notes);
    user.push(Element::new("role").with("id", &name));
    notes.push(format!("the permissions of user {id} are now those of role {name}"));
    (user, Some(role))
}

fn permissions(role: &mut Element, notes: &mut Vec<String>) {
    for old in role.elements_mut() {
        let kind = old.name().to_owned();
        if !matches!(kind.as_str(), "read" | "write" | "deny") {
            continue;
        }
        let id = old.id().unwrap_or_default().to_owned();
        let mut new = Element::new("acl_permission").with("id", &id).with("kind", &kind);
        let attribute = old.get("attribute");
        if let Some(reference) = old.get("ref") {
            new.set("reference", reference);
            if attribute.is_some() {
                notes.push(format!("permission {id} no longer tells attributes apart"));
            }
        } else if let Some(tag) = old.get("tag") {
            new.set("object-type", tag);
            if let Some(attribute) = attribute {
                new.set("attribute", attribute);
            }
        } else {
            let path = old.get("xpath").unwrap_or_default();
            new.set("xpath", &attribute.map_or(path.to_owned(), |it| format!("{path}[@{it}]")));
        }
        new.span = old.span;
        *old = new;
    }
}
