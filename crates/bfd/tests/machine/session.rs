//! States, and what they mean for a client (BFD-002, BFD-008, BFD-009).

use std::time::Duration;

use base::Instant;
use bfd::{Diagnostic, Health, Input, State};

use crate::pair::{End, Pair, millis, packet, settings};

/// A session that stands in `state`.
fn standing(state: State) -> End {
    let mut end = End::alone(settings(2, millis(10)));
    let number = end.number();
    let path: &[State] = match state {
        State::AdminDown | State::Down => &[],
        State::Init => &[State::Down],
        State::Up => &[State::Down, State::Init],
    };
    for heard in path {
        end.hear(Instant::ZERO, &packet(*heard, number));
    }
    if state == State::AdminDown {
        end.feed(Instant::ZERO, Input::Stop);
    }
    assert_eq!(end.state(), state);
    end
}

#[test]
fn bfd_002_every_state_and_every_state_heard() {
    use State::{AdminDown, Down, Init, Up};
    let (none, neighbor) = (Diagnostic::NONE, Diagnostic::NEIGHBOR_DOWN);
    let admin = Diagnostic::ADMIN_DOWN;
    for (state, heard, then, diagnostic) in [
        (Down, Down, Init, none),
        (Down, Init, Up, none),
        (Down, Up, Down, none),
        (Down, AdminDown, Down, none),
        (Init, Down, Init, none),
        (Init, Init, Up, none),
        (Init, Up, Up, none),
        (Init, AdminDown, Down, neighbor),
        (Up, Down, Down, neighbor),
        (Up, Init, Up, none),
        (Up, Up, Up, none),
        (Up, AdminDown, Down, neighbor),
        (AdminDown, Down, AdminDown, admin),
        (AdminDown, Init, AdminDown, admin),
        (AdminDown, Up, AdminDown, admin),
        (AdminDown, AdminDown, AdminDown, admin),
    ] {
        let mut end = standing(state);
        let number = end.number();
        end.hear(Instant::ZERO, &packet(heard, number));
        let now = end.sessions.status().next().unwrap();
        assert_eq!((now.state, now.diagnostic), (then, diagnostic), "{state} hears {heard}");
    }
}

#[test]
fn bfd_002_a_change_is_told_to_the_other_end_at_once() {
    let mut end = standing(State::Down);
    let number = end.number();
    let told = end.hear(Instant::ZERO, &packet(State::Down, number));
    assert_eq!(told.iter().map(|packet| packet.state).collect::<Vec<_>>(), [State::Init]);
    let told = end.hear(Instant::ZERO, &packet(State::Init, number));
    assert_eq!(told.iter().map(|packet| packet.state).collect::<Vec<_>>(), [State::Up]);
    assert!(end.hear(Instant::ZERO, &packet(State::Up, number)).is_empty(), "nothing new");
}

#[test]
fn two_ends_come_up_within_a_second_and_a_half() {
    let mut pair = Pair::new(settings(2, millis(10)), settings(1, millis(10)));
    pair.run(millis(1_500));
    for end in &pair.ends {
        assert_eq!((end.state(), end.health()), (State::Up, Health::Good));
    }
}

#[test]
fn bfd_008_never_up_says_nothing() {
    let mut end = End::alone(settings(2, millis(10)));
    end.pass(Instant::ZERO + Duration::from_secs(60));
    assert_eq!((end.state(), end.health()), (State::Down, Health::Unknown));
    // Not even after it was nearly up.
    let number = end.number();
    end.hear(Instant::ZERO + Duration::from_secs(60), &packet(State::Down, number));
    assert_eq!(end.state(), State::Init);
    end.pass(Instant::ZERO + Duration::from_secs(65));
    assert_eq!((end.state(), end.health()), (State::Down, Health::Unknown));
}

#[test]
fn bfd_008_unless_it_is_configured_to() {
    let mut settings = settings(2, millis(10));
    settings.fails_until_up = true;
    let mut end = End::alone(settings);
    assert_eq!(end.health(), Health::Failed);
    let number = end.number();
    end.hear(Instant::ZERO, &packet(State::Down, number));
    assert_eq!(end.health(), Health::Failed);
    end.hear(Instant::ZERO, &packet(State::Init, number));
    assert_eq!(end.health(), Health::Good);
}

#[test]
fn bfd_008_a_neighbor_that_closes_its_end_has_not_failed() {
    let mut pair = Pair::up(millis(10));
    pair.feed(1, Input::Stop);
    pair.run(Duration::from_secs(5));
    let end = &pair.ends[0];
    assert_eq!((end.state(), end.health()), (State::Down, Health::Closed));
    let healths: Vec<Health> = end.changes.iter().map(|(_, change)| change.health).collect();
    assert_eq!(healths, [Health::Closed], "at no moment a failure");
}

#[test]
fn bfd_008_a_failure_that_turns_out_to_be_a_close_is_one() {
    let mut end = standing(State::Up);
    let number = end.number();
    end.hear(Instant::ZERO, &packet(State::Down, number));
    assert_eq!(end.health(), Health::Failed);
    end.hear(Instant::ZERO, &packet(State::AdminDown, number));
    assert_eq!(end.health(), Health::Closed);
    assert_eq!(end.changes.last().unwrap().1.health, Health::Closed, "and is told");
}

#[test]
fn bfd_009_a_closed_session_says_so_for_a_detection_time() {
    let mut pair = Pair::up(millis(50));
    let at = pair.now;
    pair.feed(1, Input::Stop);
    assert!(!pair.ends[1].sessions.is_over());
    pair.run(Duration::from_secs(2));
    let sent = &pair.ends[1].sent;
    assert!((3..=5).contains(&sent.len()), "{sent:?}");
    for (when, packet) in sent {
        assert_eq!((packet.state, packet.diagnostic), (State::AdminDown, Diagnostic::ADMIN_DOWN));
        assert!(when.since(at) <= millis(150));
        assert!(packet.desired_min_tx >= Duration::from_secs(1));
    }
    assert_eq!(sent[0].0, at, "at once");
    assert!(pair.ends[1].sessions.is_over());
}

#[test]
fn a_session_that_is_not_configured_any_more_is_closed() {
    let mut pair = Pair::up(millis(10));
    pair.feed(1, Input::Configure(Vec::new()));
    assert!(pair.ends[1].sessions.is_over());
    pair.run(millis(10));
    assert_eq!(pair.ends[0].health(), Health::Closed);
}

#[test]
fn a_neighbor_that_restarts_is_noticed_and_found_again() {
    let mut pair = Pair::up(millis(10));
    pair.ends[1] = End::new(2, 33);
    pair.feed(1, Input::Configure(vec![settings(1, millis(10))]));
    pair.run(Duration::from_secs(4));
    let states: Vec<State> = pair.ends[0].changes.iter().map(|(_, change)| change.to).collect();
    assert!(states.contains(&State::Down), "{states:?}");
    assert_eq!([pair.ends[0].state(), pair.ends[1].state()], [State::Up; 2]);
}
