//! A process of this program that is not its guardian: how it begins.
//!
//! `mainstay role NAME GUARDIAN` is not for people: it is started by the guardian, with a line to it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use base::Name;
use linux::{Identity, Role};

use crate::exit::Exit;
use crate::guardian::successor;
use crate::terms::EngineTerms;
use crate::{control, engine, runner};

/// Which role a process plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Engine,
    Control,
    Runner,
    /// Only reads the note of a guardian that is to become this program.
    Reader,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Engine => "engine",
            Part::Control => "control",
            Part::Runner => "runner",
            Part::Reader => "reader",
        }
    }

    /// The same as a name that events carry.
    pub(crate) fn noun(self) -> Name {
        Name::from(self.name())
    }

    /// Starts this program again, or another file's, in this part, holding `line`.
    pub(crate) fn start(self, binary: Option<&Path>, line: &OwnedFd) -> io::Result<Role> {
        self.start_on(binary, line, None)
    }

    /// The same on terms of its own.
    pub(crate) fn start_on(
        self,
        binary: Option<&Path>,
        line: &OwnedFd,
        terms: Option<&str>,
    ) -> io::Result<Role> {
        let guardian = std::process::id().to_string();
        let title = format!("mainstay: {}", self.name());
        let mut arguments = vec!["role", self.name(), &guardian];
        arguments.extend(terms);
        Role::start(binary.map(Path::to_owned), &title, &arguments, line)
    }
}

/// The exit status of the role these arguments ask for, if they ask for one.
pub(crate) fn play(arguments: &[OsString]) -> Option<Exit> {
    let [_, word, part, guardian, terms @ ..] = arguments else { return None };
    if word != "role" {
        return None;
    }
    linux::memory::keep_to_ourselves();
    if part == "guardian" {
        linux::wiping::wipe_what_is_freed();
        let note = guardian.to_str().and_then(|text| text.parse().ok())?;
        return Some(successor::take_over(note).unwrap_or_else(|error| {
            eprintln!("error: the guardian cannot go on from the version before: {error}");
            Exit::Fatal
        }));
    }
    let part = [Part::Engine, Part::Control, Part::Runner, Part::Reader]
        .into_iter()
        .find(|known| part.to_str() == Some(known.name()))?;
    let guardian = guardian.to_str().and_then(|text| text.parse().ok())?;
    linux::name_process(&format!("ms:{}", part.name()));
    // These are handed keys before they read any file, if they ever do.
    if matches!(part, Part::Control | Part::Reader) {
        linux::wiping::wipe_what_is_freed();
    }
    let played = match part {
        Part::Engine => {
            let terms = terms.first().and_then(|terms| terms.to_str());
            let terms = terms.and_then(EngineTerms::from_argument).unwrap_or_default();
            engine::main(guardian, &terms)
        }
        Part::Control => control::main(guardian),
        Part::Runner => runner::main(guardian),
        Part::Reader => successor::read_note(),
    };
    Some(played.unwrap_or_else(|error| failed(part, &error)))
}

fn failed(part: Part, error: &io::Error) -> Exit {
    let part = part.name();
    if error.kind() == io::ErrorKind::PermissionDenied {
        eprintln!(
            "error: the {part} cannot start: {error}; mainstay needs CAP_NET_ADMIN and CAP_NET_RAW: \
             run it as root"
        );
        Exit::Permission
    } else {
        eprintln!("error: the {part} ends: {error}");
        Exit::Fatal
    }
}

/// The account that roles without need of root run as: `mainstay` where it exists, else `nobody`.
pub(crate) fn unprivileged() -> Option<Identity> {
    ["mainstay", "nobody"].into_iter().find_map(|name| Identity::find(name, None).ok())
}
