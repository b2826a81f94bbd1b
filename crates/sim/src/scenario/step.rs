//! The steps: each a thing that is done to clusters, or befalls them, and how it ends.
//!
//! They are the kinds that live exercisers of Pacemaker clusters have (`pacemaker.md`, §5): known there by
//! what they try, written anew here. A step begins from whatever the one before has left, or first has
//! everybody take part; wherever it waits, the audits decide when it is over.

use core::time::Duration;

use super::audit::audit;
use super::play::{Act, Play, Stage};
use super::scene::Scene;

/// One kind of step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// A node that takes part stops; one that does not starts.
    Flip,
    /// A node stops, and starts.
    Restart,
    /// One node after the other stops.
    StopOneByOne,
    /// None is there; one after the other starts.
    StartOneByOne,
    /// One after the other stops and starts.
    RestartOneByOne,
    /// All stop at once.
    StopAll,
    /// None is there; all start at once.
    StartAll,
    /// All stop at once, and start at once.
    RestartAll,
    /// A node runs nothing for a while, but takes part.
    Standby,
    /// The cluster leaves everything alone; what fails meanwhile is looked after later.
    Maintenance,
    /// A node's process is killed, and begins anew, or is fenced.
    ComponentFail,
    /// A node loses its power; it is fenced, and comes back.
    PowerLoss,
    /// All lose their power at once.
    Blackout,
    /// A node's process stands still for a while.
    Hang,
    /// The network falls apart into two, and is mended.
    SplitBrain,
    /// At random some nodes stop and others stay: just enough, or just not.
    NearQuorum,
    /// Everything is left alone while all nodes are restarted, and has not noticed.
    Reattach,
    /// A program is killed, and is there again.
    ResourceRecover,
    /// A node is away while the document changes, and has the same afterwards.
    ResyncDocument,
    /// A resource is wanted on a node.
    Move,
    /// Disks, clocks, links and fence devices fail, several of them.
    Trouble,
}

impl Step {
    /// All of them.
    pub const ALL: &'static [Step] = &[
        Self::Flip,
        Self::Restart,
        Self::StopOneByOne,
        Self::StartOneByOne,
        Self::RestartOneByOne,
        Self::StopAll,
        Self::StartAll,
        Self::RestartAll,
        Self::Standby,
        Self::Maintenance,
        Self::ComponentFail,
        Self::PowerLoss,
        Self::Blackout,
        Self::Hang,
        Self::SplitBrain,
        Self::NearQuorum,
        Self::Reattach,
        Self::ResourceRecover,
        Self::ResyncDocument,
        Self::Move,
        Self::Trouble,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flip => "flip",
            Self::Restart => "restart",
            Self::StopOneByOne => "stop-one-by-one",
            Self::StartOneByOne => "start-one-by-one",
            Self::RestartOneByOne => "restart-one-by-one",
            Self::StopAll => "stop-all",
            Self::StartAll => "start-all",
            Self::RestartAll => "restart-all",
            Self::Standby => "standby",
            Self::Maintenance => "maintenance",
            Self::ComponentFail => "component-fail",
            Self::PowerLoss => "power-loss",
            Self::Blackout => "blackout",
            Self::Hang => "hang",
            Self::SplitBrain => "split-brain",
            Self::NearQuorum => "near-quorum",
            Self::Reattach => "reattach",
            Self::ResourceRecover => "resource-recover",
            Self::ResyncDocument => "resync-document",
            Self::Move => "move",
            Self::Trouble => "trouble",
        }
    }

    /// Does it; that the audits hold in the end is seen to by the play.
    pub(super) fn perform<S: Stage>(self, play: &mut Play<'_, S>) -> Result<(), String> {
        let nodes = play.wish.nodes.len();
        match self {
            Self::Flip => {
                let at = play.any();
                play.turn(at, !play.wish.nodes[at].up)
            }
            Self::Restart => {
                play.ready()?;
                let at = play.any();
                restart(play, at)
            }
            Self::StopOneByOne => {
                play.ready()?;
                one_by_one(play, |play, at| play.turn(at, false))
            }
            Self::StartOneByOne => {
                all(play, false)?;
                one_by_one(play, |play, at| play.turn(at, true))
            }
            Self::RestartOneByOne => {
                play.ready()?;
                one_by_one(play, restart)
            }
            Self::StopAll => {
                play.ready()?;
                all(play, false)
            }
            Self::StartAll => {
                all(play, false)?;
                all(play, true)
            }
            Self::RestartAll => {
                play.ready()?;
                all(play, false)?;
                all(play, true)
            }
            Self::Standby => {
                play.ready()?;
                let at = play.any();
                for on in [true, false] {
                    let Some(by) = play.asked() else { return Ok(()) };
                    play.act(&Act::Standby(by, at, on))?;
                    play.wish.nodes[at].standby = on;
                    play.settle("standby, or its end")?;
                }
                Ok(())
            }
            Self::Maintenance => maintenance(play),
            Self::ComponentFail => {
                play.ready()?;
                let at = play.any();
                play.act(&Act::Kill(at))?;
                let wait = Duration::from_millis([0, 50, 500, 10_000][play.below(4)]);
                // After ten seconds it has been fenced long since, and begun.
                play.rest(wait)?;
                play.act(&Act::Start(at))
            }
            Self::PowerLoss => {
                play.ready()?;
                let at = play.any();
                play.act(&Act::Crash(at))
            }
            Self::Blackout => {
                play.ready()?;
                (0..nodes).try_for_each(|at| play.act(&Act::Crash(at)))?;
                (0..nodes).try_for_each(|at| play.act(&Act::PowerOn(at)))
            }
            Self::Hang => {
                play.ready()?;
                let at = play.any();
                play.act(&Act::Pause(at))?;
                let wait = Duration::from_millis([50, 300, 700, 1_500, 4_000][play.below(5)]);
                play.rest(wait)?;
                play.act(&Act::Resume(at))
            }
            Self::SplitBrain => split_brain(play),
            Self::NearQuorum => {
                play.ready()?;
                for at in 0..nodes {
                    let up = play.random.chance(500);
                    play.turn(at, up)?;
                }
                Ok(())
            }
            Self::Reattach => reattach(play),
            Self::ResourceRecover => {
                play.ready()?;
                fail(play)
            }
            Self::ResyncDocument => {
                play.ready()?;
                let at = play.any();
                play.turn(at, false)?;
                play.settle("one being away")?;
                let changes = 1 + play.below(5);
                (0..changes).try_for_each(|_| play.mark())?;
                play.turn(at, true)
            }
            Self::Move => {
                play.ready()?;
                let to = (!play.random.chance(200)).then(|| play.any());
                let Some(by) = play.asked() else { return Ok(()) };
                play.act(&Act::Prefer(by, to))?;
                play.wish.preferred = to;
                Ok(())
            }
            Self::Trouble => {
                play.ready()?;
                play.act(&Act::Trouble)
            }
        }
    }
}

