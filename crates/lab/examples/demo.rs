//! The demo with any daemon, to compare: `demo FAULT INTERVAL COMMAND...`, for instance
//! `demo all 1 /usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}`.

use std::process::ExitCode;

use lab::CommandLine;
use lab::demo::{Daemon, Options, parse_interval, run};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let fault = arguments.next().and_then(|text| text.parse().ok());
    let advert = arguments.next().and_then(|text| parse_interval(&text));
    let (Some(fault), Some(advert)) = (fault, advert) else {
        eprintln!("usage: demo FAULT INTERVAL COMMAND...");
        return ExitCode::from(2);
    };
    let daemon = Daemon::other(CommandLine { arguments: arguments.collect() });
    let config = std::env::var_os("DEMO_CONFIG").map(Into::into);
    run(&Options { fault, config, nodes: 3, advert, daemon, plain: false })
}
