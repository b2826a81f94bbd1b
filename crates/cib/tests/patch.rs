//! Patches: what one makes, one applies; and the same against `crm_diff`, in both directions.

mod support;

use cib::patch::{Check, Error, Patch, diff};
use cib::version::Version;
use cib::xml::Element;
use proptest::prelude::*;
use support::{Scratch, installed, read, run, shaken, stderr, stdout, tree};

/// Ids; some that no path can tell.
const IDS: &[&str] = &["1", "2", "3", "4", "5", "a-b", "it's", "x/y", "p q"];
/// Ids that others understand.
const PLAIN: &[&str] = &["1", "2", "3", "4", "5", "6", "7", "a-b", "c.d"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_patch_leads_from_the_old_to_the_new(a in tree(IDS), b in tree(IDS)) {
        round_trip(&a, &b)?;
    }

    #[test]
    fn a_patch_follows_small_changes(a in tree(IDS), seeds in prop::collection::vec(any::<u8>(), 1..40)) {
        let b = shaken(&a, &seeds);
        round_trip(&a, &b)?;
    }

    #[test]
    fn no_text_makes_reading_or_applying_panic(
        path in "(/[a-z]{1,3}(\\[@id='[0-9]'\\])?){0,4}|\\PC{0,12}",
        operation in "create|delete|modify|move|x",
        position in prop::option::of(any::<u64>()),
        a in tree(IDS),
    ) {
        let mut change = Element::new("change").with("operation", &operation).with("path", &path);
        if let Some(position) = position {
            change.set("position", &position.to_string());
        }
        change.push(Element::new("change-result"));
        let mut patch = Element::new("diff").with("format", "2");
        patch.push(change);
        if let Ok(patch) = Patch::from_xml(&patch) {
            let _ = patch.apply(&a, Check::Loose);
        }
    }
}

fn round_trip(a: &Element, b: &Element) -> Result<(), TestCaseError> {
    let mut patch = diff(a, b, true).expect("the same root");
    patch.digest = Some(cib::digest::of_cib(b));
    let applied = patch.apply(a, Check::Strict);
    prop_assert_eq!(applied.as_ref(), Ok(b));
    let written = patch.to_xml();
    // An apostrophe in an id is as it is on the wire; what reads back applies the same.
    let again = Patch::from_xml(&read(&written.to_string())).expect("our own patch");
    prop_assert_eq!(again.apply(a, Check::Strict), Ok(b.clone()));
    prop_assert!(diff(b, b, true).expect("the same root").is_empty());
    Ok(())
}

/// Whether two siblings have the same name and id, or one of a name has no id.
fn ambiguous(root: &Element) -> bool {
    root.descend().any(|element| {
        let children: Vec<_> = element.elements().collect();
        children.iter().enumerate().any(|(at, one)| {
            children[at + 1..].iter().any(|other| {
                one.name() == other.name()
                    && (one.id() == other.id() || one.id().is_none() || other.id().is_none())
            })
        })
    })
}

