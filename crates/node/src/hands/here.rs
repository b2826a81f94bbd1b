//! The hands of this machine: a thread that runs agents, and one that keeps VIPs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use agents::{Ask, Host, Settings};
use linux::Watchdog;

use super::reset::Reset;
use super::vips::Vips;
use super::{Act, Back, Hands, Told};

/// Names the control socket to the tools that agents call.
pub const SOCKET: &str = "MAINSTAY_CLUSTER_SOCKET";

/// What of the machine agents are run with.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Where fence agents are looked for first.
    pub fence_agents: Vec<PathBuf>,
    /// Where the tools are that agents call (`crm_attribute` and the like).
    pub tools: Option<PathBuf>,
    /// The control socket that these tools ask.
    pub control: PathBuf,
}

/// Runs agents as root's programs are run, and VIPs without one.
#[derive(Debug)]
pub struct Here {
    programs: Host,
    vips: Vips,
    back: Back,
    reset: Reset,
}

impl Here {
    /// Two threads, which end when this is dropped; `lease` is how long quorum leases are.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn start(back: Back, lease: Duration, places: Places) -> io::Result<Self> {
        let mut settings = Settings { learn: true, tools: places.tools, ..Settings::default() };
        let usual = std::mem::replace(&mut settings.fence_agents, places.fence_agents);
        settings.fence_agents.extend(usual);
        settings.environment.push((SOCKET.into(), places.control.display().to_string()));
        let vips = Vips::start(back.clone(), lease)?;
        let (reset, own) = (Reset::default(), back.clone());
        let tell = move |told| {
            if let Some(told) = heard(told) {
                back.tell(told);
            }
        };
        Ok(Self { programs: Host::start(settings, tell)?, vips, back: own, reset })
    }

    /// With a watchdog, which resets the machine when it is not safe any more.
    #[must_use]
    pub fn guarded(mut self, watchdog: Option<Watchdog>) -> Self {
        self.reset = Reset::by(watchdog);
        self
    }
}

impl Hands for Here {
    fn act(&mut self, act: Act) {
        let ask = match act {
            Act::Call(call) if Vips::is_for(&call.order) => return self.vips.call(call),
            Act::Call(call) => Ask::Call(call),
            Act::Kill(number) => {
                // Whoever does not know the number has nothing to end.
                self.vips.kill(number);
                Ask::Kill(number)
            }
            Act::Fence(call) => Ask::Fence(call),
            Act::FenceKill(number) => Ask::FenceKill(number),
            Act::Reborn => {
                self.vips.reborn();
                Ask::Reborn
            }
            Act::Lease(lease) => return self.vips.lease(lease),
            Act::Safe | Act::Rest => {
                let done = match act {
                    Act::Rest => self.reset.put_away(),
                    _ => self.reset.feed(),
                };
                if let Err(error) = done {
                    self.back.tell(Told::Note(format!("the watchdog does not answer: {error}")));
                }
                return;
            }
        };
        self.programs.ask(ask);
    }

    fn trouble(&self) -> Option<String> {
        self.vips.trouble()
    }
}

fn heard(told: agents::Told) -> Option<Told> {
    match told {
        agents::Told::Done(done) => Some(Told::Done(done)),
        agents::Told::FenceDone(number, result) => Some(Told::FenceDone(number, result)),
        agents::Told::Wrote(resource, action, lines) => {
            let text = lines.iter().map(|line| format!("{resource} ({action}): {line}"));
            Some(Told::Note(text.collect::<Vec<_>>().join("\n")))
        }
        agents::Told::Learned(agent) => Some(Told::Agent(agent)),
        // Nobody here asks agents of themselves.
        agents::Told::Metadata(..) | agents::Told::Validated(..) => None,
    }
}
