//! The interfaces as the facts describe them: by number and by name.
//!
//! Names are what people configure, numbers what the kernel acts on, and either may move away under
//! the other: an interface is renamed, or deleted and made again under the same name. A name stands
//! for the interface that claimed it last.

use std::collections::BTreeMap;

use base::{IfIndex, KernelFact, LinkFact, Name};

/// All interfaces known.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_index: BTreeMap<IfIndex, LinkFact>,
    by_name: BTreeMap<Name, IfIndex>,
}

impl Links {
    /// Takes what `fact` says of links; other facts change nothing.
    pub(crate) fn learn(&mut self, fact: &KernelFact) {
        match fact {
            KernelFact::Snapshot { links, .. } => {
                self.by_index.clear();
                self.by_name.clear();
                for link in links {
                    self.insert(link);
                }
            }
            KernelFact::Link(link) => {
                self.remove(link.index);
                self.insert(link);
            }
            KernelFact::LinkGone(index) => self.remove(*index),
            KernelFact::Address(_) | KernelFact::AddressGone(_) => {}
        }
    }

    fn insert(&mut self, link: &LinkFact) {
        self.by_index.insert(link.index, link.clone());
        if base::planted!(OldIndexKept) && self.by_name.contains_key(&link.name) {
            return;
        }
        self.by_name.insert(link.name.clone(), link.index);
    }

    fn remove(&mut self, index: IfIndex) {
        if let Some(old) = self.by_index.remove(&index)
            && self.by_name.get(&old.name) == Some(&index)
            && !base::planted!(OldIndexKept)
        {
            self.by_name.remove(&old.name);
        }
    }

    /// The interface `name` stands for.
    pub(crate) fn named(&self, name: &Name) -> Option<&LinkFact> {
        self.by_index.get(self.by_name.get(name)?)
    }

    /// The interface with this number.
    pub(crate) fn get(&self, index: IfIndex) -> Option<&LinkFact> {
        self.by_index.get(&index)
    }

    /// The name that stands for this interface; none if another has claimed it since.
    pub(crate) fn name_of(&self, index: IfIndex) -> Option<&Name> {
        let name = &self.by_index.get(&index)?.name;
        (self.by_name.get(name) == Some(&index)).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str) -> LinkFact {
        let index = IfIndex::new(index).unwrap();
        LinkFact {
            index,
            name: name.into(),
            running: true,
            mac: None,
            mtu: 1500,
            multicast: true,
            macvlan: None,
        }
    }

    #[test]
    fn a_name_stands_for_the_interface_that_claimed_it_last() {
        let mut links = Links::default();
        let (old, new) = (link(2, "eth0"), link(9, "eth0"));
        links.learn(&KernelFact::Link(old.clone()));
        links.learn(&KernelFact::Link(new.clone()));
        assert_eq!(links.named(&"eth0".into()), Some(&new));
        assert_eq!(links.name_of(old.index), None);
        links.learn(&KernelFact::LinkGone(old.index));
        assert_eq!(links.named(&"eth0".into()), Some(&new), "the late farewell of the old one");
    }

    #[test]
    fn a_rename_frees_the_old_name() {
        let mut links = Links::default();
        links.learn(&KernelFact::Link(link(2, "eth0")));
        links.learn(&KernelFact::Link(link(2, "lan0")));
        assert_eq!(links.named(&"eth0".into()), None);
        assert_eq!(links.name_of(IfIndex::new(2).unwrap()), Some(&"lan0".into()));
    }
}
