//! XPath against `xmllint --xpath`, on generated expressions and documents.

mod support;

use cib::xml::Element;
use cib::xpath::{Part, XPath};
use proptest::prelude::*;
use support::{Scratch, installed, run, stderr, stdout, tree};

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["cib", "configuration", "status", "node", "op", "nvpair", "set", "*"])
        .prop_map(str::to_owned)
}

fn attribute() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["id", "a", "b", "*"]).prop_map(str::to_owned)
}

fn predicate() -> impl Strategy<Value = String> {
    let simple = prop_oneof![
        4 => (attribute(), "[1-5xy]").prop_map(|(name, value)| format!("@{name}='{value}'")),
        1 => (attribute(), "[1-5xy]").prop_map(|(name, value)| format!("@{name}!=\"{value}\"")),
        2 => attribute().prop_map(|name| format!("@{name}")),
        2 => (1..4_u8).prop_map(|at| at.to_string()),
        1 => Just("last()".to_owned()),
        1 => Just("last() - 1".to_owned()),
        1 => (1..4_u8).prop_map(|at| format!("position() <= {at}")),
        1 => name(),
        1 => name().prop_map(|name| format!(".//{name}")),
        1 => name().prop_map(|name| format!("count({name}) > 1")),
        1 => (attribute(), "[1-5xy]").prop_map(|(n, v)| format!("starts-with(@{n}, '{v}')")),
        1 => (attribute(), "[1-5xy]").prop_map(|(n, v)| format!("contains(@{n}, '{v}')")),
        1 => (0..5_u8).prop_map(|n| format!("@id * 2 mod 3 = {n} - 1")),
        1 => (0..5_u8).prop_map(|n| format!("number(@id) >= {n}")),
        1 => "[a-s]{2,4}".prop_map(|n| format!("name() = '{n}'")),
        1 => Just("normalize-space(concat(@a, ' ', @b)) = 'x y'".to_owned()),
        1 => Just("string-length(@a) = 1".to_owned()),
        1 => Just("translate(@a, 'xy', 'y') = 'y'".to_owned()),
        1 => Just("substring(@id, 2, 1) = '-'".to_owned()),
        1 => Just("substring-before(@id, '-') = 'a'".to_owned()),
        1 => Just("@a = ../@b".to_owned()),
        1 => Just("@id < preceding-sibling::*/@id".to_owned()),
        1 => Just("comment()".to_owned()),
    ];
    simple.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("boolean({a}) or {b}")),
            inner.prop_map(|a| format!("not({a})")),
        ]
    })
}

fn step() -> impl Strategy<Value = String> {
    let axis = prop_oneof![
        8 => Just(String::new()),
        4 => prop::sample::select(vec![
            "descendant::", "self::", "parent::", "ancestor::", "following-sibling::",
            "preceding-sibling::", "following::", "preceding::", "descendant-or-self::",
            "ancestor-or-self::", "child::",
        ]).prop_map(str::to_owned),
    ];
    let plain = (axis, name(), prop::collection::vec(predicate(), 0..3)).prop_map(
        |(axis, name, predicates)| {
            let predicates: String = predicates.iter().map(|it| format!("[{it}]")).collect();
            format!("{axis}{name}{predicates}")
        },
    );
    prop_oneof![8 => plain, 1 => Just("..".to_owned()), 1 => Just(".".to_owned())]
}

fn path() -> impl Strategy<Value = String> {
    let separator = || prop::sample::select(vec!["/", "//"]);
    let steps = prop::collection::vec((separator(), step()), 1..4);
    let end = prop::option::weighted(0.3, attribute());
    (steps, end).prop_map(|(steps, end)| {
        let mut text = String::new();
        for (separator, step) in steps {
            text.push_str(separator);
            text.push_str(&step);
        }
        if let Some(end) = end {
            text.push_str("/@");
            text.push_str(&end);
        }
        text
    })
}

fn expression() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => path(),
        1 => (path(), path()).prop_map(|(a, b)| format!("{a} | {b}")),
        1 => (path(), 1..3_u8, step()).prop_map(|(a, n, b)| format!("({a})[{n}]/{b}")),
    ]
}

