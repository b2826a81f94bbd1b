//! What is known and not yet done: the one list that decides.
//!
//! Everything in the keyword table is read, typed and checked alike. A keyword that stands here as
//! well is then refused, because skipping it silently would change what a file means. Whoever lands a
//! behaviour takes its keywords out of this list, and nothing else has to change for the language.

use super::Within;

/// Keywords that wait for the same thing.
struct Pending {
    /// What is missing, for people.
    why: &'static str,
    /// Which, by block.
    keywords: &'static [(Within, &'static [&'static str])],
}

/// All of them.
const PENDING: &[Pending] = &[
    Pending {
        why: "the kernel tells of a lost carrier at once, of every driver that knows one; there is nothing to poll",
        keywords: &[(Within::Top, &["linkbeat_interfaces", "linkbeat_use_polling"])],
    },
    Pending {
        why: "an ipvlan interface has its parent's MAC, so neighbours learn nothing new from it: leave it out, or write use_vmac",
        keywords: &[(Within::Instance, &["use_ipvlan"])],
    },
    Pending {
        why: "it is the checksum of keepalived before 1.3.7 (2017), which is not spoken",
        keywords: &[(Within::Instance, &["old_unicast_checksum"])],
    },
    Pending {
        why: "no source address is looked for in one VRF only: name the interface it is on with `interface`",
        keywords: &[(Within::Instance, &["vrf"])],
    },
    Pending {
        why: "the kernel tells of a lost carrier at once, of every driver that knows one; there is nothing to poll",
        keywords: &[(Within::Instance, &["linkbeat_use_polling"])],
    },
    Pending {
        why: "it is for the checkers of IPVS, which mainstay does not run",
        keywords: &[(Within::Bfd, &["checker"])],
    },
];

/// Options of a VIP's line that wait, and for what.
const VIP_OPTIONS: &[(&str, &str)] = &[
    // Tried on Linux 6.18: EINVAL for any address that is no group's.
    (
        "autojoin",
        "the kernel joins groups of listeners only, and refuses any other address with it",
    ),
];

/// Values with which a keyword above asks for nothing that is not done.
const FINE: &[(Within, &str, &str)] = &[(Within::Instance, "old_unicast_checksum", "never")];

/// Whether this value of a keyword that is refused is what is done anyway.
pub(crate) fn fine_with(within: Within, name: &str, value: &[u8]) -> bool {
    FINE.iter()
        .any(|(block, known, fine)| *block == within && *known == name && fine.as_bytes() == value)
}

/// Why a keyword is refused still; `None` when it is in force.
pub(super) fn why(within: Within, name: &str) -> Option<&'static str> {
    PENDING.iter().find_map(|pending| {
        let here = |(block, names): &(Within, &[&str])| *block == within && names.contains(&name);
        pending.keywords.iter().any(here).then_some(pending.why)
    })
}

/// The same for an option of a VIP's line.
pub(crate) fn vip_option(name: &str) -> Option<&'static str> {
    VIP_OPTIONS.iter().find(|(option, _)| *option == name).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keywords::{Status, find};

    #[test]
    fn everything_on_the_list_is_a_keyword_in_force_otherwise() {
        for pending in PENDING {
            assert!(!pending.why.is_empty() && !pending.why.ends_with('.'));
            for (within, names) in pending.keywords {
                for name in *names {
                    let keyword = find(*within, name).unwrap_or_else(|| panic!("{name}"));
                    assert_eq!(keyword.within, *within, "{name}");
                    assert!(matches!(keyword.status(), Status::NotInForce(_)), "{name}");
                }
            }
        }
    }
}
