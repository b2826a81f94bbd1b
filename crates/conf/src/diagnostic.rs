//! What is wrong, where, and what to do about it.
//!
//! A [`Code`] is for ever: it is what documentation, tests and bug reports quote. The message says
//! what is wrong with *this* text, the label what stands there, the help what to write instead.
//! Everything wrong is found in one run, but no more than [`Report::LIMIT`] of it is kept: a
//! file that is not a configuration at all should not take a gigabyte to say so.

use crate::Span;
use crate::expand::Origins;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing; what was written is in force, or never mattered.
    Note,
    /// Accepted, but probably not what was meant, or not in today's words.
    Warning,
    /// No configuration is made of this text.
    Error,
}

base::codes! {
    TooLong = "C001", "The text is longer than any configuration can be.";
    NulByte = "C002", "A NUL byte stands in the text.";
    NotUtf8 = "C003", "Bytes outside a comment are not UTF-8.";
    UnterminatedQuote = "C004", "A quote is opened and not closed on its line.";
    BadEscape = "C005", "A backslash sequence makes no character.";
    UnexpectedClose = "C006", "A closing brace has no block to close.";
    MissingClose = "C007", "A block is opened and never closed.";
    UnexpectedBlock = "C008", "A block is opened where none belongs.";
    TooDeep = "C009", "Blocks are nested deeper than any configuration needs.";
    UnknownKeyword = "C010", "No keyword has this name.";
    WrongBlock = "C011", "The keyword exists, but not in this block.";
    NotInForce = "C012", "The keyword is known but not in force yet.";
    OutOfScope = "C013", "This belongs to what mainstay does not do: IPVS, AH.";
    Macro = "C014", "A condition, definition, substitution or repetition that cannot be read as one.";
    OldSpelling = "C015", "An old or foreign spelling was understood as today's.";
    Obsolete = "C016", "The keyword no longer does anything.";
    NoEffect = "C017", "The keyword is accepted and does less here than in keepalived, or nothing.";
    BlockMissing = "C018", "The keyword needs a block in braces.";
    NameMissing = "C019", "The block needs a name.";
    ValueMissing = "C020", "The keyword needs a value.";
    TooManyValues = "C021", "More stands on the line than the keyword takes.";
    NotANumber = "C022", "A whole number was expected.";
    OutOfRange = "C023", "The number is outside its range.";
    NotATime = "C024", "A time in seconds was expected.";
    NotABool = "C025", "On or off was expected.";
    NotAnAddress = "C026", "An IP address was expected.";
    WrongAddress = "C027", "The address is of a kind that cannot stand here.";
    NotAChoice = "C028", "One of a few words was expected.";
    BadInterface = "C029", "No interface can have this name.";
    BadOption = "C030", "This option is not known on such a line.";
    BadCommand = "C031", "This cannot be run.";
    BadPassword = "C032", "The password does not fit the protocol.";
    SetTwice = "C033", "The same thing is set twice; one of them does not count.";
    NoVrid = "C040", "The instance has no virtual_router_id.";
    NoInterface = "C041", "The instance has no interface.";
    DuplicateName = "C042", "Two instances have the same name.";
    DuplicateRouter = "C043", "Two instances are the same virtual router.";
    NoVip = "C044", "The instance has no VIP to carry in its adverts.";
    NothingToHold = "C045", "The instance holds no VIP at all.";
    MixedFamilies = "C046", "IPv4 and IPv6 are mixed where one family is needed.";
    TooManyVips = "C047", "More VIPs than one advert can carry.";
    DuplicateVip = "C048", "The same VIP is listed twice.";
    DuplicatePeer = "C049", "The same peer is listed twice.";
    PeerIsSelf = "C050", "A peer has our own source address.";
    TtlRange = "C051", "The least TTL is greater than the greatest.";
    BadInterval = "C052", "The protocol version cannot express this interval.";
    WrongVersion = "C053", "The protocol version does not carry this family.";
    AuthIgnored = "C054", "VRRPv3 and strict mode have no authentication; the password is not used.";
    PreemptCancelled = "C055", "`state MASTER` cancels settings about preemption.";
    BecomesOwner = "C056", "The instance claims to own its addresses (priority 255).";
    OwnerNotTracked = "C057", "The priority of an owner never changes, so a weight has no effect.";
    OwnInterface = "C058", "An instance always tracks its own interface.";
    UnicastWithoutPeers = "C060", "Unicast settings without a unicast_peer block.";
    TwoSources = "C061", "Two different source addresses are given.";
    NoInstance = "C062", "There is no instance, so nothing will be held.";
    DefaultInterface = "C063", "A VIP's interface is neither named nor that of its instance.";
    ScriptAccount = "C070", "A script is to run as an account that this machine does not have.";
    ScriptPath = "C071", "A script is missing, or somebody besides root could exchange it.";
    LeaseTooLong = "C072", "The interval is too short for a lease to end before a peer takes over.";
    IncludeMissing = "C080", "A file that is to be included is not there or cannot be read.";
    IncludeCycle = "C081", "Files include each other in a circle, or too deeply.";
    IncludeCheck = "C082", "No check of includes has this name.";
    UndefinedName = "C083", "A name is used that nothing defines.";
    UnknownTracker = "C084", "No script, file, process or BFD session has this name.";
    UnknownMember = "C085", "No instance has this name.";
    TwoGroups = "C086", "An instance is in two sync groups, or an interface in two garp_groups.";
    GroupWeight = "C087", "The weights of a member's own trackers have no effect in a sync group.";
    BadVmac = "C088", "This cannot be an interface with a virtual MAC.";
    BadKey = "C089", "Signed adverts need a key that can be used.";
    NoMailTo = "C090", "Mail is wanted and nobody is to get it, or no server takes it.";
    GroupEmpty = "C091", "A group has no members, or only one.";
    RulePreference = "C092", "A rule has no preference.";
    WeightWithoutEffect = "C100", "A weight cannot change this node's priority.";
    WeightKeepsPlace = "C101", "With nopreempt, a lower priority does not make a holder give way.";
    PlainPassword = "C102", "The password travels in clear and keeps no attacker out.";
    GroupDisagrees = "C103", "Members of a sync group are set up so that they pull apart.";
    SharedVrid = "C104", "One VRID is used on several interfaces.";
    OnePath = "C105", "All adverts of an instance take one path.";
    FaultEverywhere = "C106", "The same trouble takes all nodes out at once.";
    VipAsNode = "C107", "An address that moves stands where a node's own belongs.";
    UnfitVip = "C108", "A VIP is an address that no host of its network can have.";
    NodesVersion = "C110", "Nodes speak different versions of VRRP.";
    NodesInterval = "C111", "Nodes have different advert intervals.";
    NodesPassword = "C112", "Nodes are authenticated differently.";
    NodesVips = "C113", "Nodes do not list the same VIPs.";
    NodesPeers = "C114", "Nodes do not reach each other.";
    NodesFamily = "C115", "Nodes use different address families.";
    NodesPriority = "C116", "Nodes have the same priority.";
    NodesVrid = "C117", "Nodes use different VRIDs for what looks like one virtual router.";
    NodesOwners = "C118", "Two nodes both claim to own the addresses.";
    NodesMissing = "C119", "A virtual router is on some nodes only.";
    NodesGroups = "C120", "Nodes rank the members of a sync group differently.";
    NodesNeverMove = "C121", "The weights of the highest node can never make another take over.";
    NodesTimers = "C122", "Nodes wait for a different number of adverts.";
    HostInterface = "C130", "An interface of this machine is not what the configuration needs.";
    HostSysctl = "C131", "A setting of this machine's kernel gets in the way.";
    HostManager = "C132", "A program on this machine manages addresses as well.";
    HostFirewall = "C133", "A firewall on this machine drops adverts.";
    HostAddress = "C134", "An address is missing on this machine, or there too soon.";
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// What kind of thing.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to say at that place; may be empty.
    pub label: String,
    /// Another place that has to do with it (the first of two duplicates, the brace left open), and
    /// what to say there.
    pub related: Option<(Span, String)>,
    /// What to do about it. Every error and warning has one.
    pub help: String,
}

