//! The features of the keepalived reference (§7) by number, and why some are not shown here.

use crate::case::Case;

/// Features that no case can show, and why.
const ELSEWHERE: &[(u8, &str)] = &[
    (24, "mail is compared letter by letter in tests/outward/mail.rs"),
    (38, "dumps are compared in tests/outward/dumps.rs"),
    (39, "log lines are compared in tests/outward/lines.rs"),
    (45, "no case is written yet"),
    (48, "keepalived 2.2.7 does not know no_virtual_ipaddress"),
    (60, "no case is written yet"),
    (61, "keepalived 2.2.7 does not sign adverts; see tests/interop/signed.rs"),
    (62, "keepalived 2.2.7 knows one checksum only; see tests/interop/vectors.rs"),
    (71, "the kernel here has no VRFs"),
    (74, "SNMP is not done yet"),
    (75, "no case is written yet"),
    (79, "keepalived 2.2.7 does not know timer_expired_backup; see tests/interop/lease.rs"),
    (80, "the kernel here cannot show it; refused with the reason"),
];

/// Numbers of those that fewer than two cases show.
pub(crate) fn shown_too_rarely(cases: &[Case]) -> Vec<String> {
    let mut missing = Vec::new();
    for feature in 1..=80_u8 {
        let by = cases.iter().filter(|case| case.features.contains(&feature));
        let by: Vec<_> = by.map(|case| case.name.as_str()).collect();
        let elsewhere = ELSEWHERE.iter().find(|(number, _)| *number == feature);
        match (by.len(), elsewhere) {
            (0 | 1, None) => missing.push(format!("{feature}: {}", by.join(" "))),
            (2.., Some((_, why))) => {
                missing.push(format!("{feature} is shown and also said not to be: {why}"));
            }
            _ => {}
        }
    }
    missing
}
