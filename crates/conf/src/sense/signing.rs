//! Do nodes that sign their adverts, or some of them, hear each other?
//!
//! Who knows no signatures takes a signed advert for one that is too long. The way from none to all goes
//! over `mode receive-only`, which hears both and signs nothing.

use crate::{Hmac, HmacMode};

/// Why `listener` does not hear `speaker`; `None` when it does. A key that is read from a file is taken
/// for the right one.
pub(super) fn deaf(listener: Option<&Hmac>, speaker: Option<&Hmac>) -> Option<&'static str> {
    let signed = speaker.filter(|it| it.mode != HmacMode::ReceiveOnly);
    let (listener, speaker) = match (listener, signed) {
        (None, None) => return None,
        (None, Some(_)) => return Some("knows no signatures, and the other signs"),
        (Some(listener), None) => {
            let refuses = listener.mode == HmacMode::Enforce;
            return refuses.then_some("hears signed adverts only, and the other does not sign");
        }
        (Some(listener), Some(speaker)) => (listener, speaker),
    };
    let key = |hmac: &Hmac| hmac.keys.iter().find(|key| key.id == speaker.active).cloned();
    match (key(listener), key(speaker)) {
        (None, _) => Some("does not have the key that the other signs with"),
        (Some(own), Some(other)) if differ(&own.secret, &other.secret) => {
            Some("has another key under the number that the other signs with")
        }
        _ => None,
    }
}

/// Whether two keys cannot be the same.
fn differ(one: &crate::Secret, other: &crate::Secret) -> bool {
    use crate::Secret::Octets;
    matches!((one, other), (Octets(one), Octets(other)) if one != other)
}
