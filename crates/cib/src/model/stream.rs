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
        let before = self.current.last().unwrap_or(&none);
        let mut text = |name: &str, known: &Text| -> Result<_, String> {
            Ok(self.names.again(&tag.get(name)?.unwrap_or_default(), known))
        };
        let mut history = History {
            id: text("id", &before.id)?,
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
        let mut last = self.current.iter().rev().take(2).filter_map(|it| it.operations.last());
        let before = last.next().unwrap_or(&self.nothing);
        for raw in &tag.raw {
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
    fn what_is_wrong_inside_a_history_is_still_an_error() {
        for bad in ["id='a' id='b'", "id='&nothing;'", "id"] {
            let text = format!(
                "<cib><status><node_state><lrm><lrm_resources><lrm_resource {bad}/>\
                 </lrm_resources></lrm></node_state></status></cib>"
            );
            assert!(Cib::parse(&text).is_err() && xml::parse(&text).is_err(), "{bad}");
        }
    }
}
