//! The fencer: levels, delays, merging, time-outs, and verdicts that come too late.

use core::time::Duration;

use base::{Instant, Name};
use cluster::Epoch;
use cluster::fencer::{Ask, Call, Check, Device, Fencer, Input, Level, Output};
use cluster::operation::{FenceAction, Fenced, Operation};
use proptest::prelude::*;

struct Site {
    it: Fencer,
    now: Instant,
    calls: Vec<Call>,
    killed: Vec<u64>,
    reports: Vec<Fenced>,
    monitored: Vec<(u64, Result<(), String>)>,
}

fn device(id: &str, parameters: &[(&str, &str)]) -> Device {
    let parameters = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Device { id: id.into(), agent: "fence_lab".into(), parameters: parameters.collect() }
}

fn level(index: u32, devices: &[&str]) -> Level {
    let devices = devices.iter().map(|it| Name::from(*it)).collect();
    Level { target: "b".into(), index, devices }
}

impl Site {
    fn new(devices: Vec<Device>, levels: Vec<Level>) -> Self {
        let mut it = Self {
            it: Fencer::new(7),
            now: Instant::from_nanos(1_000_000_000),
            calls: Vec::new(),
            killed: Vec::new(),
            reports: Vec::new(),
            monitored: Vec::new(),
        };
        it.tell(Input::Devices(devices, levels));
        it
    }

    fn tell(&mut self, input: Input) {
        self.it.handle(self.now, input);
        while let Some(output) = self.it.poll_output() {
            match output {
                Output::Call(call) => self.calls.push(call),
                Output::Kill(number) => self.killed.push(number),
                Output::Report(Operation::Fenced(fenced)) => self.reports.push(fenced),
                Output::Report(other) => panic!("{other:?}"),
                Output::Monitored(number, result) => self.monitored.push((number, result)),
            }
        }
    }

    fn ask(&mut self, epoch: u64, action: FenceAction) {
        self.tell(Input::Ask(Ask {
            node: "b".into(),
            epoch: Epoch(epoch),
            action,
            timeout: Duration::from_secs(60),
            delay: Duration::ZERO,
            origin: "a".into(),
        }));
    }

    fn answer(&mut self, well: bool) {
        let number = self.calls.remove(0).number;
        self.tell(Input::Done(number, if well { Ok(()) } else { Err("no".into()) }));
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.tell(Input::Tick);
    }

    /// Device and action of the calls under way.
    fn under_way(&self) -> Vec<(&str, &str)> {
        self.calls.iter().map(|it| (&*it.device, it.lines[0].1.as_str())).collect()
    }
}

#[test]
fn an_agent_is_told_what_it_needs_and_nothing_of_ours() {
    let it = device(
        "f",
        &[
            ("pcmk_host_map", "b:17;c:18"),
            ("pcmk_reboot_action", "off"),
            ("ip", "192.0.2.1"),
            ("CRM_meta_x", "y"),
        ],
    );
    assert_eq!(it.port("b").as_deref(), Some("17"));
    assert_eq!(it.port("z"), None);
    let lines = it.lines(it.word(FenceAction::Reboot), Some("b"));
    let lines: Vec<(&str, &str)> = lines.iter().map(|(a, b)| (&**a, &**b)).collect();
    let expected = [("action", "off"), ("nodename", "b"), ("port", "17"), ("ip", "192.0.2.1")];
    assert_eq!(lines, expected);
    let fixed = device("f", &[("plug", "9"), ("pcmk_host_list", "b c")]);
    let lines = fixed.lines("off", Some("b"));
    assert!(!lines.iter().any(|(name, _)| name == "port"), "{lines:?}");
    let other = device("f", &[("pcmk_host_argument", "plug")]);
    assert!(other.lines("off", Some("b")).contains(&("plug".into(), "b".into())));
    assert_eq!(device("f", &[("pcmk_host_check", "static-list")]).port("b"), None);
    assert_eq!(
        device("f", &[("pcmk_host_list", "c"), ("pcmk_host_check", "none")]).port("b").as_deref(),
        Some("b")
    );
}

