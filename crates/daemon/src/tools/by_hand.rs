//! An agent's action by hand (`crm_resource --force-…`): run here and now by who asks, and the cluster is
//! not told. What it does about it is seen by the next monitor.

use std::io;
use std::path::PathBuf;

use ::cluster::controller::Order;
use ::cluster::executor;
use ::cluster::operation::{OpKey, OpStatus};
use agents::{Ask, Driver, Settings, Told};
use linux::{Interest, Poll};
use pcmk::failure::Failure;
use pcmk::live::{Call, Ran};

/// Runs it to its end.
pub(super) fn run(call: &Call, node: &str) -> Result<Ran, Failure> {
    let [class, provider, agent] = &call.agent;
    if (&**class, &**provider) == ("ocf", "mainstay") {
        let text = format!(
            "{}: a VIP without a program cannot be run by hand: stop it with \
             `mainstay resource stop`",
            call.resource
        );
        return Err(Failure { status: 3, text });
    }
    let order = Order {
        key: OpKey { transition: 0, step: 0, expected: 0, walker: node.into() },
        node: node.into(),
        via: node.into(),
        resource: (&*call.resource).into(),
        class: (&**class).into(),
        provider: (&**provider).into(),
        agent: (&**agent).into(),
        operation: (&*call.action).into(),
        interval: 0,
        timeout: call.timeout,
        parameters: call.parameters.clone(),
    };
    let failed = |why: io::Error| Failure { status: 1, text: why.to_string() };
    drive(order).map_err(failed)
}

fn drive(order: Order) -> io::Result<Ran> {
    let mut settings = Settings { tools: directory_of_tools(), ..Settings::default() };
    let control = super::socket().display().to_string();
    settings.environment.push((super::SOCKET.into(), control));
    let mut driver = Driver::new(settings)?;
    let mut poll = Poll::new()?;
    poll.add(&driver, 0, Interest::Read)?;
    driver.ask(Ask::Call(executor::Call { number: 1, order }));
    let mut lines = Vec::new();
    loop {
        for told in driver.advance()? {
            match told {
                Told::Wrote(_, _, wrote) => lines.extend(wrote),
                Told::Done(done) => {
                    let rc = if done.status == OpStatus::Done { done.rc } else { done.rc.max(1) };
                    return Ok(Ran { rc, reason: done.reason, lines });
                }
                _ => {}
            }
        }
        poll.wait(None)?.for_each(drop);
    }
}

/// Where the node has laid out the tools, for the agent's own calls.
fn directory_of_tools() -> Option<PathBuf> {
    let beside = super::socket();
    let directory = beside.parent()?.join("tools");
    directory.is_dir().then_some(directory)
}
