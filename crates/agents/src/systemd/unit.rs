//! One unit, and what systemd says of it.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};

use cluster::operation::OpStatus;
use tokio::sync::Mutex;
use zbus::connection::Builder;
use zbus::export::ordered_stream::OrderedStreamExt as _;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath, Proxy};

use super::{Work, unreachable};
use crate::exit::{self, Ended};

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
/// How long until a unit that is on its way somewhere is looked at again.
const AGAIN: Duration = Duration::from_millis(100);
/// The file by which a unit is told that it is the cluster's.
const OVERRIDE: &str = "50-mainstay.conf";
const OVERRIDING: &str = "[Unit]\nDescription=Cluster controlled %N\n\n[Service]\nRestart=no\n";

/// The way to systemd.
#[derive(Debug)]
pub(super) struct Manager {
    bus: Option<String>,
    overrides: Option<PathBuf>,
    connection: Mutex<Option<Connection>>,
}

/// What a unit is and does, in systemd's words.
struct Stand {
    load: String,
    active: String,
}

impl Manager {
    pub(super) fn new(bus: Option<String>, overrides: Option<PathBuf>) -> Self {
        Self { bus, overrides, connection: Mutex::new(None) }
    }

    /// The connection there is, or a new one.
    async fn connect(&self) -> zbus::Result<Connection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let builder = match &self.bus {
            Some(address) => Builder::address(&**address),
            None => Builder::system(),
        };
        let connection = builder.build().await?;
        // Signals are sent only while somebody wants them.
        manager(&connection).await?.call_method("Subscribe", &()).await?;
        Ok(kept.insert(connection).clone())
    }

    pub(super) async fn act(&self, work: &Work) -> Ended {
        for last in [false, true] {
            let done = match self.connect().await {
                Ok(bus) => self.try_act(&bus, work).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(ended) => return ended,
                Err(error) => {
                    let lost = matches!(&error, zbus::Error::InputOutput(_));
                    if lost {
                        *self.connection.lock().await = None;
                    }
                    if last || !lost {
                        return failed(work, &error);
                    }
                }
            }
        }
        unreachable("the bus is gone")
    }

    async fn try_act(&self, bus: &Connection, work: &Work) -> zbus::Result<Ended> {
        match &*work.verb {
            "monitor" | "status" => look(bus, &work.unit).await,
            "start" => {
                let stand = stand(bus, &work.unit).await?;
                if stand.load == "not-found" {
                    return Ok(missing(&work.unit));
                }
                self.take_over(bus, &work.unit).await?;
                job(bus, "StartUnit", &work.unit).await
            }
            "restart" => job(bus, "RestartUnit", &work.unit).await,
            "stop" => {
                let stand = stand(bus, &work.unit).await?;
                if stand.load == "not-found" && stand.active == "inactive" {
                    return Ok(Ended::with(exit::OK));
                }
                let ended = job(bus, "StopUnit", &work.unit).await?;
                self.give_back(bus, &work.unit).await?;
                Ok(ended)
            }
            other => {
                let why = format!("units know no `{other}`");
                Ok(Ended::failed(OpStatus::NotSupported, exit::UNIMPLEMENTED, why))
            }
        }
    }

    fn place(&self, unit: &str) -> Option<PathBuf> {
        Some(self.overrides.as_ref()?.join(format!("{unit}.d")))
    }

    /// From now on it is the cluster that restarts the unit.
    async fn take_over(&self, bus: &Connection, unit: &str) -> zbus::Result<()> {
        let Some(place) = self.place(unit).filter(|_| unit.ends_with(".service")) else {
            return Ok(());
        };
        let file = place.join(OVERRIDE);
        if std::fs::read(&file).is_ok_and(|there| there == OVERRIDING.as_bytes()) {
            return Ok(());
        }
        write(&place, &file).map_err(|error| zbus::Error::InputOutput(error.into()))?;
        manager(bus).await?.call_method("Reload", &()).await?;
        Ok(())
    }

    async fn give_back(&self, bus: &Connection, unit: &str) -> zbus::Result<()> {
        let Some(place) = self.place(unit) else { return Ok(()) };
        if std::fs::remove_file(place.join(OVERRIDE)).is_ok() {
            // Others may have files of theirs there.
            let _ = std::fs::remove_dir(&place);
            manager(bus).await?.call_method("Reload", &()).await?;
        }
        Ok(())
    }
}

