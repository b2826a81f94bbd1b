//! Whose adverts are believed: signed ones (`auth_hmac`), and those of listed sources.
//!
//! Where keepalived goes on without signatures because something about them is wrong, this refuses:
//! a node that quietly does not sign is one that quietly believes anybody. Nothing of a key is ever
//! part of a message.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Family, Interval};

use super::Resolver;
use crate::diagnostic::{Code, Diagnostic};
use crate::given::Given;
use crate::reader::{At, shown};
use crate::{Hmac, HmacKey, HmacMode, Place, Secret, Span};

/// Octets a key has, at the least and at the most.
const OCTETS: core::ops::RangeInclusive<usize> = 32..=64;

/// The shortest window that is chosen when none is given, and the longest there is.
const WINDOW: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

impl Resolver<'_> {
    pub(super) fn hmac(&mut self, v3: bool, interval: Option<Interval>) -> Option<Hmac> {
        let (span, given) = self.raw.hmac.take()?;
        let mode = match given.choice("mode") {
            Some("permissive") => HmacMode::Permissive,
            Some("receive-only") => HmacMode::ReceiveOnly,
            _ => HmacMode::Enforce,
        };
        self.hmac_alone(span, v3);
        let strict = self.raw.strict.unwrap_or(self.globals.strict);
        if strict && mode != HmacMode::Enforce {
            let at = given.span("mode").unwrap_or(span);
            self.report.push(
                Diagnostic::error(Code::BadKey, at, "strict mode demands that adverts are signed")
                    .label("unsigned ones would be heard")
                    .help("write `mode enforce`, or switch strict mode off until all nodes sign"),
            );
        }
        let keys = self.keys(&given, span);
        let active = self.active_key(&given, &keys, span)?;
        let three = interval.map_or(Duration::from_secs(3), |i| i.as_duration().saturating_mul(3));
        Some(Hmac {
            keys,
            active,
            by_time: given.choice("anti_replay") != Some("monotonic"),
            window: given.time("time_window").unwrap_or(three.clamp(WINDOW.0, WINDOW.1)),
            mode,
            place: Place(span),
        })
    }

    /// keepalived drops the password as well.
    fn hmac_alone(&mut self, span: Span, v3: bool) {
        if let Some(authentication) = self.raw.authentication.take().filter(|_| !v3) {
            self.report.push(
                Diagnostic::warning(
                    Code::AuthIgnored,
                    authentication.line,
                    "a password beside signed adverts is not used",
                )
                .label("not used")
                .related(span, "because of this")
                .help("remove `authentication` on all nodes"),
            );
        }
    }

    fn keys(&mut self, given: &Given, block: Span) -> Vec<HmacKey> {
        let mut keys = Vec::new();
        let mut known = BTreeMap::new();
        for row in given.rows("key") {
            let Some(key) = self.key(row, block) else { continue };
            let at = row.first().map_or(block, |at| at.span);
            if let Some(before) = known.insert(key.id, at) {
                self.report.push(
                    Diagnostic::error(
                        Code::BadKey,
                        at,
                        format!("there are two keys with the number {}", key.id),
                    )
                    .label("again here")
                    .related(before, "first here")
                    .help(
                        "give the new one a number of its own; both stay until all nodes have it",
                    ),
                );
                continue;
            }
            keys.push(key);
        }
        if !given.seen.contains_key("key") {
            self.report.push(
                Diagnostic::error(Code::BadKey, block, "signed adverts need a key")
                    .label("no key here")
                    .help("add `key 1 hex:...` with 64 digits (`openssl rand -hex 32`), the same on all nodes"),
            );
        }
        keys
    }

    fn active_key(&mut self, given: &Given, keys: &[HmacKey], block: Span) -> Option<u8> {
        let active: Option<u8> = given.integer("active_key");
        match active {
            Some(active) if keys.is_empty() || keys.iter().any(|key| key.id == active) => {
                return Some(active);
            }
            Some(active) => self.report.push(
                Diagnostic::error(
                    Code::BadKey,
                    given.span("active_key").unwrap_or(block),
                    format!("there is no key {active} to sign with"),
                )
                .label("no such key; keepalived would sign nothing")
                .help("name one of the keys of this block"),
            ),
            // One thing at a time: without a usable key there is nothing to name.
            None if keys.is_empty() || given.seen.contains_key("active_key") => {}
            None => self.report.push(
                Diagnostic::error(Code::BadKey, block, "no key is named to sign with")
                    .label("keepalived would sign nothing, and believe anybody")
                    .help("add `active_key ID`, also for `mode receive-only`, which signs later"),
            ),
        }
        None
    }

    /// `ID hex:...|file:...|TEXT`.
    fn key(&mut self, row: &[At<String>], block: Span) -> Option<HmacKey> {
        let [id, secret] = row else {
            let span = row.first().map_or(block, |at| at.span);
            self.bad_key(span, "expected a number and a key");
            return None;
        };
        let number = id.value.parse::<u8>().ok().filter(|number| *number > 0);
        let Some(number) = number else {
            self.bad_key(id.span, "expected a number, 1 to 255");
            return None;
        };
        if let Some(path) = secret.value.strip_prefix("file:") {
            if path.starts_with('/') {
                return Some(HmacKey { id: number, secret: Secret::File(path.to_owned()) });
            }
            self.bad_key(secret.span, "expected file:/PATH, from the root on");
            return None;
        }
        match octets(&secret.value) {
            Ok(octets) => {
                Some(HmacKey { id: number, secret: Secret::Octets(base::Secret::new(octets)) })
            }
            Err(why) => {
                self.bad_key(secret.span, &why);
                None
            }
        }
    }

    fn bad_key(&mut self, span: Span, label: &str) {
        self.report.push(
            Diagnostic::error(Code::BadKey, span, "this key cannot be used").label(label).help(
                "write `key ID hex:...`, `key ID file:/path` or `key ID text`; \
                 `openssl rand -hex 32` makes one",
            ),
        );
    }

    /// mainstay's own: unicast has its list of peers, this is the same for multicast.
    pub(super) fn allowed_sources(&mut self, given: &Given, family: Family) -> Vec<IpAddr> {
        let mut allowed = Vec::new();
        for at in given.rows("allowed_sources").iter().flatten() {
            let Ok(address) = at.value.parse::<IpAddr>() else {
                self.report.push(
                    Diagnostic::error(
                        Code::NotAnAddress,
                        at.span,
                        format!("{} is not an IP address", shown(&at.value)),
                    )
                    .label("expected an IPv4 or IPv6 address")
                    .help("write the address another node sends its adverts from; over IPv6 that is a link-local one"),
                );
                continue;
            };
            self.same_family(family, address, at.span, "this source");
            allowed.push(address);
        }
        let span = self.raw.seen.get("allowed_sources").copied();
        if let (Some(span), true) = (span, self.raw.unicast_peer.is_some()) {
            self.report.push(
                Diagnostic::error(
                    Code::UnicastWithoutPeers,
                    span,
                    "for unicast the list of peers says who is heard",
                )
                .label("has nothing to add")
                .help("remove it; see `check_unicast_src`"),
            );
        } else if let (Some(span), true) = (span, allowed.is_empty()) {
            self.report.push(
                Diagnostic::error(Code::ValueMissing, span, "nobody is listed")
                    .label("every advert would be refused")
                    .help("list the other nodes' addresses, or remove the block"),
            );
        }
        allowed
    }
}

