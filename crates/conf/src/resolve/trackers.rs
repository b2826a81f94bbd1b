//! Scripts, files, processes and BFD sessions: each complete and of its own name, and what an
//! instance or a group makes of them.
//!
//! A name nobody defined is an error: keepalived passes over it, and the check that was to guard a
//! service is silently gone. Where the definition stands makes no difference here.

use core::time::Duration;
use std::collections::HashMap;

use base::{Family, Name, Priority};

use super::Resolver;
use crate::blocks::{RawConfig, RawGlobals};
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::given::{Given, Named, Row};
use crate::keywords::nearest;
use crate::lenient;
use crate::reader::{At, shown};
use crate::{
    ArgumentMatch, BfdSession, Command, InitialValue, Place, Span, TrackFile, TrackProcess,
    TrackScript, Tracked, Trackers, Weight,
};

/// All trackers there are.
pub(super) struct Known {
    pub(super) scripts: Vec<TrackScript>,
    pub(super) files: Vec<TrackFile>,
    pub(super) processes: Vec<TrackProcess>,
    pub(super) bfd: Vec<BfdSession>,
    /// Names whose definition was refused: using them is not a second error.
    refused: Vec<(&'static str, String)>,
}

/// Gives every script without an account the one that was named for all.
pub(super) fn default_user<'a>(
    commands: impl Iterator<Item = &'a mut Command>,
    globals: &RawGlobals,
) {
    for command in commands {
        if command.run_as.is_none() {
            command.run_as.clone_from(&globals.script_user);
        }
    }
}

/// Says that a block of this kind and name was there already; keepalived would keep the first.
pub(super) fn check_unique(what: &str, blocks: &mut Vec<Named>, report: &mut Report) {
    let mut known: HashMap<String, Span> = HashMap::new();
    blocks.retain(|block| {
        let before = *known.entry(block.name.value.clone()).or_insert(block.name.span);
        let first = before == block.name.span;
        if !first {
            report.tolerate(
                Diagnostic::error(
                    Code::DuplicateName,
                    block.name.span,
                    format!("two `{what}` have the same name"),
                )
                .label("again here; keepalived would keep only the first")
                .related(before, "first here")
                .help("give each a name of its own"),
            );
        }
        first
    });
}

/// Says that a block lacks what it cannot do without, unless it was given and refused.
fn missing(block: &Named, keyword: &str, what: &str, report: &mut Report) {
    if !block.given.seen.contains_key(keyword) || report.lenient {
        // A session without neighbour is down for ever, and with it all that tracks it.
        let senseless = keyword == "neighbor_ip";
        let say = if senseless { Report::push } else { Report::tolerate };
        say(
            report,
            Diagnostic::error(
                Code::ValueMissing,
                block.name.span,
                format!("{} has no `{keyword}`", shown(&block.name.value)),
            )
            .label("in this block; keepalived would drop it")
            .help(format!("add `{keyword} {what}`")),
        );
    }
}

impl Known {
    pub(super) fn new(raw: &mut RawConfig, globals: &RawGlobals, report: &mut Report) -> Self {
        check_unique("vrrp_script", &mut raw.scripts, report);
        check_unique("track_file", &mut raw.files, report);
        check_unique("vrrp_track_process", &mut raw.processes, report);
        check_unique("bfd_instance", &mut raw.bfd, report);
        let mut known = Self {
            scripts: Vec::new(),
            files: Vec::new(),
            processes: Vec::new(),
            bfd: Vec::new(),
            refused: Vec::new(),
        };
        for block in &raw.scripts {
            match script(block, globals, report) {
                Some(script) => known.scripts.push(script),
                None => known.refused.push(("track_script", block.name.value.clone())),
            }
        }
        for block in &raw.files {
            match file(block, report) {
                Some(file) => known.files.push(file),
                None => known.refused.push(("track_file", block.name.value.clone())),
            }
        }
        for block in &raw.processes {
            match process(block, report) {
                Some(process) => known.processes.push(process),
                None => known.refused.push(("track_process", block.name.value.clone())),
            }
        }
        for block in &raw.bfd {
            match session(block, report) {
                Some(session) => known.bfd.push(session),
                None => known.refused.push(("track_bfd", block.name.value.clone())),
            }
        }
        known
    }

    /// The trackers that the lists of an instance or a group name.
    pub(super) fn trackers(&self, given: &Given, report: &mut Report) -> Trackers {
        let scripts: Vec<_> = self.scripts.iter().map(|s| (&s.name, s.weight)).collect();
        let files: Vec<_> = self.files.iter().map(|f| (&f.name, f.weight)).collect();
        let processes: Vec<_> = self.processes.iter().map(|p| (&p.name, p.weight)).collect();
        let bfd: Vec<_> = self.bfd.iter().map(|b| (&b.name, b.weight)).collect();
        Trackers {
            scripts: self.list("track_script", "vrrp_script", 253, &scripts, given, report),
            files: self.list("track_file", "track_file", 254, &files, given, report),
            processes: self.list(
                "track_process",
                "vrrp_track_process",
                254,
                &processes,
                given,
                report,
            ),
            bfd: self.list("track_bfd", "bfd_instance", 253, &bfd, given, report),
        }
    }

