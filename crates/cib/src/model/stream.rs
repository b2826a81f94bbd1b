//! Histories, read while the text is read.
//!
//! In a large cluster nearly all of the document is what was done on each node. It is taken out of
//! the text as typed records at once; what remains for the tree is small.

use super::Text;
use super::status::{History, OpRecord};
use crate::names::Names;
use crate::value::leading_integer;
use crate::xml::{self, Element, Tag, Taker};

/// Where histories are.
const PATH: [&str; 5] = ["cib", "status", "node_state", "lrm", "lrm_resources"];

/// Reads a document without its histories, and the histories of each node's state.
pub(super) fn parse(text: &str) -> Result<(Element, Vec<Vec<History>>), xml::Error> {
    let mut taker = Histories::default();
    let document = xml::parse_with(text, &mut taker)?;
    Ok((document.root, taker.done))
}

/// The same for a text that comes in pieces, so that most of it need not be kept. `more` fills what
/// it is given and says how far; nothing is the end. Whatever is wrong is told by who reads the
/// text as one.
pub(super) fn parse_pieces(
    mut more: impl FnMut(&mut [u8]) -> Option<usize>,
) -> Option<(Element, Vec<Vec<History>>)> {
    let mut taker = Histories::default();
    let mut parser = xml::Parser::new(&mut taker);
    let mut window = vec![0; 1 << 18];
    let mut filled = 0;
    loop {
        let came = more(&mut window[filled..])?;
        filled += came;
        let text = match std::str::from_utf8(&window[..filled]) {
            Ok(text) => text,
            // A character may end in the next piece.
            Err(error) if came > 0 && error.error_len().is_none() => {
                std::str::from_utf8(&window[..error.valid_up_to()]).ok()?
            }
            Err(_) => return None,
        };
        let used = parser.feed(text, came == 0).ok()?;
        if came == 0 {
            break;
        }
        window.copy_within(used..filled, 0);
        filled -= used;
        if filled > window.len() / 2 {
            window.resize(window.len() * 2, 0);
        }
    }
    let document = parser.finish().ok()?;
    Some((document.root, taker.done))
}

#[derive(Default)]
struct Histories {
    names: Names,
    /// Of the node's state that is being read.
    current: Vec<History>,
    /// Of those before it, in order.
    done: Vec<Vec<History>>,
    /// Whether a list of histories is being read.
    inside: bool,
    /// No record, for the first to be like.
    nothing: OpRecord,
}

/// Whether this is the status planning reads: a document may have only one, the first.
fn in_status(above: &[Element]) -> bool {
    above[0].child("status").is_none()
}

fn on_path(above: &[Element], length: usize) -> bool {
    above.len() >= length
        && above.iter().zip(&PATH).all(|(element, name)| element.name() == *name)
        && in_status(above)
}

impl Histories {
    fn resource(&mut self, tag: &Tag<'_>) -> Result<(), String> {
        let none = History::default();
        let id = tag.get("id")?.unwrap_or_default();
        // Nodes are much alike: what the one before has in this place is the best guess.
        let twin = self.done.last().and_then(|node| node.get(self.current.len()));
        let twin = twin.filter(|twin| *twin.id == *id);
        let before = twin.or(self.current.last()).unwrap_or(&none);
        let id = self.names.again(&id, &before.id);
        let mut text = |name: &str, known: &Text| -> Result<_, String> {
            Ok(self.names.again(&tag.get(name)?.unwrap_or_default(), known))
        };
        let mut history = History {
            id,
            class: text("class", &before.class)?,
            provider: text("provider", &before.provider)?,
            agent: text("type", &before.agent)?,
            ..History::default()
        };
        history.container = tag.get("container")?.map(|text| (&*text).into());
        let lock = tag.get("shutdown-lock")?;
        history.shutdown_lock = lock.and_then(|text| leading_integer(&text));
        self.current.push(history);
        Ok(())
    }

    fn operation(&mut self, tag: &Tag<'_>) -> Result<(), String> {
        let mut record = OpRecord::default();
        let at = self.current.len().saturating_sub(1);
        let twin = self.current.last().and_then(|current| {
            let twin = self.done.last()?.get(at).filter(|twin| twin.id == current.id)?;
            twin.operations.get(current.operations.len())
        });
        let mut last = self.current.iter().rev().take(2).filter_map(|it| it.operations.last());
        let before = twin.or_else(|| last.next()).unwrap_or(&self.nothing);
        for raw in tag.raw {
            record.take(raw.name, &raw.value()?, &mut self.names, before);
        }
        if record.key.is_none() {
            let magic = tag.get("transition-magic")?;
            record.finish(magic.as_deref(), &mut self.names);
        }
        if let Some(history) = self.current.last_mut() {
            // Most resources have one record or two on a node, and a record is large.
            if history.operations.len() == history.operations.capacity() {
                history.operations.reserve_exact(history.operations.len().max(1));
            }
            history.operations.push(record);
        }
        Ok(())
    }
}

