//! Nothing anybody writes makes the reader panic, and what it says can always be printed.

use conf::keywords::all;
use conf::{Options, Severity, Source, load, render, tokens};
use proptest::prelude::*;

/// Pieces configurations are made of, legal and not.
fn piece() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = all().map(|keyword| keyword.name).collect();
    let examples: Vec<&'static str> = all().map(|keyword| keyword.example).collect();
    prop_oneof![
        4 => prop::sample::select(words).prop_map(str::to_owned),
        2 => prop::sample::select(examples).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["{", "}", "\n", "\n", " ", "\"", "'", "\\", "#", "$x=", "$x", "~SEQ(a,1,2)", "@a"])
            .prop_map(str::to_owned),
        2 => prop::sample::select(vec!["eth0", "192.0.2.1/24", "2001:db8::1", "0.3", "255", "-1", "on", "dev", "weight", "MASTER", "reverse"])
            .prop_map(str::to_owned),
        1 => "[ -~\t\r\n]{0,12}",
        1 => any::<char>().prop_map(String::from),
    ]
}

fn check(text: &[u8], options: Options) {
    let source = Source { name: "t\n", text };
    let loaded = load(source, options);
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    assert_eq!(loaded.config.is_none(), errors > 0);
    for diagnostic in &loaded.diagnostics {
        let located = loaded.origins.locate(diagnostic.span).expect("there is a file");
        let (start, end) = (located.span.start, located.span.end);
        assert!(start <= end && end <= text.len(), "{diagnostic:?} {located:?}");
        assert!(diagnostic.severity == Severity::Note || !diagnostic.help.is_empty());
    }
    let shown = render(&loaded, false);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    for instance in loaded.config.iter().flat_map(|config| &config.instances) {
        assert!(instance.vips.iter().all(|vip| vip.family() == instance.family));
        assert_eq!(instance.vips.len(), instance.places.vips.len());
        assert!(instance.interface.is_some() || instance.source.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..600), lenient: bool, skip_ipvs: bool) {
        check(&text, Options { lenient, skip_ipvs });
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(piece(), 0..40), lenient: bool) {
        check(pieces.join(" ").as_bytes(), Options { lenient, skip_ipvs: lenient });
    }

    #[test]
    fn any_lines_of_an_instance(lines in prop::collection::vec((piece(), piece()), 0..12)) {
        let mut text = String::from("vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\n");
        for (a, b) in lines {
            text.push_str(&format!("{a} {b}\n"));
        }
        text.push('}');
        check(text.as_bytes(), Options { lenient: true, skip_ipvs: true });
    }

    #[test]
    fn tokens_put_the_text_back(text in prop::collection::vec(any::<u8>(), 0..600)) {
        let joined: Vec<u8> =
            tokens(&text).flat_map(|t| text[t.span.within(text.len())].to_vec()).collect();
        prop_assert_eq!(joined, text);
    }
}
