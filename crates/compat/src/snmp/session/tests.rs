//! What a master agent says, and what it is answered; also one that says anything at all.

use agentx::encodings::{ID, SearchRange, SearchRangeList, Value as Coded, VarBind, VarBindList};
use agentx::pdu::{Get, GetBulk, GetNext, Header, Notify, Open, Register, Response, TestSet, Type};
use proptest::prelude::*;

use super::super::{Value, codec};
use super::*;

const ALL: Answers = Answers { vrrp: true, rfc_v2: true, rfc_v3: true, traps: true };

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn kind(message: &[u8]) -> Type {
    Header::from_bytes(message).unwrap().ty
}

fn packet(message: &[u8]) -> u32 {
    Header::from_bytes(message).unwrap().packet_id
}

/// As a master agent answers; `uptime` is that of its clock.
fn answer(to: &[u8], status: u16, uptime: u32) -> Vec<u8> {
    let mut response = Response::new();
    response.header.session_id = 7;
    response.header.packet_id = packet(to);
    let mut octets = response.to_bytes().unwrap();
    octets[20..24].copy_from_slice(&uptime.to_le_bytes());
    octets[24..26].copy_from_slice(&status.to_le_bytes());
    octets
}

/// One that is open and registered.
fn standing() -> Session {
    let mut session = Session::new(ALL, "test");
    session.connected(at(1));
    let open = session.outgoing().pop_front().unwrap();
    assert!(session.hear(at(1), &answer(&open, 0, 100)).unwrap().is_empty());
    let mut heard = Vec::new();
    while let Some(register) = session.outgoing().pop_front() {
        heard.extend(session.hear(at(1), &answer(&register, 0, 100)).unwrap());
    }
    assert_eq!(heard, [Heard::Stands]);
    session
}

fn range(start: &str, end: &str) -> SearchRange {
    SearchRange::new(start.parse().unwrap(), end.parse().unwrap())
}

fn view() -> View {
    let mut view = View::default();
    view.put(codec::oid("1.3.1"), Value::Integer(-5));
    view.put(codec::oid("1.3.2"), Value::Octets(vec![0xff, 0, 0xc3, 1, 2]));
    view.put(codec::oid("1.3.10"), Value::text("behind 2 by number"));
    view
}

/// What was answered: the number of the error, and the objects.
fn said(session: &mut Session) -> (u16, Vec<u8>) {
    let message = session.outgoing().pop_front().unwrap();
    assert_eq!(kind(&message), Type::Response);
    (u16::from_be_bytes([message[24], message[25]]), message[28..].to_vec())
}

fn asked(session: &mut Session, message: &[u8]) -> (u16, Vec<u8>) {
    assert_eq!(session.hear(at(2), message).unwrap(), [Heard::Asked]);
    session.answer(at(2), &view());
    said(session)
}

#[test]
fn a_session_opens_registers_each_part_and_then_tells_what_waited() {
    let mut session = Session::new(ALL, "test");
    session.connected(at(1));
    session.tell(at(1), Trap::group("G", "MASTER", "alpha"));
    let open = session.outgoing().pop_front().unwrap();
    let opened = Open::from_bytes(&open).unwrap();
    assert_eq!(opened.descr.0, "test");
    assert!(session.outgoing().is_empty(), "nothing before it is open");
    session.hear(at(1), &answer(&open, 0, 100)).unwrap();
    let registers: Vec<Vec<u8>> = session.outgoing().drain(..).collect();
    let roots: Vec<String> = registers
        .iter()
        .map(|message| Register::from_bytes(message).unwrap().subtree.to_string())
        .collect();
    let expected = [
        "1.3.6.1.4.1.9586.100.5.1",
        "1.3.6.1.4.1.9586.100.5.2",
        "1.3.6.1.2.1.68",
        "1.3.6.1.2.1.207",
    ];
    assert_eq!(roots, expected);
    // Another keepalived has one of them already (RFC 2741: duplicateRegistration).
    let mut heard = session.hear(at(1), &answer(&registers[0], 263, 100)).unwrap();
    for register in &registers[1..] {
        heard.extend(session.hear(at(1), &answer(register, 0, 100)).unwrap());
    }
    let root = codec::oid("1.3.6.1.4.1.9586.100.5.1");
    assert_eq!(heard, [Heard::Refused { root, status: 263 }, Heard::Stands]);
    let trap = session.outgoing().pop_front().unwrap();
    let trap = Notify::from_bytes(&trap).unwrap();
    let objects: Vec<String> = trap.vb.0.iter().map(|one| one.name.to_string()).collect();
    assert_eq!(objects[0], "1.3.6.1.6.3.1.1.4.1.0");
    assert_eq!(objects[1], "1.3.6.1.4.1.9586.100.5.2.1.1.2");
    assert_eq!(trap.vb.0[2].data, Coded::Integer(2));
    assert_eq!(session.uptime(at(3)), Duration::from_secs(3));
}

