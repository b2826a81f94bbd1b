//! Pace and patience (BFD-003, BFD-004, BFD-005).

use std::num::NonZeroU8;
use std::time::Duration;

use base::Instant;
use bfd::{Diagnostic, Health, Input, Packet, State};

use crate::pair::{End, Pair, millis, packet, settings};

/// The gaps between what an end sent.
fn gaps(sent: &[(Instant, Packet)]) -> Vec<Duration> {
    sent.windows(2).map(|two| two[1].0.since(two[0].0)).collect()
}

/// A session that is Up with a neighbor which says `change` of itself.
fn up_with(change: impl Fn(&mut Packet)) -> End {
    let mut end = End::alone(settings(2, millis(10)));
    let number = end.number();
    for state in [State::Down, State::Init, State::Up] {
        let mut packet = packet(state, number);
        change(&mut packet);
        end.hear(Instant::ZERO, &packet);
    }
    assert_eq!(end.state(), State::Up);
    end.sent.clear();
    end
}

#[test]
fn bfd_003_the_detection_time_is_the_remote_multiplier_times_the_slower_wish() {
    for (wishes, multiplier, millis_in_all) in [(5, 3, 30), (10, 3, 30), (40, 5, 200)] {
        let mut end = up_with(|packet| {
            packet.desired_min_tx = millis(wishes);
            packet.multiplier = NonZeroU8::new(multiplier).unwrap();
        });
        let detection = millis(millis_in_all);
        assert_eq!(end.sessions.status().next().unwrap().detection_time, detection);
        end.pass(Instant::ZERO + detection - Duration::from_nanos(1));
        assert_eq!(end.state(), State::Up);
        end.pass(Instant::ZERO + detection);
        let status = end.sessions.status().next().unwrap();
        assert_eq!((status.state, status.diagnostic), (State::Down, Diagnostic::EXPIRED));
        assert_eq!(status.health, Health::Failed);
        assert_eq!(status.remote_discriminator, 0, "cleared");
        let (at, last) = end.sent.last().unwrap();
        assert_eq!((*at, last.state, last.yours), (Instant::ZERO + detection, State::Down, 0));
    }
}

#[test]
fn bfd_003_init_expires_as_well() {
    let mut end = End::alone(settings(2, millis(10)));
    end.hear(Instant::ZERO, &packet(State::Down, 0));
    assert_eq!(end.state(), State::Init);
    end.pass(Instant::ZERO + millis(30));
    let status = end.sessions.status().next().unwrap();
    assert_eq!((status.state, status.diagnostic), (State::Down, Diagnostic::EXPIRED));
}

#[test]
fn bfd_003_silence_is_judged_only_when_everything_was_heard() {
    let mut end = up_with(|_| {});
    let late = Instant::ZERO + Duration::from_secs(5);
    end.feed(late, Input::Wake { drained: false });
    assert_eq!(end.state(), State::Up);
    // It had been waiting in the socket while we slept.
    let number = end.number();
    end.hear(late, &packet(State::Up, number));
    end.feed(late, Input::Wake { drained: true });
    assert_eq!(end.state(), State::Up);
}

#[test]
fn bfd_003_a_cut_wire_is_noticed_by_both_within_the_detection_time() {
    for interval in [10, 50, 100] {
        let mut pair = Pair::up(millis(interval));
        let cut = pair.now;
        pair.passes = [false; 2];
        pair.run(millis(4 * interval));
        for end in &pair.ends {
            let (at, change) = end.changes[0];
            assert_eq!((change.to, change.health), (State::Down, Health::Failed));
            assert!(at.since(cut) <= millis(3 * interval + 1), "{at} {cut}");
        }
    }
}

#[test]
fn bfd_003_one_way_is_no_way() {
    let mut pair = Pair::up(millis(10));
    pair.passes = [false, true];
    pair.run(millis(100));
    assert_eq!([pair.ends[0].health(), pair.ends[1].health()], [Health::Failed; 2]);
    assert_eq!(pair.ends[0].changes[0].1.diagnostic, Diagnostic::NEIGHBOR_DOWN);
    assert_eq!(pair.ends[1].changes[0].1.diagnostic, Diagnostic::EXPIRED);
    pair.passes = [true; 2];
    pair.run(Duration::from_secs(4));
    assert_eq!([pair.ends[0].state(), pair.ends[1].state()], [State::Up; 2]);
}

#[test]
fn bfd_004_the_slower_wish_rules_less_a_quarter_at_most() {
    for (they_can, least, most) in [(5, 7_500, 10_000), (40, 30_000, 40_000)] {
        let mut end = up_with(|packet| {
            packet.required_min_rx = millis(they_can);
            packet.multiplier = NonZeroU8::MAX;
        });
        let sent = end.pass(Instant::ZERO + millis(1_000));
        let gaps = gaps(&sent);
        assert!(gaps.len() > 20);
        let bounds = Duration::from_micros(least)..=Duration::from_micros(most);
        assert!(gaps.iter().all(|gap| bounds.contains(gap)), "{gaps:?}");
        assert!(gaps.iter().min() != gaps.iter().max(), "spread");
    }
}

