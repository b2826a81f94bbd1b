//! Dumps for programs that know keepalived: asked for by a signal, made here, written by the guardian.
//!
//! Engine and runner are asked at once and one answer waits for the other; without a runner nothing
//! is watched that it could tell of. Readers look a hundredth of a second after the signal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base::Instant;
use compat::{Baseline, Face, Snapshot, Standing};
use serde::{Deserialize, Serialize};
use vrrp::{InstanceConfig, RouterStatus};

use super::Control;
use crate::messages::{ControlToGuardian, Dump, DumpFile, ToEngine, ToRunner};
use crate::place::Place;

/// Rights that files do not get unless told otherwise: others may not read what is told here.
const UMASK: u32 = 0o177;

/// Where dumps go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DumpPlaces {
    data: PathBuf,
    /// What keepalived's parent process tells of itself.
    parent: PathBuf,
    stats: PathBuf,
    json: PathBuf,
    mode: u32,
}

impl DumpPlaces {
    /// As the configuration says, else as keepalived has them.
    pub(crate) fn of(node: &conf::Node, place: &Place) -> Self {
        let directory = std::env::var_os("TMPDIR").map_or_else(|| "/tmp".into(), PathBuf::from);
        Self::within(&directory, node, place)
    }

    fn within(directory: &Path, node: &conf::Node, at: &Place) -> Self {
        let files = &node.files;
        let mut stem = String::from("keepalived");
        if files.use_instance_name {
            stem += &at.suffix();
        }
        let place = |given: &Option<String>, extension: &str| match given {
            Some(path) => PathBuf::from(path),
            None => directory.join(format!("{stem}.{extension}")),
        };
        Self {
            data: place(&files.state, "data"),
            parent: directory.join(stem.replacen("keepalived", "keepalived_parent", 1) + ".data"),
            stats: place(&files.stats, "stats"),
            json: place(&files.json, "json"),
            mode: 0o666 & !files.umask.unwrap_or(UMASK),
        }
    }
}

/// Those under way, and where counting begins.
#[derive(Default)]
pub(super) struct Dumps {
    pending: BTreeMap<u64, Pending>,
    baseline: Baseline,
}

struct Pending {
    /// What is to be written; `None`: it is SNMP's master agent that asks.
    dump: Option<Dump>,
    status: Option<(Instant, Box<RouterStatus>)>,
    standing: Option<Standing>,
}

impl Dumps {
    /// Whether a dump waits for the answer to this question.
    pub(super) fn waits(&self, ask: u64) -> bool {
        self.pending.contains_key(&ask)
    }

    /// Whether the master agent's question is under way.
    pub(super) fn waits_for_agent(&self) -> bool {
        self.pending.values().any(|pending| pending.dump.is_none())
    }

    pub(super) fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// The engine has ended, and answers nothing any more.
    pub(super) fn give_up(&mut self) {
        self.pending.clear();
    }
}

impl Control {
    /// Asks everybody who knows something.
    pub(super) fn begin_dump(&mut self, dump: Dump) {
        self.ask_all(Some(dump));
    }

    /// The same for the master agent.
    pub(super) fn begin_question(&mut self) {
        self.ask_all(None);
    }

    fn ask_all(&mut self, dump: Option<Dump>) {
        self.asks += 1;
        let ask = self.asks;
        let Some(engine) = &mut self.engine else { return };
        let _ = engine.send(&ToEngine::Status { ask });
        let standing = (!self.scripts.is_there()).then(Standing::default);
        self.scripts.order(&ToRunner::Stand { ask });
        self.dumps.pending.insert(ask, Pending { dump, status: None, standing });
    }

    /// The engine has answered.
    pub(super) fn engine_stands(&mut self, ask: u64, at: Instant, status: Box<RouterStatus>) {
        if let Some(pending) = self.dumps.pending.get_mut(&ask) {
            pending.status = Some((at, status));
        }
        self.finish_dumps();
    }

    /// The runner has answered.
    pub(super) fn runner_stands(&mut self, ask: u64, standing: Standing) {
        if let Some(pending) = self.dumps.pending.get_mut(&ask) {
            pending.standing = Some(standing);
        }
        self.finish_dumps();
    }

