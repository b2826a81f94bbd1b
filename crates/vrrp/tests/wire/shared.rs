//! The captures and vectors that other projects' daemons gave us.

use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

/// A file of the shared folder; `None`, with a message, when there is no such folder. A folder that
/// was asked for by name must be there.
pub(crate) fn file(path: &str) -> Option<String> {
    let named = env::var_os("MAINSTAY_SHARED").map(PathBuf::from);
    let folder = named
        .clone()
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    if named.is_none() && !folder.is_dir() {
        println!("skipped: no {}, and MAINSTAY_SHARED is not set", folder.display());
        return None;
    }
    let path = folder.join(path);
    Some(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A JSON file of the shared folder that holds a list.
pub(crate) fn list(path: &str) -> Option<Vec<Value>> {
    let list: Vec<Value> = serde_json::from_str(&file(path)?).unwrap();
    assert!(!list.is_empty(), "{path} is empty");
    Some(list)
}

/// A string member of a JSON object.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

/// The octets that `hex` spells.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "odd hex {hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
