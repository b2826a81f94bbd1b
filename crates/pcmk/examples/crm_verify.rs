//! `crm_verify` alone, for tests that start it by its name.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = cib::dates::WallTime(i64::try_from(now).unwrap_or(i64::MAX));
    ExitCode::from(pcmk::verify::main(&arguments, now, &mut pcmk::live::no_cluster))
}
