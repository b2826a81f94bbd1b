//! Tree to text.

use std::fmt::{self, Write};

use super::{Document, Element, Node};

pub(super) fn document(document: &Document, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for part in &document.before {
        node(part, f)?;
    }
    element(&document.root, f)?;
    for part in &document.after {
        node(part, f)?;
    }
    Ok(())
}

pub(super) fn element<W: Write>(it: &Element, f: &mut W) -> fmt::Result {
    open(it, f)?;
    if it.children.is_empty() {
        return f.write_str("/>");
    }
    f.write_char('>')?;
    for child in &it.children {
        node(child, f)?;
    }
    write!(f, "</{}>", it.name())
}

pub(super) fn pretty(it: &Element) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = indented(it, 0, &mut text);
    text
}

fn indented(it: &Element, depth: usize, f: &mut String) -> fmt::Result {
    write!(f, "{:1$}", "", depth * 2)?;
    let blank = |node: &Node| matches!(node, Node::Text(text) if text.trim().is_empty());
    let mixed = it
        .children
        .iter()
        .any(|child| matches!(child, Node::Text(_) | Node::CData(_)) && !blank(child));
    if mixed || it.children.iter().all(blank) {
        if mixed {
            element(it, f)?;
        } else {
            open(it, f)?;
            f.push_str("/>");
        }
        return f.write_char('\n');
    }
    open(it, f)?;
    f.push_str(">\n");
    for child in it.children.iter().filter(|child| !blank(child)) {
        if let Node::Element(child) = child {
            indented(child, depth + 1, f)?;
        } else {
            write!(f, "{:1$}", "", (depth + 1) * 2)?;
            node(child, f)?;
            f.push('\n');
        }
    }
    writeln!(f, "{:2$}</{}>", "", it.name(), depth * 2)
}

fn open<W: Write>(it: &Element, f: &mut W) -> fmt::Result {
    write!(f, "<{}", it.name())?;
    for attr in it.attrs() {
        write!(f, " {}=\"", attr.name)?;
        escaped(&attr.value, true, f)?;
        f.write_char('"')?;
    }
    Ok(())
}

fn node<W: Write>(it: &Node, f: &mut W) -> fmt::Result {
    match it {
        Node::Element(child) => element(child, f),
        Node::Text(text) => escaped(text, false, f),
        Node::Comment(text) => write!(f, "<!--{text}-->"),
        Node::CData(text) => write!(f, "<![CDATA[{text}]]>"),
        Node::Instruction(text) => write!(f, "<?{text}?>"),
        Node::DocType(text) => write!(f, "<!DOCTYPE {text}>"),
    }
}

pub(super) fn escaped<W: Write>(text: &str, in_attribute: bool, f: &mut W) -> fmt::Result {
    let special = |byte: &u8| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\n' | b'\t' | b'\r');
    if !text.as_bytes().iter().any(special) {
        return f.write_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\n', '\t', '\r']) {
        let (plain, tail) = rest.split_at(at);
        f.write_str(plain)?;
        let mut characters = tail.chars();
        match characters.next().unwrap_or_default() {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' if in_attribute => f.write_str("&quot;")?,
            '\n' if in_attribute => f.write_str("&#10;")?,
            '\t' if in_attribute => f.write_str("&#9;")?,
            '\r' => f.write_str("&#13;")?,
            other => f.write_char(other)?,
        }
        rest = characters.as_str();
    }
    f.write_str(rest)
}
