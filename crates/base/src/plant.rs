//! Bugs put in on purpose, to prove that the simulator's checkers find them (mutation testing).
//!
//! None of this exists without the feature `plant`: [`planted!`](crate::planted) is then the word
//! `false`. With it, a thread may plant one bug for what runs on it from then on; nothing is planted
//! unless somebody asks. No product is built with the feature.

/// Whether a bug is planted; `false`, and nothing else, without the feature `plant`.
#[cfg(not(feature = "plant"))]
#[macro_export]
macro_rules! planted {
    ($plant:ident) => {
        false
    };
}

/// Whether a bug is planted on this thread.
#[cfg(feature = "plant")]
#[macro_export]
macro_rules! planted {
    ($plant:ident) => {
        $crate::plant::is_planted($crate::plant::Plant::$plant)
    };
}

#[cfg(feature = "plant")]
pub use real::{Plant, is_planted, plant};

#[cfg(feature = "plant")]
mod real {
    use core::cell::Cell;

    macro_rules! plants {
        ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
            /// A bug that can be planted.
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
            pub enum Plant {
                $($(#[$doc])* $name,)*
            }

            impl Plant {
                /// All of them.
                pub const ALL: &'static [Plant] = &[$(Plant::$name,)*];

                /// Its name on the command line.
                #[must_use]
                pub const fn name(self) -> &'static str {
                    match self { $(Plant::$name => $text,)* }
                }
            }
        };
    }

    plants! {
        /// Skew_Time is zero.
        NoSkew => "no-skew",
        /// Skew_Time goes by the own interval, not the holder's.
        SkewOfOwnInterval => "skew-of-own-interval",
        /// An advert does not put the down timer off.
        StaleTimer => "stale-timer",
        /// What leaves Active because of a fault does not let go of its VIPs.
        ForgottenOnLinkDown => "forgotten-on-link-down",
        /// A VIP that went is never put back.
        NotPutBack => "not-put-back",
        /// A peer's interval is believed without a limit.
        UncappedInterval => "uncapped-interval",
        /// What was learned of a holder outlives the link it was learned on.
        LearnedSurvivesStart => "learned-survives-start",
        /// Silence is judged before the socket is drained.
        JudgedBeforeDrained => "judged-before-drained",
        /// A node of equal priority and lower address does not yield.
        TieNeverYields => "tie-never-yields",
        /// A holder that loses says no last word.
        NoPartingAdvert => "no-parting-advert",
        /// A holder does not announce again after a rival.
        NoReassert => "no-reassert",
        /// A node that never preempts does.
        PreemptsAnyway => "preempts-anyway",
        /// The delay before preemption is not waited for.
        PreemptsAtOnce => "preempts-at-once",
        /// A second resignation starts Skew_Time anew.
        ResignRearms => "resign-rearms",
        /// A shorter interval does not bring the next advert forward.
        ReloadKeepsOldDeadline => "reload-keeps-old-deadline",
        /// A reload begins every instance anew that changed in any way.
        ReloadRestarts => "reload-restarts",
        /// TTL is not looked at.
        AnyTtl => "any-ttl",
        /// An interval of zero is taken for one hundredth.
        ZeroInterval => "zero-interval",
        /// A snapshot is not compared with what we believe to be there.
        SnapshotIgnored => "snapshot-ignored",
        /// An interface that is made again is not recognised by its name.
        OldIndexKept => "old-index-kept",
        /// The pause after a fight never ends.
        FightNeverEnds => "fight-never-ends",
        /// Announcements go on after a release.
        AnnouncesOn => "announces-on",
        /// A VIP that was put back gets no lifetime any more.
        RepairedForGood => "repaired-for-good",
        /// A primary address gets a lifetime like any other.
        PrimaryLapses => "primary-lapses",
        /// A shorter lease waits for the sign of life that a longer one asked for.
        SignsByTheOldLease => "signs-by-the-old-lease",
        /// A renewal makes a lease anew that has ended.
        LeaseRevived => "lease-revived",
        /// The length of a lease goes by three times the interval.
        LeaseTooLong => "lease-too-long",
        /// The guardian says farewell before it silences.
        FarewellFirst => "farewell-first",
        /// Who leaves names who follows while it still answers for its VIPs.
        NamedTooSoon => "named-too-soon",
        /// A lapse is no doubt: the holder takes a new lease without having listened.
        LapseIsNoDoubt => "lapse-is-no-doubt",
        /// An engine that goes on for a dead one begins a lease where it should renew one.
        HeirBeginsALease => "heir-begins-a-lease",
        /// A silenced holder whose VIP lapsed takes a new lease with the repair of that.
        LapsedRepaired => "lapsed-repaired",
        /// A sleep of the machine is taken for no time at all.
        SleepUnnoticed => "sleep-unnoticed",
        /// A VIP of an earlier run that is held again is not ours to remove.
        AdoptedIsNotOurs => "adopted-is-not-ours",
        /// A left-over VIP of an earlier run is not removed.
        LeftOverKept => "left-over-kept",
        /// The guardian is not told that a holder has let go, before its addresses are off the node.
        YieldUntold => "yield-untold",
        /// What was done to a device is waited for though the kernel has told of it already.
        EchoAwaited => "echo-awaited",
        /// The device of a holder that lets go stays up.
        DeviceLeftUp => "device-left-up",
        /// The source address is not looked for again when it comes back.
        SourceLostForGood => "source-lost-for-good",
        /// A holder that goes on for another version speaks an interval later, not when it was due.
        AdvertForgotten => "advert-forgotten",
        /// A holder whose link comes back goes on, however long it was away.
        BackWhenever => "back-whenever",
        /// A tracked interface's verdict sticks.
        TrackerSticks => "tracker-sticks",
        /// An order counts whatever was decided about its node since.
        EndedSession => "ended-session",
        /// A leader begins things before everybody obeys it.
        NoBarrier => "no-barrier",
        /// A quorum's confirmation counts from its answer, not from the beginning of its round.
        ConfirmedAtAnswer => "confirmed-at-answer",
        /// A lease counts from its grant, not from its request.
        LeaseFromGrant => "lease-from-grant",
        /// Nobody waits for the lease of a lost node to end.
        LeaseNotWaitedFor => "lease-not-waited-for",
        /// What a process before left is served under the lease of the next.
        LeftoversServe => "leftovers-serve",
        /// What waits for fencing begins when it is asked for.
        StartBeforeFenced => "start-before-fenced",
        /// Results of a life that is over count.
        OldLifeCounts => "old-life-counts",
        /// A report that is older than what is known is written all the same.
        OldResultCounts => "old-result-counts",
        /// An entry is acknowledged before it is on disk.
        UnsyncedEntry => "unsynced-entry",
    }

    impl Plant {
        /// The plant of that name.
        #[must_use]
        pub fn named(name: &str) -> Option<Self> {
            Self::ALL.iter().copied().find(|plant| plant.name() == name)
        }
    }

    impl Plant {
        /// Whether it is one of the cluster's, which only clusters can show.
        #[must_use]
        pub fn is_of_clusters(self) -> bool {
            self >= Self::EndedSession
        }
    }

    thread_local! {
        static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
    }

    /// Plants a bug, or none, on this thread.
    pub fn plant(plant: Option<Plant>) {
        PLANTED.set(plant);
    }

    /// Whether this one is planted here.
    #[must_use]
    pub fn is_planted(plant: Plant) -> bool {
        PLANTED.get() == Some(plant)
    }
}
