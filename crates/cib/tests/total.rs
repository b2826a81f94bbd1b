//! Whatever comes in, nothing panics, and what is refused is refused with words.

mod support;

use cib::acl::Acl;
use cib::digest;
use cib::edit::{Operation, SCOPES, Scope, perform, query};
use cib::patch::{Check, Patch, diff};
use cib::schema::{Schema, render, sample, validate, validate_as};
use cib::upgrade::{raised, upgrade};
use cib::version::{Version, touched};
use cib::xml::{Element, Node, parse};
use cib::xpath::XPath;
use proptest::prelude::*;

/// Documents of any shape: names from the grammar where they do not belong, text, odd values.
fn wild() -> impl Strategy<Value = Element> {
    let name = prop::sample::select(vec![
        "cib",
        "configuration",
        "status",
        "crm_config",
        "nodes",
        "node",
        "resources",
        "primitive",
        "clone",
        "bundle",
        "op",
        "operations",
        "meta_attributes",
        "instance_attributes",
        "nvpair",
        "rule",
        "date_expression",
        "acls",
        "acl_user",
        "read",
        "acl_role",
        "acl_permission",
        "role",
        "acl_target",
        "diff",
        "change",
        "version",
        "source",
        "change-result",
        "change-list",
        "x:y",
        "rsc_colocation",
        "constraints",
        "rsc_defaults",
        "comment",
    ]);
    let attribute = prop::sample::select(vec![
        "id",
        "id-ref",
        "name",
        "value",
        "epoch",
        "num_updates",
        "admin_epoch",
        "validate-with",
        "crm_feature_set",
        "kind",
        "xpath",
        "reference",
        "object-type",
        "operation",
        "path",
        "position",
        "format",
        "digest",
        "requires",
        "type",
        "interval",
        "score",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "",
            "1",
            "2",
            "-1",
            "a",
            "it's",
            "pacemaker-2.10",
            "pacemaker-1.2",
            "pacemaker-3.9",
            "isolation",
            "stonith_enabled",
            "default-action-timeout",
            "enable-acl",
            "true",
            "deny",
            "write",
            "//*",
            "//[",
            "nobody",
            "18446744073709551615",
            "3.16.1",
            "requires",
            "start",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    let head = (name, prop::collection::vec((attribute, value), 0..5)).prop_map(|(name, attrs)| {
        attrs.iter().fold(Element::new(name), |it, (name, value)| it.with(name, value))
    });
    let leaf = head.clone();
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let child = prop_oneof![
            9 => inner.prop_map(Node::Element),
            1 => "[ a&<]{0,4}".prop_map(|text| Node::Text(text.into())),
            1 => "[ a]{0,3}".prop_map(|text| Node::Comment(text.into())),
        ];
        (head.clone(), prop::collection::vec(child, 0..6)).prop_map(|(mut it, children)| {
            it.children = children;
            it
        })
    })
    .prop_map(|mut root| {
        root.rename("cib");
        root
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(a in wild(), b in wild(), scope in 0..SCOPES.len(), all in any::<bool>()) {
        let text = a.to_string();
        let _ = render("x", &text, &validate(&a));
        for (schema, _) in Schema::ALL {
            let report = validate_as(&a, *schema);
            prop_assert!(report.findings.iter().all(|it| !it.message.is_empty() && !it.help.is_empty()));
            // Spans of another text must do no harm either.
            let _ = render("x", "<é", &report);
        }
        let _ = upgrade(&a).and_then(raised);
        let _ = (digest::of_cib(&a), digest::on_disk(&a), Version::of(&a), touched(&a, &b));
        if let Ok(patch) = diff(&a, &b, false) {
            // White space between elements is left as it was; everything else comes out.
            let (mut got, mut wanted) = (patch.apply(&a, Check::Loose).expect("our own"), b.clone());
            cib::blank::strip(&mut got);
            cib::blank::strip(&mut wanted);
            prop_assert_eq!(got.to_string(), wanted.to_string(), "{}", a);
        }
        if let Ok(patch) = Patch::from_xml(&b) {
            let _ = patch.apply(&a, Check::Strict);
        }
        let scope = Scope::named(SCOPES[scope].0).expect("a scope");
        let _ = query(&a, scope, None);
        for operation in [
            Operation::Create(scope, b.clone()),
            Operation::Modify { scope, object: b.clone(), allow_create: all },
            Operation::Replace(scope, b.clone()),
            Operation::Delete(scope, b.clone()),
            Operation::DeleteAt { path: XPath::parse("//nvpair | //node").expect("xpath"), all },
            Operation::Erase,
            Operation::Bump,
        ] {
            let _ = perform(&a, &operation);
        }
        let acl = Acl::of(&a, "nobody", &["a"]);
        let _ = acl.readable(&b);
        let _ = acl.check(&a, &b);
    }

    /// Valid documents go through everything, and stay valid.
    #[test]
    fn what_is_valid_stays_valid(seed in any::<u64>(), version in 0..Schema::ALL.len()) {
        let mut state = seed;
        let mut choose = |ways: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("64 bits") % ways.max(1)
        };
        let schema = Schema::ALL[version].0;
        let (a, b) = (sample(schema, &mut choose), sample(schema, &mut choose));
        prop_assert!(validate(&a).is_valid());
        let again = parse(&a.pretty()).expect("our own text").root;
        prop_assert!(validate(&again).is_valid());
        let patch = diff(&a, &b, false).expect("both are CIBs");
        let result = patch.apply(&a, Check::Strict).expect("our own patch");
        prop_assert!(validate(&result).is_valid());
        let old = Version::of(&a).expect("numbers");
        for operation in [Operation::Bump, Operation::Erase] {
            let new = perform(&a, &operation).expect("always possible");
            prop_assert!(Version::of(&new).expect("numbers") > old);
        }
    }
}
