//! The virtual router that the speakers of a test share, and each one's part in it.
//!
//! mainstay and keepalived read the same language, so one text serves both: what differs in a test
//! differs on purpose.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use base::{Family, Version};

/// The VRID of every test.
pub(crate) const VRID: u8 = 51;

/// Version, family and interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) version: Version,
    pub(crate) family: Family,
    pub(crate) interval: Duration,
}

/// VRRPv2, with the shortest interval it knows.
pub(crate) const V2: Mode =
    Mode { version: Version::V2, family: Family::V4, interval: Duration::from_secs(1) };
/// VRRPv3 over IPv4.
pub(crate) const V3_IPV4: Mode =
    Mode { version: Version::V3, family: Family::V4, interval: Duration::from_millis(200) };
/// VRRPv3 over IPv6.
pub(crate) const V3_IPV6: Mode =
    Mode { version: Version::V3, family: Family::V6, interval: Duration::from_millis(200) };

impl Mode {
    /// The same with another interval.
    pub(crate) fn every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// 2 or 3.
    pub(crate) fn number(self) -> u8 {
        match self.version {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }

    /// Skew_Time of a node of this priority (RFC 3768 §6.1; RFC 9568 §6.1).
    pub(crate) fn skew(self, priority: u8) -> Duration {
        let interval = match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.interval,
        };
        interval * (256 - u32::from(priority)) / 256
    }

    /// Active_Down_Interval of a node of this priority.
    pub(crate) fn active_down(self, priority: u8) -> Duration {
        self.interval * 3 + self.skew(priority)
    }

    /// The VIP the client asks.
    pub(crate) fn vip(self) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::from([193, 168, 0, 6]),
            Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 6]),
        }
    }

    /// All VIPs as a configuration names them; in IPv6 a link-local one is first (RFC 9568 §5.2.9).
    pub(crate) fn vips(self) -> Vec<String> {
        let names: &[&str] = match self.family {
            Family::V4 => &["193.168.0.6/16"],
            Family::V6 => &["fe80::6/64", "2001:db8::6/64"],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The address that adverts of the node with this last octet come from in unicast.
    pub(crate) fn unicast(self, octet: u8) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::from([193, 168, 0, octet]),
            Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, octet.into()]),
        }
    }
}

/// What one speaker is told.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) mode: Mode,
    pub(crate) priority: u8,
    state: &'static str,
    vips: Vec<String>,
    lines: Vec<String>,
    before: String,
}

impl Part {
    /// The plain part: this priority and nothing else.
    pub(crate) fn new(mode: Mode, priority: u8) -> Self {
        Self {
            mode,
            priority,
            state: "BACKUP",
            vips: mode.vips(),
            lines: Vec::new(),
            before: String::new(),
        }
    }

    /// With another priority.
    pub(crate) fn priority(&self, priority: u8) -> Self {
        Self { priority, ..self.clone() }
    }

    /// As the owner of the addresses, which starts Active.
    pub(crate) fn owner(&self) -> Self {
        Self { priority: 255, state: "MASTER", ..self.clone() }
    }

    /// With one more line in the instance; keepalived wants braces on lines of their own.
    pub(crate) fn with(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// With blocks before the instance.
    pub(crate) fn before(&self, text: &str) -> Self {
        Self { before: format!("{}{text}", self.before), ..self.clone() }
    }

    /// With other VIPs.
    pub(crate) fn holding(mut self, vips: &[&str]) -> Self {
        self.vips = vips.iter().map(|vip| (*vip).to_owned()).collect();
        self
    }

    /// As keepalived.conf.
    pub(crate) fn conf(&self) -> String {
        let Mode { interval, .. } = self.mode;
        let advert = format!("{}.{:02}", interval.as_secs(), interval.subsec_millis() / 10);
        let mut text = format!(
            "global_defs {{\n vrrp_version {}\n}}\n{}vrrp_instance VI_1 {{\n state {}\n \
             interface eth0\n virtual_router_id {VRID}\n priority {}\n advert_int {}\n",
            self.mode.number(),
            self.before,
            self.state,
            self.priority,
            advert.trim_end_matches(".00"),
        );
        for line in &self.lines {
            let _ = writeln!(text, " {line}");
        }
        text.push_str(" virtual_ipaddress {\n");
        for vip in &self.vips {
            let _ = writeln!(text, "  {vip}");
        }
        text.push_str(" }\n}\n");
        text
    }
}