#[test]
fn what_is_asked_for_is_answered_in_the_order_of_numbers() {
    let mut session = standing();
    let mut get = Get::new(SearchRangeList(vec![range("1.3.1", ""), range("1.3.3", "")]));
    let (status, objects) = asked(&mut session, &get.to_bytes().unwrap());
    let found = VarBindList::from_bytes(&objects, &agentx::ByteOrder::BigEndian).unwrap();
    assert_eq!(status, 0);
    assert_eq!(found.0[0].data, Coded::Integer(-5));
    assert_eq!(found.0[1].data, Coded::NoSuchInstance);

    let ranges = vec![range("1.3.2", ""), range("1.3.2", "1.3.9"), range("1.3.10", "1.4")];
    let mut next = GetNext::new(SearchRangeList(ranges));
    let (_, objects) = asked(&mut session, &next.to_bytes().unwrap());
    let found = VarBindList::from_bytes(&objects, &agentx::ByteOrder::BigEndian).unwrap();
    assert_eq!(found.0[0].name.to_string(), "1.3.10");
    assert_eq!(found.0[1].data, Coded::EndOfMibView);
    assert_eq!(found.0[2].data, Coded::EndOfMibView);

    let mut bulk = GetBulk::new(SearchRangeList(vec![range("1.3", ""), range("1.3.2", "")]));
    (bulk.non_repeaters, bulk.max_repetitions) = (1, 9);
    let (_, objects) = asked(&mut session, &bulk.to_bytes().unwrap());
    let found = VarBindList::from_bytes(&objects, &agentx::ByteOrder::BigEndian).unwrap();
    let names: Vec<String> = found.0.iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["1.3.1", "1.3.10", "1.3.10"]);
    assert_eq!(found.0[2].data, Coded::EndOfMibView);
}

#[test]
fn octets_that_are_no_text_arrive_as_they_are() {
    let mut session = standing();
    let mut get = Get::new(SearchRangeList(vec![range("1.3.2", "")]));
    let (_, objects) = asked(&mut session, &get.to_bytes().unwrap());
    let value = &objects[objects.len() - 12..];
    assert_eq!(value, [0, 0, 0, 5, 0xff, 0, 0xc3, 1, 2, 0, 0, 0]);
}

#[test]
fn nothing_can_be_set_and_other_contexts_have_nothing() {
    let mut session = standing();
    let binding = VarBind::new("1.3.1".parse().unwrap(), Coded::Integer(1));
    let mut set = TestSet::new(VarBindList(vec![binding]));
    assert!(session.hear(at(2), &set.to_bytes().unwrap()).unwrap().is_empty());
    assert_eq!(said(&mut session).0, NOT_WRITABLE);
    let mut get = Get::new(SearchRangeList(vec![range("1.3.1", "")]));
    get.header.flags = 1 << 3;
    get.context = Some(agentx::encodings::Context(agentx::encodings::OctetString("x".into())));
    assert!(session.hear(at(2), &get.to_bytes().unwrap()).unwrap().is_empty());
    assert_eq!(said(&mut session).0, NO_CONTEXT);
}

#[test]
fn a_master_agent_that_is_silent_is_given_up_and_one_that_ends_is_left() {
    let mut session = standing();
    assert_eq!(session.look(at(10)), Ok(()));
    assert!(session.outgoing().is_empty());
    let due = session.poll_timeout().unwrap();
    assert_eq!(session.look(due), Ok(()));
    assert_eq!(kind(session.outgoing().front().unwrap()), Type::Ping);
    assert_eq!(session.look(due + PING), Err(Over::Silent));

    let mut session = standing();
    let mut close = agentx::pdu::Close::new(agentx::pdu::CloseReason::Shutdown);
    assert_eq!(session.hear(at(2), &close.to_bytes().unwrap()), Err(Over::Closed));

    let mut session = Session::new(ALL, "test");
    session.connected(at(1));
    let open = session.outgoing().pop_front().unwrap();
    assert_eq!(session.hear(at(1), &answer(&open, 256, 0)), Err(Over::Refused(256)));
}

