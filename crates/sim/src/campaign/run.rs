//! Runs the world of one seed: trouble, heal, life.

use core::fmt::Write;
use core::time::Duration;

use base::Instant;

use super::coverage::Coverage;
use super::inject::Injector;
use super::scenario::Scenario;
use super::swarm::{FaultKind, Plan, TROUBLE};
use crate::lan::Lan;
use crate::random::Random;
use crate::sight::Sight;
use crate::watch::{Violation, Watch, longest_interval};

/// What a campaign leaves out or plants.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kinds of fault that may come.
    pub kinds: Vec<FaultKind>,
    /// The bug that is planted.
    #[cfg(feature = "plant")]
    pub plant: Option<base::plant::Plant>,
    /// Without the feature there is none.
    #[cfg(not(feature = "plant"))]
    pub plant: Option<core::convert::Infallible>,
}

impl Settings {
    /// The name of the planted bug.
    #[must_use]
    pub fn plant_name(&self) -> Option<&'static str> {
        #[cfg(feature = "plant")]
        return self.plant.map(base::plant::Plant::name);
        #[cfg(not(feature = "plant"))]
        self.plant.map(|never| match never {})
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { kinds: FaultKind::ALL.to_vec(), plant: None }
    }
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Everything that happened, as one number.
    pub sum: u64,
    /// How long the world lasted.
    pub lasted: Duration,
    /// The longest time two that heard each other were Active.
    pub overlap: Duration,
    /// Which faults struck what.
    pub coverage: Coverage,
    /// The rule that did not hold, and the last events of every node.
    pub violation: Option<(Violation, String)>,
}

/// Runs a seed.
#[must_use]
pub fn run(settings: &Settings, seed: u64) -> Outcome {
    #[cfg(feature = "plant")]
    base::plant::plant(settings.plant);
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ seed);
    let scenario = Scenario::draw(&mut random);
    let mut kinds = settings.kinds.clone();
    kinds.retain(|kind| scenario.knows(*kind));
    if kinds.is_empty() {
        kinds.clone_from(&settings.kinds);
    }
    let plan = Plan::draw(&mut random, &kinds, scenario.nodes.len());
    let mut world = World::new(seed, &scenario, &mut random);
    let begin = world.lan.now();
    let violation = world.live(&plan, begin).err().map(|violation| {
        let report = report(&world.lan, &plan, begin);
        (violation, report)
    });
    Outcome {
        seed,
        sum: world.lan.sum(),
        lasted: world.lan.now().since(begin),
        overlap: world.watch.longest_overlap(),
        coverage: world.coverage,
        violation,
    }
}

struct World {
    lan: Lan,
    watch: Watch,
    injector: Injector,
    coverage: Coverage,
    routers: Vec<crate::sight::Vr>,
    sights: Vec<Sight>,
}

impl World {
    fn new(seed: u64, scenario: &Scenario, random: &mut Random) -> Self {
        let mut lan = Lan::new(seed).weather(scenario.weather);
        lan.news_delay = scenario.news_delay;
        lan.watch();
        for (number, configs) in scenario.nodes.iter().enumerate() {
            let at = lan.place(&format!("n{}", number + 1), configs.clone());
            lan.nodes[at].ahead = scenario.ahead[number];
        }
        let watch = Watch::new(scenario.routers.clone(), &lan);
        let injector = Injector::new(scenario.weather, scenario.nodes.clone());
        let mut world = Self {
            lan,
            watch,
            injector,
            coverage: Coverage::default(),
            routers: scenario.routers.clone(),
            sights: Vec::new(),
        };
        for at in 0..scenario.nodes.len() {
            world.lan.now = world.lan.now() + Duration::from_millis(random.below(300));
            world.lan.begin(at);
        }
        world
    }