#[test]
fn whether_a_device_can_reach_a_node_is_found_out_as_it_is_told_to() {
    let list = ("pcmk_host_list", "b");
    let check = |how| ("pcmk_host_check", how);
    for (parameters, expected) in [
        (vec![], (true, Check::Default)),
        (vec![list], (true, Check::Needless)),
        (vec![list, check("static-list")], (true, Check::Needless)),
        (vec![list, check("dynamic-list")], (true, Check::List)),
        (vec![check("dynamic-list")], (true, Check::List)),
        (vec![check("status")], (true, Check::Status)),
        (vec![check("none")], (true, Check::Needless)),
        (vec![check("static-list")], (false, Check::Needless)),
    ] {
        let it = device("f", &parameters);
        assert_eq!((it.port("b").is_some(), it.check()), expected, "{parameters:?}");
    }
    // Where it is asked, a map is a map of ports and no list.
    let mapped = device("f", &[("pcmk_host_map", "c:7"), check("status")]);
    assert_eq!((mapped.port("b").as_deref(), mapped.port("c").as_deref()), (Some("b"), Some("7")));
}

#[test]
fn who_comes_in_the_place_of_another_does_not_take_its_answers() {
    let mut site = Site::new(vec![device("f", &[])], Vec::new());
    site.ask(1, FenceAction::Off);
    let before = site.calls[0].number;
    site.it = Fencer::in_place_of(&site.it, 9);
    site.tell(Input::Devices(vec![device("f", &[])], Vec::new()));
    site.ask(1, FenceAction::Off);
    let now = site.calls[1].number;
    assert_ne!(before, now);
    // The agent its predecessor called has done it; to whom is not known here.
    site.tell(Input::Done(before, Ok(())));
    assert!(site.reports.is_empty());
    site.tell(Input::Done(now, Ok(())));
    assert_eq!(site.reports.len(), 1);
}

#[test]
fn devices_and_levels_are_read_from_the_document() {
    let text = "<cib><configuration><resources><group id='g'><primitive id='f' class='stonith' \
                type='fence_lab'><instance_attributes id='i'><nvpair id='n' name='pcmk_host_list' \
                value='b'/></instance_attributes></primitive></group><primitive id='r' class='ocf' \
                provider='p' type='t'/></resources><fencing-topology><fencing-level id='l2' \
                target='b' index='2' devices='f'/><fencing-level id='l1' target='b' index='1' \
                devices='g,h'/></fencing-topology></configuration></cib>";
    let cib = cib::xml::parse(text).expect("a CIB").root;
    assert_eq!(Device::all(&cib), [device("f", &[("pcmk_host_list", "b")])]);
    assert_eq!(Level::all(&cib), [level(1, &["g", "h"]), level(2, &["f"])]);
}

#[test]
fn without_a_topology_every_device_that_can_is_tried() {
    let mut it = Site::new(
        vec![
            device("f", &[("pcmk_host_list", "b")]),
            device("g", &[("pcmk_host_list", "c")]),
            device("h", &[]),
        ],
        Vec::new(),
    );
    it.ask(1, FenceAction::Off);
    assert_eq!(it.under_way(), [("f", "off")]);
    it.answer(false);
    assert_eq!(it.under_way(), [("f", "off")], "twice, unless it says otherwise");
    it.answer(false);
    assert_eq!(it.under_way(), [("h", "off")]);
    it.answer(true);
    assert_eq!(it.reports.len(), 1);
    assert_eq!((&it.reports[0].error, &*it.reports[0].devices), (&None, &["h".into()][..]));
}

