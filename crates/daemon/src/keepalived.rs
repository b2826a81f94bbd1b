//! Started by the name `keepalived`: the same daemon, with the options people's units and scripts
//! already pass (keepalived(8)).

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::{ArgAction, Parser, ValueEnum};
use conf::IncludeChecks;
use ui::cli::LogFormat;
use ui::protocol::DEFAULT_SOCKET;

use crate::check;
use crate::control::files;
use crate::control::shelf::Reading;
use crate::exit::Exit;
use crate::guardian;
use crate::messages::SnmpAsked;
use crate::passed_over::PassedOver;
use crate::place::Place;
use crate::run::Start;

/// How long a daemon may take to write its pid file before its starter gives up on it.
const START_WITHIN: Duration = Duration::from_secs(10);

/// mainstay, answering as keepalived
#[derive(Parser, Debug)]
#[command(name = "keepalived", about, disable_version_flag = true)]
struct Options {
    /// Say which keepalived this stands for, and which mainstay it is
    #[arg(short = 'v', long)]
    version: bool,
    /// Print the number of a signal: STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
    #[arg(long, value_name = "NAME")]
    signum: Option<String>,
    /// How to write the log: `keepalived`: in the lines people know; `text`: in our own (mainstay's
    /// own option)
    #[arg(long, value_enum)]
    log_format: Option<Wording>,
    /// Use this configuration file
    #[arg(short = 'f', long = "use-file", default_value = "/etc/keepalived/keepalived.conf")]
    file: PathBuf,
    /// Stay in the foreground
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Log to the console
    #[arg(short = 'l', long)]
    log_console: bool,
    /// Do not write to the system log
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// Log in detail (the log is always complete)
    #[arg(short = 'D', long, action = ArgAction::Count)]
    log_detail: u8,
    /// Run VRRP only (there is nothing else here)
    #[arg(short = 'P', long)]
    vrrp: bool,
    /// Run the IPVS half only (refused: keepalived does that)
    #[arg(short = 'C', long)]
    check: bool,
    /// Pid file
    #[arg(short = 'p', long = "pid", default_value = "/run/keepalived.pid")]
    pid: PathBuf,
    /// Pid file of the VRRP process (the same process here)
    #[arg(short = 'r', long = "vrrp_pid", default_value = "/run/vrrp.pid")]
    vrrp_pid: PathBuf,
    /// Check the configuration file, write what is wrong with it to standard error or to FILE, and
    /// end: 0 when it can be run, 4 when not
    #[arg(
        short = 't',
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true
    )]
    config_test: Option<Option<PathBuf>>,
    /// Answer SNMP questions of every kind, whatever the configuration says
    #[arg(short = 'x', long)]
    snmp: bool,
    /// Where SNMP's master agent listens, whatever the configuration says
    #[arg(short = 'A', long, value_name = "SOCKET")]
    snmp_agent_socket: Option<String>,
    /// Work in this network namespace, whatever the configuration says
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// What lines beginning with `@` are compared with, instead of the host's name
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// Refuse includes that find nothing
    #[arg(short = 'e', long = "all-config")]
    include_check: bool,
    /// Where to listen for `mainstay status` and its like (mainstay's own option)
    #[arg(long, default_value = DEFAULT_SOCKET)]
    control: PathBuf,
    /// What does nothing here.
    #[command(flatten)]
    passed_over: PassedOver,
    /// Set by ourselves for the daemon we leave behind
    #[arg(long, hide = true)]
    detached: bool,
}

/// In whose words the log is.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Wording {
    /// Ours.
    Text,
    /// keepalived's.
    Keepalived,
}

/// The version whose configuration and dumps these are. Tools look for it.
pub(crate) const VERSION: &str = "2.4.1";

