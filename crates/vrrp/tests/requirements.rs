//! Every requirement VRRP-001..087 and VRRP-110..119, and those of VRRP-100..108 about virtual MACs,
//! is either in the name of a test or in `DECLINED.md`; and every test that `docs/guarantees.md` or
//! `docs/check.md` or `docs/contract.md` names exists.
//!
//! A test is named by what it proves, `vrrp_021_ttl_not_255_is_dropped`; one that proves several
//! carries all their numbers, `vrrp_080_081_…` or `vrrp_056_vrrp_057_…`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The requirements there are: some numbers were never given out, and the others between 088 and 109
/// and those above 119 have their own issues.
fn requirements() -> BTreeSet<u16> {
    let virtual_macs = [100, 101, 102, 103, 104, 107, 108];
    (1..=17).chain(20..=43).chain(50..=87).chain(virtual_macs).chain(110..=119).collect()
}

/// The numbers in a test's name: groups of three digits behind `vrrp_` or behind one another.
fn numbers(name: &str) -> Vec<u16> {
    let mut numbers = Vec::new();
    let mut expected = false;
    for part in name.split('_') {
        match part {
            "vrrp" => expected = true,
            _ if expected && part.len() == 3 => match part.parse() {
                Ok(number) => numbers.push(number),
                Err(_) => expected = false,
            },
            _ => expected = false,
        }
    }
    numbers
}

/// The names of the tests in a source text.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    text.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with("#[test]") {
            marked = true;
            return None;
        }
        if line.starts_with('#') || line.starts_with("//") {
            return None;
        }
        let name = line.strip_prefix("fn ").filter(|_| marked);
        marked = false;
        name?.split('(').next()
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all tests of all rooms.
fn all_tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| tests(&text).map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn tested() -> BTreeSet<u16> {
    all_tests().iter().flat_map(|name| numbers(name)).collect()
}

/// The tests that a document names in back quotes, with or without their modules; what ends in `…`
/// or `*` begins the names of several.
fn named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .map(|quoted| quoted.rsplit("::").next().unwrap_or_default())
        .filter(|name| {
            let bare = name.trim_end_matches(['…', '*']);
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            bare.matches('_').count() >= 2 && bare.chars().all(letters)
        })
        .collect()
}

/// What is named in the documents and is no test.
const SETTINGS: &[&str] = &[
    "ip_nonlocal_bind",
    "interface_up_down_delays",
    "notify_before_release",
    "notify_before_release_timeout",
    "use_pid_dir",
    "data_use_instance",
    "state_dump_file",
    "stats_dump_file",
    "json_dump_file",
    "dbus_service_name",
    "dbus_no_interface_name",
    "enable_snmp_vrrp",
    "enable_snmp_rfc",
    "enable_snmp_rfcv2",
    "enable_snmp_rfcv3",
    "enable_traps",
    "snmp_socket",
];

#[test]
fn each_clause_of_the_contract_has_a_test_or_says_that_it_has_none() {
    let text = include_str!("../../../docs/contract.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |"));
    let mut last = false;
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [clause, here, test] = cells[..] else { panic!("three cells: {row}") };
        let names = !named(test).is_empty();
        let fine = names || test == "none" || (test == "the same" && last);
        assert!(fine, "{clause}: which test?");
        assert!(test != "none" || here.contains("not ") || here.contains("no "), "{clause}: why?");
        last = names || test == "the same";
        count += 1;
    }
    assert!(count > 40, "{count} rows");
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let tests = all_tests();
    let documents = [
        ("guarantees.md", include_str!("../../../docs/guarantees.md"), 20),
        ("check.md", include_str!("../../../docs/check.md"), 10),
        ("contract.md", include_str!("../../../docs/contract.md"), 50),
    ];
    for (document, text, least) in documents {
        let names = named(text);
        assert!(names.len() > least, "docs/{document} was not read: {names:?}");
        for name in names {
            let bare = name.trim_end_matches(['…', '*']);
            let whole = bare == name;
            let found =
                tests.iter().any(|test| if whole { test == name } else { test.starts_with(bare) });
            // The name of a setting looks like that of a test.
            let setting = SETTINGS.contains(&name);
            assert!(found || setting, "docs/{document} names `{name}`: there is no such test");
        }
    }
}

/// The rows of the table: their numbers and their reasons.
fn declined() -> Vec<(u16, String)> {
    let text = include_str!("../DECLINED.md");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| VRRP-")?.split('|').map(str::trim);
        let number = cells.next()?.parse().ok()?;
        Some((number, cells.nth(1)?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_requirement_is_tested_or_declined() {
    let declined: BTreeSet<u16> = declined().into_iter().map(|(number, _)| number).collect();
    let tested = tested();
    let open: Vec<u16> = requirements()
        .into_iter()
        .filter(|number| !tested.contains(number) && !declined.contains(number))
        .collect();
    assert!(open.is_empty(), "neither tested nor declined: {open:03?}");
}

#[test]
fn whatever_is_declined_exists_and_has_a_reason() {
    let declined = declined();
    assert!(declined.len() > 3, "the table was not read");
    for (number, reason) in declined {
        assert!(requirements().contains(&number), "there is no VRRP-{number:03}");
        assert!(reason.len() > 20, "VRRP-{number:03}: why?");
    }
}

#[test]
fn a_name_tells_its_numbers() {
    assert_eq!(numbers("vrrp_021_ttl_not_255_is_dropped"), [21]);
    assert_eq!(numbers("vrrp_080_081_v2_carries_seconds"), [80, 81]);
    assert_eq!(numbers("vrrp_035_vrrp_086_another_list"), [35, 86]);
    assert_eq!(numbers("vrrp_is_112"), [0_u16; 0]);
    assert_eq!(numbers("arp_007_not_ours"), [0_u16; 0]);
    let text =
        "#[test]\nfn vrrp_001_a() {}\nfn vrrp_002_helper() {}\n#[test]\n#[ignore]\nfn b() {}";
    assert_eq!(tests(text).collect::<Vec<_>>(), ["vrrp_001_a", "b"]);
}
