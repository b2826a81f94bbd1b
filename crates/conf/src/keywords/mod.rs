//! Every word keepalived.conf knows: where it stands, what it takes, what it does here.
//!
//! One table, read by everybody: the reader takes from it which values are legal, "did you mean"
//! takes its suggestions, `explain` and the manual page their text. A word nobody has put in force
//! is in it too, with the reason, because skipping it silently would be worse than refusing it.
//!
//! The texts are ours; what they describe was learned from keepalived.conf(5) and from running
//! keepalived 2.2.7.

mod globals;
mod instance;
mod more;
mod pending;
mod since;
mod suggest;
mod top;
mod trackers;
mod twice;

use core::time::Duration;

pub use more::more;
pub(crate) use pending::{fine_with, vip_option};
pub(crate) use suggest::nearest;
pub(crate) use twice::keeps_first;

/// The block a keyword stands in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Within {
    /// Outside every block.
    Top,
    /// `global_defs`.
    GlobalDefs,
    /// `vrrp_instance`.
    Instance,
    /// `authentication` in a `vrrp_instance`.
    Authentication,
    /// `auth_hmac` in a `vrrp_instance`.
    AuthHmac,
    /// `vrrp_sync_group`.
    SyncGroup,
    /// `vrrp_script`.
    Script,
    /// `track_file`.
    TrackFile,
    /// `vrrp_track_process`.
    TrackProcess,
    /// `bfd_instance`.
    Bfd,
    /// `garp_group`.
    GarpGroup,
    /// `track_group`.
    TrackGroup,
}

impl Within {
    /// Every block, the outermost first.
    pub const ALL: &'static [Within] = &[
        Within::Top,
        Within::GlobalDefs,
        Within::Instance,
        Within::Authentication,
        Within::AuthHmac,
        Within::SyncGroup,
        Within::Script,
        Within::TrackFile,
        Within::TrackProcess,
        Within::Bfd,
        Within::GarpGroup,
        Within::TrackGroup,
    ];

    /// The keyword that opens it; for [`Within::Top`] the words "the top level".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Within::Top => "the top level",
            Within::GlobalDefs => "global_defs",
            Within::Instance => "vrrp_instance",
            Within::Authentication => "authentication",
            Within::AuthHmac => "auth_hmac",
            Within::SyncGroup => "vrrp_sync_group",
            Within::Script => "vrrp_script",
            Within::TrackFile => "track_file",
            Within::TrackProcess => "vrrp_track_process",
            Within::Bfd => "bfd_instance",
            Within::GarpGroup => "garp_group",
            Within::TrackGroup => "track_group",
        }
    }
}