/// The octets that `hex:...` or plain text stands for, if they can be a key. What is wrong never
/// repeats any of them.
///
/// # Errors
/// What is wrong.
pub fn octets(text: &str) -> Result<Vec<u8>, String> {
    let octets = match text.strip_prefix("hex:") {
        Some(digits) => {
            hexadecimal(digits).ok_or("expected pairs of hexadecimal digits behind hex:")?
        }
        None => text.as_bytes().to_vec(),
    };
    if OCTETS.contains(&octets.len()) {
        Ok(octets)
    } else {
        let (least, most) = (OCTETS.start(), OCTETS.end());
        Err(format!("expected {least} to {most} octets, not {}", octets.len()))
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let even = !digits.is_empty() && digits.len().is_multiple_of(2);
    let legal = even && digits.bytes().all(|b| b.is_ascii_hexdigit());
    legal.then(|| {
        digits
            .as_bytes()
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(hexadecimal("0aFF"), Some(vec![10, 255]));
        assert_eq!(hexadecimal("0aF"), None);
        assert_eq!(hexadecimal(""), None);
        assert_eq!(hexadecimal("zz"), None);
    }

    #[test]
    fn vrrp_111_a_key_is_32_to_64_octets_of_text_or_twice_as_many_digits() {
        assert_eq!(octets(&"k".repeat(32)), Ok(vec![b'k'; 32]));
        assert_eq!(octets(&format!("hex:{}", "0a".repeat(64))), Ok(vec![10; 64]));
        for wrong in ["k".repeat(31), "k".repeat(65), format!("hex:{}", "0a".repeat(31))] {
            let why = octets(&wrong).unwrap_err();
            assert!(why.contains("32 to 64") && !why.contains(&wrong), "{why}");
        }
        assert!(octets("hex:0").is_err() && octets("hex:").is_err());
    }
}