#[test]
fn a_reboot_by_two_devices_is_off_of_both_and_then_on() {
    let two = || vec![device("p", &[]), device("q", &[])];
    let mut it = Site::new(two(), vec![level(1, &["p", "q"])]);
    it.ask(1, FenceAction::Reboot);
    let mut seen = Vec::new();
    for well in [true, true, false, true] {
        let (device, action) = it.under_way()[0];
        seen.push(format!("{device} {action}"));
        it.answer(well);
    }
    assert_eq!(seen, ["p off", "q off", "p on", "q on"]);
    assert_eq!(it.reports.len(), 1, "that it is off is what counts");
    assert_eq!(it.reports[0].error, None);
    assert_eq!(it.reports[0].devices, [Name::from("p"), Name::from("q")]);
    // One of two is not enough.
    let mut it = Site::new(two(), vec![level(1, &["p", "q"]), level(2, &["q"])]);
    it.ask(1, FenceAction::Off);
    it.answer(true);
    it.answer(false);
    it.answer(false);
    assert_eq!(it.under_way(), [("q", "off")]);
    assert_eq!(it.it.status()[0].level, (2, 2));
    it.answer(false);
    it.answer(false);
    assert!(it.reports[0].error.as_deref().is_some_and(|it| it.contains("no")));
}

#[test]
fn equal_requests_are_one_and_a_stale_one_is_called_off() {
    let mut it = Site::new(vec![device("f", &[])], Vec::new());
    it.ask(3, FenceAction::Off);
    it.ask(3, FenceAction::Reboot);
    assert_eq!(it.calls.len(), 1);
    assert_eq!(it.it.status()[0].askers, 2);
    it.tell(Input::Epoch("b".into(), Epoch(4)));
    assert_eq!(it.killed, [1]);
    assert_eq!(it.reports.len(), 1);
    assert!(it.reports[0].error.is_some());
    it.answer(true);
    assert_eq!(it.reports.len(), 1, "what it says now is of no interest");
    it.ask(3, FenceAction::Off);
    assert_eq!((it.calls.len(), it.reports.len()), (0, 2));
    it.ask(4, FenceAction::Off);
    assert_eq!(it.calls.len(), 1);
}

#[test]
fn delays_are_waited_out_and_a_node_that_is_back_meanwhile_is_spared() {
    let delayed = || vec![device("f", &[("pcmk_delay_base", "b:2s;c:1s")])];
    let mut it = Site::new(delayed(), Vec::new());
    it.ask(1, FenceAction::Off);
    it.wait(1999);
    assert_eq!(it.calls.len(), 0);
    assert_eq!(it.it.poll_timeout(), Some(it.now + Duration::from_millis(1)));
    it.wait(1);
    assert_eq!(it.calls.len(), 1);
    let mut it = Site::new(delayed(), Vec::new());
    it.ask(1, FenceAction::Off);
    it.wait(500);
    it.tell(Input::Epoch("b".into(), Epoch(2)));
    it.wait(5000);
    assert_eq!((it.calls.len(), it.killed.len()), (0, 0));
}

#[test]
fn random_delays_stay_within_their_bounds_and_follow_the_seed() {
    let drawn = |seed| {
        let mut it = Fencer::new(seed);
        let random = device("f", &[("pcmk_delay_base", "1s"), ("pcmk_delay_max", "3s")]);
        it.handle(Instant::ZERO, Input::Devices(vec![random], Vec::new()));
        it.handle(
            Instant::ZERO,
            Input::Ask(Ask {
                node: "b".into(),
                epoch: Epoch(1),
                action: FenceAction::Off,
                timeout: Duration::from_secs(60),
                delay: Duration::from_secs(10),
                origin: "a".into(),
            }),
        );
        it.poll_timeout().expect("a delay").since(Instant::ZERO).as_millis()
    };
    let all: Vec<u128> = (0..50).map(drawn).collect();
    assert!(all.iter().all(|it| (11_000..=13_000).contains(it)), "{all:?}");
    assert!(all.iter().any(|it| *it < 11_700) && all.iter().any(|it| *it > 12_300), "{all:?}");
    assert_eq!(drawn(9), drawn(9));
}