#[test]
fn bfd_004_where_one_miss_counts_nothing_comes_in_the_last_tenth() {
    let once = NonZeroU8::MIN;
    let mut end = End::alone({
        let mut settings = settings(2, millis(10));
        settings.multiplier = once;
        settings
    });
    let number = end.number();
    for state in [State::Down, State::Init] {
        let mut packet = packet(state, number);
        packet.multiplier = NonZeroU8::MAX;
        end.hear(Instant::ZERO, &packet);
    }
    let gaps = gaps(&end.pass(Instant::ZERO + millis(1_000)));
    let bounds = Duration::from_micros(7_500)..=Duration::from_micros(9_000);
    assert!(gaps.len() > 50 && gaps.iter().all(|gap| bounds.contains(gap)), "{gaps:?}");
}

#[test]
fn bfd_004_a_neighbor_that_takes_nothing_gets_nothing() {
    let mut end = up_with(|packet| {
        packet.required_min_rx = Duration::ZERO;
        packet.multiplier = NonZeroU8::MAX;
    });
    assert!(end.pass(Instant::ZERO + millis(1_000)).is_empty());
    let number = end.number();
    end.hear(Instant::ZERO + millis(1_000), &packet(State::Up, number));
    assert!(!end.pass(Instant::ZERO + millis(1_020)).is_empty(), "until it says otherwise");
}

#[test]
fn a_neighbor_in_demand_mode_is_left_alone_once_it_knows() {
    let mut end = up_with(|packet| {
        packet.demand = true;
        packet.last = true;
        packet.multiplier = NonZeroU8::MAX;
    });
    assert!(end.pass(Instant::ZERO + millis(1_000)).is_empty());
}

#[test]
fn a_passive_end_waits_for_the_other() {
    let passive = |neighbor| {
        let mut settings = settings(neighbor, millis(10));
        settings.passive = true;
        settings
    };
    let mut both = Pair::new(passive(2), passive(1));
    both.run(Duration::from_secs(10));
    assert!(both.ends.iter().all(|end| end.sent.is_empty()));
    let mut one = Pair::new(passive(2), settings(1, millis(10)));
    one.run(Duration::from_secs(2));
    assert_eq!([one.ends[0].state(), one.ends[1].state()], [State::Up; 2]);
}

#[test]
fn bfd_005_an_idle_session_speaks_once_a_second_at_most() {
    let mut end = End::alone({
        let mut settings = settings(2, millis(10));
        settings.idle_tx = millis(20);
        settings
    });
    let sent = end.pass(Instant::ZERO + Duration::from_secs(20));
    assert!((19..=28).contains(&sent.len()), "{}", sent.len());
    assert!(sent.iter().all(|(_, packet)| packet.desired_min_tx >= Duration::from_secs(1)));
    assert!(gaps(&sent).iter().all(|gap| *gap >= millis(750)));
}

#[test]
fn bfd_005_a_poll_is_answered_at_once_and_only_by_a_final() {
    let mut end = up_with(|_| {});
    let number = end.number();
    let mut poll = packet(State::Up, number);
    poll.poll = true;
    let answers = end.hear(Instant::ZERO, &poll);
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].last, answers[0].poll), (true, false));
}

#[test]
fn bfd_005_coming_up_polls_until_it_is_answered() {
    let mut end = up_with(|_| {});
    let number = end.number();
    let sent = end.pass(Instant::ZERO + millis(20));
    assert!(!sent.is_empty() && sent.iter().all(|(_, packet)| packet.poll));
    let mut answer = packet(State::Up, number);
    answer.last = true;
    end.hear(Instant::ZERO + millis(20), &answer);
    let sent = end.pass(Instant::ZERO + millis(40));
    assert!(!sent.is_empty() && sent.iter().all(|(_, packet)| !packet.poll));
}

#[test]
fn bfd_005_slower_and_less_patient_only_when_the_neighbor_knows() {
    let mut end = up_with(|packet| packet.last = true);
    let number = end.number();
    let mut slower = settings(2, millis(40));
    slower.min_rx = millis(4);
    let at = Instant::ZERO + millis(10);
    end.hear(at, &packet(State::Up, number));
    end.feed(at, Input::Configure(vec![slower]));
    let status = |end: &End| end.sessions.status().next().unwrap();
    assert_eq!(status(&end).transmit_interval, millis(10), "not yet");
    assert_eq!(status(&end).detection_time, millis(30), "not yet");
    let sent = end.pass(at + millis(10));
    assert!(sent.iter().all(|(_, packet)| packet.poll && packet.desired_min_tx == millis(40)));
    assert!(!sent.is_empty());
    let mut answer = packet(State::Up, number);
    answer.last = true;
    answer.desired_min_tx = millis(4);
    end.hear(at + millis(10), &answer);
    assert_eq!(status(&end).transmit_interval, millis(40));
    assert_eq!(status(&end).detection_time, millis(12));
    assert_eq!(end.state(), State::Up, "the session went on");
}

#[test]
fn faster_and_more_patient_at_once() {
    let mut end = up_with(|packet| {
        packet.last = true;
        packet.required_min_rx = millis(1);
        packet.multiplier = NonZeroU8::MAX;
    });
    let mut faster = settings(2, millis(2));
    faster.min_rx = millis(20);
    end.feed(Instant::ZERO, Input::Configure(vec![faster]));
    let status = end.sessions.status().next().unwrap();
    assert_eq!(status.transmit_interval, millis(2));
    assert_eq!(status.detection_time, millis(20) * 255);
    assert!(gaps(&end.pass(Instant::ZERO + millis(100))).iter().all(|gap| *gap <= millis(2)));
}