fn write(place: &Path, file: &Path) -> io::Result<()> {
    std::fs::create_dir_all(place)?;
    std::fs::write(file, OVERRIDING)
}

async fn manager(bus: &Connection) -> zbus::Result<Proxy<'static>> {
    let builder = zbus::proxy::Builder::new(bus)
        .destination(SERVICE)
        .path(MANAGER)
        .interface("org.freedesktop.systemd1.Manager")
        .cache_properties(CacheProperties::No);
    builder.build().await
}

async fn stand(bus: &Connection, unit: &str) -> zbus::Result<Stand> {
    let path: OwnedObjectPath = manager(bus).await?.call("LoadUnit", &(unit,)).await?;
    let of: Proxy<'_> = zbus::proxy::Builder::new(bus)
        .destination(SERVICE)
        .path(path)
        .interface("org.freedesktop.systemd1.Unit")
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    let load = of.get_property("LoadState").await?;
    let active = of.get_property("ActiveState").await?;
    Ok(Stand { load, active })
}

/// Whether it runs; while it is on its way there or from there, that is waited for.
async fn look(bus: &Connection, unit: &str) -> zbus::Result<Ended> {
    loop {
        let stand = stand(bus, unit).await?;
        match &*stand.active {
            "active" | "reloading" | "refreshing" => return Ok(Ended::with(exit::OK)),
            "activating" | "deactivating" | "maintenance" => tokio::time::sleep(AGAIN).await,
            _ if stand.load == "not-found" => return Ok(missing(unit)),
            "failed" => {
                let reason = format!("systemd says that {unit} has failed");
                return Ok(Ended { reason, ..Ended::with(exit::NOT_RUNNING) });
            }
            _ => return Ok(Ended::with(exit::NOT_RUNNING)),
        }
    }
}

/// Has systemd do something, and waits until it is done.
async fn job(bus: &Connection, method: &str, unit: &str) -> zbus::Result<Ended> {
    let manager = manager(bus).await?;
    // Listened for before it is asked for: it may be done before the answer comes.
    let mut removed = manager.receive_signal("JobRemoved").await?;
    let job: OwnedObjectPath = manager.call(method, &(unit, "replace")).await?;
    while let Some(signal) = removed.next().await {
        let body = signal.body();
        let (_, path, _, result): (u32, OwnedObjectPath, String, String) = body.deserialize()?;
        if path != job {
            continue;
        }
        let why = match &*result {
            "done" | "skipped" => return Ok(Ended::with(exit::OK)),
            "timeout" => {
                let why = format!("{unit} did not do it in the time systemd gives it");
                return Ok(Ended::failed(OpStatus::TimedOut, exit::ERROR, why));
            }
            "dependency" => format!("something that {unit} needs could not be started"),
            "canceled" => format!("somebody told systemd otherwise while {unit} was about to"),
            other => format!("systemd could not do it: the job of {unit} ended in `{other}`"),
        };
        return Ok(Ended::failed(OpStatus::Error, exit::ERROR, why));
    }
    Ok(unreachable("the bus went away while it was waited for"))
}

fn missing(unit: &str) -> Ended {
    let why = format!("systemd knows no unit {unit}");
    Ended::failed(OpStatus::NotInstalled, exit::INSTALLED, why)
}

fn failed(work: &Work, error: &zbus::Error) -> Ended {
    let zbus::Error::MethodError(name, text, _) = error else {
        return unreachable(&error.to_string());
    };
    let what = name.rsplit('.').next().unwrap_or_default();
    match (what, &*work.verb) {
        // What is not there is stopped.
        ("NoSuchUnit", "stop") => Ended::with(exit::OK),
        ("NoSuchUnit" | "LoadFailed", _) => missing(&work.unit),
        ("AccessDenied" | "InteractiveAuthorizationRequired", _) => {
            let why = text.clone().unwrap_or_else(|| name.to_string());
            Ended::failed(OpStatus::Error, exit::PERMISSION, why)
        }
        _ => {
            let why = text.clone().unwrap_or_else(|| name.to_string());
            Ended::failed(OpStatus::Error, exit::ERROR, why)
        }
    }
}
