//! The rows of the table of faults: what happens, what was promised, and who is asked to bear it.

/// A daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Keepalived,
    Mainstay,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Who::Keepalived => "keepalived",
            Who::Mainstay => "mainstay",
        }
    }
}

/// A row.
pub(super) struct Fault {
    /// What happens, in words.
    pub(super) what: &'static str,
    /// What was promised.
    pub(super) bound: &'static str,
    /// What `faults.sh` calls it.
    pub(super) word: &'static str,
    /// At which seconds between adverts.
    pub(super) adverts: &'static [&'static str],
    /// A sixth of the seconds that are looked at from the fault on, at one advert a second …
    pub(super) watch: &'static str,
    /// … and at shorter intervals.
    pub(super) watch_fast: &'static str,
    /// Whom it can befall.
    pub(super) who: &'static [Who],
    /// Whether it is so loud that nothing else should be measured beside it.
    pub(super) loud: bool,
    /// Lines of the instance.
    pub(super) extra: &'static str,
}

const BOTH: &[Who] = &[Who::Keepalived, Who::Mainstay];
const OURS: &[Who] = &[Who::Mainstay];
const SLOW: &[&str] = &["1"];
const EACH: &[&str] = &["1", "0.1"];

/// The bounds are those of adverts each second with priority 150 and 100 of the first two nodes.
const ROW: Fault = Fault {
    what: "",
    bound: "",
    word: "",
    adverts: EACH,
    watch: "0.9",
    watch_fast: "0.1",
    who: BOTH,
    loud: false,
    extra: "",
};

const SILENT: &str = "two never answer; one holder in the end";

pub(super) const FAULTS: [Fault; 21] = [
    Fault {
        what: "SIGKILL of the engine",
        bound: "skew + 50 ms, or no move; two have it 20 ms at most",
        word: "engine",
        ..ROW
    },
    Fault {
        what: "… 20 times in 3 s",
        bound: "one holder in the end",
        word: "engines",
        watch_fast: "0.8",
        ..ROW
    },
    Fault {
        what: "SIGKILL of control",
        bound: "no move",
        word: "control",
        adverts: SLOW,
        who: OURS,
        watch: "0.5",
        ..ROW
    },
    Fault {
        what: "SIGKILL of the runner, with a script each second",
        bound: "no move",
        word: "runner",
        adverts: SLOW,
        who: OURS,
        extra: "track_script {\n    alive\n  }",
        ..ROW
    },
    Fault {
        what: "SIGKILL of the guardian",
        bound: "skew + 50 ms, and so long two have it at most",
        word: "guardian",
        ..ROW
    },
    Fault {
        what: "SIGSTOP of the engine",
        bound: "two have it 20 ms at most",
        word: "stall",
        ..ROW
    },
    Fault { what: "SIGKILL of all", bound: SILENT, word: "kill9", ..ROW },
    Fault { what: "SIGSTOP of all", bound: SILENT, word: "hang", ..ROW },
    Fault {
        what: "SIGSTOP of all, SIGCONT 0.5 s later",
        bound: "two never answer; no storm",
        word: "nap-0.5",
        ..ROW
    },
    Fault { what: "… 2 s later", bound: "the same", word: "nap-2", watch_fast: "0.6", ..ROW },
    Fault {
        what: "… 4.5 s later",
        bound: "the same",
        word: "nap-4.5",
        adverts: SLOW,
        watch: "1.8",
        ..ROW
    },
    Fault { what: "`ip addr del`", bound: "100 ms, no move", word: "address", watch: "0.5", ..ROW },
    Fault {
        what: "`nft flush ruleset`",
        bound: "100 ms, no move",
        word: "ruleset",
        who: OURS,
        watch: "0.5",
        ..ROW
    },
    Fault {
        what: "`nft delete table` of the leases",
        bound: "100 ms, no move",
        word: "table",
        who: OURS,
        watch: "0.5",
        ..ROW
    },
    Fault {
        what: "`ip link` down, up 0.2 s later",
        bound: "none if back in time, else one; 1 s",
        word: "link",
        watch: "1.6",
        watch_fast: "0.3",
        ..ROW
    },
    Fault {
        what: "`ip link` delete, made again 0.5 s later",
        bound: "the same",
        word: "device",
        watch: "1.6",
        watch_fast: "0.4",
        ..ROW
    },
    Fault {
        what: "one forged advert of 254 and 4095 cs",
        bound: "10.8 s at 1 s",
        word: "forged",
        watch: "2.4",
        watch_fast: "0.5",
        ..ROW
    },
    Fault {
        what: "1,000 forged adverts of interval 0 a second, 4 s",
        bound: "no move",
        word: "zero",
        loud: true,
        watch_fast: "0.9",
        ..ROW
    },
    Fault {
        what: "10,000 spoiled packets a second, 4 s",
        bound: "no move, 30 % of a core",
        word: "garbage",
        loud: true,
        watch_fast: "0.9",
        ..ROW
    },
    Fault { what: "upgrade", bound: "0 lost", word: "upgrade", who: OURS, watch: "0.7", ..ROW },
    Fault { what: "reload", bound: "0 lost", word: "reload", watch: "0.5", ..ROW },
];
