//! `pacemakerd`, as far as agents ask it: which version this is. By that they choose how to ask for the
//! name of their node. It starts nothing: `mainstay cluster run` does.

use std::ffi::OsString;

use super::words::{Spec, Takes, Words};
use super::{Answered, Around, Opens, Said};
use crate::failure::Failure;

const SPECS: [Spec; 3] = [
    ('$', &["version"], Takes::Nothing),
    ('F', &["features"], Takes::Nothing),
    ('V', &["verbose"], Takes::Nothing),
];

/// `pacemakerd`
pub(super) fn run(arguments: &[OsString], _: &Around, _: Opens<'_>) -> Answered {
    let words = match Words::read("pacemakerd", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = match words.last_of("$F") {
        Some('$') => Said::text(super::version()),
        Some(_) => Said::text(format!(
            "{} (Build: mainstay)\n Supporting v3.19.0: ocf systemd lsb service fencing\n",
            super::version().trim_end()
        )),
        None => Failure::usage(
            "pacemakerd: a cluster node is started by `mainstay cluster run`; here only the version is \
             told (--version)"
                .into(),
        )
        .into(),
    };
    Answered { said, answer: words.answer }
}
