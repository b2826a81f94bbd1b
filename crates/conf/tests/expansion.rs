//! Includes, conditions, definitions, substitutions, repetitions. What each text becomes was learned
//! from keepalived 2.2.7; where a diagnostic points is ours.

use std::collections::BTreeMap;

use conf::{Code, Files, Loaded, Options, Severity, Source, Surroundings, load_in, render};

/// Files in memory, all under `/etc/k`.
struct Shelf(BTreeMap<String, String>);

impl Shelf {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(name, text)| (format!("/etc/k/{name}"), (*text).into())).collect())
    }
}

impl Files for Shelf {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "no such file".into())
    }

    fn names(&self, path: &str) -> Vec<String> {
        let path = format!("{}/", path.trim_end_matches('/'));
        let below = self.0.keys().filter_map(|name| name.strip_prefix(&path));
        let mut names: Vec<_> =
            below.filter_map(|name| name.split('/').next().map(str::to_owned)).collect();
        names.dedup();
        names
    }

    fn exists(&self, path: &str) -> bool {
        self.0.keys().any(|name| name == path || name.starts_with(&format!("{path}/")))
    }
}

fn read_in(text: &str, id: &str, files: &[(&str, &str)]) -> Loaded {
    let shelf = Shelf::new(files);
    let around = Surroundings {
        config_id: id,
        directory: "/etc/k",
        files: &shelf,
        environment: &|name| (name == "HOME").then(|| "/root".to_owned()),
        ..Surroundings::default()
    };
    load_in(Source { name: "k.conf", text: text.as_bytes() }, Options::default(), &around)
}

/// The words of the text it becomes, lines joined by `;`.
fn becomes(text: &str) -> String {
    becomes_in(text, &[])
}

fn becomes_in(text: &str, files: &[(&str, &str)]) -> String {
    let loaded = read_in(text, "vm", files);
    let lines = String::from_utf8_lossy(loaded.origins.text()).into_owned();
    let lines = lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(";")
}

fn codes(text: &str, files: &[(&str, &str)]) -> Vec<(Severity, Code)> {
    let loaded = read_in(text, "vm", files);
    loaded
        .diagnostics
        .iter()
        .filter(|d| !matches!(d.code, Code::UnknownKeyword | Code::NoInstance))
        .map(|d| (d.severity, d.code))
        .collect()
}

#[test]
fn names_are_replaced_late_and_again() {
    for (text, want) in [
        ("$A=x\nw1${A} w2$A w3$AA w4$A.y", "w1x w2x w3$AA w4$A.y"),
        ("$A=x\n$B=b${A}\nw${B}", "wbx"),
        ("$B=2.${S}\n$S=0\n${B}.1\n$S=10\n${B}.1", "2.0.1;2.10.1"),
        ("$A=a\n$A=b\nw.$A", "w.b"),
        ("$D=\nw7${D}q", "w7q"),
        ("$A=x\nw9\\${A} w29$A$A", "w9\\x w29$Ax"),
        ("$A=x\n\"w10${A}\" 'w11${A}'", "\"w10x\" 'w11x'"),
        ("$A=x\nw12 # ${A}", "w12"),
        ("$G=a b # comment\nw${G}", "wa b"),
        ("$F =x\nw33$F", "$F =x;w33$F"),
        ("w40 $Z=5", "w40 $Z=5"),
        ("w $1 $? a$b $(id)", "w $1 $? a$b $(id)"),
        ("w${_PWD}/x $_PWD ${_INSTANCE}", "w/etc/k/x /etc/k vm"),
        ("w${_HASH}x \"${_BANG}\"", "w\\#x \"\\!\""),
        ("w22${_RANDOM 5 5}", "w225"),
        ("w${_ENV HOME}", "w/root"),
        ("$A=x\nw1{${A}}", "w1{x}"),
        ("$P=w14 { w15 }\n$P", "w14 { w15 }"),
        ("$A=1\n$X${A}=y\nw${X1}", "wy"),
    ] {
        assert_eq!(becomes(text), want, "{text}");
    }
}

#[test]
fn random_numbers_follow_from_their_seed() {
    let text = "random_seed 7\nw${_RANDOM} ${_RANDOM 3 9}";
    assert_eq!(becomes(text), becomes(text));
    assert_ne!(becomes(text), becomes(&text.replace('7', "8")));
}

#[test]
fn conditions_keep_or_drop_their_line() {
    for (text, want) in [
        ("@foo w13\n@vm w14\n@^foo w15\n@^vm w16", "w14;w15"),
        ("@VM w20", ""),
        ("@vm @^foo w21", "@^foo w21"),
        ("$I=@vm\n$I w\n$I=@x\n$I v", "w"),
        ("@^foo $E=eps\nw${E}", "weps"),
        ("global_defs { @^x w1 }\n", "global_defs {;w1 }"),
        ("a { @x w1 }\n}", "a {;}"),
    ] {
        assert_eq!(becomes(text), want, "{text}");
    }
}