    fn live(&mut self, plan: &Plan, begin: Instant) -> Result<(), Violation> {
        for fault in &plan.faults {
            self.pass(begin + fault.at)?;
            self.injector.strike(&mut self.lan, fault, &mut self.coverage);
            self.look()?;
        }
        self.pass(begin + TROUBLE)?;
        // Every fault ends by itself; what is left is waited for.
        while let Some(end) = self.injector.poll_timeout() {
            self.pass(end)?;
        }
        let heal = self.heal_time();
        let now = self.lan.now();
        self.pass(now + heal)?;
        self.watch.conclude(&self.lan)?;
        self.pass(now + heal + Duration::from_secs(3))?;
        self.watch.conclude(&self.lan)
    }

    /// How long after the last fault one must hold: what one forged advert may cost, and every delay
    /// that was asked for.
    fn heal_time(&self) -> Duration {
        let nodes = self.lan.nodes();
        let configs = || nodes.iter().flat_map(|node| node.configs());
        let waits = configs().map(|config| {
            let preempt = match config.preempt {
                base::Preempt::After(delay) => delay,
                base::Preempt::Never => Duration::ZERO,
            };
            let longest = longest_interval(&self.lan, crate::node::vr_of(config));
            let learned =
                (config.interval.as_duration() * config.learned_interval_cap.into()).max(longest);
            learned * (u32::from(config.missed_adverts) + 1) + preempt + config.startup_delay
        });
        let longest = waits.max().unwrap_or_default();
        let slowest = self.routers.iter().map(|vr| longest_interval(&self.lan, *vr)).max();
        longest + slowest.unwrap_or_default() * 4 + Duration::from_secs(8)
    }

    fn pass(&mut self, until: Instant) -> Result<(), Violation> {
        loop {
            let stop = self.injector.poll_timeout().map_or(until, |end| end.min(until));
            while self.lan.step(stop) {
                self.look()?;
            }
            self.look()?;
            self.injector.mend(&mut self.lan);
            self.look()?;
            if self.lan.now() >= until {
                return Ok(());
            }
        }
    }

    fn look(&mut self) -> Result<(), Violation> {
        self.lan.take_sights(&mut self.sights);
        self.watch.look(&self.lan, &self.sights)
    }
}

/// What a person needs to understand a violation.
fn report(lan: &Lan, plan: &Plan, begin: Instant) -> String {
    const LAST: usize = 14;
    let mut text = String::from("faults up to then:\n");
    let past = plan.faults.iter().filter(|fault| begin + fault.at <= lan.now());
    let past: Vec<_> = past.collect();
    for fault in &past[past.len().saturating_sub(8)..] {
        let at = begin + fault.at;
        let name = lan.nodes()[fault.node].name();
        let _ = writeln!(text, "  {at} {} on {name} for {:?}", fault.kind.name(), fault.lasts);
    }
    for node in lan.nodes() {
        let _ = writeln!(text, "{} (its clock shows {}):", node.name(), node.clock(lan.now()));
        let status = node.router.status();
        for config in node.configs() {
            let of = |one: &&vrrp::InstanceStatus| one.name == config.name;
            let _ = writeln!(
                text,
                "  {} vrid {} prio {} every {:?} x {}, lease {}, {:?}, due {:?}, on {:?}",
                config.name,
                config.vrid,
                config.priority,
                config.interval.as_duration(),
                config.missed_adverts,
                config.lease,
                config.preempt,
                status.instances.iter().find(of).and_then(|one| one.deadline),
                config.reach.clone(),
            );
        }
        let addresses: Vec<String> =
            node.kernel().addresses().map(|fact| fact.address.to_string()).collect();
        let _ = writeln!(text, "  kernel: {}", addresses.join(" "));
        let events = node.events();
        for event in &events[events.len().saturating_sub(LAST)..] {
            let world = node.world(event.at);
            let _ = writeln!(
                text,
                "  {world} {} {}: {:?} ({})",
                event.id, event.subject, event.what, event.reason
            );
        }
    }
    text
}
