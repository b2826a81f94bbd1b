//! What depends on the version of the protocol: the version itself, the interval, the password.

use core::num::NonZeroU8;
use core::time::Duration;

use base::{Centis, Family, Interval};

use crate::Password;
use crate::blocks::{RawGlobals, RawInstance};
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::value::decimal;

/// Whether the instance speaks version 3: always for IPv6, else as it says, else as `global_defs`
/// says, else not.
pub(crate) fn version_3(
    raw: &RawInstance,
    globals: &RawGlobals,
    family: Family,
    report: &mut Report,
) -> bool {
    match (&raw.version_3, family) {
        (Some(at), Family::V6) if !at.value => {
            report.push(
                Diagnostic::error(Code::WrongVersion, at.span, "VRRPv2 does not carry IPv6")
                    .label("the instance's addresses are IPv6")
                    .help("write `version 3`, or leave it out: IPv6 is always version 3"),
            );
            true
        }
        (_, Family::V6) => true,
        (Some(at), Family::V4) => at.value,
        (None, Family::V4) => globals.version_3.unwrap_or(false),
    }
}

/// The interval, if the version can express it; the default is one second.
pub(crate) fn interval(raw: &RawInstance, v3: bool, report: &mut Report) -> Option<Interval> {
    let (time, span) = match &raw.interval {
        Some(at) => (at.value, at.span),
        None => (Duration::from_secs(1), raw.name.span),
    };
    let legal = if v3 { centis(time) } else { seconds(time) };
    if legal.is_some() {
        return legal;
    }
    let written = decimal(time);
    let (message, label, help) = if !v3 {
        (
            format!("VRRPv2 cannot express an interval of {written} seconds"),
            "expected whole seconds, 1 to 255",
            "write `vrrp_version 3` in global_defs on all nodes for fractions of a second, or a \
             whole number; keepalived would round this, and nodes that disagree both hold the VIPs"
                .to_owned(),
        )
    } else if time > Centis::MAX.as_duration() {
        (
            format!("VRRPv3 cannot express an interval of {written} seconds"),
            "expected at most 40.95 seconds",
            "write 40.95 or less".to_owned(),
        )
    } else {
        let below = time.as_millis() / 10;
        let whole = |hundredths: u128| {
            decimal(Duration::from_millis(u64::try_from(hundredths).unwrap_or(u64::MAX) * 10))
        };
        (
            format!("VRRPv3 cannot express an interval of {written} seconds"),
            "expected hundredths of a second",
            format!("write {} or {}", whole(below.max(1)), whole(below + 1)),
        )
    };
    let rounded = if v3 { nearest_centis(time) } else { nearest_second(time) };
    let rounded = rounded.filter(|_| report.lenient);
    let diagnostic = Diagnostic::error(Code::BadInterval, span, message).label(label).help(help);
    match rounded {
        Some(interval) => {
            let rounded = decimal(interval.as_duration());
            let instead = format!("rounded to {rounded} seconds, as keepalived does");
            report.tolerate_as(diagnostic, &instead);
        }
        None => report.push(diagnostic),
    }
    rounded
}

/// As keepalived rounds for VRRPv2: to the nearest second, and at least one.
fn nearest_second(time: Duration) -> Option<Interval> {
    let whole = time.checked_add(Duration::from_millis(500))?.as_secs().clamp(1, 255);
    seconds(Duration::from_secs(whole))
}

/// The same for VRRPv3: to hundredths, and no longer than an advert can say.
fn nearest_centis(time: Duration) -> Option<Interval> {
    let hundredths = time.checked_add(Duration::from_millis(5))?.as_millis() / 10;
    let millis = u64::try_from(hundredths.max(1)).ok()?.checked_mul(10)?;
    centis(Duration::from_millis(millis).min(Centis::MAX.as_duration()))
}

fn seconds(time: Duration) -> Option<Interval> {
    if time.subsec_nanos() != 0 {
        return None;
    }
    u8::try_from(time.as_secs()).ok().and_then(NonZeroU8::new).map(Interval::V2)
}

fn centis(time: Duration) -> Option<Interval> {
    Centis::from_duration(time).filter(|c| c.as_duration() == time).map(Interval::V3)
}

/// The VRRPv2 password (RFC 2338 §5.3.6); VRRP-087: a longer one is refused, not cut. In strict mode
/// there is none, as in keepalived: RFC 3768 withdrew it, and a node that sends one is not heard.
pub(crate) fn password(
    raw: &RawInstance,
    v3: bool,
    strict: bool,
    report: &mut Report,
) -> Option<Password> {
    let authentication = raw.authentication.as_ref()?;
    if v3 || strict {
        let message =
            if v3 { "VRRPv3 has no authentication" } else { "strict mode has no authentication" };
        report.push(
            Diagnostic::warning(Code::AuthIgnored, authentication.line, message)
                .label("not used")
                .help("remove the block; it kept out mistakes, never attackers"),
        );
        return None;
    }
    match &authentication.is_ah {
        Some(at) if at.value => {
            report.push(
                Diagnostic::error(
                    Code::OutOfScope,
                    at.span,
                    "authentication by AH is not supported",
                )
                .label("keyed MD5, withdrawn by RFC 3768")
                .help("write `auth_type PASS` on all nodes, or remove the block on all nodes"),
            );
            return None;
        }
        Some(_) => {}
        None if authentication.seen.contains_key("auth_type") => return None,
        None => {
            report.tolerate(
                Diagnostic::error(
                    Code::ValueMissing,
                    authentication.line,
                    "this authentication has no auth_type",
                )
                .label("keepalived would use no authentication at all")
                .help("add `auth_type PASS`, or remove the block on all nodes"),
            );
            return None;
        }
    }
    let Some(at) = &authentication.password else {
        if authentication.seen.contains_key("auth_pass") {
            return None;
        }
        report.tolerate(
            Diagnostic::error(
                Code::ValueMissing,
                authentication.line,
                "this authentication has no auth_pass",
            )
            .label("no password")
            .help("add `auth_pass WORD`, 1 to 8 octets, the same on all nodes"),
        );
        return None;
    };
    let password = Password::new(at.value.as_bytes());
    if password.is_none() {
        let cut = at.value.as_bytes().get(..8).and_then(Password::new);
        report.tolerate(
            Diagnostic::error(
                Code::BadPassword,
                at.span,
                format!("this password has {} octets, VRRPv2 carries 8", at.value.len()),
            )
            .label("too long")
            .help("shorten it to 8 octets on all nodes; keepalived uses only the first 8, so they are what its nodes already agree on"),
        );
        return cut.filter(|_| report.lenient);
    }
    password
}
