//! Steps on a stage: what is wanted is noted, what is done is done, and then the audits must come to hold.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Name;

use super::audit::audit;
use super::picture::{Picture, Wish};
use super::scene::Scene;
use super::step::Step;
use crate::Random;

/// What can be done to a cluster. Nodes are named by their places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// The node's process begins, unless it runs.
    Start(usize),
    /// It is told to stop, in good order; nobody waits for it here.
    Stop(usize),
    /// It is killed; programs that it has started go on.
    Kill(usize),
    /// The node loses its power.
    Crash(usize),
    /// It has power again, unless it has it, and its process begins.
    PowerOn(usize),
    /// Its process stands still; the kernel and programs go on.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// Nodes on different sides do not hear each other; the side of each.
    Cut(Vec<u8>),
    /// All hear each other again.
    Heal,
    /// A program that runs there is killed.
    Fail(usize, &'static str),
    /// The first node is asked to have the second run nothing, or everything again.
    Standby(usize, usize, bool),
    /// A node is asked to have the cluster leave everything alone, or look after it again.
    Maintenance(usize, bool),
    /// A node is asked to have the wanderer on another, or nowhere in particular.
    Prefer(usize, Option<usize>),
    /// A node is asked for a change that has a number.
    Mark(usize, u64),
    /// Whatever else can go wrong there does for a while, and ends.
    Trouble,
}

/// Where scenarios are played.
pub trait Stage {
    /// The nodes, in order.
    fn names(&self) -> Vec<Name>;

    /// Does it. What a node is asked for has been acknowledged afterwards.
    ///
    /// # Errors
    /// If it cannot be done, or something has happened meanwhile that never may.
    fn act(&mut self, act: &Act) -> Result<(), String>;

    /// What there is to see.
    fn picture(&mut self) -> Picture;

    /// Lets a moment pass.
    ///
    /// # Errors
    /// If something has happened that never may.
    fn pass(&mut self) -> Result<(), String>;

    /// How much time has passed.
    fn elapsed(&self) -> Duration;

    /// For how long audits must hold without a break, and how long may be waited for that.
    fn pace(&self) -> (Duration, Duration);

    /// Whether that step can be played here.
    fn can(&self, step: Step) -> bool;

    /// What has happened of late, for whoever has to find out what went wrong.
    fn tell(&mut self) -> String;
}

/// A play: a stage, what is wanted of it, and what comes next.
#[derive(Debug)]
pub struct Play<'s, S> {
    /// Where.
    pub stage: &'s mut S,
    /// What is to be so.
    pub wish: Wish,
    /// What is drawn.
    pub random: Random,
    seed: u64,
    played: Vec<Step>,
}

impl<'s, S: Stage> Play<'s, S> {
    /// Begins where all nodes are told to take part.
    #[must_use]
    pub fn new(stage: &'s mut S, seed: u64) -> Self {
        let wish = Wish::new(stage.names().len());
        let random = Random::new(seed ^ 0x7363_656e_6172_696f);
        Self { stage, wish, random, seed, played: Vec::new() }
    }

    /// Plays so many steps as the seed says, and tells how often each was played.
    ///
    /// # Errors
    /// What did not hold, after which step, and what there was to see.
    pub fn run(&mut self, steps: usize) -> Result<BTreeMap<Step, usize>, String> {
        self.settle("the beginning")?;
        for _ in 0..steps {
            let can: Vec<Step> =
                Step::ALL.iter().copied().filter(|it| self.stage.can(*it)).collect();
            let step = can[self.below(can.len())];
            self.step(step)?;
        }
        let mut count = BTreeMap::new();
        for step in &self.played {
            *count.entry(*step).or_default() += 1;
        }
        Ok(count)
    }

