//! The event log: the last of what happened, in order, for whoever asks.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{SystemTime, UNIX_EPOCH};

use base::{Event, EventId, Instant, Origin, Reason, Subject, What};
use compat::Lines;
use ui::cli::LogFormat;
use ui::protocol::EventRecord;
use ui::text;
use vrrp::InstanceConfig;

use super::remembered::Remembered;

/// How many are remembered at most.
const REMEMBERED: usize = 10_000;

/// How many things (addresses, causes) those may name together: an instance of thousands of VIPs
/// tells of all of them at once.
const NAMED: usize = 40_000;

fn told(event: Event, unix_ms: i64) -> EventRecord {
    EventRecord { text: text::sentence(&event), event, unix_ms }
}

fn names(event: &Event) -> usize {
    let vips = match &event.what {
        What::VipsPresent { vips } | What::VipsGone { vips } => vips.len(),
        _ => 0,
    };
    event.causes.len() + vips
}

/// What has happened, and where it is written as it happens.
pub(crate) struct EventLog {
    records: Remembered,
    /// How much those name together.
    named: usize,
    format: LogFormat,
    syslog: Syslog,
    lines: Lines,
    own: u64,
    last_of_engine: Option<u64>,
    /// Handed to followers, and then forgotten here.
    fresh: Vec<(Event, i64)>,
    /// Somebody follows.
    followed: bool,
}

impl EventLog {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self {
            records: Remembered::default(),
            named: 0,
            format,
            syslog: Syslog::default(),
            lines: Lines::default(),
            own: 0,
            last_of_engine: None,
            fresh: Vec::new(),
            followed: false,
        }
    }

    /// Records what control itself saw happen.
    pub(crate) fn tell(
        &mut self,
        at: Instant,
        subject: Subject,
        what: What,
        reason: Reason,
        causes: Vec<EventId>,
    ) -> EventId {
        self.own += 1;
        let id = EventId { origin: Origin::Control, number: self.own };
        self.record(Event { id, at, subject, what, reason, causes });
        id
    }

    /// Records an event of whatever origin.
    pub(crate) fn record(&mut self, event: Event) {
        if event.id.origin == Origin::Engine {
            self.last_of_engine = self.last_of_engine.max(Some(event.id.number));
        }
        let unix_ms = unix_ms();
        match self.format {
            LogFormat::Text => eprintln!("{}", text::line(&event)),
            LogFormat::Json => {
                let record = told(event.clone(), unix_ms);
                match serde_json::to_string(&record) {
                    Ok(line) => eprintln!("{line}"),
                    Err(error) => eprintln!("{}: {error}", record.text),
                }
            }
            LogFormat::Syslog => self.syslog.send("mainstay", &text::line(&event)),
            LogFormat::Keepalived | LogFormat::KeepalivedSyslog => {
                let lines = self.lines.of(&event);
                for line in lines.unwrap_or_else(|| vec![text::sentence(&event)]) {
                    self.write_line(&line);
                }
            }
            LogFormat::None => {}
        }
        self.named += names(&event);
        while self.records.len() >= REMEMBERED || self.named > NAMED {
            let Some(oldest) = self.records.forget() else { break };
            self.named -= names(&oldest);
        }
        if !self.records.push(&event, unix_ms) {
            self.named -= names(&event);
        }
        if self.followed {
            self.fresh.push((event, unix_ms));
        }
    }

    /// These instances are in force from now on.
    pub(crate) fn configure(&mut self, instances: &[InstanceConfig]) {
        if self.speaks_as_keepalived() {
            self.lines.configure(instances);
        }
    }

    /// Says what keepalived would say and no event is for.
    pub(crate) fn remark(&mut self, line: &str) {
        if self.speaks_as_keepalived() {
            self.write_line(line);
        }
    }

    fn speaks_as_keepalived(&self) -> bool {
        matches!(self.format, LogFormat::Keepalived | LogFormat::KeepalivedSyslog)
    }

    fn write_line(&mut self, line: &str) {
        if self.format == LogFormat::KeepalivedSyslog {
            self.syslog.send("Keepalived_vrrp", line);
        } else {
            eprintln!("{line}");
        }
    }

    /// The highest number an engine has given to an event.
    pub(crate) fn last_of_engine(&self) -> Option<u64> {
        self.last_of_engine
    }

    /// All that is remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<EventRecord> {
        self.records.iter().map(|(event, unix_ms)| told(event, unix_ms)).collect()
    }

    /// The record of an event, if it is remembered.
    pub(crate) fn find(&self, id: EventId) -> Option<Event> {
        self.records.find(id)
    }

    /// Whether what is recorded from now on is to be kept for followers.
    pub(crate) fn follow(&mut self, followed: bool) {
        self.followed = followed;
        if !followed {
            self.fresh = Vec::new();
        }
    }

    /// What has been recorded for followers since this was last asked.
    pub(crate) fn take_fresh(&mut self) -> Vec<EventRecord> {
        let fresh = std::mem::take(&mut self.fresh);
        fresh.into_iter().map(|(event, unix_ms)| told(event, unix_ms)).collect()
    }
}

/// The system's log, over its datagram socket (syslog(3), RFC 3164). A log that is away loses lines;
/// it never makes us wait.
#[derive(Default)]
struct Syslog(Option<UnixDatagram>);

impl Syslog {
    /// Facility daemon (3), severity informational (6).
    const PRIORITY: u8 = 3 * 8 + 6;

    fn send(&mut self, program: &str, text: &str) {
        if self.0.is_none() {
            self.0 = UnixDatagram::unbound().ok().filter(|socket| {
                socket.set_nonblocking(true).is_ok() && socket.connect("/dev/log").is_ok()
            });
        }
        let line = format!("<{}>{program}[{}]: {text}", Self::PRIORITY, std::process::id());
        let sent = self.0.as_ref().map(|socket| socket.send(line.as_bytes()));
        if matches!(sent, Some(Err(error)) if error.kind() != io::ErrorKind::WouldBlock) {
            // The log daemon was restarted: its socket is another one now.
            self.0 = None;
        }
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_ids_go_on() {
        let mut log = EventLog::new(LogFormat::None);
        log.follow(true);
        for _ in 0..REMEMBERED + 3 {
            log.tell(Instant::ZERO, Subject::Node, What::Stopping, Reason::Shutdown, vec![]);
        }
        let all = log.all();
        assert_eq!(all.len(), REMEMBERED);
        assert_eq!(all[0].event.id.number, 4);
        assert!(log.find(all[0].event.id).is_some());
        assert!(log.find(EventId { origin: Origin::Control, number: 3 }).is_none());
        assert_eq!(log.take_fresh().len(), REMEMBERED + 3);
        assert!(log.take_fresh().is_empty());
        log.follow(false);
        log.tell(Instant::ZERO, Subject::Node, What::Stopping, Reason::Shutdown, vec![]);
        assert!(log.take_fresh().is_empty(), "nobody is there to take it");
    }

    #[test]
    fn events_that_name_thousands_of_vips_push_out_the_older_ones() {
        let mut log = EventLog::new(LogFormat::None);
        let vips: Vec<_> = (0..4000).map(|n: u32| std::net::Ipv4Addr::from(n).into()).collect();
        for _ in 0..50 {
            let what = What::VipsPresent { vips: vips.clone() };
            log.tell(Instant::ZERO, Subject::Node, what, Reason::StateWantsVips, vec![]);
        }
        assert_eq!(log.all().len(), NAMED / 4000);
        assert_eq!(log.all().last().map(|last| last.event.id.number), Some(50));
    }
}