    fn list(
        &self,
        keyword: &'static str,
        block: &str,
        most: i32,
        known: &[(&Name, Weight)],
        given: &Given,
        report: &mut Report,
    ) -> Vec<Tracked> {
        let mut list: Vec<Tracked> = Vec::new();
        for row in given.rows(keyword) {
            let Some(At { value: name, span }) = row.first() else { continue };
            let Some((name, own)) = known.iter().find(|(known, _)| **known == **name) else {
                if !self.refused.iter().any(|(k, n)| *k == keyword && n == name) {
                    let names = known.iter().map(|(name, _)| name.as_str());
                    let label = match nearest(name, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "keepalived would ignore it, and check nothing".to_owned(),
                    };
                    report.tolerate(
                        Diagnostic::error(
                            Code::UnknownTracker,
                            *span,
                            format!("no `{block}` is called {}", shown(name)),
                        )
                        .label(label)
                        .help(format!("add `{block} {name} {{ ... }}`, or correct the name")),
                    );
                }
                continue;
            };
            let Some(weight) = weight(keyword, row, most, report) else { continue };
            if let Some(before) = list.iter().find(|t| t.name == **name) {
                report.push(
                    Diagnostic::warning(
                        Code::SetTwice,
                        *span,
                        format!("{} is tracked twice", shown(name)),
                    )
                    .label("this one does not count")
                    .related(before.place.0, "this one does")
                    .help("remove one of them"),
                );
                continue;
            }
            list.push(Tracked {
                name: (*name).clone(),
                weight: weight.unwrap_or(*own),
                place: Place(*span),
            });
        }
        list
    }
}

/// `NAME [weight N [reverse]]`: the weight, if there is one; `None` when it is illegal.
///
/// What keepalived makes of an illegal one: a script is not tracked, a file or a process weighs nothing;
/// 254 is lowered to 253, and a number ends where its digits do.
#[expect(clippy::option_option, reason = "not given and not legal are different things")]
fn weight(keyword: &str, row: &Row, most: i32, report: &mut Report) -> Option<Option<Weight>> {
    let [_, rest @ ..] = &row[..] else { return Some(None) };
    let [word, number, rest @ ..] = rest else {
        let [word] = rest else { return Some(None) };
        bad_weight(word.span, format!("unknown option {} of a tracker", shown(&word.value)), most)
            .said(report, None);
        return None;
    };
    if word.value != "weight" {
        bad_weight(word.span, format!("unknown option {} of a tracker", shown(&word.value)), most)
            .said(report, None);
        return None;
    }
    let value = number.value.parse::<i32>().ok().filter(|n| (-most..=most).contains(n));
    let reverse = match rest {
        [] => Some(false),
        [word] if matches!(word.value.as_str(), "noreverse" | "no_reverse") => Some(false),
        [word] if word.value == "reverse" => Some(true),
        _ => None,
    };
    if let (Some(value), Some(reverse)) = (value, reverse) {
        return Some(Some(Weight { value, reverse }));
    }
    let odd = match (value, rest) {
        (Some(_), [.., word]) => word,
        _ => number,
    };
    let bad = bad_weight(odd.span, format!("{} is no weight", shown(&odd.value)), most);
    let limit = i64::from(most);
    let instead = match number.value.as_str() {
        _ if reverse.is_none() => None,
        "254" | "-254" => lenient::number("weight of a script", &number.value, -limit, limit),
        text if text.parse::<i64>().is_err() => {
            lenient::number("weight of a script", text, -limit, limit)
        }
        _ if keyword == "track_script" || keyword == "track_bfd" => None,
        _ => Some(0),
    };
    let instead = instead.and_then(|value| {
        Some(Weight { value: i32::try_from(value).ok()?, reverse: reverse.unwrap_or(false) })
    });
    bad.said(report, instead).map(Some)
}

/// A weight that is none.
struct BadWeight(Diagnostic);

fn bad_weight(span: Span, message: String, most: i32) -> BadWeight {
    BadWeight(
        Diagnostic::error(Code::BadOption, span, message)
            .label(format!("expected weight -{most} to {most}"))
            .help("put each tracker on a line of its own: `NAME [weight N [reverse]]`"),
    )
}