/// What follows a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Nothing.
    Flag,
    /// Nothing, or `on`/`off`/`true`/`false`/`yes`/`no`; nothing means on.
    Switch,
    /// A whole number within these bounds, and what it counts.
    Integer {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
        /// What it counts, for people; may be empty.
        unit: &'static str,
    },
    /// Nothing, or a whole number within these bounds.
    MaybeInteger {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// Seconds, with a fraction of at most six digits.
    Time {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// One word; what it is.
    Text(&'static str),
    /// The name of an interface: at most 15 octets, no blank, `/` or `:`.
    Interface,
    /// An IPv4 or IPv6 address.
    Address,
    /// An IPv4 multicast group.
    GroupV4,
    /// An IPv6 multicast group.
    GroupV6,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Nothing, or one of these words.
    MaybeChoice(&'static [&'static str]),
    /// A user, and perhaps a group.
    Account,
    /// A script with its arguments in one word, then perhaps a user and a group.
    Script,
    /// Nothing, or a script as above.
    MaybeScript,
    /// A script with its arguments in one word, and nothing else.
    Command,
    /// A path, then perhaps a user and a group.
    Fifo,
    /// A multicast group of either family.
    Group,
    /// Nothing, or one word; what it is.
    MaybeText(&'static str),
    /// A whole number up to this either way, then perhaps `reverse` or `noreverse`.
    Weight(i64),
    /// Milliseconds, with a fraction of at most three digits.
    Millis {
        /// Least.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// Whole numbers, at least one; what each is.
    Numbers(&'static str),
    /// Words, as many as this; what they are.
    Words(&'static str, usize, usize),
    /// Words, and the keyword may stand several times; what they are.
    Repeated(&'static str),
    /// A block of keywords.
    Block(Within),
    /// A name and a block of keywords.
    NamedBlock(Within),
    /// A block whose lines are no keywords; what each is.
    Lines(Lines),
    /// Anything: not looked at, because the keyword is not in force. What it is, for people.
    Free(&'static str),
}

/// What the lines of a block are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    /// `ADDRESS[/LENGTH] [dev IF] [label L] [scope S] [brd A] ...`
    Vips,
    /// `ADDRESS [min_ttl N] [max_ttl N]`
    Peers,
    /// `INTERFACE [weight N [reverse]]`
    Interfaces,
    /// `NAME [weight N [reverse]]`; the name of what.
    Tracked(&'static str),
    /// Names, any number on a line; of what.
    Names(&'static str),
    /// Mail addresses.
    Mail,
    /// `[TYPE] DESTINATION [via A] [dev IF] ...`, as `ip route add` has it.
    Routes,
    /// `[from A] [to A] ... table T`, as `ip rule add` has it.
    Rules,
    /// `INTERFACE DOWN [UP]`
    Delays,
    /// `INTERFACE [MII|ETHTOOL|IOCTL]`
    Carriers,
    /// Something not in force; what, for people.
    Free(&'static str),
}

/// Whether a keyword does something, and if not, why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It does what it says.
    InForce,
    /// Accepted; does less than in keepalived. What a reader should know, in one sentence.
    Accepted(&'static str),
    /// Known, and refused until it does something. What is missing. Only the list in `pending.rs`
    /// says so.
    NotInForce(&'static str),
    /// Accepted with a warning, does nothing. What makes it unnecessary.
    Obsolete(&'static str),
    /// An old or foreign spelling of this keyword of today, in the same block.
    Foreign(&'static str),
    /// Will not be done. What to do instead.
    OutOfScope(&'static str),
}

/// One keyword in one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// Where it stands.
    pub within: Within,
    /// What follows it.
    pub shape: Shape,
    /// What holds without it, for people; empty: nothing.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Whether it does, once nothing is missing any more; see [`Keyword::status`].
    status: Status,
    /// What may follow it in a working configuration, between the name and the end of the line (or
    /// the closing brace).
    pub example: &'static str,
}

impl Keyword {
    /// Whether it does something today: as the table says, unless it is on the list of what is still
    /// to be done.
    #[must_use]
    pub fn status(&self) -> Status {
        pending::why(self.within, self.name).map_or(self.status, Status::NotInForce)
    }

    /// The version of keepalived that first knew it, where that is known; its own change log is the
    /// source. Everything else was there before, or nobody wrote it down.
    #[must_use]
    pub fn since(&self) -> Option<&'static str> {
        since::since(self.name)
    }

    /// Whether keepalived 2.2.7 does not know it, and a newer one does.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        since::is_newer(self.within, self.name)
    }

    /// Whether it is a word of mainstay that no keepalived knows.
    #[must_use]
    pub fn is_own(&self) -> bool {
        since::is_own(self.within, self.name)
    }
}

/// Makes a table of keywords of one block. Each entry is
/// `"name" shape, "default", "example", "doc";` with an optional `=> status` before the semicolon.
macro_rules! keywords {
    (within $within:ident;
     $($name:literal $shape:expr, $default:literal, $example:literal, $doc:literal
       $(=> $status:expr)?;)*) => {
        &[$($crate::keywords::Keyword {
            name: $name,
            within: $crate::keywords::Within::$within,
            shape: $shape,
            default: $default,
            doc: $doc,
            status: $crate::keywords::keywords!(@status $($status)?),
            example: $example,
        },)*]
    };
    (@status) => { $crate::keywords::Status::InForce };
    (@status $status:expr) => { $status };
}
pub(crate) use keywords;

/// A whole number from `min` to `max`.
const fn number(min: i64, max: i64, unit: &'static str) -> Shape {
    Shape::Integer { min, max, unit }
}

/// A time from `min` to `max` seconds.
const fn seconds(min: u64, max: u64) -> Shape {
    Shape::Time { min: Duration::from_secs(min), max: Duration::from_secs(max) }
}

/// The keywords of one block.
#[must_use]
pub const fn table(within: Within) -> &'static [Keyword] {
    match within {
        Within::Top => top::TOP,
        Within::GlobalDefs => globals::GLOBAL_DEFS,
        Within::Instance => instance::INSTANCE,
        Within::Authentication => instance::AUTHENTICATION,
        Within::AuthHmac => instance::AUTH_HMAC,
        Within::SyncGroup => trackers::SYNC_GROUP,
        Within::Script => trackers::SCRIPT,
        Within::TrackFile => trackers::TRACK_FILE,
        Within::TrackProcess => trackers::TRACK_PROCESS,
        Within::Bfd => trackers::BFD,
        Within::GarpGroup => top::GARP_GROUP,
        Within::TrackGroup => top::TRACK_GROUP,
    }
}

/// Every keyword of every block.
pub fn all() -> impl Iterator<Item = &'static Keyword> {
    Within::ALL.iter().flat_map(|within| table(*within))
}

/// The keyword called `name` in `within`. `include` and its variants may stand in every block.
#[must_use]
pub fn find(within: Within, name: &str) -> Option<&'static Keyword> {
    let in_table = |within| table(within).iter().find(|keyword| keyword.name == name);
    in_table(within)
        .or_else(|| in_table(Within::Top).filter(|keyword| INCLUDES.contains(&keyword.name)))
}

pub(crate) const INCLUDES: &[&str] =
    &["include", "includer", "includem", "includew", "includeb", "includea"];

/// The keyword called `name` in any other block than `within`.
pub(crate) fn find_elsewhere(within: Within, name: &str) -> Option<&'static Keyword> {
    all().find(|keyword| keyword.name == name && keyword.within != within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_keyword_stands_once_in_its_block_and_says_where() {
        for within in Within::ALL {
            let mut names = BTreeSet::new();
            for keyword in table(*within) {
                assert_eq!(keyword.within, *within, "{}", keyword.name);
                assert!(names.insert(keyword.name), "{} twice in {within:?}", keyword.name);
            }
            assert!(!names.is_empty(), "{within:?}");
        }
    }

    #[test]
    fn every_keyword_has_a_sentence() {
        for keyword in all() {
            assert!(keyword.doc.ends_with('.'), "{}", keyword.name);
            assert!(keyword.doc.starts_with(char::is_uppercase), "{}", keyword.name);
            let why = match keyword.status() {
                Status::InForce => continue,
                Status::Accepted(why)
                | Status::NotInForce(why)
                | Status::Obsolete(why)
                | Status::OutOfScope(why) => why,
                Status::Foreign(today) => {
                    let target = find(keyword.within, today);
                    assert!(
                        target.is_some_and(|t| !matches!(t.status, Status::Foreign(_))),
                        "{} points at {today}, which is not today's word",
                        keyword.name
                    );
                    continue;
                }
            };
            assert!(why.len() > 3 && !why.ends_with('.'), "{}", keyword.name);
        }
    }

    #[test]
    fn includes_stand_everywhere_and_nothing_else_does() {
        for within in Within::ALL {
            assert!(INCLUDES.iter().all(|name| find(*within, name).is_some()), "{within:?}");
            assert_eq!(find(*within, "vrrp_script").is_some(), *within == Within::Top);
        }
    }

    #[test]
    fn every_block_is_opened_by_a_keyword() {
        for within in Within::ALL.iter().filter(|w| **w != Within::Top) {
            assert!(
                all().any(|k| k.name == within.as_str()
                    && matches!(k.shape, Shape::Block(b) | Shape::NamedBlock(b) if b == *within)),
                "{within:?}"
            );
        }
    }
}
