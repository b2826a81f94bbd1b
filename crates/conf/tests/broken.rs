//! Broken configurations: each is refused, at the right place, with the right code and a way out.
//!
//! In each text `«` and `»` stand around the place the diagnostic must point at; they are taken out
//! before the text is read. No other error may be found: a second one would be noise.

use conf::{Code, Diagnostic, Loaded, Options, Severity, Source, load, render};

fn read(text: &[u8], options: Options) -> Loaded {
    load(Source { name: "keepalived.conf", text }, options)
}

/// The text without marks, and what stood between them.
fn unmarked(marked: &str) -> (String, core::ops::Range<usize>) {
    let start = marked.find('«').unwrap_or_else(|| panic!("no mark in {marked}"));
    let text = marked.replacen('«', "", 1);
    let end = text.find('»').unwrap_or_else(|| panic!("no end mark in {marked}"));
    (text.replacen('»', "", 1), start..end)
}

/// An instance with everything it needs, and `lines` besides.
fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n \
         virtual_ipaddress {{\n  192.0.2.9\n }}\n{lines}\n}}\n"
    )
}

/// A version 3 one.
fn instance_v3(lines: &str) -> String {
    instance(&format!(" version 3\n{lines}"))
}

fn errors(loaded: &Loaded) -> Vec<&Diagnostic> {
    loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect()
}

#[track_caller]
fn refused(marked: &str, code: Code) {
    let (text, place) = unmarked(marked);
    refused_at(text.as_bytes(), place, code);
}

