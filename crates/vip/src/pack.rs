//! Trees without gaps.
//!
//! A tree that grew in the order of its keys, as those of thousands of instances do, has nodes that are
//! half empty. Made anew from its own content it has full ones. The next change opens a gap again, so
//! this is for what has come to rest.

use std::collections::{BTreeMap, BTreeSet};

/// Makes a map anew.
pub fn map<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    *map = core::mem::take(map).into_iter().collect();
}

/// Makes a set anew.
pub fn set<T: Ord>(set: &mut BTreeSet<T>) {
    *set = core::mem::take(set).into_iter().collect();
}
