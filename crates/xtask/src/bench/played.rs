//! What the lab's tests measure while they play, as rows of the page: things that only mainstay does, or
//! that the judges of `../shared/lab` cannot see.
//!
//! A test says on its error output what something took; which words are meant is told here.

use std::path::Path;
use std::process::Command;

use super::figures::{Figure, Spread};
use super::page::Row;

/// A test, the word its line begins with, the words behind the figure, and what the page says of it.
const PLAYED: [(&str, &str, &str, &str); 3] = [
    (
        "vmac::two_thousand_vips_wait_on_a_virtual_mac_and_come_with_one_step",
        "V4: 2,000 VIPs answer ",
        " after the first advert",
        "2,000 IPv4 VIPs on a virtual MAC: first advert of the next holder to the answer of the last VIP",
    ),
    (
        "vmac::two_thousand_vips_wait_on_a_virtual_mac_and_come_with_one_step",
        "V6: 2,000 VIPs answer ",
        " after the first advert",
        "2,000 IPv6 VIPs on a virtual MAC: the same",
    ),
    (
        "bfd::a_dead_holder_is_followed_within_the_detection_time",
        "followed ",
        " after its death",
        "BFD 10 ms x 3 over 1 s adverts: death of the holder to the first advert of the next",
    ),
];

/// Plays each test so many times; a row for each thing told.
pub(super) fn rows(root: &Path, runs: usize) -> Result<Vec<Row>, String> {
    let mut found: Vec<Vec<Option<Figure>>> = vec![Vec::new(); PLAYED.len()];
    for _ in 0..runs {
        let mut played: Vec<(&str, String)> = Vec::new();
        for ((test, before, behind, _), found) in PLAYED.iter().zip(&mut found) {
            if !played.iter().any(|(known, _)| known == test) {
                eprintln!("{test}");
                played.push((*test, play(root, test)?));
            }
            let said = played.iter().find(|(known, _)| known == test);
            found.push(said.and_then(|(_, said)| told(said, before, behind)));
        }
    }
    let row = |((.., what), figures): (&(&str, &str, &str, &str), Vec<Option<Figure>>)| Row {
        what: (*what).to_owned(),
        unit: "ms".to_owned(),
        keepalived: Spread::of(&[]),
        mainstay: Spread::of(&figures),
    };
    Ok(PLAYED.iter().zip(found).map(row).collect())
}

fn play(root: &Path, test: &str) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .env("MAINSTAY_BENCH", "1")
        .args(["test", "--release", "-p", "daemon", "--test", "interop", "--"])
        .args(["--exact", test, "--nocapture"])
        .output()
        .map_err(|error| format!("cargo test: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The figure between these words, in milliseconds.
fn told(said: &str, before: &str, behind: &str) -> Option<Figure> {
    let line = said.lines().find_map(|line| line.split_once(before))?.1;
    milliseconds(line.split_once(behind)?.0)
}

/// A time as Rust writes it: `12.3ms`, `1.2s`, `900µs`.
fn milliseconds(text: &str) -> Option<Figure> {
    let units = [("ms", 1000), ("µs", 1), ("s", 1_000_000)];
    let (number, micros) =
        units.iter().find_map(|(unit, micros)| Some((text.strip_suffix(unit)?, *micros)))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let (mut sum, mut worth) = (whole.parse::<i64>().ok()? * micros, micros);
    for digit in part.chars() {
        worth /= 10;
        sum += i64::from(digit.to_digit(10)?) * worth;
    }
    Some(Figure(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rust_writes_them() {
        let read = |text| milliseconds(text).map(|figure| figure.0);
        let shown = ["12.3ms", "1.2s", "900µs", "900.5µs", "2s", "x ms", ""].map(read);
        let thousandths = [12_300, 1_200_000, 900, 900, 2_000_000].map(Some);
        assert_eq!(shown[..5], thousandths);
        assert_eq!(shown[5..], [None, None]);
        let said = "nothing\nname: V4: 2,000 VIPs answer 17.9ms after the first advert\n";
        let (_, before, behind, _) = PLAYED[0];
        assert_eq!(told(said, before, behind), Some(Figure(17_900)));
    }
}