#[test]
fn definitions_over_several_lines() {
    let block = "$M= \\\n w4.${N} { \\\n @^foo w5 \\\n @foo w6 \\\n $Q=3 \\\n } # c \\\n w7.${Q}\n";
    for (text, want) in [
        ("$N=1\n$M\n$N=2\n$M", "w4.1 {;w5;};w7.3;w4.2 {;w5;};w7.3"),
        ("$N=1\na $M\nx", "a w4.1 {;w5;};w7.3;x"),
        ("~SEQ(N,1,2) $M", "w4.1 {;w5;};w7.3;w4.2 {;w5;};w7.3"),
    ] {
        assert_eq!(becomes(&format!("{block}{text}")), want, "{text}");
    }
    assert_eq!(becomes("$I= \\\n a${X}\n$O= \\\n $X=1 \\\n $I \\\n $X=2 \\\n $I\n$O"), "a1;a2");
    assert_eq!(becomes("@foo $M= \\\n a \\\n b\n$M c"), "$M c");
    assert_eq!(becomes("$M= \\\n a \\\n\nb\n$M"), "b;a", "an empty line ends it");
    assert_eq!(codes("$M= \\\n a \\\n b\n$M c", &[]), [(Severity::Error, Code::Macro)]);
    assert_eq!(codes("$M= \\\n a \\\n $M\n$M", &[]), [(Severity::Error, Code::Macro)]);
    assert_eq!(codes("$A=${A}c\nw ${A}", &[]), [(Severity::Error, Code::Macro)]);
}

#[test]
fn a_definition_over_several_lines_whose_first_line_uses_another() {
    let inner = "$B= \\\n  p \\\n  q\n";
    assert_eq!(becomes(&format!("{inner}$A= \\\n  x $B \\\n  y\nw $A")), "w x p;q;y");
    assert_eq!(becomes(&format!("{inner}$A= \\\n  $B \\\n  y\nw $A")), "w p;q;y");
    // One that uses itself has no end; saying so must not take the stack for it.
    let text = "$A= \\\n  x $A\nw $A";
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let told = small.spawn(move || codes(text, &[])).expect("a thread").join().expect("it ends");
    assert_eq!(told, [(Severity::Error, Code::Macro)]);
}

#[test]
fn repetitions() {
    for (text, want) in [
        ("~SEQ(N,1,3) w.${N}", "w.1;w.2;w.3"),
        ("~SEQ(M,1,2) ~SEQ(K,7,8) w.${M}.${K}", "w.1.7;w.1.8;w.2.7;w.2.8"),
        ("~SEQ(R,1,2) @^foo w.${R}", "w.1;w.2"),
        ("@^foo ~SEQ(T,1,2) w.${T}\n@foo ~SEQ(T,1,2) v.${T}", "w.1;w.2"),
        ("~SEQ(A,1,2) $B=x${A}\nv.${B}", "v.x2"),
        ("$L=1,3\n~SEQ(A,${L}) w.${A}", "w.1;w.2;w.3"),
        ("~LST({P,Q},{1,2},{3,4}) ~SEQ(I,8,9) w.${P}.${Q}.${I}", "w.1.2.8;w.1.2.9;w.3.4.8;w.3.4.9"),
        ("~SEQ(N,1,2) w { a.${N} } b.${N}", "w { a.1 } b.1;w { a.2 } b.2"),
        ("w53 ~SEQ(N,1,3)", "w53 ~SEQ(N,1,3)"),
        ("v {\n ~SEQx(N,8,10) fe80::${N}\n}", "v {;fe80::8;fe80::9;fe80::a;}"),
    ] {
        assert_eq!(becomes(text), want, "{text}");
    }
    assert_eq!(codes("~SEQ(N,1,-1,3) w", &[]), [(Severity::Error, Code::Macro)]);
    // A repetition that would not end is stopped, and soon.
    assert_eq!(codes("~SEQ(A,1,99999) ~SEQ(B,1,99999) w", &[]), [(Severity::Error, Code::TooLong)]);
}

#[test]
fn the_manual_s_65024_instances() {
    let text = "$VI4= \\\nvrrp_instance vrrp4.${IF}.${NUM}.${ID} { \\\n interface bond${IF}.${NUM} \\\n \
                virtual_router_id ${ID} \\\n virtual_ipaddress { \\\n 10.${IF}.${NUM}.${ID}/24 \\\n } \\\n}\n\
                ~SEQ(IF,0,7) ~SEQ(NUM,0,31) ~SEQ(ID,1,254) $VI4\n";
    let loaded = read_in(text, "vm", &[]);
    let config = loaded.config.unwrap();
    assert_eq!(config.instances.len(), 65_024);
    assert_eq!(config.instances.last().unwrap().name, *"vrrp4.7.31.254");
}