impl Diagnostic {
    fn new(severity: Severity, code: Code, span: Span, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            span,
            label: String::new(),
            related: None,
            help: String::new(),
        }
    }

    /// An error: the configuration cannot be run.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message.into())
    }

    /// A warning: it can be run, but hardly as meant.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message.into())
    }

    /// A note: nothing is wrong, but good to know.
    pub fn note(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, span, message.into())
    }

    /// With these words at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With another place that has to do with it.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// What has been found so far. Filled by every stage of the loader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    kept: Vec<Diagnostic>,
    /// See [`Report::tolerate`].
    pub(crate) lenient: bool,
    errors: usize,
    /// How many of the errors say that something is not in force yet.
    pending: usize,
    dropped: usize,
}

impl Report {
    pub(crate) fn new(lenient: bool) -> Self {
        Self { lenient, ..Self::default() }
    }

    /// No more than this many are kept.
    pub(crate) const LIMIT: usize = 200;

    /// Adds one. Every error and warning must say what to do.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        assert!(
            diagnostic.severity == Severity::Note || !diagnostic.help.is_empty(),
            "a diagnostic without help leaves the reader alone: {}",
            diagnostic.message
        );
        if diagnostic.severity == Severity::Error {
            self.errors = self.errors.saturating_add(1);
            if diagnostic.code == Code::NotInForce {
                self.pending = self.pending.saturating_add(1);
            }
        }
        if self.kept.len() < Self::LIMIT {
            self.kept.push(diagnostic);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Adds something keepalived would only log, going on without: an error, or when leniency was
    /// asked for a warning. Whoever calls then does as keepalived does.
    pub(crate) fn tolerate(&mut self, diagnostic: Diagnostic) {
        self.tolerate_as(diagnostic, "ignored, as keepalived does");
    }

    /// The same where keepalived does something else than to ignore it, and what that is.
    pub(crate) fn tolerate_as(&mut self, mut diagnostic: Diagnostic, instead: &str) {
        if self.lenient && diagnostic.severity == Severity::Error {
            diagnostic.severity = Severity::Warning;
            if !diagnostic.label.is_empty() {
                diagnostic.label.push_str("; ");
            }
            diagnostic.label.push_str(instead);
        }
        self.push(diagnostic);
    }

    /// Whether nothing so far forbids a configuration.
    pub(crate) fn acceptable(&self) -> bool {
        self.errors == 0
    }

    /// Whether all errors say that something is not in force yet.
    pub(crate) fn only_pending(&self) -> bool {
        self.errors == self.pending
    }

    /// Whether further diagnostics would be dropped, so that costly wording can be skipped.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= Self::LIMIT
    }

    /// Those kept, in the order of the files, and how many were not. What a repetition says again
    /// about one place is said once.
    pub(crate) fn finish(mut self, origins: &Origins) -> (Vec<Diagnostic>, usize) {
        let place = |span: Span| {
            origins.locate(span).map_or((0, span.start, span.end), |located| {
                (located.number, located.span.start, located.span.end)
            })
        };
        // What is wrong with a name nothing defines is that nothing defines it.
        let undefined: Vec<_> = self
            .kept
            .iter()
            .filter(|d| d.code == Code::UndefinedName && d.severity == Severity::Error)
            .map(|d| place(d.span))
            .collect();
        self.kept.retain(|d| d.code == Code::UndefinedName || !undefined.contains(&place(d.span)));
        self.kept.sort_by_cached_key(|d| {
            let (file, start, _) = place(d.span);
            (file, start, core::cmp::Reverse(d.severity), d.code)
        });
        let mut last: Option<(Code, (usize, usize, usize))> = None;
        let mut again = 0_usize;
        let mut kept: Vec<Diagnostic> = Vec::with_capacity(self.kept.len());
        for diagnostic in self.kept {
            let repeated = origins.locate(diagnostic.span).is_some_and(|l| l.used.is_some());
            let key = (diagnostic.code, place(diagnostic.span));
            if repeated && last == Some(key) {
                again += 1;
                continue;
            }
            note_again(kept.last_mut(), core::mem::take(&mut again));
            last = Some(key);
            kept.push(diagnostic);
        }
        note_again(kept.last_mut(), again);
        (kept, self.dropped)
    }
}

fn note_again(diagnostic: Option<&mut Diagnostic>, again: usize) {
    if let Some(diagnostic) = diagnostic
        && again > 0
    {
        let times = if again == 1 { "once more".to_owned() } else { format!("{again} times more") };
        diagnostic.label.push_str(&format!(" ({times} in other rounds)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_in_order() {
        let text: Vec<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        let set: BTreeSet<_> = text.iter().copied().collect();
        assert_eq!(set.len(), text.len());
        assert!(text.is_sorted());
        assert!(Code::ALL.iter().all(|c| c.as_str().len() == 4 && c.meaning().ends_with('.')));
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let mut report = Report::default();
        for at in 0..1000 {
            report.push(Diagnostic::error(Code::NulByte, Span::at(at), "x").help("y"));
        }
        assert!(report.is_full() && !report.acceptable());
        let (kept, dropped) = report.finish(&Origins::default());
        assert_eq!((kept.len(), dropped), (Report::LIMIT, 1000 - Report::LIMIT));
    }
}
