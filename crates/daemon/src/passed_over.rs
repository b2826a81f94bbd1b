//! Options of keepalived(8) that are understood and do nothing here: some because it is always so,
//! some because nobody does it. Units and scripts that pass them start all the same; where somebody
//! might count on an effect, the daemon says that there is none.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// See the head of this file.
#[derive(Args, Debug, Default)]
pub(crate) struct PassedOver {
    /// Do not run BFD's process (there is none)
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// Run all processes, needed or not (there are no more than needed)
    #[arg(long)]
    all: bool,
    /// Log addresses that come and go (the log is always complete)
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// Write the configuration to the log (`mainstay config show` shows it)
    #[arg(short = 'd', long)]
    dump_conf: bool,
    /// Set the facility of the system log (it stays `daemon`)
    #[arg(short = 'S', long, value_name = "FACILITY")]
    log_facility: Option<String>,
    /// Set the umask (no file here depends on it)
    #[arg(short = 'u', long, value_name = "MASK")]
    umask: Option<String>,
    /// Drop VIPs at a stop (that is always so)
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// Keep VIPs at a stop (not done)
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// Keep IPVS at a stop (it is never touched)
    #[arg(short = 'I', long)]
    dont_release_ipvs: bool,
    /// Do not start a process anew that has died (not done)
    #[arg(short = 'R', long)]
    dont_respawn: bool,
    /// Pid file of the checkers (there are none)
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    checkers_pid: Option<PathBuf>,
    /// Pid file of BFD's process (there is none)
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid: Option<PathBuf>,
    /// Leave a core dump (not done: there may be keys in it)
    #[arg(short = 'm', long, action = ArgAction::Count)]
    core_dump: u8,
    /// Set the pattern of core dumps (not done)
    #[arg(short = 'M', long, value_name = "PATTERN")]
    core_dump_pattern: Option<String>,
}

impl PassedOver {
    /// What to say to somebody who may count on an effect.
    pub(crate) fn notes(&self) -> Vec<&'static str> {
        let said = [
            (
                self.dont_release_vrrp,
                "-V: VIPs are released at a stop; `mainstay upgrade` needs no stop",
            ),
            (self.dont_respawn, "-R: a process that dies is started anew all the same"),
            (self.log_facility.is_some(), "-S: the system log's facility stays `daemon`"),
            (self.umask.is_some(), "-u: no file here depends on the umask"),
            (self.dump_conf, "-d: `mainstay config show --effective` shows the configuration"),
            (
                self.core_dump > 0 || self.core_dump_pattern.is_some(),
                "-m, -M: no core is dumped, for there may be keys in it",
            ),
        ];
        said.into_iter().filter(|(given, _)| *given).map(|(_, note)| note).collect()
    }
}
