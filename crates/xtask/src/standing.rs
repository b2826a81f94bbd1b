//! `cargo xtask watch NAMES MAP`: writes `crates/daemon/watch.ld`, the order in which a release is linked.
//!
//! NAMES are the functions that standing watch was seen to run, one mangled name a line; MAP is what the
//! linker says of the same program (`-Wl,-Map`). How to get both is told in docs/scale.md. The names end in
//! hashes that change with everything, so what is written is the crate and the path before the hash. Where one
//! crate has many functions of one path (generic ones), they are all meant by it: those are left
//! out where they are many more than were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Where it goes.
const SCRIPT: &str = "crates/daemon/watch.ld";
/// Octets that all functions of one path may have where a third of them or less was seen.
const MOST: u64 = 16 << 10;

const HEAD: &str = "/* What standing watch runs, for the linker to put side by side: written by `cargo xtask watch`; see
   build.rs and docs/scale.md. A line is a crate and a function's path without the hash behind it. */
SECTIONS
{
  .text.watch :
  {
";
const TAIL: &str = "  }\n}\nINSERT BEFORE .text;\n";

/// Octets of the functions of one path in one crate.
#[derive(Clone, Copy, Default)]
struct Size {
    seen: u64,
    all: u64,
}

/// Reads both files and writes the script.
pub(crate) fn write(root: &Path, names: &str, map: &str) -> Result<(), String> {
    let read = |path: &str| {
        let text = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&text).into_owned())
    };
    let script = script(&read(names)?, &read(map)?)?;
    std::fs::write(root.join(SCRIPT), script).map_err(|error| format!("{SCRIPT}: {error}"))
}

fn script(names: &str, map: &str) -> Result<String, String> {
    let names: BTreeSet<&str> = names.lines().map(str::trim).collect();
    let mut sizes: BTreeMap<(&str, &str), Size> = BTreeMap::new();
    for (krate, name, size) in map.lines().filter_map(section) {
        let entry = sizes.entry((krate, path(name))).or_default();
        entry.all += size;
        entry.seen += if names.contains(name) { size } else { 0 };
    }
    let seen: Vec<_> = sizes.into_iter().filter(|(_, size)| size.seen > 0).collect();
    if seen.is_empty() {
        return Err("the map knows none of these names: are both of the same program?".into());
    }
    let mut text = String::from(HEAD);
    // What is certain first, so that what may be in vain is not between.
    for certain in [true, false] {
        let few = |size: &Size| size.all <= MOST || size.all <= size.seen * 3;
        let wanted = |size: &Size| (size.seen == size.all) == certain && few(size);
        for ((krate, path), _) in seen.iter().filter(|(_, size)| wanted(size)) {
            let file = match *krate {
                "" => "*".to_owned(),
                "mainstay" => "*.mainstay.*".to_owned(),
                other => format!("*.{other}-*"),
            };
            let _ = writeln!(text, "    {file}(.text.{path}*)");
        }
    }
    Ok(text + TAIL)
}

/// The crate, the name and the size of a function, of a line of lld's map: addresses, size, alignment, then
/// `FILE:(.text.NAME)`, where FILE is `mainstay-HASH.CRATE-HASH…` for what was optimised as a whole.
fn section(line: &str) -> Option<(&str, &str, u64)> {
    let (front, name) = line.strip_suffix(')')?.split_once(":(.text.")?;
    let mut columns = front.split_whitespace().skip(2);
    let size = u64::from_str_radix(columns.next()?, 16).ok()?;
    let file = columns.nth(1)?.rsplit('/').next()?;
    let krate = file.strip_prefix("mainstay-").and_then(|rest| rest.split('.').nth(1));
    let krate = krate.map_or("", |part| part.split('-').next().unwrap_or_default());
    Some((krate, name, size))
}

/// A mangled name up to its hash, which is `17h` and sixteen digits.
fn path(name: &str) -> &str {
    let hash = name.rfind("17h").filter(|at| name.get(at + 19..at + 20) == Some("E"));
    hash.map_or(name, |at| &name[..at + 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
  49d000   49d000       40    16         /t/deps/mainstay-05f2.vrrp-9b.vrrp.1-cgu.0.rcgu.o:(.text._ZN4vrrp4turn17h0123456789abcdefE)
  49d040   49d040       10    16         /t/deps/mainstay-05f2.mainstay.2-cgu.1.rcgu.o:(.text._ZN3vec4grow17h0123456789abcdeaE)
  49d050   49d050     5000    16         /t/deps/mainstay-05f2.mainstay.2-cgu.1.rcgu.o:(.text._ZN3vec4grow17h0123456789abcdebE)
  49e000   49e000       20    16         /lib/libstd-1.rlib(std-1.o):(.text._ZN3std3ask17h0123456789abcdefE.llvm.7)
  49e000   49e000       20     1                 _ZN3std3ask17h0123456789abcdefE.llvm.7
";

    #[test]
    fn what_was_seen_is_named_without_its_hash_and_what_means_too_much_is_not() {
        let seen = "_ZN4vrrp4turn17h0123456789abcdefE\n_ZN3vec4grow17h0123456789abcdeaE\n\
                    _ZN3std3ask17h0123456789abcdefE.llvm.7\n";
        let text = script(seen, MAP).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("(.text.")).collect();
        let expected = ["    *(.text._ZN3std3ask17h*)", "    *.vrrp-*(.text._ZN4vrrp4turn17h*)"];
        assert_eq!(lines, expected);
        assert!(script("_ZN1x17h0123456789abcdefE", MAP).is_err());
    }
}
