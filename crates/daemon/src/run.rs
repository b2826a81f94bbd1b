//! How the daemon is to run, whichever name it was started by.

use std::path::PathBuf;

use ui::cli::LogFormat;

use crate::control::shelf::Reading;
use crate::messages::SnmpAsked;

/// What the command line says.
pub(crate) struct Start {
    pub(crate) file: PathBuf,
    pub(crate) control: PathBuf,
    /// Go on without a control socket when another daemon has it: several keepalived on one node,
    /// told apart by their pid files, are common.
    pub(crate) control_optional: bool,
    pub(crate) pid_files: Vec<PathBuf>,
    /// The network namespace to work in, whatever the configuration says.
    pub(crate) namespace: Option<String>,
    /// What it wants of SNMP.
    pub(crate) snmp: Option<SnmpAsked>,
    pub(crate) reading: Reading,
    pub(crate) log: LogFormat,
    pub(crate) color: bool,
}
