//! What is tracked beside interfaces, and what is said of it.
//!
//! Who watches (a script's runner, a file's or a process table's sensor) and who decides (the VRRP
//! router) know nothing of each other but these words. A verdict is about the thing itself; what it
//! means for a priority is each instance's own business.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Name, TrackEffect};

/// What kind of thing is tracked. Each kind has names of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TrackerKind {
    /// A script that is run again and again (`vrrp_script`).
    Script,
    /// A file with a number in it (`track_file`).
    File,
    /// Processes that must run (`vrrp_track_process`).
    Process,
    /// A BFD session (`bfd_instance`).
    Bfd,
    /// Addresses, routes and rules that stay (`track_group`).
    Static,
}

/// Names a tracker.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Tracker {
    /// Of which kind.
    pub kind: TrackerKind,
    /// As it is called in the configuration.
    pub name: Name,
}

impl fmt::Display for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TrackerKind::Script => "script",
            TrackerKind::File => "file",
            TrackerKind::Process => "process",
            TrackerKind::Bfd => "BFD session",
            TrackerKind::Static => "track group",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// What a tracker says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Unknown,
    /// The thing is as it should be.
    Good,
    /// It is not.
    Bad,
    /// A file's number.
    Number(i32),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Unknown => f.write_str("unknown"),
            Verdict::Good => f.write_str("good"),
            Verdict::Bad => f.write_str("bad"),
            Verdict::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What a tracker's verdict does to an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Effect {
    /// Good and bad do this. A number is good when it is zero.
    Of(TrackEffect),
    /// A number is multiplied by this, never by zero, and added to the priority. Good is zero, bad
    /// is one.
    Times(i32),
}

/// What all of it comes to for one instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weighed {
    /// Not known yet, and it matters whether the instance may run.
    Open,
    /// The instance cannot take part.
    Fault,
    /// This is added to its priority.
    Delta(i32),
}

/// From here down a number means that the instance cannot take part (keepalived.conf(5)).
const FAULT: i64 = -254;

impl Effect {
    /// What a verdict means. What is not known counts as bad when `assume_bad`; else it weighs
    /// nothing.
    #[must_use]
    pub fn weigh(self, verdict: Verdict, assume_bad: bool) -> Weighed {
        let verdict = match verdict {
            Verdict::Unknown if assume_bad => Verdict::Bad,
            known => known,
        };
        match self {
            Effect::Of(effect) => {
                let good = match verdict {
                    Verdict::Unknown => {
                        return match effect {
                            TrackEffect::FaultWhileBad | TrackEffect::FaultWhileGood => {
                                Weighed::Open
                            }
                            TrackEffect::DeltaWhileGood(_) | TrackEffect::DeltaWhileBad(_) => {
                                Weighed::Delta(0)
                            }
                        };
                    }
                    Verdict::Good | Verdict::Number(0) => true,
                    Verdict::Bad | Verdict::Number(_) => false,
                };
                effect.verdict(good).map_or(Weighed::Fault, |delta| Weighed::Delta(delta.into()))
            }
            Effect::Times(weight) => {
                let number = match verdict {
                    Verdict::Unknown | Verdict::Good => 0,
                    Verdict::Bad => 1,
                    Verdict::Number(number) => number,
                };
                let product = i64::from(number) * i64::from(weight);
                if product <= FAULT {
                    return Weighed::Fault;
                }
                Weighed::Delta(i32::try_from(product.min(-FAULT)).unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TrackEffect::{DeltaWhileBad, DeltaWhileGood, FaultWhileBad, FaultWhileGood};
    use Verdict::{Bad, Good, Number, Unknown};
    use Weighed::{Delta, Fault, Open};

    #[test]
    fn a_verdict_is_weighed_by_its_effect() {
        for (effect, unknown, good, bad) in [
            (FaultWhileBad, Open, Delta(0), Fault),
            (FaultWhileGood, Open, Fault, Delta(0)),
            (DeltaWhileGood(20), Delta(0), Delta(20), Delta(0)),
            (DeltaWhileBad(-20), Delta(0), Delta(0), Delta(-20)),
        ] {
            let weigh = |verdict| Effect::Of(effect).weigh(verdict, false);
            assert_eq!((weigh(Unknown), weigh(Good), weigh(Bad)), (unknown, good, bad));
            // `init_fail`: what has not been run yet is bad.
            assert_eq!(Effect::Of(effect).weigh(Unknown, true), bad);
        }
    }

    #[test]
    fn a_number_is_multiplied_and_from_minus_254_on_it_is_a_fault() {
        for (weight, number, weighed) in [
            (1, 0, Delta(0)),
            (1, 10, Delta(10)),
            (-2, 10, Delta(-20)),
            (1, -253, Delta(-253)),
            (1, -254, Fault),
            (-1, 300, Fault),
            (1, 300, Delta(254)),
            (254, i32::MAX, Delta(254)),
            (254, i32::MIN, Fault),
        ] {
            let weigh = Effect::Times(weight).weigh(Number(number), false);
            assert_eq!(weigh, weighed, "{weight} x {number}");
        }
        assert_eq!(Effect::Of(FaultWhileBad).weigh(Number(3), false), Fault);
        assert_eq!(Effect::Of(FaultWhileBad).weigh(Number(0), false), Delta(0));
        assert_eq!(Effect::Of(FaultWhileGood).weigh(Number(0), false), Fault);
        assert_eq!(Effect::Times(-5).weigh(Unknown, false), Delta(0));
    }

    #[test]
    fn a_tracker_is_called_by_its_kind() {
        let tracker = Tracker { kind: TrackerKind::Script, name: "chk".into() };
        assert_eq!(tracker.to_string(), "script chk");
    }
}