/// What of keepalived's build options is here, in the words tools look for: an exporter asks for JSON
/// only where it reads `--enable-json`. What is not here, IPVS, is not said.
const BUILT_WITH: &str = "configure options: --enable-snmp --enable-snmp-rfcv2 --enable-snmp-rfcv3 \
                          --enable-dbus --enable-json --enable-bfd --enable-regex \
                          --with-init=systemd\n\n\
                          Config options:  NFTABLES VRRP VRRP_AUTH VRRP_VMAC JSON BFD SNMP_V3_FOR_V2 \
                          SNMP_VRRP SNMP_RFCV2 SNMP_RFCV3 DBUS \
                          INIT=systemd SYSTEMD_NOTIFY";

/// The signal a name stands for.
fn signal(name: &str) -> Option<linux::Signal> {
    Some(match name {
        "STOP" => linux::Signal::Terminate,
        "RELOAD" => linux::Signal::HangUp,
        "DATA" => linux::Signal::User1,
        "STATS" => linux::Signal::User2,
        "STATS_CLEAR" => linux::Signal::StatsClear,
        "JSON" => linux::Signal::Json,
        _ => return None,
    })
}

fn print_number(name: &str) -> Exit {
    match signal(name) {
        Some(signal) => {
            println!("{}", signal.number());
            Exit::Ok
        }
        None => {
            eprintln!(
                "error: no signal is called `{name}`; known are STOP, RELOAD, DATA, STATS, \
                 STATS_CLEAR and JSON"
            );
            Exit::Fatal
        }
    }
}

/// Does what `keepalived` with these arguments would.
pub(crate) fn main(arguments: Vec<OsString>) -> Exit {
    let options = match Options::try_parse_from(&arguments) {
        Ok(options) => options,
        Err(error) => {
            // Clap prints help and version to standard output, errors to standard error.
            let _ = error.print();
            return if error.use_stderr() { Exit::Fatal } else { Exit::Ok };
        }
    };
    if options.version {
        // keepalived writes this to standard error, where tools look for it.
        eprintln!("Keepalived v{VERSION} (mainstay {})\n\n{BUILT_WITH}", env!("CARGO_PKG_VERSION"));
        return Exit::Ok;
    }
    if let Some(name) = &options.signum {
        return print_number(name);
    }
    if options.check {
        eprintln!(
            "error: -C is for IPVS, which mainstay does not do; run keepalived itself for it"
        );
        return Exit::Fatal;
    }
    if let Some(socket) = &options.snmp_agent_socket
        && conf::AgentAddress::parse(socket).is_none()
    {
        eprintln!(
            "error: -A: `{socket}` is no address of a master agent; write unix:/PATH, \
             tcp:ADDRESS:PORT or udp:ADDRESS:PORT"
        );
        return Exit::Fatal;
    }
    let reading = Reading {
        // Asked for VRRP alone, keepalived passes over everything else too.
        skip_ipvs: options.vrrp,
        config_id: options.config_id.clone(),
        include_checks: if options.include_check {
            IncludeChecks::ALL
        } else {
            IncludeChecks::default()
        },
        ..Reading::default()
    };
    if let Some(to) = options.config_test {
        return check::check(&options.file, &reading, to.as_deref());
    }
    if !options.detached {
        options.passed_over.notes().iter().for_each(|note| eprintln!("note: {note}"));
    }
    if !options.dont_fork && !options.detached {
        return leave_behind(&options, &reading, &arguments);
    }
    if options.detached {
        linux::new_session();
    }
    // Monitoring looks for a process of this name.
    linux::name_process("keepalived");
    guardian::run(Start {
        file: options.file,
        control: options.control,
        control_optional: true,
        pid_files: vec![options.pid, options.vrrp_pid],
        namespace: options.namespace,
        snmp: (options.snmp || options.snmp_agent_socket.is_some())
            .then_some(SnmpAsked { all: options.snmp, socket: options.snmp_agent_socket }),
        reading,
        log: match (options.log_format, options.detached) {
            (_, true) if options.no_syslog => LogFormat::None,
            (Some(Wording::Keepalived), true) => LogFormat::KeepalivedSyslog,
            (Some(Wording::Keepalived), false) => LogFormat::Keepalived,
            (Some(Wording::Text) | None, true) => LogFormat::Syslog,
            (Some(Wording::Text) | None, false) => LogFormat::Text,
        },
        color: false,
    })
}