#[track_caller]
fn refused_at(text: &[u8], place: core::ops::Range<usize>, code: Code) {
    let source = Source { name: "keepalived.conf", text };
    let loaded = load(source, Options::default());
    let shown = render(&loaded, false);
    assert!(loaded.config.is_none(), "accepted:\n{}", String::from_utf8_lossy(text));
    let [error] = errors(&loaded)[..] else { panic!("not one error but:\n{shown}") };
    assert_eq!(error.code, code, "{shown}");
    assert_eq!(error.span.start..error.span.end, place, "{shown}");
    assert!(!error.help.is_empty() && !error.label.is_empty(), "{shown}");
    let at = source.position(place.start);
    let want = format!("keepalived.conf:{}:{}", at.line, at.column);
    assert!(shown.contains(&want), "{want} is not in:\n{shown}");
    assert!(shown.contains(&format!("error[{}]", code.as_str())), "{shown}");
    assert!(shown.contains("help: "), "{shown}");
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn the_frame_they_are_broken_in_is_whole() {
    for text in [instance(""), instance_v3("")] {
        let loaded = read(text.as_bytes(), Options::default());
        assert!(loaded.config.is_some() && loaded.diagnostics.is_empty(), "{loaded:#?}");
    }
}

#[test]
fn text_that_is_no_text() {
    let nul = instance(" priority 1\u{0}0");
    let at = nul.find('\u{0}').unwrap();
    // The word around it is no number either, but one error is enough for one word.
    refused_at(nul.as_bytes(), at..at + 1, Code::NulByte);
    let comment = instance(" # a\u{0}b");
    let at = comment.find('\u{0}').unwrap();
    refused_at(comment.as_bytes(), at..at + 1, Code::NulByte);

    let mut latin1 = instance(" notify /bin/caf?").into_bytes();
    let at = latin1.iter().position(|b| *b == b'?').unwrap();
    latin1[at] = 0xe9;
    refused_at(&latin1, at..at + 1, Code::NotUtf8);

    let mut comment = instance(" # caf?").into_bytes();
    let at = comment.iter().position(|b| *b == b'?').unwrap();
    comment[at] = 0xe9;
    assert!(read(&comment, Options::default()).config.is_some(), "comments may be in any charset");
}

#[test]
fn a_line_of_ten_megabytes() {
    let digits = "1".repeat(10_000_000);
    let text = instance(&format!(" priority {digits}"));
    let at = text.find(&digits).unwrap();
    let source = Source { name: "keepalived.conf", text: text.as_bytes() };
    let loaded = load(source, Options::default());
    let [error] = errors(&loaded)[..] else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!((error.code, error.span.start), (Code::OutOfRange, at));
    assert!(error.message.len() < 200);
    assert!(render(&loaded, false).len() < 2_000);

    // Two megabytes of anything: nothing that is fast here can be quadratic.
    for filler in ["{", "}", "a ", "a{", "\"", "'", "\\", "$", "${", "#", "\u{0}", "é", "a\n"] {
        let text = filler.repeat(2_000_000 / filler.len());
        let source = Source { name: "keepalived.conf", text: text.as_bytes() };
        let loaded = load(source, Options::default());
        assert_eq!(loaded.config.is_some(), filler == "#", "{filler:?}");
        let shown = render(&loaded, false);
        assert!(shown.len() < 200_000, "{filler:?}: {}", shown.len());
    }
}

#[test]
fn a_text_beyond_the_limit_is_not_read() {
    let text = vec![b'\n'; conf::MAX_TEXT + 1];
    refused_at(&text, 0..0, Code::TooLong);
}

#[test]
fn quotes_and_braces() {
    refused(&instance(" notify «\"»/bin/x a"), Code::UnterminatedQuote);
    refused(&instance(" notify «'»/bin/x a"), Code::UnterminatedQuote);
    refused(
        &instance(" router_id a\n").replace(" router_id a\n", " notify /bin/a«\\x»"),
        Code::BadEscape,
    );
    refused(&instance(" notify /bin/a«\\»"), Code::BadEscape);
    refused(&format!("{}«}}»\n", instance("")), Code::UnexpectedClose);
    refused(
        "vrrp_instance A «{»\n interface eth0\n virtual_router_id 1\n virtual_ipaddress { 192.0.2.9 }\n",
        Code::MissingClose,
    );
    refused(&format!("«{{»\n}}\n{}", instance("")), Code::UnexpectedBlock);
    refused(&instance(" priority 100 «{» 7 }"), Code::UnexpectedBlock);
    refused(&instance(" unicast_peer { 192.0.2.2 «{» } }"), Code::UnexpectedBlock);
    let deep = format!("{}{}{}", "a {".repeat(8), "b «{»", "}".repeat(9));
    let (text, place) = unmarked(&deep);
    let loaded = read(text.as_bytes(), Options { lenient: true, ..Options::default() });
    let [error] = errors(&loaded)[..] else { panic!("{loaded:?}") };
    assert_eq!((error.code, error.span.start), (Code::TooDeep, place.start));
}

#[test]
fn words_nobody_knows() {
    refused(&instance(" «priorty» 100"), Code::UnknownKeyword);
    refused(&instance(" «frobnicate» { a\n b { c } }"), Code::UnknownKeyword);
    refused(&format!("«vrrp_instnce» A {{\n x\n}}\n{}", instance("")), Code::UnknownKeyword);
    refused(&format!("global_defs {{\n «router-id» x\n}}\n{}", instance("")), Code::UnknownKeyword);
    refused(
        &instance(" authentication { auth_type PASS\n auth_pass x\n «auth_foo» x }"),
        Code::UnknownKeyword,
    );
    refused(&format!("global_defs {{ «priority» 100 }}\n{}", instance("")), Code::WrongBlock);
    refused(&format!("«interface» eth0\n{}", instance("")), Code::WrongBlock);
    refused(&instance(" «global_defs» { }"), Code::WrongBlock);
    refused(&instance(" «vrrp_instance» B {\n interface eth1\n }"), Code::WrongBlock);
}

#[test]
fn a_suggestion_is_made_when_one_is_near() {
    for (line, near) in [
        ("priorty 1", "`priority`"),
        ("no-preempt", "`nopreempt`"),
        ("virtual_ipadress { }", "`virtual_ipaddress`"),
        ("notify_mater /bin/x", "`notify_master`"),
        ("state BAKUP", "`BACKUP`"),
        ("virtual_ipaddress { 192.0.2.1 lable x }", "`label`"),
    ] {
        let text = instance(line);
        let loaded = read(text.as_bytes(), Options::default());
        let error = errors(&loaded)[0];
        assert!(error.label.contains(near), "{line}: {error:?}");
    }
}

#[test]
fn known_words_that_do_nothing_yet() {
    let bfd = "bfd_instance b {\n neighbor_ip 192.0.2.9\n «checker»\n}\n";
    refused(&format!("{bfd}{}", instance("")), Code::NotInForce);
    refused(&instance(" «use_ipvlan» 192.0.2.8/24"), Code::NotInForce);
    refused(&instance(" «old_unicast_checksum»"), Code::NotInForce);
    refused(&instance(" track_bfd { «b» }"), Code::UnknownTracker);
    refused(&instance(" virtual_ipaddress { 192.0.2.1 «autojoin» }"), Code::NotInForce);
}

#[test]
fn asking_for_the_old_checksum_never_is_asking_for_what_is_done() {
    let text = instance(" old_unicast_checksum never");
    let loaded = read(text.as_bytes(), Options::default());
    assert!(errors(&loaded).is_empty() && loaded.config.is_some(), "{:?}", loaded.diagnostics);
}

#[test]
fn a_substitution_counts_only_if_it_is_defined() {
    let text = instance(" authentication { auth_type PASS\n auth_pass pa$word\n }");
    for (before, want) in [("", *b"pa$word\0"), ("$word=x\n", *b"pax\0\0\0\0\0")] {
        let loaded = read(format!("{before}{text}").as_bytes(), Options::default());
        let config = loaded.config.unwrap();
        assert_eq!(config.instances[0].password.unwrap().octets(), want);
    }
    let text = instance(" virtual_ipaddress_excluded { ${VIP} }");
    let loaded = read(text.as_bytes(), Options::default());
    let [error] = errors(&loaded)[..] else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!(error.code, Code::UndefinedName);
    let located = loaded.origins.locate(error.span).unwrap();
    assert_eq!(&text[located.span.start..located.span.end], "${VIP}");
}

#[test]
fn load_balancing_is_somebody_elses() {
    let text = format!(
        "«virtual_server» 192.0.2.1 80 {{\n real_server 192.0.2.2 80 {{ }}\n}}\n{}",
        instance("")
    );
    refused(&text, Code::OutOfScope);
    let (text, _) = unmarked(&text);
    let help = &errors(&read(text.as_bytes(), Options::default()))[0].help.clone();
    assert!(help.contains("keepalived -C"), "{help}");
    let loaded = read(text.as_bytes(), Options { skip_ipvs: true, ..Options::default() });
    assert!(loaded.config.is_some());
    assert_eq!(loaded.diagnostics[0].severity, Severity::Warning);
    assert_eq!(loaded.diagnostics[0].code, Code::OutOfScope);
}

#[test]
fn lenient_skips_what_is_unknown_and_nothing_else() {
    let lenient = Options { lenient: true, ..Options::default() };
    let text = instance(" priorty 7\n priority 9\n frob 3") + "frob { a { b } }\n";
    let loaded = read(text.as_bytes(), lenient);
    assert_eq!(loaded.config.unwrap().instances[0].priority.get(), 9);
    assert_eq!(loaded.diagnostics.len(), 5);
    assert!(loaded.diagnostics.iter().all(|d| d.severity == Severity::Warning));
    for line in [" use_ipvlan 192.0.2.8/24", " virtual_ipaddress { 224.0.0.5 }"] {
        assert!(read(instance(line).as_bytes(), lenient).config.is_none(), "{line}");
    }
}

#[test]
fn blocks_and_values_that_are_missing_or_too_many() {
    refused(&instance(" «authentication»"), Code::BlockMissing);
    refused(&instance(" «unicast_peer 192.0.2.2»"), Code::BlockMissing);
    refused("«vrrp_instance» {\n}\n", Code::NameMissing);
    refused(
        "vrrp_instance «\"\"» {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress { 192.0.2.9 }\n}\n",
        Code::NameMissing,
    );
    refused(&instance("").replacen("VI_1", "VI_1 «VI_2»", 1), Code::TooManyValues);
    refused(&instance(" «priority»"), Code::ValueMissing);
    refused(&instance(" «notify»"), Code::ValueMissing);
    refused(&instance(" virtual_ipaddress { 192.0.2.1 «dev» }"), Code::ValueMissing);
    refused(&instance(" authentication { auth_type PASS\n auth_pass «\"\"» }"), Code::BadPassword);
    refused(&instance(" «authentication» { auth_type PASS }"), Code::ValueMissing);
    refused(&instance(" «authentication» { auth_pass x }"), Code::ValueMissing);
    refused(&instance(" priority 100 «200»"), Code::TooManyValues);
    refused(&instance(" nopreempt «yes»"), Code::TooManyValues);
    refused(&instance(" notify /bin/x user group «more»"), Code::TooManyValues);
    refused(&instance(" interface eth0 «virtual_router_id» 7"), Code::TooManyValues);
    refused(&instance(" track_interface { eth1 weight 5 reverse «x» }"), Code::TooManyValues);
}

#[test]
fn numbers_times_and_switches() {
    refused(&instance(" priority «high»"), Code::NotANumber);
    refused(&instance(" priority «1.5»"), Code::NotANumber);
    refused(&instance(" priority «-»"), Code::NotANumber);
    refused(&instance(" priority «0»"), Code::OutOfRange);
    refused(&instance(" priority «256»"), Code::OutOfRange);
    refused(&instance(" priority «99999999999999999999»"), Code::OutOfRange);
    refused(
        &instance("").replace("virtual_router_id 51", "virtual_router_id «0»"),
        Code::OutOfRange,
    );
    refused(
        &instance("").replace("virtual_router_id 51", "virtual_router_id «256»"),
        Code::OutOfRange,
    );
    refused(&instance(" down_timer_adverts «0»"), Code::OutOfRange);
    refused(&instance(" garp_master_repeat «0»"), Code::OutOfRange);
    refused(&instance(" track_interface { eth1 weight «254» }"), Code::OutOfRange);
    refused(&instance(" unicast_peer { 192.0.2.2 min_ttl «256» }"), Code::OutOfRange);
    refused(&instance(" virtual_ipaddress { 192.0.2.1/«33» }"), Code::OutOfRange);
    refused(&instance(" virtual_ipaddress_excluded { 2001:db8::1/«129» }"), Code::OutOfRange);
    refused(&instance(" virtual_ipaddress { 192.0.2.1/«255.255.255.0» }"), Code::NotANumber);
    refused(&instance(" advert_int «fast»"), Code::NotATime);
    refused(&instance(" advert_int «-1»"), Code::NotATime);
    refused(&instance(" advert_int «1s»"), Code::NotATime);
    refused(&instance(" advert_int «0»"), Code::OutOfRange);
    refused(&instance(" advert_int «256»"), Code::OutOfRange);
    refused(&instance(" preempt_delay «1001»"), Code::OutOfRange);
    refused(&instance(" smtp_alert «maybe»"), Code::NotABool);
    refused(&instance(" state «LEADER»"), Code::NotAChoice);
    refused(&instance(" version «4»"), Code::NotAChoice);
    refused(&format!("global_defs {{ vrrp_version «1» }}\n{}", instance("")), Code::NotAChoice);
    refused(&instance(" virtual_ipaddress { 192.0.2.1 scope «world» }"), Code::NotAChoice);
}

#[test]
fn the_interval_must_be_one_the_version_can_say() {
    refused(&instance(" advert_int «0.3»"), Code::BadInterval);
    refused(&instance(" advert_int «1.5»"), Code::BadInterval);
    refused(&instance_v3(" advert_int «0.015»"), Code::BadInterval);
    refused(&instance_v3(" advert_int «41»"), Code::BadInterval);
    let text = instance(" advert_int 0.3");
    assert!(errors(&read(text.as_bytes(), Options::default()))[0].help.contains("vrrp_version 3"));
    let text = instance_v3(" advert_int 0.015");
    assert!(errors(&read(text.as_bytes(), Options::default()))[0].help.contains("0.01 or 0.02"));
}

#[test]
fn addresses() {
    refused(&instance(" virtual_ipaddress { «193.168.0.256» }"), Code::NotAnAddress);
    refused(&instance(" virtual_ipaddress { «vip.example.com/24» }"), Code::NotAnAddress);
    refused(&instance(" virtual_ipaddress { «eth0» }"), Code::NotAnAddress);
    refused(&instance(" mcast_src_ip «192.0.2.1/24»"), Code::NotAnAddress);
    refused(&instance(" unicast_peer { «node2» }"), Code::NotAnAddress);
    refused(&instance(" virtual_ipaddress { «224.0.0.18» }"), Code::WrongAddress);
    refused(&instance(" virtual_ipaddress { «0.0.0.0/0» }"), Code::WrongAddress);
    refused(&instance(" virtual_ipaddress { «127.0.0.1/8» }"), Code::WrongAddress);
    refused(&instance(" virtual_ipaddress { «255.255.255.255» }"), Code::WrongAddress);
    refused(&instance(" virtual_ipaddress_excluded { «::ffff:192.0.2.1» }"), Code::WrongAddress);
    refused(&instance(" mcast_src_ip «224.0.0.1»"), Code::WrongAddress);
    refused(&instance(" unicast_peer { «224.0.0.1» }"), Code::WrongAddress);
    refused(
        &format!("global_defs {{ vrrp_mcast_group4 «192.0.2.1» }}\n{}", instance("")),
        Code::WrongAddress,
    );
    refused(
        &format!("global_defs {{ vrrp_mcast_group6 «224.0.0.18» }}\n{}", instance("")),
        Code::WrongAddress,
    );
    refused(&instance(" virtual_ipaddress { 192.0.2.1 brd «2001:db8::1» }"), Code::WrongAddress);
    refused(&instance(" virtual_ipaddress_excluded { 2001:db8::1 brd «+» }"), Code::BadOption);
    refused(
        &instance(" virtual_ipaddress_excluded { 2001:db8::1 label «eth0:1» }"),
        Code::BadOption,
    );
    refused(
        &instance(" virtual_ipaddress { 192.0.2.1 label «eth0:longer_than_15» }"),
        Code::BadOption,
    );
    refused(&instance(" virtual_ipaddress { 192.0.2.1 «device» eth0 }"), Code::BadOption);
    refused(&instance(" virtual_ipaddress { 192.0.2.1 «192.0.2.2/24» }"), Code::BadOption);
    refused(&instance(" unicast_peer { 192.0.2.2 «192.0.2.3» }"), Code::BadOption);
    refused(&instance(" track_interface { eth1 «eth2» }"), Code::BadOption);
    refused(&instance(" track_interface { eth1 weight 5 «revers» }"), Code::BadOption);
}

#[test]
fn interfaces_and_scripts() {
    refused(&instance("").replace("interface eth0", "interface «eth0:1»"), Code::BadInterface);
    refused(
        &instance("").replace("interface eth0", "interface «sixteen_octets_x»"),
        Code::BadInterface,
    );
    refused(&instance(" virtual_ipaddress { 192.0.2.1 dev «a/b» }"), Code::BadInterface);
    refused(&instance(" track_interface { «\"a b\"» }"), Code::BadInterface);
    refused(&instance(" notify «\"\"»"), Code::BadCommand);
    refused(&instance(" notify «\"/bin/x 'a\"»"), Code::BadCommand);
    refused(&instance(" notify /bin/x «/not/a/user»"), Code::BadCommand);
    refused(
        &format!("global_defs {{ script_user «\"a b\"» }}\n{}", instance("")),
        Code::BadCommand,
    );
}

#[test]
fn instances_that_lack_something() {
    let bare = |lines: &str| format!("vrrp_instance «VI_1» {{\n{lines}\n}}\n");
    let vip = " virtual_ipaddress { 192.0.2.9 }\n";
    refused(&bare(&format!("{vip} interface eth0")), Code::NoVrid);
    refused(&bare(&format!("{vip} virtual_router_id 1")), Code::NoInterface);
    let unicast = " virtual_router_id 1\n unicast_peer { 192.0.2.2 }\n";
    refused(
        &bare(&format!(" virtual_ipaddress {{ 192.0.2.9 dev eth0 }}\n{unicast}")),
        Code::NoInterface,
    );
    refused(
        &bare(
            " version 3\n virtual_router_id 1\n unicast_src_ip fe80::1\n unicast_peer { fe80::2 }\n virtual_ipaddress { fe80::9 dev eth0 }",
        ),
        Code::NoInterface,
    );
    refused(&bare(" interface eth0\n virtual_router_id 1\n version 3"), Code::NoVip);
    refused(&bare(" interface eth0\n virtual_router_id 1\n mcast_src_ip 2001:db8::1"), Code::NoVip);
    refused(&instance(" «unicast_src_ip 192.0.2.1»"), Code::UnicastWithoutPeers);
    refused(&instance(" «vrrp_unicast_bind 192.0.2.1»"), Code::UnicastWithoutPeers);
    refused(&instance(" «unicast_peer» { }"), Code::UnicastWithoutPeers);
}

#[test]
fn settings_that_contradict_each_other() {
    refused(&instance(" virtual_ipaddress { «2001:db8::1» }"), Code::MixedFamilies);
    refused(&instance(" mcast_src_ip «2001:db8::1»"), Code::MixedFamilies);
    refused(&instance(" unicast_peer { 192.0.2.2\n «2001:db8::2» }"), Code::MixedFamilies);
    let v6 = instance(" version «2»").replace("192.0.2.9", "2001:db8::9");
    refused(&v6, Code::WrongVersion);
    refused(&instance(" virtual_ipaddress { «192.0.2.9/24» }"), Code::DuplicateVip);
    refused(&instance(" virtual_ipaddress_excluded { «192.0.2.9» }"), Code::DuplicateVip);
    // An advert lists an address once; held it may be on two interfaces.
    refused(&instance(" virtual_ipaddress { «192.0.2.9» dev eth1 }"), Code::DuplicateVip);
    let twice = instance(" virtual_ipaddress_excluded { 192.0.2.9 dev eth1 }");
    assert!(read(twice.as_bytes(), Options::default()).diagnostics.is_empty());
    refused(&instance(" unicast_peer { 192.0.2.2\n «192.0.2.2» }"), Code::DuplicatePeer);
    refused(
        &instance(" unicast_src_ip 192.0.2.2\n unicast_peer { «192.0.2.2» }"),
        Code::PeerIsSelf,
    );
    refused(&instance(" unicast_peer { 192.0.2.2 min_ttl 9 «max_ttl 4» }"), Code::TtlRange);
    refused(
        &instance(
            " unicast_src_ip 192.0.2.1\n mcast_src_ip «192.0.2.2»\n unicast_peer { 192.0.2.3 }",
        ),
        Code::TwoSources,
    );
    refused(
        &instance(" authentication { auth_type PASS\n auth_pass «ninechars» }"),
        Code::BadPassword,
    );
    refused(&instance(" authentication { auth_type «AH»\n auth_pass x }"), Code::OutOfScope);
    let second = instance("").replace("VI_1", "VI_2").replace("192.0.2.9", "192.0.2.8");
    refused(
        &format!("{}{}", instance(""), second.replace("id 51", "id «51»")),
        Code::DuplicateRouter,
    );
    let other = instance("").replace("51", "52").replace("192.0.2.9", "192.0.2.8");
    refused(&format!("{}{}", instance(""), other.replace("VI_1", "«VI_1»")), Code::DuplicateName);
}

#[test]
fn more_vips_than_an_advert_holds() {
    let lines = |addresses: Vec<String>, most: usize| {
        let mut lines = addresses;
        lines[most] = format!("«{}»", lines[most]);
        format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n{}\n}}\n}}\n",
            lines.join("\n")
        )
    };
    let v4 = |n: usize| (0..n).map(|i| format!("10.0.{}.{}", i / 250, i % 250 + 1)).collect();
    let v6 = |n: usize| (1..=n).map(|i| format!("2001:db8::{i:x}")).collect();
    refused(&lines(v4(256), 255), Code::TooManyVips);
    refused(&lines(v6(91), 90), Code::TooManyVips);
    let fits = |addresses: Vec<String>| {
        let (text, _) = unmarked(&lines(addresses, 0));
        read(text.as_bytes(), Options::default()).config.is_some()
    };
    assert!(fits(v4(255)) && fits(v6(90)));
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    let text = instance(
        " priority 0\n nopreemt\n advert_int 0.5\n use_ipvlan 192.0.2.8/24\n virtual_ipaddress { ::1 }",
    );
    let loaded = read(text.as_bytes(), Options::default());
    let codes: Vec<_> = errors(&loaded).iter().map(|d| d.code).collect();
    assert_eq!(
        codes,
        [
            Code::OutOfRange,
            Code::UnknownKeyword,
            Code::BadInterval,
            Code::NotInForce,
            Code::WrongAddress
        ]
    );
}
