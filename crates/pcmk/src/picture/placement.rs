//! Who is where, before and after: nodes as columns, top-level resources as rows.
//!
//! Of many resources each is one chip on a node, with a count of its parts; those that nothing
//! happens to share the last row, and where nearly all move, so do those.

use std::collections::BTreeSet;

use sched::{Role, Shape, Transition};

use super::{LINE, NAMES, Sheet, short};

const CHIP: usize = 20;
/// More top-level resources than this are drawn as one chip each.
const MANY: usize = 16;
/// More rows than this are more than a page.
const ROWS: usize = 32;

/// What becomes of a resource at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Stays,
    Comes,
    Goes,
}

/// A resource at a place: a node, or (after the last) nowhere.
struct Chip {
    place: usize,
    fate: Fate,
    name: String,
    promoted: bool,
    /// How many resources it stands for.
    count: usize,
}

/// Columns of equal width: one for each node, and one more.
struct Columns {
    width: usize,
    count: usize,
}

impl Columns {
    fn of(transition: &Transition) -> Self {
        let count = transition.nodes.len() + 1;
        Self { width: if count > 8 { 130 } else { 170 }, count }
    }

    fn left(&self, place: usize) -> usize {
        NAMES + place * self.width
    }

    /// How many letters fit.
    fn letters(&self) -> usize {
        (self.width - 16) / 7
    }
}

/// The picture of a placement.
#[must_use]
pub fn placement(transition: &Transition) -> String {
    let mut sheet = Sheet::new();
    let columns = Columns::of(transition);
    heads(&mut sheet, transition, &columns);
    let many = transition.top.len() > MANY;
    let mut still = Vec::new();
    let mut moving = Vec::new();
    for top in &transition.top {
        let chips = chips(transition, *top, many);
        if chips.is_empty() {
            continue;
        }
        if many && chips.iter().all(|chip| chip.fate == Fate::Stays) {
            still.extend(chips);
        } else {
            moving.push((transition.resources[*top].id.to_string(), chips));
        }
    }
    if moving.len() > ROWS {
        let all = moving.drain(..).flat_map(|(_, chips)| chips).collect();
        moving.push(("what moves".to_owned(), all));
    }
    if !still.is_empty() {
        moving.push(("what stays".to_owned(), still));
    }
    let mut y = 52;
    for (name, chips) in moving {
        y = row(&mut sheet, &columns, &name, &chips, y);
    }
    legend(&mut sheet, &columns, y + 6);
    sheet.finish()
}

fn heads(sheet: &mut Sheet, transition: &Transition, columns: &Columns) {
    for (at, node) in transition.nodes.iter().enumerate() {
        let (fill, word) = if node.unclean {
            ("#f7c5c0", "to be fenced")
        } else if !node.online {
            ("#dddddd", "offline")
        } else if node.standby || node.standby_onfail {
            ("#fbe9b0", "standby")
        } else if node.maintenance {
            ("#fbe9b0", "maintenance")
        } else if node.shutdown {
            ("#fbe9b0", "leaving")
        } else {
            ("#cfe8cf", "online")
        };
        let x = columns.left(at);
        sheet.area((x + 4, 8), (columns.width - 8, LINE * 2 + 4), fill, "#777777");
        let name = short(&node.name, columns.letters() - 2);
        sheet.text((x + 12, 23), &name, "font-weight=\"bold\"");
        sheet.text((x + 12, 38), word, "fill=\"#444444\"");
    }
    let nowhere = columns.left(columns.count - 1);
    sheet.text((nowhere + 12, 23), "nowhere", "font-weight=\"bold\" fill=\"#a33\"");
}

/// Draws one row; where the next begins.
fn row(sheet: &mut Sheet, columns: &Columns, name: &str, chips: &[Chip], y: usize) -> usize {
    let mut filled = vec![0; columns.count];
    for chip in chips {
        let at = (columns.left(chip.place) + 8, y + 6 + filled[chip.place] * (CHIP + 4));
        filled[chip.place] += 1;
        draw(sheet, columns, at, chip);
    }
    let height = filled.into_iter().max().unwrap_or(0) * (CHIP + 4) + 8;
    sheet.text((6, y + 20), &short(name, 22), "font-weight=\"bold\"");
    sheet.area((4, y + height), (columns.left(columns.count), 1), "#dddddd", "none");
    y + height + 3
}