impl BadWeight {
    /// Says so, and what counts in its place.
    fn said(self, report: &mut Report, instead: Option<Weight>) -> Option<Weight> {
        let instead = instead.filter(|_| report.lenient);
        match instead {
            Some(weight) => {
                let instead = format!("taken for {}, as keepalived does", weight.value);
                report.tolerate_as(self.0, &instead);
            }
            None => report.tolerate_as(self.0, "not tracked, as keepalived does"),
        }
        instead
    }
}

fn script(block: &Named, globals: &RawGlobals, report: &mut Report) -> Option<TrackScript> {
    let given = &block.given;
    let Some(mut command) = given.command("script") else {
        missing(block, "script", "\"/path/to/check arguments\"", report);
        return None;
    };
    check_opened(&mut command, report)?;
    if let Some(user) = given.run_as("user") {
        command.run_as = Some(user);
    }
    default_user(core::iter::once(&mut command), globals);
    let interval = given.time("interval").unwrap_or(Duration::from_secs(1));
    Some(TrackScript {
        name: Name::from(block.name.value.as_str()),
        command,
        interval,
        timeout: given.time("timeout").unwrap_or(interval),
        weight: given.weight("weight").unwrap_or_default(),
        rise: given.integer("rise").unwrap_or(1),
        fall: given.integer("fall").unwrap_or(1),
        bad_at_first: given.flag("init_fail"),
        place: Place(block.name.span),
    })
}

/// What a shell would make something of in the name of a file.
const SHELL: &[char] =
    &['$', '`', ';', '&', '|', '<', '>', '(', ')', '*', '?', '[', '\'', '"', '\\'];

/// `</path` asks whether a file can be opened. keepalived has a shell find out; here it is a name and
/// nothing else, so what a shell would read differently is refused.
fn check_opened(command: &mut Command, report: &mut Report) -> Option<()> {
    let Some(path) = command.program().strip_prefix('<').map(str::to_owned) else {
        return Some(());
    };
    let span = command.place.0;
    let bad = |message: String, label: &str, help: &str| {
        Diagnostic::error(Code::BadCommand, span, message).label(label).help(help)
    };
    if !path.starts_with('/') {
        report.push(bad(
            format!("{} is no file's whole path", shown(&path)),
            "expected `</path`, without a blank",
            "write `script \"</run/service.up\"` to ask whether that file can be opened",
        ));
        return None;
    }
    if path.contains(SHELL) || path.contains(char::is_whitespace) {
        report.push(bad(
            format!("{} is for a shell to read, and none does", shown(&path)),
            "keepalived has a shell open it",
            "write the name of one file; for anything else name a script",
        ));
        return None;
    }
    if command.argv.len() > 1 {
        report.tolerate(bad(
            "a file that is opened has no arguments".to_owned(),
            "keepalived passes over what follows the name",
            "leave out what stands behind it",
        ));
        command.argv.truncate(1);
    }
    Some(())
}

fn file(block: &Named, report: &mut Report) -> Option<TrackFile> {
    let given = &block.given;
    let Some(path) = given.text("file") else {
        missing(block, "file", "/path", report);
        return None;
    };
    let mut initial = None;
    if let Some(words) = given.words("init_file") {
        let mut value = InitialValue { value: 0, overwrite: false };
        for word in words {
            match (word.value.as_str(), word.value.parse()) {
                ("overwrite", _) => value.overwrite = true,
                (_, Ok(number)) => value.value = number,
                (text, Err(_)) => report.tolerate(
                    Diagnostic::error(
                        Code::BadOption,
                        word.span,
                        format!("{} is no number", shown(text)),
                    )
                    .label("expected a number, or overwrite")
                    .help("write `init_file [VALUE] [overwrite]`"),
                ),
            }
        }
        initial = Some(value);
    }
    Some(TrackFile {
        name: Name::from(block.name.value.as_str()),
        path,
        weight: given.weight("weight").unwrap_or(Weight { value: 1, reverse: false }),
        initial,
        place: Place(block.name.span),
    })
}

