//! Digests: what nodes compare instead of whole documents and parameter lists.
//!
//! MD5 is what the protocol says; it finds drift, it protects from nobody. What is hashed is a
//! text form of its own: one line, attributes in the order of the document, five characters as
//! entities, line breaks as the two characters `\n`, a tab as four spaces, no text between
//! elements. Three uses: the whole CIB inside a cluster ([`versioned`]), the CIB in a file
//! ([`on_disk`]), and the parameters of an operation ([`operation`]).

use md5::{Digest as _, Md5};

use crate::xml::{Element, Node};

/// Notes about the last write, which two equal CIBs may differ in.
const NOTES: [&str; 4] = ["cib-last-written", "update-origin", "update-client", "update-user"];

/// Feature sets before this one used the form of [`on_disk`] for everything.
const COMPACT_SINCE: [u32; 3] = [3, 0, 5];

/// The digest of a document as it is kept in a file.
#[must_use]
pub fn on_disk(root: &Element) -> String {
    md5(&format!(" {}\n", text(root, &[])))
}

/// The digest of a document as nodes compare it and as patches carry it. `feature_set` is the
/// cluster's, such as `3.16.1`.
#[must_use]
pub fn versioned(root: &Element, feature_set: Option<&str>) -> String {
    match feature_set {
        Some(set) if numbers(set) >= COMPACT_SINCE => md5(&text(root, &NOTES)),
        _ => on_disk(root),
    }
}

/// The digest of a CIB, by its own feature set.
#[must_use]
pub fn of_cib(root: &Element) -> String {
    versioned(root, root.get("crm_feature_set"))
}

/// The digest of an operation's parameters: what changes when its definition does.
#[must_use]
pub fn operation<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_unstable();
    let mut element = Element::new("parameters");
    for (name, value) in sorted {
        element.set(name, value);
    }
    on_disk(&element)
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first three numbers of a dotted version; what is missing or no number is zero.
fn numbers(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.trim().parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// The form that is hashed, without the attributes named in `leave_out`.
fn text(root: &Element, leave_out: &[&str]) -> String {
    let mut out = String::new();
    element(root, leave_out, &mut out);
    out
}

fn element(it: &Element, leave_out: &[&str], out: &mut String) {
    out.push('<');
    out.push_str(it.name());
    for attr in it.attrs().iter().filter(|attr| !leave_out.contains(&&*attr.name)) {
        out.push(' ');
        out.push_str(&attr.name);
        out.push_str("=\"");
        value(&attr.value, out);
        out.push('"');
    }
    let told = |node: &&Node| matches!(node, Node::Element(_) | Node::Comment(_) | Node::CData(_));
    // An element with text only is written open and shut, like one with children.
    if it.children.iter().all(|node| !told(&node)) {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for child in it.children.iter().filter(told) {
        match child {
            Node::Element(child) => element(child, leave_out, out),
            Node::Comment(comment) => {
                out.push_str("<!--");
                out.push_str(comment);
                out.push_str("-->");
            }
            Node::CData(data) => {
                out.push_str("<![CDATA[");
                out.push_str(data);
                out.push_str("]]>");
            }
            _ => {}
        }
    }
    out.push_str("</");
    out.push_str(it.name());
    out.push('>');
}

fn value(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("    "),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn no_parameters() {
        assert_eq!(operation([]), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }

    #[test]
    fn parameters_are_sorted() {
        let one = operation([("b", "2"), ("a", "1")]);
        assert_eq!(one, operation([("a", "1"), ("b", "2")]));
        assert_ne!(one, operation([("a", "1"), ("b", "3")]));
    }

    #[test]
    fn the_hashed_form() {
        let root =
            parse("<a c='1' b=\"'&lt;&#10;&#9;\" update-user='x'> <!-- n --> <d>t</d>\n</a>")
                .expect("xml")
                .root;
        let want = "<a c=\"1\" b=\"&apos;&lt;\\n    \"><!-- n --><d/></a>";
        assert_eq!(text(&root, &NOTES), want);
    }

    #[test]
    fn old_clusters_hash_the_notes_too() {
        let root = |set: &str| {
            Element::new("cib").with("crm_feature_set", set).with("update-user", "somebody")
        };
        assert_eq!(of_cib(&root("3.0.4")), on_disk(&root("3.0.4")));
        assert_ne!(of_cib(&root("3.0.14")), on_disk(&root("3.0.14")));
        assert_eq!(
            of_cib(&root("3.19.0")),
            of_cib(&root("3.19.0").with("update-user", "somebody else"))
        );
    }
}