#[test]
fn a_device_that_hangs_has_not_fenced_anybody() {
    let mut it = Site::new(
        vec![device("f", &[("pcmk_off_timeout", "5s"), ("pcmk_off_retries", "1")])],
        Vec::new(),
    );
    it.ask(1, FenceAction::Off);
    it.wait(5000);
    assert_eq!(it.killed, [1]);
    assert!(it.reports[0].error.as_deref().is_some_and(|it| it.contains("in time")));
    it.answer(true);
    assert_eq!(it.reports.len(), 1);
}

#[test]
fn a_device_does_one_thing_at_a_time_unless_it_says_otherwise() {
    for (limit, at_once) in [("1", 1), ("2", 2), ("-1", 3)] {
        let mut it = Site::new(vec![device("f", &[("pcmk_action_limit", limit)])], Vec::new());
        for node in ["b", "c", "d"] {
            it.tell(Input::Ask(Ask {
                node: node.into(),
                epoch: Epoch(1),
                action: FenceAction::Off,
                timeout: Duration::from_secs(60),
                delay: Duration::ZERO,
                origin: "a".into(),
            }));
        }
        assert_eq!(it.calls.len(), at_once, "{limit}");
        while !it.calls.is_empty() {
            it.answer(true);
        }
        assert_eq!(it.reports.len(), 3);
    }
}

#[test]
fn somebody_may_swear_and_nobody_may_reach() {
    let mut it = Site::new(vec![device("f", &[])], Vec::new());
    it.ask(1, FenceAction::Off);
    it.tell(Input::Confirmed { node: "b".into(), by: "root".into() });
    assert_eq!(it.killed, [1]);
    assert_eq!((&*it.reports[0].origin, &it.reports[0].error), ("root", &None));
    let mut it = Site::new(Vec::new(), Vec::new());
    it.ask(1, FenceAction::Off);
    assert!(it.reports[0].error.as_deref().is_some_and(|it| it.contains("no fence device")));
}

#[test]
fn devices_are_checked() {
    let mut it = Site::new(vec![device("f", &[("ip", "x")])], Vec::new());
    it.tell(Input::Monitor(41, "f".into(), Duration::from_secs(20)));
    assert_eq!(it.calls[0].lines, [("action".into(), "monitor".into()), ("ip".into(), "x".into())]);
    it.answer(true);
    it.tell(Input::Monitor(42, "g".into(), Duration::from_secs(20)));
    it.tell(Input::Monitor(43, "f".into(), Duration::from_secs(20)));
    it.wait(20_000);
    let told: Vec<(u64, bool)> = it.monitored.iter().map(|it| (it.0, it.1.is_ok())).collect();
    assert_eq!(told, [(41, true), (42, false), (43, false)]);
}

proptest! {
    /// Each request comes to exactly one report, however devices answer; and success is only told when
    /// all devices of a level have told it in this request.
    #[test]
    fn one_report_for_each(answers in prop::collection::vec(prop::bool::ANY, 0..30)) {
        let all = vec![device("p", &[]), device("q", &[]), device("s", &[])];
        let mut it = Site::new(all, vec![level(1, &["p", "q"]), level(2, &["s"])]);
        it.ask(1, FenceAction::Off);
        let mut answers = answers.into_iter();
        let mut well: Vec<Name> = Vec::new();
        while !it.calls.is_empty() {
            let answer = answers.next().unwrap_or(false);
            if answer {
                well.push(it.calls[0].device.clone());
            }
            it.answer(answer);
        }
        prop_assert_eq!(it.reports.len(), 1);
        prop_assert_eq!(it.it.status().len(), 0);
        let has = |name: &str| well.iter().any(|it| &**it == name);
        let done = (has("p") && has("q")) || has("s");
        prop_assert_eq!(it.reports[0].error.is_none(), done);
    }
}
