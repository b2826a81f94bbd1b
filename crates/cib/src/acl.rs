//! Who may read and change which part of a CIB.
//!
//! Permissions say read, write or deny, and where: by XPath, by the id of an element, or by the
//! name of elements. Each element an expression finds is marked. What counts for an element is the
//! nearest mark, its own or that of the closest ancestor; of several marks on one element a deny
//! wins; for writing, a read mark counts for nothing. Without any mark nothing is allowed.
//!
//! Reading is pruning ([`Acl::readable`]): what may not be read is left out; of an element that
//! may not be read but holds something that may, name and id remain. Writing is judged by what
//! would change ([`Acl::check`]), since every operation comes down to that. `root` and `hacluster`
//! may do anything, and so may everybody while the cluster property `enable-acl` is not true.

mod marks;
mod write;

use crate::xml::{Element, Node};
use crate::xpath::XPath;

use marks::{Mark, Marks};

pub use write::Denied;

/// Accounts that no ACL binds.
pub const ABOVE: [&str; 2] = ["root", "hacluster"];

/// What one account may do.
#[derive(Clone, Debug)]
pub struct Acl {
    /// `None` for those above.
    permissions: Option<Vec<Permission>>,
}

/// One permission of a role.
#[derive(Clone, Debug)]
struct Permission {
    kind: Mark,
    /// `None` when it cannot be read: a deny then means everything, anything else nothing.
    place: Option<XPath>,
}

impl Acl {
    /// What a user in these groups may do by the ACLs of a CIB.
    #[must_use]
    pub fn of(cib: &Element, user: &str, groups: &[&str]) -> Self {
        if ABOVE.contains(&user) || !enabled(cib) {
            return Self { permissions: None };
        }
        let configuration = cib.child("configuration");
        let Some(acls) = configuration.and_then(|it| it.child("acls")) else {
            return Self { permissions: Some(Vec::new()) };
        };
        let is = |element: &&Element, names: &[&str]| {
            let name = element.get("name").or(element.id());
            name.is_some_and(|name| names.contains(&name))
        };
        let targets = acls.named("acl_target").filter(|it| is(it, &[user]));
        let groups = acls.named("acl_group").filter(|it| is(it, groups));
        let mut permissions = Vec::new();
        for role in targets.chain(groups).flat_map(|target| target.named("role")) {
            let role = acls.named("acl_role").find(|it| it.id().is_some() && it.id() == role.id());
            let all = role.iter().flat_map(|role| role.named("acl_permission"));
            permissions.extend(all.filter_map(Permission::read));
        }
        Self { permissions: Some(permissions) }
    }

    /// Whether nothing is forbidden to them.
    #[must_use]
    pub fn is_unbound(&self) -> bool {
        self.permissions.is_none()
    }

    /// What of a document they may see; nothing at all is `None`.
    #[must_use]
    pub fn readable(&self, cib: &Element) -> Option<Element> {
        let Some(permissions) = &self.permissions else { return Some(cib.clone()) };
        let marks = Marks::new(cib, permissions);
        prune(cib, &marks, &mut Vec::new(), false)
    }

    /// Whether they may turn one document into the other.
    ///
    /// # Errors
    /// Names the first change that they may not make.
    pub fn check(&self, old: &Element, new: &Element) -> Result<(), Denied> {
        match &self.permissions {
            None => Ok(()),
            Some(permissions) => write::check(permissions, old, new),
        }
    }
}

/// Whether the cluster uses ACLs at all.
fn enabled(cib: &Element) -> bool {
    let config = cib.child("configuration").and_then(|it| it.child("crm_config"));
    let sets = config.iter().flat_map(|it| it.named("cluster_property_set"));
    let mut pairs = sets.flat_map(|set| set.named("nvpair"));
    let pair = pairs.find(|pair| pair.get("name") == Some("enable-acl"));
    pair.and_then(|pair| pair.get("value")).is_some_and(is_true)
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "on" | "yes" | "y" | "1")
}

impl Permission {
    fn read(element: &Element) -> Option<Self> {
        let kind = match element.get("kind")? {
            "read" => Mark::Read,
            "write" => Mark::Write,
            "deny" => Mark::Deny,
            _ => return None,
        };
        let place = if let Some(xpath) = element.get("xpath") {
            xpath.to_owned()
        } else if let Some(id) = element.get("reference") {
            let quote = if id.contains('\'') { '"' } else { '\'' };
            format!("//*[@id={quote}{id}{quote}]")
        } else {
            let name = element.get("object-type")?;
            match element.get("attribute") {
                Some(attribute) => format!("//{name}[@{attribute}]"),
                None => format!("//{name}"),
            }
        };
        Some(Self { kind, place: XPath::parse(&place).ok() })
    }
}

/// A copy of what may be read. `open` says whether the nearest ancestor with a mark may be.
fn prune(element: &Element, marks: &Marks, way: &mut Vec<usize>, open: bool) -> Option<Element> {
    let open = marks.own(way).map_or(open, |own| own != Mark::Deny);
    let mut copy = element.clone();
    copy.children.clear();
    if !open {
        for name in element.attrs().iter().map(|attr| &attr.name).filter(|name| &***name != "id") {
            copy.unset(name);
        }
    }
    let mut holds = open;
    for (at, child) in element.children.iter().enumerate() {
        let Node::Element(child) = child else {
            if open {
                copy.children.push(child.clone());
            }
            continue;
        };
        way.push(at);
        if let Some(child) = prune(child, marks, way, open) {
            holds = true;
            copy.push(child);
        }
        way.pop();
    }
    holds.then_some(copy)
}
