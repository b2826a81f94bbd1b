//! `global_defs` and `vrrp_instance` as they were written: every setting given or not given, no
//! default applied, nothing compared with anything else. That is `resolve`'s part.

use core::net::IpAddr;
use core::time::Duration;

use base::Name;

use crate::given::{Given, Named};
use crate::keywords::{Status, Within};
use crate::lines::VipLine;
use crate::peers::InterfaceLine;
use crate::reader::{At, Reader, Recognised, Seen};
use crate::tree::{Block, Statement};
use crate::value::Value;
use crate::{Notify, Peer, RunAs, Span};

/// Announcement settings: given for one instance, or for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawAnnounce {
    pub(crate) delay: Option<Duration>,
    pub(crate) repeat: Option<u32>,
    pub(crate) refresh: Option<Duration>,
    pub(crate) refresh_repeat: Option<u32>,
    pub(crate) lower_delay: Option<Duration>,
    pub(crate) lower_repeat: Option<u32>,
}

/// `global_defs`.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawGlobals {
    pub(crate) router_id: Option<String>,
    pub(crate) startup_delay: Option<Duration>,
    pub(crate) arp_gap: Option<Duration>,
    pub(crate) na_gap: Option<Duration>,
    pub(crate) script_security: bool,
    pub(crate) script_user: Option<RunAs>,
    pub(crate) interfaces_may_change: bool,
    pub(crate) default_interface: Option<Name>,
    pub(crate) version_3: Option<bool>,
    pub(crate) group_v4: Option<IpAddr>,
    pub(crate) group_v6: Option<IpAddr>,
    pub(crate) announce: RawAnnounce,
    pub(crate) min_garp: bool,
    pub(crate) lower_prio_no_advert: bool,
    pub(crate) higher_prio_send_advert: bool,
    pub(crate) down_adverts: Option<u8>,
    pub(crate) check_unicast_src: Option<bool>,
    pub(crate) v3_checksum_as_v2: bool,
    pub(crate) skip_check_adv_addr: bool,
    pub(crate) strict: bool,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) smtp_alert_vrrp: Option<bool>,
    /// Everything else.
    pub(crate) given: Given,
}

/// One `vrrp_instance`.
#[derive(Clone, Debug)]
pub(crate) struct RawInstance {
    pub(crate) name: At<String>,
    /// Every keyword it contains, also those whose value was refused.
    pub(crate) seen: Seen,
    /// The same for the lines of `virtual_ipaddress` and of `unicast_peer`: whether there are any.
    pub(crate) vips_written: bool,
    pub(crate) peers_written: bool,
    pub(crate) state_master: Option<At<bool>>,
    pub(crate) interface: Option<At<Name>>,
    pub(crate) vrid: Option<At<u8>>,
    pub(crate) priority: Option<At<u8>>,
    pub(crate) interval: Option<At<Duration>>,
    pub(crate) version_3: Option<At<bool>>,
    pub(crate) authentication: Option<RawAuthentication>,
    pub(crate) vips: Vec<VipLine>,
    pub(crate) excluded: Vec<VipLine>,
    pub(crate) no_vips: bool,
    /// `unicast_src_ip` and `mcast_src_ip`, in the order given.
    pub(crate) sources: Vec<At<IpAddr>>,
    pub(crate) peers: Vec<Peer>,
    /// The first line that only means something for unicast, `unicast_peer` apart.
    pub(crate) unicast_only: Option<Span>,
    /// The `unicast_peer` block, even an empty one.
    pub(crate) unicast_peer: Option<Span>,
    pub(crate) unicast_ttl: Option<u8>,
    pub(crate) lease: Option<bool>,
    pub(crate) check_unicast_src: Option<bool>,
    pub(crate) v3_checksum_as_v2: Option<bool>,
    pub(crate) preempt: Option<At<bool>>,
    pub(crate) preempt_delay: Option<At<Duration>>,
    pub(crate) interfaces: Vec<InterfaceLine>,
    pub(crate) dont_track_primary: bool,
    pub(crate) notify: Notify,
    pub(crate) smtp_alert: Option<At<bool>>,
    pub(crate) announce: RawAnnounce,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) down_adverts: Option<u8>,
    pub(crate) skip_check_adv_addr: Option<bool>,
    pub(crate) strict: Option<bool>,
    pub(crate) hmac: Option<(Span, Given)>,
    /// Everything else.
    pub(crate) given: Given,
}

/// `authentication`.
#[derive(Clone, Debug)]
pub(crate) struct RawAuthentication {
    /// The whole line that opens it.
    pub(crate) line: Span,
    /// Every keyword it contains, also those whose value was refused.
    pub(crate) seen: Seen,
    /// `auth_type`: whether it is AH rather than PASS.
    pub(crate) is_ah: Option<At<bool>>,
    pub(crate) password: Option<At<String>>,
}

