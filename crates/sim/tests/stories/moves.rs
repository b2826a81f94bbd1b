//! Planned moves: who leaves in good order names who follows (decision 0019).

use base::{Reason, State, What};
use core::time::Duration;
use sim::{Lan, Weather};

use crate::{VIP, assert_served_by, millis, secs, told};

fn three() -> Lan {
    let mut lan = Lan::new(5).router("a", 200).router("b", 150).router("c", 100);
    lan.run_for(secs(20));
    assert_served_by(&lan, "a");
    lan
}

/// From now until somebody serves the client again that is not `from`, never two holding.
fn gap(lan: &mut Lan, from: &str) -> Duration {
    let begun = lan.now();
    let served = lan.run_until(secs(5), |lan| {
        assert!(lan.holders(VIP).len() <= 1, "{:?}", lan.holders(VIP));
        lan.client_reaches(VIP).is_some_and(|node| node != from)
    });
    assert!(served.is_some());
    lan.now().since(begun)
}

#[test]
fn a_holder_that_stops_is_followed_at_once_by_the_best() {
    let mut lan = three();
    lan.stop("a");
    let gap = gap(&mut lan, "a");
    assert!(gap < millis(10), "{gap:?}");
    assert_eq!(lan.actives(), ["b"]);
    let named = |what: &What| matches!(what, What::Nominated { .. });
    assert!(told(lan.see("b"), named) && !told(lan.see("c"), named));
    lan.run_for(secs(20));
    assert_served_by(&lan, "b");
}

#[test]
fn a_switch_over_sticks_until_it_is_ended() {
    let mut lan = three();
    lan.switchover(0, "VI_1").unwrap();
    assert!(gap(&mut lan, "a") < millis(10));
    lan.run_for(secs(60));
    assert_eq!(lan.actives(), ["b"], "the stronger one stays back");
    lan.end_switchover(0, "VI_1").unwrap();
    lan.run_for(secs(10));
    assert_eq!(lan.actives(), ["a"]);
}

#[test]
fn who_stays_back_still_serves_when_nobody_else_does() {
    let mut lan = three();
    lan.switchover(0, "VI_1").unwrap();
    lan.run_for(secs(5));
    lan.crash("b");
    lan.crash("c");
    lan.run_for(secs(5));
    assert_eq!(lan.actives(), ["a"]);
}

#[test]
fn nobody_is_switched_over_to_nobody() {
    let mut lan = Lan::new(5).router("a", 200);
    lan.run_for(secs(20));
    assert!(lan.switchover(0, "VI_1").is_err());
    assert!(lan.switchover(0, "VI_9").is_err());
    assert_eq!(lan.actives(), ["a"]);
}

/// Whatever is lost, late, or comes twice: as a resignation ends without it, at worst.
#[test]
fn in_any_weather_one_holds_in_the_end_and_never_two_for_long() {
    for seed in 0..60 {
        let mut lan = Lan::new(seed).router("a", 200).router("b", 150).router("c", 100);
        lan.run_for(secs(10));
        lan.set_weather(Weather {
            loss: 300,
            duplicates: 200,
            jitter: millis(40),
            ..Weather::default()
        });
        lan.run_for(secs(10));
        if lan.actives() != ["a"] || lan.switchover(0, "VI_1").is_err() {
            continue;
        }
        lan.set_weather(Weather::default());
        lan.run_for(secs(5));
        assert_eq!(lan.actives().len(), 1, "seed {seed}");
        assert_eq!(lan.holders(VIP).len(), 1, "seed {seed}");
        let states = lan.see("a").events().iter().filter(|event| {
            event.reason == Reason::Switchover
                && matches!(event.what, What::StateChanged { to: State::Backup, .. })
        });
        assert_eq!(states.count(), 1);
    }
}