/// Starts the daemon in the background and ends when it stands, or with its own exit status.
fn leave_behind(options: &Options, reading: &Reading, arguments: &[OsString]) -> Exit {
    // A file with errors is the daemon's to complain of.
    let read = files::understand(&options.file, reading).ok();
    let run = read.as_ref().and_then(|loaded| loaded.meaning()).map(|config| &config.node.run);
    let place = run.map(|run| Place::of(run, options.namespace.as_deref())).unwrap_or_default();
    let pid_file = place.pid_file(options.pid.clone());
    let start = || {
        Command::new(std::env::current_exe()?)
            .arg0("keepalived")
            .args(arguments.iter().skip(1))
            .arg("--detached")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
    };
    let mut child = match start() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("error: cannot start the daemon in the background: {error}");
            return Exit::Fatal;
        }
    };
    let begun = Instant::now();
    while begun.elapsed() < START_WITHIN {
        if let Ok(Some(status)) = child.try_wait() {
            return match status.code() {
                Some(2) => Exit::Config,
                Some(4) => Exit::Permission,
                Some(6) => Exit::NoConfig,
                _ => Exit::Fatal,
            };
        }
        let written = std::fs::read_to_string(&pid_file);
        if written.is_ok_and(|pid| pid.trim() == child.id().to_string()) {
            return Exit::Ok;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    eprintln!("error: the daemon wrote no pid file within {START_WITHIN:?}; see the system log");
    Exit::Fatal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_debian_s_unit_and_of_the_judges_are_understood() {
        let parse = |line: &str| Options::try_parse_from(line.split(' ')).unwrap();
        let options = parse("keepalived -n -l -D -P -p /a/pid -r /a/vrrp.pid -f /a/k.conf");
        assert!(options.dont_fork && options.log_console && options.vrrp);
        assert_eq!(options.file, PathBuf::from("/a/k.conf"));
        assert_eq!(options.pid, PathBuf::from("/a/pid"));
        assert!(parse("keepalived --dont-fork").dont_fork);
        assert_eq!(parse("keepalived -t").config_test, Some(None));
        assert_eq!(parse("keepalived --config-test=/l").config_test, Some(Some("/l".into())));
        assert_eq!(parse("keepalived -D -D").log_detail, 2);
        assert_eq!(parse("keepalived --signum=JSON").signum.as_deref(), Some("JSON"));
        assert!(parse("keepalived -v").version);
    }

    #[test]
    fn every_option_of_keepalived_8_is_understood_and_told_of_where_it_does_nothing() {
        let all = "keepalived -f k.conf -P -B --all -l -D -S 3 -G -u 022 -X -V -I -R -n -d -p p -r r \
                   -c c -a -b b -x -A unix:/a -m -M core -e -i id";
        let options = Options::try_parse_from(all.split_whitespace()).unwrap();
        assert!(options.no_syslog && options.vrrp && options.include_check);
        let notes = options.passed_over.notes();
        assert_eq!(notes.len(), 6, "{notes:?}");
        assert!(options.snmp && options.snmp_agent_socket.as_deref() == Some("unix:/a"));
        let usual = "keepalived -n -l -D -p p -r r -b b -c c -f k.conf -a -X";
        let options = Options::try_parse_from(usual.split_whitespace()).unwrap();
        assert!(options.passed_over.notes().is_empty());
        let check = Options::try_parse_from(["keepalived", "-C"]).unwrap();
        assert!(check.check && check.passed_over.notes().is_empty());
    }

    #[test]
    fn signals_have_keepalived_s_numbers() {
        let number = |name: &str| signal(name).map(linux::Signal::number);
        let known = ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON"].map(number);
        assert_eq!(known, [15, 1, 10, 12, 63, 36].map(Some));
        assert_eq!(number("TDATA"), None);
    }
}
