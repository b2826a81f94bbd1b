//! What is to be listed in the table, against what is.
//!
//! As with VIPs themselves, nothing is toggled: which class a key belongs under follows from its
//! holders, and the difference to what the table has is the work to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{IfIndex, KernelFact, LeaseClass, LeaseKey, LeaseOp};

use crate::pack;

/// Keys in one operation. Listing one was measured to cost 2.5 µs; adverts wait for less than 2 ms.
const KEYS_PER_OP: usize = 512;

/// How far a holder is, as far as its keys are concerned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Want {
    /// It holds nothing.
    Nothing,
    /// Its VIPs pass, whoever else is silent.
    Free,
    /// Its VIPs may be installed, and must not be heard of.
    Silence,
    /// They are under this class.
    Class(LeaseClass),
}

/// What a fact may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    None,
    Key(LeaseKey),
    All,
}

/// The table's list, as far as it was confirmed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    listed: BTreeMap<LeaseKey, LeaseClass>,
    /// Which addresses are present on this node, and where.
    present: BTreeSet<(LeaseKey, IfIndex)>,
    /// Whether the addresses are known.
    known: bool,
}

impl Listing {
    pub(super) fn pack(&mut self) {
        pack::map(&mut self.listed);
        pack::set(&mut self.present);
    }

    /// Every key that is listed.
    pub(super) fn keys(&self) -> impl Iterator<Item = LeaseKey> {
        self.listed.keys().copied()
    }

    /// Whether the key is listed so that it cannot be heard.
    pub(super) fn is_silent(&self, key: &LeaseKey) -> bool {
        self.listed.get(key) == Some(&LeaseClass::SILENT)
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    /// The table was found to have these.
    pub(super) fn found(&mut self, listed: Vec<(LeaseKey, LeaseClass)>) {
        self.listed = listed.into_iter().collect();
    }

    /// The operation is through.
    pub(super) fn done(&mut self, op: &LeaseOp) {
        match op {
            LeaseOp::List { class, keys } => {
                self.listed.extend(keys.iter().map(|key| (*key, *class)));
            }
            LeaseOp::Unlist { keys } => {
                for key in keys {
                    self.listed.remove(key);
                }
            }
            LeaseOp::Destroy => self.listed.clear(),
            LeaseOp::Build
            | LeaseOp::Cover { .. }
            | LeaseOp::Arm { .. }
            | LeaseOp::Renew { .. }
            | LeaseOp::Drop { .. } => {}
        }
    }

    /// Takes in which addresses are present; what is to be listed otherwise for that, perhaps.
    pub(super) fn learn(&mut self, fact: &KernelFact) -> News {
        match fact {
            KernelFact::Snapshot { addresses, .. } => {
                self.present = addresses.iter().map(|a| (a.address.into(), a.index)).collect();
                self.known = true;
                News::All
            }
            KernelFact::Address(address) => {
                self.present.insert((address.address.into(), address.index));
                News::None
            }
            KernelFact::AddressGone(address) => {
                let key = address.address.into();
                let was = self.present.remove(&(key, address.index));
                if was && self.listed.contains_key(&key) { News::Key(key) } else { News::None }
            }
            KernelFact::LinkGone(index) => {
                self.present.retain(|(_, on)| on != index);
                News::All
            }
            KernelFact::Link(_) => News::None,
        }
    }

    /// What to ask of the table so that it agrees with what is wanted of these keys: first what must
    /// fall silent, then what is put under a class, then what may pass.
    pub(super) fn work(&self, wanted: impl Iterator<Item = (LeaseKey, Want)>) -> Work {
        let mut classes: BTreeMap<LeaseClass, Vec<LeaseKey>> = BTreeMap::new();
        let mut free = Vec::new();
        for (key, want) in wanted {
            let listed = self.listed.get(&key).copied();
            let target = match want {
                Want::Class(class) => Some(class),
                Want::Silence => Some(LeaseClass::SILENT),
                // A predecessor's, which may still be installed: silent until it is not.
                Want::Nothing if listed.is_some() && self.may_be_present(&key) => {
                    Some(LeaseClass::SILENT)
                }
                Want::Nothing | Want::Free => None,
            };
            match target {
                _ if target == listed => {}
                Some(class) => classes.entry(class).or_default().push(key),
                None => free.push(key),
            }
        }
        let silence = classes.remove(&LeaseClass::SILENT).unwrap_or_default();
        let list =
            |class: LeaseClass, keys: &[LeaseKey]| LeaseOp::List { class, keys: keys.to_vec() };
        Work {
            silence: silence
                .chunks(KEYS_PER_OP)
                .map(|keys| list(LeaseClass::SILENT, keys))
                .collect(),
            list: classes
                .iter()
                .flat_map(|(class, keys)| keys.chunks(KEYS_PER_OP).map(|keys| list(*class, keys)))
                .chain(free.chunks(KEYS_PER_OP).map(|keys| LeaseOp::Unlist { keys: keys.to_vec() }))
                .collect(),
        }
    }

    fn is_present(&self, key: &LeaseKey) -> bool {
        IfIndex::new(1)
            .and_then(|lowest| self.present.range((*key, lowest)..).next())
            .is_some_and(|(at, _)| at == key)
    }

    fn may_be_present(&self, key: &LeaseKey) -> bool {
        matches!(key, LeaseKey::Address(_)) && (!self.known || self.is_present(key))
    }
}

/// What the table lacks.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// First of all.
    pub(super) silence: VecDeque<LeaseOp>,
    /// Once the classes live.
    pub(super) list: VecDeque<LeaseOp>,
}

impl Work {
    /// The keys it is about.
    pub(super) fn keys(&self) -> impl Iterator<Item = LeaseKey> {
        let keys = |op: &LeaseOp| match op {
            LeaseOp::List { keys, .. } | LeaseOp::Unlist { keys } => keys.clone(),
            _ => Vec::new(),
        };
        self.silence.iter().chain(&self.list).flat_map(keys)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.silence.is_empty() && self.list.is_empty()
    }
}