    /// The runner has ended, and answers nothing any more.
    pub(super) fn runner_lost(&mut self) {
        for pending in self.dumps.pending.values_mut() {
            pending.standing.get_or_insert_default();
        }
        self.finish_dumps();
    }

    fn finish_dumps(&mut self) {
        let ready = |pending: &Pending| pending.status.is_some() && pending.standing.is_some();
        let asks: Vec<u64> =
            self.dumps.pending.iter().filter(|(_, one)| ready(one)).map(|(ask, _)| *ask).collect();
        for ask in asks {
            let Some(Pending { dump, status: Some((at, status)), standing: Some(standing) }) =
                self.dumps.pending.remove(&ask)
            else {
                continue;
            };
            let Some(dump) = dump else {
                self.answer_agent(at, &status, &standing);
                continue;
            };
            let files = self.dump(dump, at, &status, &standing);
            // A guardian that is gone ends us anyway.
            let _ = self.guardian.send(&ControlToGuardian::Dump(files));
        }
    }

    fn dump(
        &mut self,
        dump: Dump,
        at: Instant,
        status: &RouterStatus,
        standing: &Standing,
    ) -> Vec<DumpFile> {
        let Some(loaded) = &self.loaded else { return Vec::new() };
        let face: Face = postcard::from_bytes(&loaded.face).unwrap_or_default();
        let configs: Vec<InstanceConfig> = postcard::from_bytes(&self.packed).unwrap_or_default();
        let verdicts =
            self.trackers.each().map(|(tracker, verdict, _, _)| (tracker, verdict)).collect();
        let snapshot = Snapshot {
            face: &face,
            configs: &configs,
            status,
            at,
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            verdicts: &verdicts,
            standing,
            baseline: &self.dumps.baseline,
        };
        let places = &loaded.dumps;
        let file = |path: &PathBuf, text| DumpFile { path: path.clone(), text, mode: places.mode };
        let files = match dump {
            Dump::Data => vec![
                file(&places.parent, face.globals.clone()),
                file(&places.data, compat::data(&snapshot)),
            ],
            Dump::Stats | Dump::StatsClear => vec![file(&places.stats, compat::stats(&snapshot))],
            Dump::Json => vec![file(&places.json, compat::json(&snapshot))],
        };
        if dump == Dump::StatsClear {
            self.dumps.baseline = Baseline::now(&status.instances);
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(globals: &str) -> DumpPlaces {
        places_at(globals, &Place::default())
    }

    fn places_at(globals: &str, at: &Place) -> DumpPlaces {
        let text = format!("global_defs {{\n{globals}\n}}\n");
        let source = conf::Source { name: "test", text: text.as_bytes() };
        let loaded = conf::load(source, conf::Options::default());
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        DumpPlaces::within(Path::new("/tmp"), &config.node, at)
    }

    #[test]
    fn dumps_go_where_keepalived_s_go_and_only_root_may_read_them() {
        let places = places("");
        assert_eq!(places.data, Path::new("/tmp/keepalived.data"));
        assert_eq!(places.parent, Path::new("/tmp/keepalived_parent.data"));
        assert_eq!(places.stats, Path::new("/tmp/keepalived.stats"));
        assert_eq!(places.json, Path::new("/tmp/keepalived.json"));
        assert_eq!(places.mode, 0o600);
    }

    #[test]
    fn several_daemons_of_a_node_write_their_own_where_that_is_asked_for() {
        let at = Place { namespace: Some("blue".into()), ..Place::default() };
        let places = places_at("data_use_instance", &at);
        assert_eq!(places.json, Path::new("/tmp/keepalived_blue.json"));
        assert_eq!(places.parent, Path::new("/tmp/keepalived_parent_blue.data"));
        assert_eq!(places_at("", &at).json, Path::new("/tmp/keepalived.json"));
    }

    #[test]
    fn the_configuration_names_other_places_and_rights() {
        let places = places(
            "state_dump_file /run/a\nstats_dump_file /run/b\njson_dump_file /run/c\numask 0027",
        );
        assert_eq!(places.data, Path::new("/run/a"));
        assert_eq!(places.stats, Path::new("/run/b"));
        assert_eq!(places.json, Path::new("/run/c"));
        assert_eq!(places.mode, 0o640);
    }
}