fn process(block: &Named, report: &mut Report) -> Option<TrackProcess> {
    let given = &block.given;
    let Some([command, arguments @ ..]) = given.words("process") else {
        missing(block, "process", "COMMAND", report);
        return None;
    };
    let least = given.integer("quorum").unwrap_or(1);
    let mut most: Option<u32> = given.integer("quorum_max");
    if let Some(limit) = most
        && limit < least
        && given.seen.contains_key("quorum")
    {
        report.tolerate(
            Diagnostic::error(
                Code::OutOfRange,
                given.span("quorum_max").unwrap_or(block.name.span),
                format!("at most {limit} and at least {least} processes is impossible"),
            )
            .label("less than quorum")
            .help("make quorum_max at least quorum"),
        );
        most = None;
    }
    let delay = given.time("delay").unwrap_or_default();
    Some(TrackProcess {
        name: Name::from(block.name.value.as_str()),
        command: command.value.clone(),
        arguments: arguments.iter().map(|at| at.value.clone()).collect(),
        matching: match given.choice("param_match") {
            Some("initial") => ArgumentMatch::Initial,
            Some(_) => ArgumentMatch::First,
            None => ArgumentMatch::Exact,
        },
        full_command: given.flag("full_command"),
        // The manual says 1, the programs measured used 0: no process is a fault.
        weight: given.weight("weight").unwrap_or_default(),
        // Only `quorum_max 0` makes "none may run" of it.
        least: if most == Some(0) { 0 } else { least },
        most,
        up_delay: given.time("fork_delay").unwrap_or(delay),
        down_delay: given.time("terminate_delay").unwrap_or(delay),
        place: Place(block.name.span),
    })
}

fn session(block: &Named, report: &mut Report) -> Option<BfdSession> {
    let given = &block.given;
    let Some(neighbor) = given.address("neighbor_ip") else {
        missing(block, "neighbor_ip", "ADDRESS", report);
        return None;
    };
    let source = given.address("source_ip");
    if source.is_some_and(|source| Family::of(&source) != Family::of(&neighbor)) {
        report.push(
            Diagnostic::error(
                Code::MixedFamilies,
                given.span("source_ip").unwrap_or(block.name.span),
                "the two ends of a BFD session are of one family",
            )
            .label("not the neighbour's")
            .help("write an address of the neighbour's family"),
        );
    }
    let multihop = given.flag("multihop");
    let hops: Option<u8> = match Family::of(&neighbor) {
        Family::V4 => given.integer("ttl"),
        Family::V6 => given.integer("hoplimit"),
    };
    Some(BfdSession {
        name: Name::from(block.name.value.as_str()),
        neighbor,
        source,
        min_rx: given.time("min_rx").unwrap_or(Duration::from_millis(10)),
        min_tx: given.time("min_tx").unwrap_or(Duration::from_millis(10)),
        idle_tx: given.time("idle_tx").unwrap_or(Duration::from_secs(1)),
        multiplier: given.integer("multiplier").unwrap_or(5),
        passive: given.flag("passive"),
        hops: hops.unwrap_or(if multihop { 64 } else { 255 }),
        max_hops: given.integer("max_hops").unwrap_or(0),
        multihop,
        fast_takeover: given.flag("fast_takeover"),
        fails_until_up: given.flag("fails_until_up"),
        weight: given.weight("weight").unwrap_or_default(),
        place: Place(block.name.span),
    })
}

impl Resolver<'_> {
    /// What this instance tracks besides interfaces.
    pub(super) fn trackers(&mut self, priority: Priority) -> Trackers {
        let mut trackers = self.known.trackers(&self.raw.given, self.report);
        let grouped = self.group.as_ref().is_some_and(|group| !group.keeps_weights);
        let lists: [(&mut Vec<Tracked>, &str); 4] = [
            (&mut trackers.scripts, "a script"),
            (&mut trackers.files, "a file"),
            (&mut trackers.processes, "a process"),
            (&mut trackers.bfd, "a BFD session"),
        ];
        let mut owners = Vec::new();
        let mut members = Vec::new();
        for (list, what) in lists {
            list.retain(|tracked| {
                let weighted = tracked.weight.value != 0;
                if weighted && priority.is_owner() {
                    owners.push(tracked.place.0);
                } else if weighted && grouped {
                    members.push((tracked.place.0, what));
                } else {
                    return true;
                }
                false
            });
        }
        for span in owners {
            self.report.push(
                Diagnostic::warning(
                    Code::OwnerNotTracked,
                    span,
                    "a weight changes nothing for the owner, priority 255",
                )
                .label("not tracked")
                .help("remove the weight to fault instead, or choose a priority below 255"),
            );
        }
        for (span, what) in members {
            self.weightless(span, what);
        }
        trackers
    }

    /// Says that a member of a sync group has no weights of its own.
    pub(super) fn weightless(&mut self, span: Span, what: &str) {
        let group = self.group.as_ref().map_or(span, |group| group.name.span);
        let (label, help) = if what == "an interface" {
            (
                "the interface faults the instance instead",
                "remove the weight, or track it in the group",
            )
        } else {
            (
                "not tracked at all, as keepalived does",
                "track it in the group, or set its weight to 0",
            )
        };
        self.report.push(
            Diagnostic::warning(
                Code::GroupWeight,
                span,
                format!("the weight of {what} has no effect in a sync group"),
            )
            .label(label)
            .related(group, "a member of this group")
            .help(format!("{help}; or say `sync_group_tracking_weight` in the group")),
        );
    }
}
