//! The checkers: what must hold whatever happens, watched from outside.
//!
//! They are fed with [`Sight`]s and look at the world after everything that happens in it. Each rule is
//! one sentence ([`Rule`]); what a rule needs to know, its checker works out for itself from the
//! requirements, so that a mistake in the machines cannot excuse itself.

mod belief;
mod fit;
mod hands;
mod holders;
mod rule;
mod shadow;
mod since;

use core::time::Duration;

use base::Instant;

use crate::lan::Lan;
use crate::node::Node;
use crate::sight::{Sight, Vr};
use belief::Belief;
use hands::Hands;
use holders::Holders;
pub use rule::{Rule, Violation};
use shadow::Shadows;

/// All checkers.
#[derive(Debug)]
pub struct Watch {
    routers: Vec<Vr>,
    shadows: Shadows,
    holders: Holders,
    hands: Hands,
    belief: Belief,
    climate: Climate,
    looked_at: Instant,
    calm: bool,
}

/// Between things that change a state, the world is looked at no more often than this.
const PATIENCE: Duration = Duration::from_millis(20);
/// While every node is awake and nothing is so that may not last, it is enough to look this often.
const CALM: Duration = Duration::from_millis(200);

/// How slow the world has been at worst, and since when it has been left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Climate {
    pub(crate) worst_delay: Duration,
    pub(crate) undisturbed_since: Instant,
    /// The longest interval anybody has for the virtual router that is looked at.
    pub(crate) interval: Duration,
}

impl Watch {
    /// Checkers for a world with these virtual routers.
    #[must_use]
    pub fn new(routers: Vec<Vr>, lan: &Lan) -> Self {
        Self {
            shadows: Shadows::default(),
            holders: Holders::default(),
            hands: Hands::default(),
            belief: Belief::default(),
            climate: Climate {
                worst_delay: Duration::ZERO,
                undisturbed_since: lan.now(),
                interval: Duration::ZERO,
            },
            looked_at: lan.now(),
            calm: false,
            routers,
        }
    }

    /// Looks at what happened, and at the world as it is now.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn look(&mut self, lan: &Lan, sights: &[Sight]) -> Result<(), Violation> {
        let weather = lan.weather_now();
        self.climate.worst_delay = self.climate.worst_delay.max(weather.delay + weather.jitter);
        let mut quiet = true;
        for sight in sights {
            quiet &= matches!(
                sight,
                Sight::Sent { .. }
                    | Sight::Handed { .. }
                    | Sight::Announced { .. }
                    | Sight::Believed { .. }
            );
            if matches!(sight, Sight::Disturbed | Sight::Lost { .. }) {
                self.climate.undisturbed_since = lan.now();
            }
            self.shadows.see(lan, sight)?;
            self.holders.see(lan, sight);
            self.hands.see(lan, &self.shadows, sight)?;
            self.belief.see(lan, sight);
        }
        self.shadows.check_yields(lan)?;
        let patience = if self.calm { CALM } else { PATIENCE };
        if quiet && lan.now().since(self.looked_at) < patience {
            return Ok(());
        }
        self.looked_at = lan.now();
        for vr in &self.routers {
            let climate = Climate { interval: longest_interval(lan, *vr), ..self.climate };
            self.shadows.check(lan, *vr)?;
            self.holders.check(lan, *vr, climate)?;
            self.hands.check(lan, *vr)?;
            self.belief.check(lan, *vr, climate)?;
        }
        let awake = |node: &Node| node.is_awake(lan.now()) && node.frozen_until <= lan.now();
        self.calm = lan.nodes().iter().all(awake)
            && self.shadows.is_calm()
            && self.holders.is_calm()
            && self.hands.is_calm()
            && self.belief.is_calm();
        Ok(())
    }

    /// After the heal: there is life.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn conclude(&self, lan: &Lan) -> Result<(), Violation> {
        for vr in &self.routers {
            holders::one_holder(lan, *vr)?;
        }
        Ok(())
    }

    /// How long the worst takeover had two holders that heard each other.
    #[must_use]
    pub fn longest_overlap(&self) -> Duration {
        self.holders.longest()
    }
}

/// The longest interval anybody has configured for a virtual router.
pub(crate) fn longest_interval(lan: &Lan, vr: Vr) -> Duration {
    let configs = lan.nodes().iter().filter_map(|node| node.config_of(vr));
    configs.map(|config| config.interval.as_duration()).max().unwrap_or_default()
}
