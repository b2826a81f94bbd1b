//! Going on where another engine of this node left off: by its image after a hand-over, or as a
//! holder after its death.

use base::{Instant, State};

use super::{Instance, Peer, Phase, Standing, Turn, Waiting};
use crate::config::Config;
use crate::image::{InstanceV1, InstanceV2, InstanceV3, MarkV2, PeerV1, PhaseV1};
use crate::wire::hmac::{Sequence, Sequencer};
use base::{EventId, Reason};
use vip::HolderId;

/// What an instance begins with instead of the RFC's start-up.
#[derive(Clone, Debug)]
pub(crate) enum Inheritance {
    /// The engine before held for it and died; nothing else is known.
    Held,
    /// Its sync group holds.
    Group,
    /// The engine before handed over.
    Image(Box<InstanceV3>),
}

impl Instance {
    /// An instance that goes on as the engine before left it, if it can run.
    pub(crate) fn heir(
        now: Instant,
        config: Config,
        holder: HolderId,
        inheritance: Inheritance,
    ) -> Self {
        let mut heir = Self { not_before: now, ..Self::new(now, config, holder) };
        if let Inheritance::Image(image) = &inheritance {
            // Signed adverts go on, whether or not the instance can.
            heir.stays_back = image.stays_back;
            let image = &image.base;
            heir.sequencer = image
                .number
                .map(Sequence::from_bits)
                .map_or_else(Sequencer::default, Sequencer::after);
            for mark in &image.marks {
                heir.marks.note(mark.heard, mark.source, Sequence::from_bits(mark.highest));
            }
        }
        heir.inherits = Some(inheritance);
        heir
    }

    /// Takes the inheritance up, now that it can run. False if there is none.
    pub(super) fn inherit(&mut self, turn: &mut Turn<'_>, cause: Option<EventId>) -> bool {
        let image = match self.inherits.take() {
            None => return false,
            Some(Inheritance::Held) => {
                self.become_active(turn, Reason::Adopted, cause);
                return true;
            }
            Some(Inheritance::Group) => {
                self.become_active(turn, Reason::SyncGroup, cause);
                return true;
            }
            Some(Inheritance::Image(image)) => image,
        };
        let InstanceV2 { base: image, proven, .. } = image.base;
        let phase = match image.phase {
            PhaseV1::Initialize => return false,
            PhaseV1::Active { advert_at } => {
                // The engine before spoke an interval earlier, and peers count from there.
                self.note_sent(advert_at - self.config.interval.as_duration());
                let advert_at = if base::planted!(AdvertForgotten) {
                    turn.now + self.config.interval.as_duration()
                } else {
                    advert_at
                };
                self.phase = Phase::Active { advert_at };
                // What has arrived is heard before it claims anything, if it is that late.
                self.silenced = self.is_leased() || self.is_stalled(turn.now);
                self.phase
            }
            PhaseV1::Backup { armed_at, preempting, resigned, preempt_at } => {
                let waiting = match resigned {
                    Some(event) => Waiting::Resigned(event),
                    None if preempting => Waiting::Preempting,
                    None => Waiting::Silence,
                };
                Phase::Backup { armed_at, waiting, preempt_at }
            }
        };
        self.phase = phase;
        self.learned_interval = image.learned_interval;
        self.proven = proven;
        self.changed(turn, State::Initialize, Reason::Adopted, cause.or(image.changed_by));
        self.changed_at = image.changed_at;
        self.peer = image.peer.map(|peer| {
            let PeerV1 { source, priority, interval, at, event } = peer;
            let standing = match phase {
                // It was heard before this node took over.
                Phase::Active { .. } => Standing::Past,
                _ if proven => Standing::Again,
                _ => Standing::Once,
            };
            Peer { source, priority, interval, at, event, standing }
        });
        true
    }

    /// What the next engine needs to go on.
    pub(crate) fn image(&self) -> InstanceV3 {
        let mark = |(source, highest, heard): (_, Sequence, _)| MarkV2 {
            source,
            highest: highest.bits(),
            heard,
        };
        let base = InstanceV2 {
            base: self.base_image(),
            proven: self.proven,
            number: self.sequencer.last().map(Sequence::bits),
            marks: self.marks.iter().map(mark).collect(),
        };
        InstanceV3 { base, stays_back: self.stays_back }
    }

    fn base_image(&self) -> InstanceV1 {
        InstanceV1 {
            name: self.config.name.clone(),
            phase: match self.phase {
                Phase::Initialize => PhaseV1::Initialize,
                // By clocks that count while the machine sleeps, as its peers' do.
                Phase::Active { advert_at } => {
                    PhaseV1::Active { advert_at: advert_at - self.slept }
                }
                Phase::Backup { armed_at, waiting, preempt_at } => PhaseV1::Backup {
                    armed_at,
                    preempting: waiting == Waiting::Preempting,
                    resigned: match waiting {
                        // Its deadline is a moment away; the next engine waits as for a resignation.
                        Waiting::Resigned(event)
                        | Waiting::Nominated(event)
                        | Waiting::Unreachable(event, _) => Some(event),
                        Waiting::Silence | Waiting::Preempting | Waiting::Owner => None,
                    },
                    preempt_at,
                },
            },
            learned_interval: self.learned_interval,
            peer: self.peer.map(|peer| {
                let Peer { source, priority, interval, at, event, standing: _ } = peer;
                PeerV1 { source, priority, interval, at, event }
            }),
            changed_at: self.changed_at,
            changed_by: self.changed_by,
        }
    }
}
