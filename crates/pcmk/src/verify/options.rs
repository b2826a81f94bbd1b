//! Options of the cluster, and what values they can have.

use cib::value::{milliseconds, truth};
use cib::xml::Element;

use super::finding::Findings;

enum Kind {
    Truth,
    Number,
    Time,
    Words(&'static [&'static str]),
}

impl Kind {
    /// What may be written.
    fn wanted(&self) -> String {
        match self {
            Self::Truth => "true or false".into(),
            Self::Number => "a number or INFINITY".into(),
            Self::Time => "a time such as 20s".into(),
            Self::Words(words) => format!("one of {}", words.join(", ")),
        }
    }
}

const OPTIONS: &[(&str, Kind)] = &[
    ("no-quorum-policy", Kind::Words(&["stop", "freeze", "ignore", "demote", "suicide"])),
    ("shutdown-lock", Kind::Truth),
    ("shutdown-lock-limit", Kind::Time),
    ("symmetric-cluster", Kind::Truth),
    ("maintenance-mode", Kind::Truth),
    ("start-failure-is-fatal", Kind::Truth),
    ("enable-startup-probes", Kind::Truth),
    ("stonith-enabled", Kind::Truth),
    ("stonith-action", Kind::Words(&["reboot", "off", "poweroff"])),
    ("stonith-timeout", Kind::Time),
    ("have-watchdog", Kind::Truth),
    ("concurrent-fencing", Kind::Truth),
    ("startup-fencing", Kind::Truth),
    ("priority-fencing-delay", Kind::Time),
    ("cluster-delay", Kind::Time),
    ("batch-limit", Kind::Number),
    ("migration-limit", Kind::Number),
    ("stop-all-resources", Kind::Truth),
    ("stop-orphan-resources", Kind::Truth),
    ("stop-orphan-actions", Kind::Truth),
    ("remove-after-stop", Kind::Truth),
    ("pe-error-series-max", Kind::Number),
    ("pe-warn-series-max", Kind::Number),
    ("pe-input-series-max", Kind::Number),
    (
        "node-health-strategy",
        Kind::Words(&["none", "migrate-on-red", "only-green", "progressive", "custom"]),
    ),
    ("node-health-base", Kind::Number),
    ("node-health-green", Kind::Number),
    ("node-health-yellow", Kind::Number),
    ("node-health-red", Kind::Number),
    ("placement-strategy", Kind::Words(&["default", "utilization", "minimal", "balanced"])),
];

/// The value of an option of the cluster, as it is written.
pub(super) fn value<'a>(config: Option<&'a Element>, name: &str) -> Option<&'a str> {
    let mut pairs = config.into_iter().flat_map(Element::descend);
    pairs.find(|pair| pair.get("name") == Some(name))?.get("value")
}

/// Whether fencing is in force.
pub(super) fn fencing(config: Option<&Element>) -> bool {
    value(config, "stonith-enabled").and_then(truth).unwrap_or(true)
}

/// Finds values that cannot be.
pub(super) fn check(config: Option<&Element>, found: &mut Findings) {
    for (name, kind) in OPTIONS {
        let Some(value) = value(config, name) else { continue };
        let fits = match kind {
            Kind::Truth => truth(value).is_some(),
            Kind::Time => milliseconds(value).is_some_and(|time| time >= 0),
            Kind::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            Kind::Number => {
                let digits = value.trim_start_matches(['-', '+']);
                let infinite = digits.eq_ignore_ascii_case("INFINITY");
                infinite
                    || digits.starts_with(|it: char| it.is_ascii_digit())
                    || ["red", "yellow", "green"].contains(&value)
            }
        };
        if !fits {
            found.error(format!(
                "option {name}: `{value}` is not understood and the default is taken; write {}",
                kind.wanted()
            ));
        }
    }
    if value(config, "stonith-action") == Some("poweroff") {
        found.deprecated("option stonith-action: `poweroff`", "write off");
    }
    if value(config, "remove-after-stop").and_then(truth) == Some(true) {
        found.deprecated("option remove-after-stop", "");
    }
    if value(config, "no-quorum-policy") == Some("suicide") && !fencing(config) {
        found.error(
            "option no-quorum-policy: `suicide` wants fencing, and there is none: `stop` is taken"
                .into(),
        );
    }
}