    /// Plays one step.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn step(&mut self, step: Step) -> Result<(), String> {
        self.played.push(step);
        step.perform(self)?;
        self.settle(step.name())
    }

    /// Waits until all audits hold, and go on holding.
    ///
    /// # Errors
    /// What does not hold, after so long.
    pub fn settle(&mut self, during: &str) -> Result<(), String> {
        self.until(during, audit)
    }

    /// Waits until nothing is found, and nothing is found for a while.
    ///
    /// # Errors
    /// What is found, after so long.
    pub fn until(
        &mut self,
        during: &str,
        find: impl Fn(&Wish, &Picture) -> Vec<String>,
    ) -> Result<(), String> {
        let (calm, patience) = self.stage.pace();
        let began = self.stage.elapsed();
        let mut since = None;
        loop {
            let picture = self.stage.picture();
            let findings = find(&self.wish, &picture);
            let now = self.stage.elapsed();
            if !findings.is_empty() {
                since = None;
            } else if now.saturating_sub(*since.get_or_insert(now)) >= calm {
                return Ok(());
            }
            if now.saturating_sub(began) > patience + calm {
                return Err(self.failed(during, &findings, &picture));
            }
            self.stage.pass().map_err(|what| self.broken(during, &what))?;
        }
    }

    /// Does something.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn act(&mut self, act: &Act) -> Result<(), String> {
        let during = format!("{act:?}");
        self.stage.act(act).map_err(|what| self.broken(&during, &what))
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// If something happens that never may.
    pub fn rest(&mut self, span: Duration) -> Result<(), String> {
        let began = self.stage.elapsed();
        while self.stage.elapsed().saturating_sub(began) < span {
            self.stage.pass().map_err(|what| self.broken("a rest", &what))?;
        }
        Ok(())
    }

    /// A place below that.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.random.below(bound)).unwrap_or(0)
    }

    /// One of the nodes.
    pub fn any(&mut self) -> usize {
        self.below(self.wish.nodes.len())
    }

    /// A node that may be asked for a change.
    pub fn asked(&mut self) -> Option<usize> {
        let nodes = self.wish.nodes.iter().enumerate();
        let can = |(_, it): &(usize, &super::picture::Wanted)| it.up && self.wish.quorum(it.side);
        let can: Vec<usize> = nodes.filter(can).map(|it| it.0).collect();
        let at = self.below(can.len());
        can.get(at).copied()
    }

    /// Has a node take part, or not.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn turn(&mut self, at: usize, up: bool) -> Result<(), String> {
        self.wish.nodes[at].up = up;
        self.act(&if up { Act::Start(at) } else { Act::Stop(at) })
    }

    /// Changes the document so that it is found again.
    ///
    /// # Errors
    /// If that is not acknowledged.
    pub fn mark(&mut self) -> Result<(), String> {
        let Some(by) = self.asked() else { return Ok(()) };
        let number = self.wish.mark.unwrap_or(0) + 1;
        self.act(&Act::Mark(by, number))?;
        self.wish.mark = Some(number);
        Ok(())
    }

    /// All take part, hear each other, and look after everything: where many steps begin.
    ///
    /// # Errors
    /// If it does not come to that.
    pub fn ready(&mut self) -> Result<(), String> {
        for at in 0..self.wish.nodes.len() {
            self.turn(at, true)?;
        }
        self.settle("all being there")
    }

    /// Says that something does not hold.
    ///
    /// # Errors
    /// Always.
    pub fn fail(&mut self, during: &str, finding: &str) -> Result<(), String> {
        let picture = self.stage.picture();
        Err(self.failed(during, &[finding.to_owned()], &picture))
    }

    fn failed(&mut self, during: &str, findings: &[String], picture: &Picture) -> String {
        let found = findings.iter().map(|it| format!("  {it}\n")).collect::<String>();
        let seen = picture.tell();
        self.broken(
            during,
            &format!("it does not come to hold:\n{found}{seen}wanted: {:?}\n", self.wish),
        )
    }

    fn broken(&mut self, during: &str, what: &str) -> String {
        let (seed, at) = (self.seed, self.played.len());
        let step = self.played.last().map_or("the beginning", |it| it.name());
        let told = self.stage.tell();
        format!("seed {seed}, step {at} ({step}), {during}: {what}\n{told}")
    }

    /// Where programs run, and since when: what must not change where everything is left alone.
    pub fn programs(&mut self) -> Vec<(&'static str, usize, Option<u64>)> {
        let picture = self.stage.picture();
        let mut all = Vec::new();
        for resource in Scene::PROGRAMS {
            for at in picture.places(resource) {
                all.push((resource, at, picture.nodes[at].since(resource)));
            }
        }
        all
    }
}
