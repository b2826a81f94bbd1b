//! How a release is linked: the functions that standing watch runs side by side.
//!
//! The kernel maps a program's text in windows of 64 kB around what is touched. What a role runs when nothing
//! happens is half a megabyte, but as the linker places functions it lies scattered among eighteen, and was mapped in
//! three. `watch.ld` names those functions; docs/scale.md tells how it was made. A name that is no more,
//! or another compiler's, is placed where it would have been: nothing depends on it but memory.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=watch.ld");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T");
        println!("cargo:rustc-link-arg-bins={}", Path::new(&here).join("watch.ld").display());
    }
}