/// Versions as `crm_diff` wants them, so that it takes the documents for successive ones.
fn pair() -> impl Strategy<Value = (Element, Element)> {
    prop_oneof![
        (tree(PLAIN), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(a, seeds)| {
            let b = shaken(&a, &seeds);
            (a, b)
        }),
        (tree(PLAIN), tree(PLAIN)).prop_map(|(a, mut b)| {
            b.set("epoch", "2");
            (a, b)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    /// Our patch, their hand: it must lead to the new document.
    #[test]
    fn crm_diff_applies_our_patches((a, b) in pair()) {
        if !installed("crm_diff") { return Ok(()) }
        let scratch = Scratch::new("patch");
        let old = scratch.write("old.xml", &a.to_string());
        let mut patch = diff(&a, &b, true).expect("the same root");
        if patch.is_empty() { return Ok(()) }
        patch.digest = Some(cib::digest::of_cib(&b));
        let file = scratch.write("patch.xml", &patch.to_xml().pretty());
        let output = run("crm_diff", &[
            "--original", &old.to_string_lossy(), "--patch", &file.to_string_lossy(),
        ], &[]);
        let result = stdout(&output);
        prop_assert!(!result.is_empty(), "{}\n{}", stderr(&output), patch.to_xml().pretty());
        prop_assert_eq!(read(&result).to_string(), b.to_string(), "patch {}\nold {}", patch.to_xml().pretty(), a);
    }

    /// Their patch: our hand and theirs must come to the same. Only where siblings can be told
    /// apart: of two that cannot, their patches move now one, now the other.
    #[test]
    fn we_apply_the_patches_of_crm_diff_as_it_does((a, b) in pair()) {
        if !installed("crm_diff") { return Ok(()) }
        if ambiguous(&a) || ambiguous(&b) { return Ok(()) }
        let scratch = Scratch::new("patch");
        let old = scratch.write("old.xml", &a.to_string());
        let new = scratch.write("new.xml", &b.to_string());
        let (old, new) = (old.to_string_lossy(), new.to_string_lossy());
        let theirs = stdout(&run("crm_diff", &["--original", &old, "--new", &new], &[]));
        if theirs.is_empty() { return Ok(()) }
        let file = scratch.write("patch.xml", &theirs);
        let output = run("crm_diff", &["--original", &old, "--patch", &file.to_string_lossy()], &[]);
        let patch = Patch::from_xml(&read(&theirs)).expect("their patch");
        let ours = patch.apply(&a, Check::Strict);
        let result = stdout(&output);
        if result.is_empty() {
            return Ok(());
        }
        let ours = ours.map(|it| it.to_string());
        prop_assert_eq!(ours, Ok(read(&result).to_string()), "patch {}\nold {}", theirs, a);
    }
}

#[test]
fn versions_and_digests_are_checked() {
    let a = read("<cib epoch=\"1\" crm_feature_set=\"3.16.1\"><configuration/></cib>");
    let b = read(
        "<cib epoch=\"2\" crm_feature_set=\"3.16.1\"><configuration><x/></configuration></cib>",
    );
    let mut patch = diff(&a, &b, true).expect("the same root");
    let (one, two) = (
        Version { admin_epoch: 0, epoch: 1, num_updates: 0 },
        Version { admin_epoch: 0, epoch: 2, num_updates: 0 },
    );
    assert_eq!(patch.versions, Some((one, two)));
    assert_eq!(
        patch.apply(&b, Check::Strict),
        Err(Error::Stale { from: one, to: two, found: two })
    );
    let behind = read("<cib><configuration/></cib>");
    assert!(matches!(patch.apply(&behind, Check::Strict), Err(Error::TooNew { .. })));
    patch.digest = Some("0".repeat(32));
    assert!(matches!(patch.apply(&a, Check::Strict), Err(Error::Digest { .. })));
    assert_eq!(patch.apply(&a, Check::Loose), Ok(b));
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let root = read("<cib><configuration/></cib>");
    let patch = |text: &str| {
        Patch::from_xml(&read(&format!("<diff format=\"2\">{text}</diff>")))
            .map_err(|it| it.to_string())
    };
    let error = patch("<change operation=\"move\" path=\"/cib/nodes\" position=\"0\"/>")
        .expect("a patch")
        .apply(&root, Check::Strict)
        .expect_err("no such place");
    assert_eq!(
        error.to_string(),
        "change 1: there is no /cib/nodes to move: the documents have drifted apart"
    );
    for (bad, part) in [
        ("<change operation=\"move\" path=\"/cib\"/>", "it has no position"),
        ("<change operation=\"modify\" path=\"/cib\"/>", "it has no <change-result>"),
        ("<change operation=\"create\" path=\"/cib\" position=\"1\"/>", "it has no content"),
        ("<change operation=\"fold\" path=\"/cib\"/>", "\"fold\""),
        ("<change operation=\"delete\" path=\"cib\"/>", "a step begins with `/`"),
    ] {
        let error = patch(bad).expect_err(bad);
        assert!(error.contains(part), "{error}");
    }
    assert!(Patch::from_xml(&read("<diff format=\"1\"/>")).is_err());
    assert!(Patch::from_xml(&read("<cib/>")).is_err());
}

#[test]
fn white_space_between_elements_survives_a_patch() {
    let text = "<cib>\n  <configuration>\n    <a/>\n    <b/>\n  </configuration>\n</cib>";
    let a = cib::xml::parse(text).expect("xml").root;
    let mut b = read(text);
    b.child_mut("configuration").expect("there").push(Element::new("c"));
    let patch = diff(&a, &b, false).expect("the same root");
    assert_eq!(patch.changes.len(), 1);
    let result = patch.apply(&a, Check::Strict).expect("fits");
    assert_eq!(
        result.to_string(),
        "<cib>\n  <configuration>\n    <a/>\n    <b/><c/>\n  </configuration>\n</cib>"
    );
}

/// All that moves is taken up before anything is put down: so `crm_diff` was seen to do it.
#[test]
fn moves_and_creations_in_one_patch() {
    let node = |id: &str| Element::new("node").with("id", id);
    let list = |ids: &str| {
        ids.chars().fold(Element::new("cib"), |mut cib, id| {
            cib.push(node(&id.to_string()));
            cib
        })
    };
    for (changes, want) in [
        ("move A 2, create X 1", "BXACD"),
        ("create X 2, move A 2", "BCAXD"),
        ("create X 2, move A 3", "BCXAD"),
        ("move D 1, create X 2, move A 3", "BDXAC"),
        ("move B 0, create X 1, move A 3", "BXCAD"),
        ("move A 9, move A 0", "BCDA"),
    ] {
        let mut patch = Element::new("diff").with("format", "2");
        for change in changes.split(", ") {
            let words: Vec<&str> = change.split(' ').collect();
            let mut it =
                Element::new("change").with("operation", words[0]).with("position", words[2]);
            if words[0] == "move" {
                it.set("path", &format!("/cib/node[@id='{}']", words[1]));
            } else {
                it.set("path", "/cib");
                it.push(node(words[1]));
            }
            patch.push(it);
        }
        let patch = Patch::from_xml(&patch).expect("a patch");
        assert_eq!(patch.apply(&list("ABCD"), Check::Strict), Ok(list(want)), "{changes}");
    }
}
