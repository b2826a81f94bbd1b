//! `mainstay explain` and `mainstay config show`: what words mean, and what a file comes to.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use conf::{Config, manual};
use serde_json::Value;

use crate::check;
use crate::control::dumps::DumpPlaces;
use crate::control::files;
use crate::control::shelf::Reading;
use crate::exit::Exit;
use crate::place::Place;

/// Prints what a keyword or a code means.
pub(crate) fn explain(word: &str) -> Exit {
    if let Some(text) = manual::explanation(word) {
        print!("{text}");
        return Exit::Ok;
    }
    match manual::nearest_keyword(word) {
        Some(near) => {
            eprintln!("error: no keyword or code is called `{word}`; did you mean `{near}`?")
        }
        None => eprintln!(
            "error: no keyword or code is called `{word}`; mainstay-keepalived.conf(5) lists them all"
        ),
    }
    Exit::Fatal
}

/// Prints the text of a configuration as it is after includes and substitutions, or what it means.
pub(crate) fn show(file: &Path, effective: bool, reading: &Reading) -> Exit {
    let loaded = match files::understand(file, reading) {
        Ok(loaded) => loaded,
        Err(why) => {
            eprint!("{why}");
            return Exit::NoConfig;
        }
    };
    let exit = if loaded.config.is_some() { Exit::Ok } else { Exit::CheckFailed };
    if exit == Exit::CheckFailed {
        let color = io::stderr().is_terminal() && !check::no_color();
        eprint!("{}", conf::render(&loaded, color));
    }
    let text = if effective {
        match loaded.meaning().map(|config| Ok(format!("{:#}", complete(config)?))) {
            Some(Ok(text)) => (text + "\n").into_bytes(),
            Some(Err::<_, serde_json::Error>(error)) => {
                eprintln!("error: cannot write it as JSON: {error}");
                return Exit::Fatal;
            }
            None => return exit,
        }
    } else {
        loaded.origins.text().to_vec()
    };
    match io::stdout().write_all(&text) {
        Ok(()) => exit,
        Err(_) => Exit::Fatal,
    }
}

/// All of a configuration, with what this machine decides where the file says nothing.
fn complete(config: &Config) -> serde_json::Result<Value> {
    let mut value = seconds(serde_json::to_value(config)?);
    let places = DumpPlaces::of(&config.node, &Place::of(&config.node.run, None));
    let places = serde_json::to_value(places)?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    for (at, here) in [
        ("/globals/router_id", Value::from(host.trim())),
        ("/node/files/state", places["data"].clone()),
        ("/node/files/stats", places["stats"].clone()),
        ("/node/files/json", places["json"].clone()),
    ] {
        if let Some(open) = value.pointer_mut(at).filter(|open| open.is_null()) {
            *open = here;
        }
    }
    // Seconds, whatever the version counts in.
    let instances = value.pointer_mut("/instances").and_then(Value::as_array_mut);
    for (shown, instance) in instances.into_iter().flatten().zip(&config.instances) {
        shown["interval"] = number(instance.interval.as_duration());
        shown["version"] = match instance.version() {
            base::Version::V2 => 2,
            base::Version::V3 => 3,
        }
        .into();
    }
    Ok(value)
}

/// A time in seconds.
fn number(time: Duration) -> Value {
    let decimal = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    let decimal = decimal.trim_end_matches('0').trim_end_matches('.');
    serde_json::from_str(decimal).unwrap_or(Value::Null)
}

/// Times as seconds, which is how the configuration has them.
fn seconds(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let time = |name: &str| fields.get(name).and_then(Value::as_u64);
            if let (2, Some(secs), Some(nanos)) = (fields.len(), time("secs"), time("nanos")) {
                return number(Duration::new(secs, u32::try_from(nanos).unwrap_or(0)));
            }
            Value::Object(fields.into_iter().map(|(name, value)| (name, seconds(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(seconds).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_machine_decides_is_part_of_it() {
        let text = "global_defs {\n stats_dump_file /run/s\n data_use_instance\n}\n\
                    instance two\nvrrp_instance V {\n interface eth0\n virtual_router_id 1\n version \
                    3\n advert_int 0.5\n virtual_ipaddress {\n 192.0.2.9\n }\n}\n";
        let source = conf::Source { name: "t", text: text.as_bytes() };
        let loaded = conf::load(source, conf::Options::default());
        let value = complete(&loaded.config.expect("legal")).expect("JSON");
        let text = |at: &str| value.pointer(at).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(text("/node/files/stats"), "/run/s");
        assert!(text("/node/files/state").ends_with("keepalived_two.data"), "{value:#}");
        assert_eq!(text("/node/links/default"), "eth0");
        assert!(!text("/globals/router_id").is_empty());
        assert_eq!(value.pointer("/instances/0/interval"), Some(&json!(0.5)));
        assert_eq!(value.pointer("/instances/0/version"), Some(&json!(3)));
    }

    #[test]
    fn a_time_is_a_number_of_seconds() {
        let value =
            json!({ "a": [{ "secs": 1, "nanos": 500_000_000 }], "b": { "secs": 5, "nanos": 0 } });
        assert_eq!(seconds(value).to_string(), r#"{"a":[1.5],"b":5}"#);
    }
}