/// The chips of a top-level resource: one for each part, or `together` for those that have the same
/// fate at the same place.
fn chips(transition: &Transition, top: usize, together: bool) -> Vec<Chip> {
    let mut chips: Vec<Chip> = Vec::new();
    let mut nowhere = BTreeSet::new();
    let mut pending = vec![top];
    while let Some(at) = pending.pop() {
        let view = &transition.resources[at];
        pending.extend(view.children.iter().rev());
        if view.shape != Shape::Primitive {
            continue;
        }
        let mut places: Vec<(usize, Fate)> = Vec::new();
        let next = view.assigned.filter(|_| view.next_role > Role::Stopped);
        for node in &view.running_on {
            places.push((*node, if next == Some(*node) { Fate::Stays } else { Fate::Goes }));
        }
        match next {
            Some(node) if !view.running_on.contains(&node) => places.push((node, Fate::Comes)),
            // An instance too many is nothing to miss.
            None if view.parent.is_none() || !view.running_on.is_empty() => {
                places.push((transition.nodes.len(), Fate::Goes));
            }
            _ => {}
        }
        for (place, fate) in places {
            if place == transition.nodes.len() && !nowhere.insert(&view.base) {
                continue;
            }
            let promoted = view.next_role == Role::Promoted && fate != Fate::Goes;
            let alike = chips.iter_mut().find(|chip| {
                together && (chip.place, chip.fate, chip.promoted) == (place, fate, promoted)
            });
            match alike {
                Some(chip) => {
                    chip.name = transition.resources[top].id.to_string();
                    chip.count += 1;
                }
                None => {
                    let name = view.base.to_string();
                    chips.push(Chip { place, fate, name, promoted, count: 1 });
                }
            }
        }
    }
    chips
}

fn draw(sheet: &mut Sheet, columns: &Columns, at: (usize, usize), chip: &Chip) {
    let (fill, line, style) = match chip.fate {
        Fate::Stays => ("#dfe7f5", "#6c85b5", ""),
        Fate::Comes => ("#bfe6bf", "#2f8f2f", ""),
        Fate::Goes => ("#f4f4f4", "#bb5555", "fill=\"#994444\" text-decoration=\"line-through\""),
    };
    sheet.area(at, (columns.width - 16, CHIP), fill, line);
    let star = if chip.promoted { "★ " } else { "" };
    let times = if chip.count > 1 { format!(" ×{}", chip.count) } else { String::new() };
    let room = columns.letters() - star.chars().count() - times.chars().count();
    let text = format!("{star}{}{times}", short(&chip.name, room));
    sheet.text((at.0 + 6, at.1 + 14), &text, style);
}

fn legend(sheet: &mut Sheet, columns: &Columns, y: usize) {
    let words = [("stays", Fate::Stays), ("comes", Fate::Comes), ("goes", Fate::Goes)];
    for (place, (word, fate)) in words.into_iter().enumerate() {
        let chip = Chip { place, fate, name: word.to_owned(), promoted: false, count: 1 };
        draw(sheet, columns, (columns.left(place) + 8, y), &chip);
    }
    sheet.text((columns.left(3) + 14, y + 14), "★ promoted", "");
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// So many groups of two, of which every `moving`th is on a node that is to be left.
    fn picture(groups: usize, moving: usize) -> String {
        let (mut resources, mut histories) = (String::new(), [String::new(), String::new()]);
        for group in 0..groups {
            let _ = write!(resources, "<group id='g{group}'>");
            for part in ["a", "b"] {
                let id = format!("{part}{group}");
                let _ =
                    write!(resources, "<primitive id='{id}' class='ocf' provider='x' type='t'/>");
                let _ = write!(
                    histories[usize::from(group % moving == 0)],
                    "<lrm_resource id='{id}' class='ocf' provider='x' type='t'><lrm_rsc_op \
                     id='{id}_last_0' operation='start' interval='0' call-id='1' rc-code='0' \
                     op-status='0' transition-key='1:1:0:u'/></lrm_resource>"
                );
            }
            resources.push_str("</group>");
        }
        let [first, second] = histories;
        let state = |id: usize, history: &str| {
            format!(
                "<node_state id='{id}' uname='n{id}' in_ccm='true' crmd='online' join='member' \
                 expected='member'><lrm id='{id}'><lrm_resources>{history}</lrm_resources></lrm>\
                 </node_state>"
            )
        };
        let (one, two) = (state(1, &first), state(2, &second));
        let text = format!(
            "<cib have-quorum='1'><configuration><crm_config><cluster_property_set id='o'><nvpair \
             id='o1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>\
             <nodes><node id='1' uname='n1'/><node id='2' uname='n2'><instance_attributes id='i'>\
             <nvpair id='i1' name='standby' value='true'/></instance_attributes></node></nodes>\
             <resources>{resources}</resources><constraints/></configuration><status>{one}{two}\
             </status></cib>"
        );
        let cib = cib::Cib::parse(&text).expect("a CIB");
        placement(&sched::plan(&cib, cib::dates::WallTime(0)))
    }

    fn has(picture: &str, text: &str) -> bool {
        picture.contains(&format!(">{text}<"))
    }

    #[test]
    fn few_resources_are_drawn_with_all_their_parts() {
        let few = picture(4, 2);
        assert!(has(&few, "g0") && has(&few, "a0") && has(&few, "b3"));
        assert!(!has(&few, "what stays"));
    }

    #[test]
    fn many_resources_are_a_chip_each_and_what_stays_takes_one_row() {
        let many = picture(40, 10);
        assert!(has(&many, "g0") && has(&many, "g0 ×2") && has(&many, "what stays"));
        assert!(!has(&many, "g1") && has(&many, "g1 ×2") && !has(&many, "what moves"));
        let all = picture(40, 1);
        assert!(has(&all, "what moves") && !has(&all, "what stays") && !has(&all, "g0"));
    }
}