impl Taker for Histories {
    fn start(&mut self, above: &[Element], tag: &Tag<'_>) -> Result<bool, String> {
        match (above.len(), tag.name) {
            (4, "lrm_resources") => {
                self.inside = on_path(above, 4);
                return Ok(false);
            }
            (5, "lrm_resource") if self.inside => self.resource(tag)?,
            (6, "lrm_rsc_op") if self.inside && above[5].name() == "lrm_resource" => {
                self.operation(tag)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn end(&mut self, above: &[Element], element: Element) -> Option<Element> {
        match (above.len(), element.name()) {
            (4, "lrm_resources") => self.inside = false,
            (5, "lrm_resource") | (6, "lrm_rsc_op") if self.inside => return None,
            (2, "node_state") if on_path(above, 2) => {
                // Nodes have much the same resources.
                let next = Vec::with_capacity(self.current.len());
                self.done.push(std::mem::replace(&mut self.current, next));
            }
            _ => {}
        }
        Some(element)
    }

    fn wants_text(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cib;
    use crate::xml;

    fn both(text: &str) -> (String, String) {
        let document = xml::parse(text).expect("well-formed");
        let streamed = Cib::parse(text).expect("well-formed");
        (format!("{:?}", Cib::read(&document.root)), format!("{streamed:?}"))
    }

    const NODE: &str = "<node_state id='1'><lrm id='1'><lrm_resources>
        <lrm_resource id='a' class='ocf' type='t' container='c'>
          <lrm_rsc_op id='a_last_0' operation='start' call-id='2' exit-reason='a &lt; b'
            transition-magic='0:0;3:1:0:u'/><!-- between -->
          <lrm_rsc_op id='a_monitor_1' operation='monitor' call-id='3'><odd/></lrm_rsc_op>
        </lrm_resource>
        <lrm_resource id='b' type='t'/></lrm_resources></lrm>
        <lrm><lrm_resources><lrm_resource id='d'/></lrm_resources></lrm></node_state>";

    #[test]
    fn reading_from_the_text_and_from_the_tree_come_to_the_same() {
        let texts = [
            format!("<cib><configuration/><status>{NODE}<node_state id='2'/>{NODE}</status></cib>"),
            format!("<cib><status>{NODE}</status><configuration/><status>{NODE}</status></cib>"),
            format!("<cib><status/><status>{NODE}</status></cib>"),
            format!("<status>{NODE}</status>"),
            format!("<cib><configuration><status>{NODE}</status></configuration></cib>"),
            "<cib><status><node_state><lrm><lrm_resource><lrm_rsc_op/></lrm_resource></lrm>\
             </node_state></status></cib>"
                .to_owned(),
        ];
        for text in texts {
            let (tree, streamed) = both(&text);
            assert_eq!(tree, streamed, "{text}");
        }
    }

    #[test]
    fn in_pieces_of_any_size_it_is_the_same_document() {
        let note = "<!-- \u{e9}\u{20ac} --><?note a?><!DOCTYPE cib [<!ENTITY a 'b'>]>";
        let text = format!(
            "\u{feff}<?xml version='1.0'?>{note}<cib><status>{NODE}</status>&amp;</cib>\n<!-- end -->"
        );
        let whole = format!("{:?}", Cib::parse_with_tree(&text).expect("well-formed"));
        let fed = |text: &str, size: usize| {
            let mut rest = text.as_bytes();
            Cib::parse_pieces(|room| {
                let length = size.min(rest.len()).min(room.len());
                room[..length].copy_from_slice(&rest[..length]);
                rest = &rest[length..];
                Some(length)
            })
        };
        for size in [1, 2, 3, 7, 100, 100_000] {
            assert_eq!(format!("{:?}", fed(&text, size).expect("well-formed")), whole, "{size}");
            // Longer than any window, in one tag.
            let long = text.replace("'c'", &format!("'{}'", "c\u{e9}".repeat(300_000)));
            if size > 50 {
                let whole = format!("{:?}", Cib::parse_with_tree(&long).expect("well-formed"));
                assert_eq!(format!("{:?}", fed(&long, size).expect("well-formed")), whole);
            }
            for bad in
                ["<a><b></a>", "<a/><b/>", "<a x='1' x='1'/>", "<a>&no;</a>", "<a>\u{e9}", ""]
            {
                assert!(fed(bad, size).is_none(), "{bad}");
            }
        }
        assert!(Cib::parse_pieces(|_| None).is_none());
        let mut bytes = [0xff].as_slice();
        assert!(Cib::parse_pieces(|room| std::io::Read::read(&mut bytes, room).ok()).is_none());
    }

    #[test]
    fn what_is_wrong_inside_a_history_is_still_an_error() {
        for bad in ["id='a' id='b'", "id='&nothing;'", "id", "unread='&nothing;'"] {
            let text = format!(
                "<cib><status><node_state><lrm><lrm_resources><lrm_resource {bad}/>\
                 </lrm_resources></lrm></node_state></status></cib>"
            );
            assert!(Cib::parse(&text).is_err() && xml::parse(&text).is_err(), "{bad}");
        }
    }
}
