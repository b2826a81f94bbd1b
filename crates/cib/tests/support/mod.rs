//! What the tests against other programs share: a private directory, running a program, random
//! documents. Where a program is absent, its test says so and passes.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use cib::xml::{Element, Node, parse};
use proptest::prelude::*;

/// A directory of its own that goes away with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("mainstay-{name}-{}-{unique}", std::process::id()));
        fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a scratch file");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a program is installed; says so when it is not.
pub(crate) fn installed(program: &str) -> bool {
    let there = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|dir| Path::new(dir).join(program).exists());
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut path = std::env::var("PATH").unwrap_or_default();
    path.push_str(":/usr/sbin:/sbin");
    Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn read(text: &str) -> Element {
    let mut root = parse(text).unwrap_or_else(|error| panic!("{error} in {text}")).root;
    cib::blank::strip(&mut root);
    root
}

/// A document made of few names and ids, so that two of them have much in common.
pub(crate) fn tree(ids: &'static [&'static str]) -> impl Strategy<Value = Element> {
    let leaf = head(ids);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let child = prop_oneof![
            12 => inner.prop_map(Node::Element),
            1 => "[a-c]{1,2}".prop_map(|text| Node::Comment(format!(" {text} ").into())),
        ];
        (head(ids), prop::collection::vec(child, 0..6)).prop_map(|(mut element, children)| {
            element.children = children;
            element
        })
    })
    .prop_map(|mut root| {
        root.rename("cib");
        for attr in ["id", "a", "b"] {
            root.unset(attr);
        }
        let mut cib = Element::new("cib")
            .with("admin_epoch", "0")
            .with("epoch", "1")
            .with("num_updates", "0")
            .with("crm_feature_set", "3.16.1");
        let mut configuration = root;
        configuration.rename("configuration");
        cib.push(configuration);
        cib.push(Element::new("status"));
        cib
    })
}

fn head(ids: &'static [&'static str]) -> impl Strategy<Value = Element> {
    let name = prop::sample::select(vec!["node", "op", "nvpair", "set"]);
    let id = prop::option::weighted(0.9, prop::sample::select(ids));
    let value = || prop::option::of("[xy]|[<&\" é]|it's");
    (name, id, value(), value()).prop_map(|(name, id, a, b)| {
        let mut element = Element::new(name);
        for (name, value) in [("id", id.map(str::to_owned)), ("a", a), ("b", b)] {
            if let Some(value) = value {
                element.set(name, &value);
            }
        }
        element
    })
}

/// A document like another, with some of it taken away, changed, or shuffled.
pub(crate) fn shaken(root: &Element, seeds: &[u8]) -> Element {
    fn shake(element: &mut Element, seeds: &[u8], at: &mut usize) {
        for child in element.elements_mut() {
            shake(child, seeds, at);
        }
        let mut next = || {
            *at += 1;
            usize::from(seeds[*at % seeds.len()])
        };
        let len = element.children.len();
        match next() % 8 {
            0 if len > 1 => {
                let (a, b) = (next() % len, next() % len);
                element.children.swap(a, b);
            }
            1 if len > 1 => element.children.rotate_left(1),
            2 if len > 0 => {
                element.children.remove(next() % len);
            }
            3 => element.set("b", "changed"),
            4 => {
                element.unset("a");
            }
            5 => {
                let id = format!("new{}", next());
                let position = next() % (len + 1);
                element
                    .children
                    .insert(position, Node::Element(Element::new("node").with("id", &id)));
            }
            _ => {}
        }
    }
    let mut copy = root.clone();
    let mut at = 0;
    if let Some(configuration) = copy.child_mut("configuration") {
        shake(configuration, seeds, &mut at);
    }
    copy.set("epoch", "2");
    copy
}
