//! The demo of a cluster by quorum: the article's three nodes agree on who serves the VIP, with a web
//! server behind it, and a power switch makes certain of a node that is in doubt.
//!
//! As in the first demo, everything shown was looked at in the kernel's tables, on the wire, at the power
//! switch or by the client, none of which the cluster writes; everything claimed was checked. What the
//! cluster says of itself is shown beside it, as its own words.

mod cast;
mod episode;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use base::Name;
use linux::{Hear, ProcessSignal};

use self::cast::Cast;
use self::episode::{Episode, Stage};
use super::claims::Claims;
use super::page::{Ink, Page, Style, seconds};
use super::story::{show_logs, verdict};
use crate::network::NFT;
use crate::{Lab, LabError, Power};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClusterFault {
    /// The holder loses its power.
    #[default]
    Crash,
    /// All processes of the holder stand still; its kernel goes on.
    Hang,
    /// The holder's cable is cut.
    Cable,
    /// The holder hears the others and is not heard by them.
    OneWay,
    /// The holder's cluster process is told to stop.
    Stop,
    /// Each of them in turn.
    All,
}

impl ClusterFault {
    /// All of them with their names.
    pub const NAMES: [(&'static str, ClusterFault); 6] = [
        ("crash", ClusterFault::Crash),
        ("hang", ClusterFault::Hang),
        ("cable", ClusterFault::Cable),
        ("one-way", ClusterFault::OneWay),
        ("stop", ClusterFault::Stop),
        ("all", ClusterFault::All),
    ];
}

impl FromStr for ClusterFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = ClusterFault::NAMES.iter().find(|(name, _)| *name == text);
        let names = || ClusterFault::NAMES.map(|(name, _)| name).join(", ");
        found.map(|(_, fault)| *fault).ok_or_else(|| format!("`{text}` is none of {}", names()))
    }
}

/// What is to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterOptions {
    /// What goes wrong.
    pub fault: ClusterFault,
    /// mainstay's binary.
    pub binary: PathBuf,
    /// Neither colours nor letters beyond ASCII.
    pub plain: bool,
}

/// Shows it on standard output, as [`run`](super::run) does the first demo; as root only.
#[must_use]
pub fn run_cluster(options: &ClusterOptions) -> ExitCode {
    let style = Style::detect(options.plain);
    let out = &mut io::stdout().lock();
    // Nodes begin in a user namespace as well, but do not serve there yet.
    let told = match linux::own_uid() {
        0 => tell_cluster(options, style, out),
        _ => {
            Err(LabError::new("beginning a cluster", "its nodes have to be root's: run it as root"))
        }
    };
    match told {
        Ok(claims) if claims.all_held() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to be done if even this cannot be printed.
            let _ = writeln!(io::stderr(), "mainstay demo: {error}");
            ExitCode::from(2)
        }
    }
}

/// Tells the story to `out` and returns what was claimed.
///
/// # Errors
/// If the network cannot be built or the story not be printed. A cluster that does not do its work is no
/// error but a claim that did not hold.
pub fn tell_cluster(
    options: &ClusterOptions,
    style: Style,
    out: &mut dyn Write,
) -> Result<Claims, LabError> {
    let mut page = Page::new(out, style);
    let cast = Cast::new(&options.binary);
    let mut lab = Lab::article(3)?;
    let power = Power::new()?;
    introduce(&mut page, &cast, &lab)?;
    cast.equip(&mut lab, &power)?;
    let witness = lab.witness(Hear::Election)?;
    let mut claims = Claims::default();
    page.heading("Quorum")?;
    claims.chapter("Quorum");
    let began = linux::clock::monotonic();
    let began = cast.found(&mut lab, &power).map(|()| linux::clock::monotonic().since(began));
    if let Err(error) = &began {
        page.paragraph(2, &format!("The cluster does not begin: {error}."))?;
    }
    claims.check("three nodes agree on who they are and who directs", began.is_ok());
    let mut stage = Stage::new(page, claims, lab, witness, power, &cast);
    if let Ok(took) = began {
        let page = &mut stage.page;
        page.line(format_args!("  Three members, one after the other: {}.", seconds(took)))?;
        if let Some(holder) = stage.serve()? {
            stage.show(&holder)?;
            stage.faults(options.fault, holder)?;
        }
    }
    stage.end()
}

