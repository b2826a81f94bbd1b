//! The imagined table of leases against nf_tables: each operation has the same outcome, also when
//! what it is about has ended, was ended, or is not there.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant as Clock};

use base::{Errno, Instant, LeaseAnswer, LeaseClass, LeaseKey, LeaseOp, LeaseTrouble};
use linux::{LeaseSocket, LeaseTable};
use sim::Table;

use crate::pair::in_namespace;

const NAME: &str = "mainstay-sim";
/// Long enough for a busy machine to renew it in time, short enough to wait for its end.
const CLASS: LeaseClass = LeaseClass::from_number(2_000);
const OTHER: LeaseClass = LeaseClass::from_number(60_000);

/// Two tables that get the same operations.
struct Tables {
    socket: LeaseSocket,
    real: LeaseTable,
    imagined: Table,
    begun: Clock,
}

impl Tables {
    /// None, where this kernel has no such tables.
    fn new() -> Option<Self> {
        let socket = LeaseSocket::open().unwrap();
        let mut real = LeaseTable::over(socket.try_clone().unwrap(), NAME);
        if let Err(trouble @ LeaseTrouble::Missing { .. }) = real.execute(&LeaseOp::Build) {
            println!("skipped: {trouble}");
            return None;
        }
        real.execute(&LeaseOp::Destroy).unwrap();
        Some(Self { socket, real, imagined: Table::default(), begun: Clock::now() })
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.begun.elapsed().as_nanos()).unwrap())
    }

    /// The same to both; what came of it, from both.
    fn both(&mut self, op: LeaseOp) -> Result<LeaseAnswer, LeaseTrouble> {
        let now = self.now();
        let mut real = self.real.execute(&op);
        let imagined = self.imagined.execute(now, &op);
        if let Ok(LeaseAnswer::Built { listed, .. }) = &mut real {
            listed.sort();
        }
        // At which step of many the kernel refuses is its own business.
        match (&real, &imagined) {
            (
                Err(LeaseTrouble::Refused { errno: one, .. }),
                Err(LeaseTrouble::Refused { errno: other, .. }),
            ) => assert_eq!(one, other, "{op:?}"),
            _ => assert_eq!(real, imagined, "{op:?}"),
        }
        imagined
    }

    fn renew(&mut self) -> Result<LeaseAnswer, LeaseTrouble> {
        self.both(LeaseOp::Renew { class: CLASS })
    }
}

fn key(address: &str) -> LeaseKey {
    LeaseKey::Address(address.parse::<IpAddr>().unwrap())
}

const LAPSED: Result<LeaseAnswer, LeaseTrouble> = Err(LeaseTrouble::Lapsed);
const DONE: Result<LeaseAnswer, LeaseTrouble> = Ok(LeaseAnswer::Done);

#[test]
fn a_renewal_after_the_end_is_refused_until_a_lease_is_begun_anew() {
    in_namespace(|| {
        let Some(mut tables) = Tables::new() else { return };
        let fresh = LeaseAnswer::Built { existed: false, listed: vec![] };
        assert_eq!(tables.both(LeaseOp::Build), Ok(fresh));
        assert_eq!(tables.renew(), LAPSED, "there was none");
        assert_eq!(tables.both(LeaseOp::Arm { class: CLASS }), DONE);
        assert_eq!(tables.renew(), DONE);
        sleep(CLASS.length() * 3 / 5);
        assert_eq!(tables.renew(), DONE, "not yet over");
        sleep(CLASS.length() * 3 / 5);
        assert_eq!(tables.renew(), DONE, "the renewal put it off");
        sleep(CLASS.length() + Duration::from_millis(300));
        assert_eq!(tables.renew(), LAPSED);
        assert_eq!(tables.renew(), LAPSED, "and trying it did not begin one");
        // Another class is another lease.
        assert_eq!(tables.both(LeaseOp::Arm { class: OTHER }), DONE);
        assert_eq!(tables.renew(), LAPSED);
        assert_eq!(tables.both(LeaseOp::Arm { class: CLASS }), DONE);
        assert_eq!(tables.renew(), DONE);
        assert_eq!(tables.both(LeaseOp::Arm { class: CLASS }), DONE, "over one that lives");
        assert_eq!(tables.both(LeaseOp::Drop { class: CLASS }), DONE);
        assert_eq!(tables.renew(), LAPSED);
        assert_eq!(tables.both(LeaseOp::Drop { class: CLASS }), DONE, "what is not there");
    });
}

#[test]
fn a_guardian_that_silences_ends_every_lease_and_leaves_the_list() {
    in_namespace(|| {
        let Some(mut tables) = Tables::new() else { return };
        tables.both(LeaseOp::Build).unwrap();
        tables.both(LeaseOp::Arm { class: CLASS }).unwrap();
        tables.both(LeaseOp::Arm { class: OTHER }).unwrap();
        let keys = vec![key("192.0.2.1"), key("2001:db8::1")];
        tables.both(LeaseOp::List { class: CLASS, keys: keys.clone() }).unwrap();
        // Listed again under another class, it is that one's alone.
        tables.both(LeaseOp::List { class: OTHER, keys: vec![keys[1]] }).unwrap();
        tables.socket.silence(NAME).unwrap();
        let now = tables.now();
        tables.imagined.silence(now);
        assert_eq!(tables.renew(), LAPSED);
        assert_eq!(tables.both(LeaseOp::Renew { class: OTHER }), LAPSED);
        // A build answers with what is listed; both agree on that too.
        let Ok(LeaseAnswer::Built { existed: true, listed }) = tables.both(LeaseOp::Build) else {
            panic!("there is a table")
        };
        assert_eq!(listed, [(keys[0], CLASS), (keys[1], OTHER)]);
        tables.both(LeaseOp::Unlist { keys }).unwrap();
        let empty = LeaseAnswer::Built { existed: true, listed: vec![] };
        assert_eq!(tables.both(LeaseOp::Build), Ok(empty));
        tables.both(LeaseOp::Destroy).unwrap();
        assert_eq!(tables.renew(), LAPSED, "there is no table");
        for op in [
            LeaseOp::Arm { class: CLASS },
            LeaseOp::List { class: LeaseClass::SILENT, keys: vec![key("192.0.2.1")] },
            LeaseOp::Unlist { keys: vec![key("192.0.2.1")] },
            LeaseOp::Drop { class: CLASS },
            LeaseOp::Cover { interface: "lo".into() },
        ] {
            let outcome = tables.both(op);
            assert!(matches!(outcome, Err(LeaseTrouble::Refused { errno: Errno::NOENT, .. })));
        }
        tables.both(LeaseOp::Destroy).unwrap();
        let fresh = LeaseAnswer::Built { existed: false, listed: vec![] };
        assert_eq!(tables.both(LeaseOp::Build), Ok(fresh));
    });
}