/// A whole text as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawConfig {
    pub(crate) globals: RawGlobals,
    pub(crate) instances: Vec<RawInstance>,
    pub(crate) groups: Vec<Named>,
    pub(crate) scripts: Vec<Named>,
    pub(crate) files: Vec<Named>,
    pub(crate) processes: Vec<Named>,
    pub(crate) bfd: Vec<Named>,
    pub(crate) track_groups: Vec<Named>,
    pub(crate) pacing: Vec<(Span, Given)>,
    /// Everything else outside of blocks.
    pub(crate) given: Given,
}

impl Reader<'_> {
    /// Reads everything outside of blocks.
    pub(crate) fn top(&mut self, statements: &[Statement]) -> RawConfig {
        let mut config = RawConfig::default();
        let mut seen = Seen::new();
        for statement in statements {
            let Some(line) = self.recognise(Within::Top, statement, &mut seen) else { continue };
            // What is refused as a whole is not refused again word by word.
            let pending = usize::from(matches!(line.keyword.status(), Status::NotInForce(_)));
            self.pending += pending;
            match (line.keyword.name, &statement.block) {
                ("global_defs", Some(block)) => {
                    if self.at_most("`global_defs`", statement.arguments(), 0) {
                        self.global_defs(block, &mut config.globals);
                    }
                }
                ("vrrp_instance", Some(block)) => {
                    config.instances.extend(self.instance(statement, block));
                }
                ("vrrp_sync_group", Some(block)) => {
                    config.groups.extend(self.named(Within::SyncGroup, statement, block));
                }
                ("vrrp_script", Some(block)) => {
                    config.scripts.extend(self.named(Within::Script, statement, block));
                }
                ("track_file", Some(block)) => {
                    config.files.extend(self.named(Within::TrackFile, statement, block));
                }
                ("vrrp_track_process", Some(block)) => {
                    config.processes.extend(self.named(Within::TrackProcess, statement, block));
                }
                ("bfd_instance", Some(block)) => {
                    config.bfd.extend(self.named(Within::Bfd, statement, block));
                }
                ("track_group", Some(block)) => {
                    config.track_groups.extend(self.named(Within::TrackGroup, statement, block));
                }
                ("garp_group", Some(block)) => {
                    self.at_most("`garp_group`", statement.arguments(), 0);
                    let given = self.given(Within::GarpGroup, block);
                    config.pacing.push((statement.keyword(), given));
                }
                _ => self.take(&line, statement, &mut config.given),
            }
            self.pending -= pending;
        }
        config
    }

    fn global_defs(&mut self, block: &Block, globals: &mut RawGlobals) {
        let mut seen = Seen::new();
        for statement in &block.statements {
            let Some(line) = self.recognise(Within::GlobalDefs, statement, &mut seen) else {
                continue;
            };
            if statement.block.is_some() {
                self.take(&line, statement, &mut globals.given);
                continue;
            }
            let Some(At { value, span }) = self.value(line.written, statement) else { continue };
            let announce = &mut globals.announce;
            match (line.keyword.name, value) {
                ("router_id", Value::Text(name)) => globals.router_id = Some(name),
                ("smtp_alert", Value::Switch(on)) => globals.smtp_alert = Some(on),
                ("smtp_alert_vrrp", Value::Switch(on)) => globals.smtp_alert_vrrp = Some(on),
                ("script_user", Value::RunAs(who)) => globals.script_user = Some(who),
                ("enable_script_security", Value::Switch(on)) => globals.script_security = on,
                ("vrrp_version", Value::Choice(v)) => globals.version_3 = Some(v == "3"),
                ("vrrp_strict", Value::Switch(on)) => globals.strict = on,
                ("vrrp_skip_check_adv_addr", Value::Switch(on)) => globals.skip_check_adv_addr = on,
                ("vrrp_garp_interval", Value::Time(gap)) => globals.arp_gap = Some(gap),
                ("vrrp_gna_interval", Value::Time(gap)) => globals.na_gap = Some(gap),
                ("vrrp_garp_master_delay", Value::Time(t)) => announce.delay = Some(t),
                ("vrrp_garp_master_repeat", Value::Integer(n)) => announce.repeat = fit(n),
                ("vrrp_garp_master_refresh", Value::Time(t)) => announce.refresh = Some(t),
                ("vrrp_garp_master_refresh_repeat", Value::Integer(n)) => {
                    announce.refresh_repeat = fit(n);
                }
                ("vrrp_garp_lower_prio_delay", Value::Time(t)) => announce.lower_delay = Some(t),
                ("vrrp_garp_lower_prio_repeat", Value::Integer(n)) => {
                    announce.lower_repeat = fit(n);
                }
                ("vrrp_min_garp", Value::Switch(on)) => globals.min_garp = on,
                ("vrrp_lower_prio_no_advert", Value::Switch(on)) => {
                    globals.lower_prio_no_advert = on;
                }
                ("vrrp_higher_prio_send_advert", Value::Switch(on)) => {
                    globals.higher_prio_send_advert = on;
                }
                ("vrrp_down_timer_adverts", Value::Integer(n)) => globals.down_adverts = fit(n),
                ("vrrp_mcast_group4", Value::Address(a)) => globals.group_v4 = Some(a),
                ("vrrp_mcast_group6", Value::Address(a)) => globals.group_v6 = Some(a),
                ("vrrp_check_unicast_src", Value::Switch(on)) => {
                    globals.check_unicast_src = Some(on);
                }
                ("v3_checksum_as_v2", Value::Switch(on)) => globals.v3_checksum_as_v2 = on,
                ("default_interface", Value::Name(name)) => globals.default_interface = Some(name),
                ("dynamic_interfaces", value) => {
                    globals.interfaces_may_change = matches!(value, Value::Choice(_));
                }
                ("vrrp_startup_delay", Value::Time(t)) => globals.startup_delay = Some(t),
                (name, value) => globals.given.set(name, At::new(value, span)),
            }
        }
    }

    fn instance(&mut self, statement: &Statement, block: &Block) -> Option<RawInstance> {
        let name = self.block_name(statement)?;
        let mut raw = RawInstance::new(name);
        for statement in &block.statements {
            if let Some(line) = self.recognise(Within::Instance, statement, &mut raw.seen) {
                let pending = usize::from(matches!(line.keyword.status(), Status::NotInForce(_)));
                self.pending += pending;
                match &statement.block {
                    Some(block) => self.instance_block(&line, statement, block, &mut raw),
                    None => {
                        if let Some(value) = self.value(line.written, statement) {
                            self.instance_line(
                                line.keyword.name,
                                statement.line(),
                                value,
                                &mut raw,
                            );
                        }
                    }
                }
                self.pending -= pending;
            }
        }
        Some(raw)
    }

    fn instance_block(
        &mut self,
        line: &Recognised,
        statement: &Statement,
        block: &Block,
        raw: &mut RawInstance,
    ) {
        let name = line.keyword.name;
        let within = match name {
            "virtual_ipaddress"
            | "virtual_ipaddress_excluded"
            | "unicast_peer"
            | "track_interface"
            | "authentication"
            | "auth_hmac" => name,
            _ => return self.take(line, statement, &mut raw.given),
        };
        self.at_most(&format!("`{name}`"), statement.arguments(), 0);
        match within {
            "virtual_ipaddress" => {
                raw.vips_written |= !block.statements.is_empty();
                raw.vips.extend(self.vips(block, false));
            }
            "virtual_ipaddress_excluded" => raw.excluded.extend(self.vips(block, false)),
            "unicast_peer" => {
                raw.unicast_peer.get_or_insert(statement.keyword());
                raw.peers_written |= !block.statements.is_empty();
                raw.peers.extend(self.peers(block));
            }
            "track_interface" => raw.interfaces.extend(self.interfaces(block)),
            "authentication" => {
                raw.authentication = Some(self.authentication(statement.line(), block));
            }
            _ => raw.hmac = Some((statement.keyword(), self.given(Within::AuthHmac, block))),
        }
    }

    fn instance_line(
        &mut self,
        name: &'static str,
        line: Span,
        At { value, span }: At<Value>,
        raw: &mut RawInstance,
    ) {
        let announce = &mut raw.announce;
        match (name, value) {
            ("state", Value::Choice(word)) => {
                raw.state_master = Some(At::new(word == "MASTER", span));
            }
            ("interface", Value::Name(name)) => raw.interface = Some(At::new(name, span)),
            ("virtual_router_id", Value::Integer(n)) => raw.vrid = fit(n).map(|n| At::new(n, span)),
            ("priority", Value::Integer(n)) => raw.priority = fit(n).map(|n| At::new(n, span)),
            ("advert_int", Value::Time(t)) => raw.interval = Some(At::new(t, span)),
            ("version", Value::Choice(v)) => raw.version_3 = Some(At::new(v == "3", span)),
            ("no_virtual_ipaddress", Value::Bare) => raw.no_vips = true,
            ("unicast_src_ip", Value::Address(a)) => {
                raw.unicast_only.get_or_insert(line);
                raw.sources.push(At::new(a, span));
            }
            ("mcast_src_ip", Value::Address(a)) => raw.sources.push(At::new(a, span)),
            ("unicast_peer", Value::Address(a)) => {
                raw.unicast_peer.get_or_insert(line);
                raw.peers_written = true;
                raw.peers.extend(self.plain_peer(a, span));
            }
            ("unicast_ttl", Value::Integer(n)) => {
                raw.unicast_only.get_or_insert(line);
                raw.unicast_ttl = fit(n);
            }
            ("lease", Value::Switch(on)) => raw.lease = Some(on),
            ("check_unicast_src", Value::Switch(on)) => {
                raw.unicast_only.get_or_insert(line);
                raw.check_unicast_src = Some(on);
            }
            ("v3_checksum_as_v2", Value::Switch(on)) => raw.v3_checksum_as_v2 = Some(on),
            ("nopreempt", Value::Bare) => raw.preempt = Some(At::new(false, line)),
            ("preempt", Value::Bare) => raw.preempt = Some(At::new(true, line)),
            ("preempt_delay", Value::Time(t)) => raw.preempt_delay = Some(At::new(t, line)),
            ("dont_track_primary", Value::Bare) => raw.dont_track_primary = true,
            ("notify_master", Value::Command(c)) => raw.notify.active = Some(c),
            ("notify_backup", Value::Command(c)) => raw.notify.backup = Some(c),
            ("notify_fault", Value::Command(c)) => raw.notify.fault = Some(c),
            ("notify_stop", Value::Command(c)) => raw.notify.stop = Some(c),
            ("notify", Value::Command(c)) => raw.notify.any = Some(c),
            ("smtp_alert", Value::Switch(on)) => raw.smtp_alert = Some(At::new(on, span)),
            ("garp_master_delay", Value::Time(t)) => announce.delay = Some(t),
            ("garp_master_repeat", Value::Integer(n)) => announce.repeat = fit(n),
            ("garp_master_refresh", Value::Time(t)) => announce.refresh = Some(t),
            ("garp_master_refresh_repeat", Value::Integer(n)) => announce.refresh_repeat = fit(n),
            ("garp_lower_prio_delay", Value::Time(t)) => announce.lower_delay = Some(t),
            ("garp_lower_prio_repeat", Value::Integer(n)) => announce.lower_repeat = fit(n),
            ("lower_prio_no_advert", Value::Switch(on)) => raw.lower_prio_no_advert = Some(on),
            ("higher_prio_send_advert", Value::Switch(on)) => {
                raw.higher_prio_send_advert = Some(on);
            }
            ("down_timer_adverts", Value::Integer(n)) => raw.down_adverts = fit(n),
            ("skip_check_adv_addr", Value::Switch(on)) => raw.skip_check_adv_addr = Some(on),
            ("strict_mode", Value::Switch(on)) => raw.strict = Some(on),
            // Says what is always so here.
            ("accept", Value::Bare) => {}
            (name, value) => raw.given.set(name, At::new(value, span)),
        }
    }

    fn authentication(&mut self, line: Span, block: &Block) -> RawAuthentication {
        let mut raw = RawAuthentication { line, seen: Seen::new(), is_ah: None, password: None };
        for statement in &block.statements {
            let Some(line) = self.recognise(Within::Authentication, statement, &mut raw.seen)
            else {
                continue;
            };
            let Some(At { value, span }) = self.value(line.written, statement) else { continue };
            match (line.keyword.name, value) {
                ("auth_type", Value::Choice(word)) => {
                    raw.is_ah = Some(At::new(word == "AH", span));
                }
                ("auth_pass", Value::Text(text)) => raw.password = Some(At::new(text, span)),
                (name, value) => unreachable!("{name} {value:?} is in force and not read"),
            }
        }
        raw
    }
}

impl RawInstance {
    fn new(name: At<String>) -> Self {
        Self {
            name,
            seen: Seen::new(),
            vips_written: false,
            peers_written: false,
            state_master: None,
            interface: None,
            vrid: None,
            priority: None,
            interval: None,
            version_3: None,
            authentication: None,
            vips: Vec::new(),
            excluded: Vec::new(),
            no_vips: false,
            sources: Vec::new(),
            peers: Vec::new(),
            unicast_only: None,
            unicast_peer: None,
            unicast_ttl: None,
            lease: None,
            check_unicast_src: None,
            v3_checksum_as_v2: None,
            preempt: None,
            preempt_delay: None,
            interfaces: Vec::new(),
            dont_track_primary: false,
            notify: Notify::default(),
            smtp_alert: None,
            announce: RawAnnounce::default(),
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            down_adverts: None,
            skip_check_adv_addr: None,
            strict: None,
            hmac: None,
            given: Given::default(),
        }
    }
}

/// A number the table has already bounded, in the type that holds it.
fn fit<T: TryFrom<i64>>(number: i64) -> Option<T> {
    T::try_from(number).ok()
}