fn introduce(page: &mut Page<'_>, cast: &Cast, lab: &Lab) -> Result<(), LabError> {
    page.heading("mainstay demo, a cluster by quorum")?;
    for node in lab.nodes() {
        let address = node.address().map(|it| format!("{it}/16")).unwrap_or_default();
        page.line(format_args!("  {:<7} {address:<20} votes, runs resources", node.name()))?;
    }
    page.line(format_args!("  {:<7} {:<20} asks the VIP, and its web server", "client", ""))?;
    page.line(format_args!(
        "  {:<7} {:<20} one, for all of them; VIP {}/16",
        "switch", "", cast.vip
    ))?;
    page.line(format_args!("  {:<7} {:<20} a power switch, beside the network", "power", ""))?;
    cast.missing.iter().try_for_each(|text| page.paragraph(2, text))
}

impl Stage<'_, '_> {
    fn faults(&mut self, fault: ClusterFault, mut holder: Name) -> Result<(), LabError> {
        let all = [
            ClusterFault::Crash,
            ClusterFault::Hang,
            ClusterFault::Cable,
            ClusterFault::OneWay,
            ClusterFault::Stop,
        ];
        for each in all.into_iter().filter(|it| fault == ClusterFault::All || fault == *it) {
            if each == ClusterFault::OneWay && !Path::new(NFT).exists() {
                self.page.paragraph(2, "Not shown: a cut in one direction, which needs nft.")?;
                continue;
            }
            match self.fault(each, &holder)? {
                Some(next) => holder = next,
                None => break,
            }
        }
        Ok(())
    }

    fn fault(&mut self, fault: ClusterFault, holder: &Name) -> Result<Option<Name>, LabError> {
        let others: Vec<Name> = self.others(holder);
        let (title, what) = match fault {
            ClusterFault::Crash | ClusterFault::All => {
                (format!("Crash: {holder} loses its power"), "loses its power")
            }
            ClusterFault::Hang => {
                (format!("Hang: every process of {holder} stands still"), "stands still (SIGSTOP)")
            }
            ClusterFault::Cable => (format!("Cable: {holder} is cut off"), "its cable is cut"),
            ClusterFault::OneWay => (
                format!("One way: {holder} hears the others, and they do not hear it"),
                "is not heard by the other nodes",
            ),
            ClusterFault::Stop => (
                format!("Stop: the cluster on {holder} is told to stop"),
                "is told to stop (SIGTERM)",
            ),
        };
        let fenced = fault != ClusterFault::Stop;
        let limit = Duration::from_millis(if fenced { 2_500 } else { 1_000 });
        let episode = Episode { title, holder: holder.clone(), what, fenced, limit };
        self.play(&episode, |lab| match fault {
            ClusterFault::Crash | ClusterFault::All => lab.crash(holder),
            ClusterFault::Hang => {
                lab.node(holder).signal_all(ProcessSignal::STOP);
                Ok(())
            }
            ClusterFault::Cable => lab.cut(holder),
            ClusterFault::OneWay => {
                let pairs: Vec<(&str, &str)> =
                    others.iter().map(|to| (holder.as_str(), to.as_str())).collect();
                lab.divide(&pairs)
            }
            ClusterFault::Stop => {
                lab.node(holder).signal(ProcessSignal::TERM);
                Ok(())
            }
        })
    }

    /// Stops everything in good order and takes the lab down.
    fn end(mut self) -> Result<Claims, LabError> {
        self.claims.chapter("The end");
        let stopped = self.lab.stop_all(Duration::from_secs(30));
        self.claims.check("every node ended when told to", stopped);
        let holders = self.lab.holders(self.cast.vip);
        self.claims.check("no address was left behind", holders.is_empty());
        let overlap = self.overlap();
        self.claims.check("in all this time no two nodes answered for the VIP", overlap);
        let Self { mut page, mut claims, lab, witness, power, asker, .. } = self;
        if !claims.all_held() {
            show_logs(&mut page, &lab)?;
        }
        let pids: Vec<u32> = lab.nodes().iter().flat_map(|it| it.container().pids()).collect();
        drop((witness, asker));
        drop(lab);
        drop(power);
        let alive = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
        claims.check("nothing of the demo still runs", !pids.iter().any(alive));
        if !claims.all_held() {
            page.inked(Ink::Bad, "  Not everything held; see below.")?;
        }
        verdict(&mut page, &claims)?;
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        for (name, fault) in ClusterFault::NAMES {
            assert_eq!(name.parse(), Ok(fault));
        }
        assert!("fire".parse::<ClusterFault>().unwrap_err().contains("one-way"));
    }
}