fn all<S: Stage>(play: &mut Play<'_, S>, up: bool) -> Result<(), String> {
    (0..play.wish.nodes.len()).try_for_each(|at| play.turn(at, up))?;
    play.settle(if up { "all starting" } else { "all stopping" })
}

fn one_by_one<S: Stage>(
    play: &mut Play<'_, S>,
    mut each: impl FnMut(&mut Play<'_, S>, usize) -> Result<(), String>,
) -> Result<(), String> {
    for at in 0..play.wish.nodes.len() {
        each(play, at)?;
        play.settle("one by one")?;
    }
    Ok(())
}

fn restart<S: Stage>(play: &mut Play<'_, S>, at: usize) -> Result<(), String> {
    play.turn(at, false)?;
    play.settle("one stopping")?;
    play.turn(at, true)
}

/// Kills a program, and waits until it runs again, as another.
fn fail<S: Stage>(play: &mut Play<'_, S>) -> Result<(), String> {
    let programs = play.programs();
    let Some(&(resource, at, since)) = programs.get(play.below(programs.len())) else {
        return play.fail("what to kill", "no program runs");
    };
    play.act(&Act::Fail(at, resource))?;
    play.until("a program being killed", move |wish, picture| {
        let mut findings = audit(wish, picture);
        let places = picture.places(resource);
        if places.contains(&at) && since.is_some() && picture.nodes[at].since(resource) == since {
            findings.push(format!("{resource} is the one that was killed"));
        }
        findings
    })
}

fn set_maintenance<S: Stage>(play: &mut Play<'_, S>, on: bool) -> Result<(), String> {
    let Some(by) = play.asked() else { return Ok(()) };
    play.act(&Act::Maintenance(by, on))?;
    play.wish.maintenance = on;
    play.settle("maintenance, or its end")
}

fn maintenance<S: Stage>(play: &mut Play<'_, S>) -> Result<(), String> {
    play.ready()?;
    set_maintenance(play, true)?;
    let before = play.programs();
    let Some(&(resource, at, since)) = before.get(play.below(before.len())) else {
        return play.fail("maintenance", "no program runs");
    };
    play.act(&Act::Fail(at, resource))?;
    play.rest(Duration::from_millis(1_500))?;
    let after = play.programs();
    let killed = (resource, at, since);
    let rest: Vec<_> = before.into_iter().filter(|it| *it != killed).collect();
    if after != rest {
        return play.fail("maintenance", &format!("something was done: {rest:?}, now {after:?}"));
    }
    set_maintenance(play, false)
}

fn split_brain<S: Stage>(play: &mut Play<'_, S>) -> Result<(), String> {
    play.ready()?;
    let nodes = play.wish.nodes.len();
    let mut sides: Vec<u8> = (0..nodes).map(|_| u8::from(play.random.chance(500))).collect();
    if sides.iter().all(|it| *it == sides[0]) {
        let at = play.any();
        sides[at] = 1 - sides[at];
    }
    play.act(&Act::Cut(sides.clone()))?;
    for (wanted, side) in play.wish.nodes.iter_mut().zip(sides) {
        wanted.side = side;
    }
    play.settle("the network having fallen apart")?;
    play.mark()?;
    play.act(&Act::Heal)?;
    play.wish.nodes.iter_mut().for_each(|it| it.side = 0);
    Ok(())
}

fn reattach<S: Stage>(play: &mut Play<'_, S>) -> Result<(), String> {
    play.ready()?;
    set_maintenance(play, true)?;
    let before = play.programs();
    all(play, false)?;
    let away = play.programs();
    if away != before {
        return play.fail("nobody being there", &format!("{before:?} became {away:?}"));
    }
    all(play, true)?;
    set_maintenance(play, false)?;
    let after = play.programs();
    let what = format!("{before:?} became {after:?} ({} among them)", Scene::PROGRAMS.len());
    if after == before { Ok(()) } else { play.fail("all being there again", &what) }
}
