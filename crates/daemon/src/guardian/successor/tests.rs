//! Notes as former versions wrote them, and what no version has written yet.

use super::*;
use crate::messages::tests::{hex, octets};
use vip::last_will::Bequest;

fn note() -> NoteV1 {
    let line =
        |pid| Line { pid, fd: 5, unread: vec![1, 2, 3], born_at: Instant::from_nanos(1 << 40) };
    let bequest = Bequest {
        name: "VI_1".into(),
        farewells: Vec::new(),
        seal: None,
        vips: Vec::new(),
        patience: Duration::from_millis(600),
    };
    NoteV1 {
        file: "/etc/mainstay.conf".into(),
        control_path: "/run/mainstay.sock".into(),
        control_optional: true,
        reading: Reading { config_id: Some("one".into()), skip_ipvs: true, ..Reading::default() },
        log: LogFormat::Json,
        color: true,
        binary: "/usr/sbin/mainstay".into(),
        started: Instant::from_nanos(1 << 39),
        engine: line(300),
        control: line(301),
        listener: Some(6),
        lease_socket: Some(7),
        lease_table: "mainstay".into(),
        pid_files: vec![("/run/mainstay.pid".into(), 8)],
        state: Some(Secret::new(vec![4, 5, 6])),
        legacy: Legacy { born_at: Instant::from_nanos(1 << 40), bequests: vec![bequest] },
        events: 12,
    }
}

/// Octets as version 0.1.0 wrote them, one of each version: never to be changed, only to be added to.
const NOTES: [&str; 3] = [
    "00122f6574632f6d61696e737461792e636f6e66122f72756e2f6d61696e737461792e736f636b0100010103\
     6f6e65000000000101122f7573722f7362696e2f6d61696e73746179808080808010ac020a03010203808080\
     808020ad020a03010203808080808020010c010e086d61696e7374617901112f72756e2f6d61696e73746179\
     2e706964100103040506808080808020010456495f3100000000808c8d9e020c",
    "01122f6574632f6d61696e737461792e636f6e66122f72756e2f6d61696e737461792e736f636b0100010103\
     6f6e65000000000101122f7573722f7362696e2f6d61696e73746179808080808010ac020a03010203808080\
     808020ad020a03010203808080808020010c010e086d61696e7374617901112f72756e2f6d61696e73746179\
     2e706964100103040506808080808020010456495f3100000000808c8d9e020cf6013200000000",
    "02122f6574632f6d61696e737461792e636f6e66122f72756e2f6d61696e737461792e736f636b0100010103\
     6f6e65000000000101122f7573722f7362696e2f6d61696e73746179808080808010ac020a03010203808080\
     808020ad020a03010203808080808020010c010e086d61696e7374617901112f72756e2f6d61696e73746179\
     2e706964100103040506808080808020010456495f3100000000808c8d9e020cf6013200000000010456495f\
     3100",
];

#[test]
fn notes_of_former_versions_are_read_and_written_as_ever() {
    let scheduling = Scheduling { nice: -10, real_time: Some(50), ..Scheduling::default() };
    let undo = Undo { name: "VI_1".into(), ops: Vec::new() };
    let notes = [
        Note::V1(note()),
        Note::V2(note(), scheduling.clone()),
        Note::V3(note(), scheduling.clone(), vec![undo.clone()]),
    ];
    for (at, (note, stored)) in notes.iter().zip(NOTES).enumerate() {
        assert_eq!(hex(&postcard::to_stdvec(note).unwrap()), stored, "version {}", at + 1);
        let (_, schedules, ways) = Note::read(&Secret::new(octets(stored))).unwrap();
        let again: Note = postcard::from_bytes(&octets(stored)).unwrap();
        assert_eq!(format!("{again:?}"), format!("{note:?}"));
        assert_eq!(schedules, if at > 0 { scheduling.clone() } else { Scheduling::default() });
        assert_eq!(ways, if at > 1 { vec![undo.clone()] } else { Vec::new() });
    }
}

#[test]
fn a_note_of_a_version_to_come_or_one_cut_short_is_refused() {
    for version in [3_u32, 4, 1000] {
        let next = [postcard::to_stdvec(&version).unwrap(), octets(NOTES[2])[1..].to_vec()];
        assert!(Note::read(&Secret::new(next.concat())).is_err(), "version {}", version + 1);
    }
    for stored in NOTES {
        let whole = octets(stored);
        let cut =
            (0..whole.len()).find(|at| Note::read(&Secret::new(whole[..*at].to_vec())).is_ok());
        assert_eq!(cut, None);
    }
}
