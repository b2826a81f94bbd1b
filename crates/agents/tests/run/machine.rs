//! The executor's machine and the driver together: orders in, records out, with a real agent between.

use std::time::{Duration, Instant};

use agents::{Ask, Driver, Settings, Told};
use cluster::executor::{Executor, Input, Output};
use cluster::lease::May;
use cluster::node;
use cluster::operation::{Life, OpResult, OpStatus, Operation};
use lab::{Need, requires};
use linux::{Interest, Poll, clock};

use crate::bench::{Directory, PATIENCE, order};

/// A node's part of the work, but for the cluster.
struct Seat {
    machine: Executor,
    driver: Driver,
    poll: Poll,
    steps: u32,
    results: Vec<OpResult>,
}

impl Seat {
    fn new(settings: Settings) -> Self {
        let driver = Driver::new(settings).unwrap();
        let poll = Poll::new().unwrap();
        poll.add(&driver, 0, Interest::Read).unwrap();
        let machine = Executor::new("n1".into(), Life(1));
        let mut seat = Self { machine, driver, poll, steps: 0, results: Vec::new() };
        seat.tell(Input::Walker("n1".into()));
        seat.tell(Input::May(May::Act));
        seat
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(clock::monotonic(), input);
        while let Some(output) = self.machine.poll_output() {
            let output = match output {
                Output::Call(call) => node::Output::Call(call),
                Output::Kill(number) => node::Output::Kill(number),
                Output::Report(number, operation) => {
                    if let Operation::Record(record) = operation {
                        self.results.extend(record.results);
                    }
                    self.machine.handle(clock::monotonic(), Input::Reported(number));
                    continue;
                }
            };
            self.driver.ask(Ask::of(output).unwrap());
        }
    }

    fn order(&mut self, operation: &str, interval: u64, state: &str, timeout: Duration) {
        self.steps += 1;
        let mut order = order("ocf:pacemaker:Dummy", operation, &[("state", state)]);
        order.key.step = self.steps;
        (order.interval, order.timeout) = (interval, timeout);
        self.tell(Input::Order(order));
    }

    /// The next result that is one.
    fn result(&mut self) -> (String, Option<i32>, OpStatus) {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.results.iter().position(|it| it.status != OpStatus::Pending) {
                let it = self.results.drain(..=at).next_back().unwrap();
                return (it.operation.to_string(), it.rc, it.status);
            }
            assert!(begun.elapsed() < PATIENCE);
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = clock::monotonic();
        let wait = self.machine.poll_timeout().map_or(PATIENCE, |at| at.since(now));
        self.poll.wait(Some(wait)).unwrap().for_each(drop);
        for told in self.driver.advance().unwrap() {
            match told.input() {
                Ok(node::Input::Done(done)) => self.tell(Input::Done(done)),
                Ok(other) => panic!("{other:?}"),
                Err(Told::Wrote(..)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        self.tell(Input::Tick);
    }
}

#[test]
fn orders_become_records() {
    let agent = "/usr/lib/ocf/resource.d/pacemaker/Dummy";
    if !requires(&[Need::Root, Need::file(agent)]) {
        return;
    }
    let directory = Directory::new();
    let mut seat = Seat::new(Settings { run: directory.join("run"), ..Settings::default() });
    let state = directory.join("state").display().to_string();
    let told = |operation: &str, rc| (operation.to_owned(), Some(rc), OpStatus::Done);
    for (operation, rc) in [("monitor", 7), ("start", 0)] {
        seat.order(operation, 0, &state, PATIENCE);
        assert_eq!(seat.result(), told(operation, rc));
    }
    // Told once while it stays so, and again when it does not.
    seat.order("monitor", 20, &state, PATIENCE);
    assert_eq!(seat.result(), told("monitor", 0));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        seat.turn();
    }
    assert!(seat.results.is_empty(), "{:?}", seat.results);
    std::fs::remove_file(&state).unwrap();
    assert_eq!(seat.result(), told("monitor", 7));
    seat.order("stop", 0, &state, PATIENCE);
    assert_eq!(seat.result(), told("stop", 0));
    // No agent does anything in no time.
    seat.order("start", 0, &state, Duration::ZERO);
    assert_eq!(seat.result(), ("start".to_owned(), Some(1), OpStatus::TimedOut));
}