#[test]
fn includes_are_read_where_they_stand() {
    let files = [
        ("a.conf", "w1${_PWD}\ninclude sub/*.conf\nw2"),
        ("sub/x.conf", "w3${_PWD} # c"),
        ("sub/y.conf", "w4"),
        ("sub/.hid.conf", "w5"),
        ("sub/z", "w6"),
    ];
    for (text, want) in [
        ("include a.conf\nw9", "w1/etc/k;w3/etc/k/sub;w4;w2;w9"),
        ("include /etc/k/sub/z # c", "w6"),
        ("include sub/{y.conf,z}", "w4;w6"),
        ("include sub/.h*", "w5"),
        ("include sub/[xy].conf\ninclude sub/?", "w3/etc/k/sub;w4;w6"),
        ("@^foo include sub/z\n@foo include a.conf", "w6"),
        ("$D=sub\ninclude ${D}/z", "w6"),
        ("~SEQ(N,1,2) include sub/z", "w6;w6"),
        ("a { include sub/z\n}", "a {;w6;}"),
        ("include no*", ""),
    ] {
        assert_eq!(becomes_in(text, &files), want, "{text}");
    }
}

#[test]
fn an_include_that_finds_nothing() {
    use Severity::{Error, Warning};
    let files = [("x", "# x\n")];
    let missing = |severity| vec![(severity, Code::IncludeMissing)];
    for (text, want) in [
        ("include none", missing(Warning)),
        ("include no*", vec![]),
        ("includer none", missing(Warning)),
        ("includem none", missing(Error)),
        ("includem no*", vec![]),
        ("includew no*", missing(Error)),
        ("includew none", missing(Warning)),
        ("includeb {x,none}", missing(Error)),
        ("includeb none", missing(Warning)),
        ("includea no*", missing(Error)),
        ("include {x,none}", missing(Warning)),
        ("include \"x\"", missing(Error)),
        ("global_defs {\n include_check match\n}\ninclude none", missing(Error)),
        ("global_defs {\n include_check\n}\ninclude no*", missing(Error)),
        ("global_defs {\n include_check bogus\n}", vec![(Error, Code::IncludeCheck)]),
    ] {
        assert_eq!(codes(text, &files), want, "{text}");
    }
    let cycle = [("a", "include b"), ("b", "include a")];
    assert_eq!(codes("include a", &cycle), [(Error, Code::IncludeCycle)]);
    assert_eq!(codes("include k.conf", &[("k.conf", "")]), [(Error, Code::IncludeCycle)]);
}

#[test]
fn a_name_that_is_not_defined() {
    use Severity::{Error, Warning};
    for (text, want) in [
        ("w8 ${UNDEF}", vec![(Error, Code::UndefinedName)]),
        ("w8 \"${UNDEF}\" $UNDEF", vec![]),
        ("$PRIORITY=1\nw8 $PRIORTY", vec![(Warning, Code::UndefinedName)]),
    ] {
        assert_eq!(codes(text, &[]), want, "{text}");
    }
}

/// The frame of one instance, with `line` in it.
fn instance(line: &str) -> String {
    format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {{\n 192.0.2.9\n }}\n{line}\n}}\n"
    )
}

#[test]
fn a_value_from_a_definition_is_shown_where_it_was_written() {
    let loaded = read_in(&format!("$PRIO=999\n{}", instance(" priority $PRIO")), "vm", &[]);
    let shown = render(&loaded, false);
    assert!(loaded.config.is_none());
    assert!(shown.contains("--> k.conf:1:7"), "{shown}");
    assert!(shown.contains("::: k.conf:8:2"), "{shown}");
    assert!(shown.contains("used here"), "{shown}");
}

#[test]
fn an_included_line_is_shown_in_its_file() {
    let files = [("part.conf", "\n   priority 999\n")];
    let loaded = read_in(&instance("include part.conf"), "vm", &files);
    let shown = render(&loaded, false);
    assert!(shown.contains("--> /etc/k/part.conf:2:13"), "{shown}");
    assert!(shown.contains("k.conf: 1 error"), "{shown}");
}

#[test]
fn what_every_round_says_is_said_once() {
    let text = "$M= \\\nvrrp_instance A${N} { \\\n interface eth0 \\\n virtual_router_id 3${N}0 \\\n \
                virtual_ipaddress { \\\n 192.0.2.${N} \\\n } \\\n}\n~SEQ(N,1,9) $M\n";
    let loaded = read_in(text, "vm", &[]);
    let shown = render(&loaded, false);
    assert_eq!(loaded.diagnostics.len(), 1, "{shown}");
    assert!(shown.contains("`310` is out of range"), "{shown}");
    assert!(shown.contains("8 times more in other rounds"), "{shown}");
    assert!(shown.contains("--> k.conf:4:20"), "{shown}");
    assert!(shown.contains("reads `310`"), "{shown}");
}