#[test]
fn traps_wait_for_a_session_but_not_for_ever() {
    let mut session = Session::new(ALL, "test");
    for number in 0..TRAPS * 2 {
        session.tell(at(1), Trap::group(&number.to_string(), "MASTER", "alpha"));
    }
    assert_eq!(session.traps.len(), TRAPS);
    session.tell(at(100), Trap::group("late", "MASTER", "alpha"));
    session.connected(at(101));
    let open = session.outgoing().pop_front().unwrap();
    session.hear(at(101), &answer(&open, 0, 1)).unwrap();
    for register in session.outgoing().drain(..).collect::<Vec<_>>() {
        session.hear(at(101), &answer(&register, 0, 1)).unwrap();
    }
    assert_eq!(session.outgoing().len(), 1, "only what is not old");
}

// ---- what the crate beneath does not survive --------------------------------------------------------

#[test]
fn a_clock_that_has_run_for_fifty_days_and_more_is_no_trouble() {
    let mut session = Session::new(ALL, "test");
    session.connected(at(1));
    let open = session.outgoing().pop_front().unwrap();
    session.hear(at(1), &answer(&open, 0, u32::MAX)).unwrap();
    assert_eq!(session.uptime(at(1)), Duration::from_millis(u64::from(u32::MAX) * 10));
}

#[test]
fn a_name_of_more_numbers_than_there_may_be_ends_the_conversation_and_nothing_else() {
    let long = ID::try_from(vec![1; 255]).unwrap();
    let mut next = GetNext::new(SearchRangeList(vec![SearchRange::new(long, ID::default())]));
    let mut octets = next.to_bytes().unwrap();
    // With a prefix, which stands for five more: 260, which the crate cannot write.
    octets[21] = 4;
    assert_eq!(standing().hear(at(2), &octets), Err(Over::Wrong(Wrong::Garbled)));
}

#[test]
fn what_is_too_long_or_another_protocol_is_known_at_once() {
    let mut octets = Header::new(Type::Get).to_bytes();
    octets[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(standing().hear(at(2), &octets), Err(Over::Wrong(Wrong::TooLong)));
    octets[16..20].copy_from_slice(&3_u32.to_le_bytes());
    assert_eq!(standing().hear(at(2), &octets), Err(Over::Wrong(Wrong::Garbled)));
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_eq!(standing().hear(at(2), http), Err(Over::Wrong(Wrong::Version)));
}

/// Requests of every kind, whole.
fn requests() -> Vec<Vec<u8>> {
    let ranges = || SearchRangeList(vec![range("1.3", "1.4"), range("1.3.2", "")]);
    let mut bulk = GetBulk::new(ranges());
    bulk.max_repetitions = u16::MAX;
    let binding = VarBind::new("1.3.1".parse().unwrap(), Coded::Integer(1));
    vec![
        Get::new(ranges()).to_bytes().unwrap(),
        GetNext::new(ranges()).to_bytes().unwrap(),
        bulk.to_bytes().unwrap(),
        TestSet::new(VarBindList(vec![binding])).to_bytes().unwrap(),
        Header::new(Type::CommitSet).to_bytes(),
        Response::new().to_bytes().unwrap(),
    ]
}

proptest! {
    #[test]
    fn whatever_is_said_nothing_breaks(
        which in 0_usize..6,
        spoiled in prop::collection::vec((0_usize..120, any::<u8>()), 0..12),
        cut in 0_usize..200,
        noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut octets = requests()[which].clone();
        for (at, octet) in spoiled {
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
        }
        octets.truncate(cut);
        octets.extend(noise);
        let mut session = standing();
        if session.hear(at(2), &octets).is_ok() {
            session.answer(at(2), &view());
        }
        prop_assert!(session.incoming.len() <= octets.len());
        // And the next conversation begins as any other.
        session.connected(at(3));
        let open = session.outgoing().pop_front();
        prop_assert_eq!(open.map(|open| kind(&open)), Some(Type::Open));
    }

    #[test]
    fn in_whichever_pieces_it_arrives_it_means_the_same(size in 1_usize..40) {
        let whole: Vec<u8> = requests().concat();
        let (mut one, mut other) = (standing(), standing());
        one.hear(at(2), &whole).unwrap();
        for piece in whole.chunks(size) {
            other.hear(at(2), piece).unwrap();
        }
        one.answer(at(2), &view());
        other.answer(at(2), &view());
        prop_assert_eq!(one.outgoing(), other.outgoing());
        prop_assert_eq!(one.outgoing().len(), 5);
    }
}