/// What was found, one a line, as `xmllint` writes it.
fn ours(expression: &XPath, root: &Element) -> Vec<String> {
    expression
        .select(root)
        .iter()
        .map(|found| match found.part {
            Part::Whole => found.element.to_string(),
            Part::Attribute(name, value) => Element::new("x").with(name, value).to_string(),
            Part::Text(text) | Part::Comment(text) => text.to_owned(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn xmllint_finds_the_same(root in tree(&["1", "2", "3", "a-b"]), text in expression()) {
        if !installed("xmllint") { return Ok(()) }
        let scratch = Scratch::new("xpath");
        let file = scratch.write("cib.xml", &root.to_string());
        let file = file.to_string_lossy();
        let expression = XPath::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let found = ours(&expression, &root);
        let count = run("xmllint", &["--xpath", &format!("count({text})"), &file], &[]);
        // `(a | b)` as a whole is counted with the document itself, which is no answer of ours.
        let document = run("xmllint", &["--xpath", &format!("count(({text})[not(parent::node())])"), &file], &[]);
        let number = |output| stdout(output).trim().parse::<usize>().unwrap_or_default();
        prop_assert_eq!(found.len() + number(&document), number(&count), "{}: {}\n{}", text, stderr(&count), root);
        if found.is_empty() || number(&document) > 0 { return Ok(()) }
        let answer = stdout(&run("xmllint", &["--xpath", &text, &file], &[]));
        let again: Vec<String> = if answer.trim_start().starts_with('<') {
            let whole = support::read(&format!("<all>{answer}</all>"));
            whole.elements().map(ToString::to_string).collect()
        } else {
            // Attributes: ` name="value"`, one a line.
            answer.lines().map(|line| support::read(&format!("<x {line}/>")).to_string()).collect()
        };
        let mixed = found.iter().any(|it| it.starts_with("<x ")) && found.iter().any(|it| !it.starts_with("<x "));
        if !mixed {
            // A comment that was found is written too, but not as an element.
            let found: Vec<String> = found.into_iter().filter(|it| it.starts_with('<')).collect();
            prop_assert_eq!(found, again, "{}\n{}", text, root);
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "\\PC{0,40}|[a-z/@\\[\\]()='*|.:0-9 ]{0,60}", root in tree(&["1"])) {
        if let Ok(expression) = XPath::parse(&text) {
            let _ = expression.select(&root);
            let _ = expression.string(&root);
        }
    }
}

#[test]
fn values_and_errors() {
    let root = support::read("<cib><a id='1'>x<b/>y</a><a id='2'/><!-- c --></cib>");
    for (text, want) in [
        ("count(//a)", "2"),
        ("string(//a)", "xy"),
        ("sum(//a/@id) + 4", "7"),
        ("name(/*)", "cib"),
        ("1 + 2 * 3 - -1", "8"),
        ("'a' = \"a\" and not(false())", "true"),
        ("number('x')", "NaN"),
        ("//a[2]/@id", "2"),
        ("substring-after('a/b', '/')", "b"),
        ("/cib/comment()", " c "),
    ] {
        let found = XPath::parse(text).map(|it| it.string(&root));
        assert_eq!(found.as_deref(), Ok(want), "{text}");
    }
    for (bad, at) in [
        ("", 1),
        ("//", 3),
        ("/a[", 4),
        ("/a[1", 5),
        ("foo()", 1),
        ("1.5", 1),
        ("$x", 1),
        ("'a", 1),
        ("/a b", 4),
        ("4 div 2", 3),
        ("count()", 1),
        ("x::y", 1),
    ] {
        assert_eq!(XPath::parse(bad).expect_err(bad).at, at, "{bad}");
    }
    let deep = "(".repeat(10_000) + "a" + &")".repeat(10_000);
    assert!(XPath::parse(&deep).is_err());
}

#[test]
fn the_way_leads_to_what_was_found() {
    let root = support::read(
        "<cib><configuration><!-- c --><node id='1'/><node id='2'/></configuration></cib>",
    );
    let found = XPath::parse("//node[@id='2']/@id").expect("xpath").select(&root).remove(0);
    assert_eq!(found.way, [0, 2]);
    assert_eq!(found.part, Part::Attribute("id", "2"));
    assert_eq!(found.element.id(), Some("2"));
}
