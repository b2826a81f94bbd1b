//! The first section of the data dump: what concerns the node, as the configuration has it.

use core::fmt::{Display, Write as _};
use core::time::Duration;

use base::Version;
use conf::{BufferSize, Config, Scheduling};

use crate::words::{choose, seconds};

/// The section, its heading included.
#[must_use]
pub fn globals(config: &Config) -> String {
    let (globals, node) = (&config.globals, &config.node);
    let mut page = Page("------< Global definitions >------\n".into());
    let namespace = node.run.namespace.as_deref().unwrap_or("(default)");
    page.line("Network namespace", namespace);
    if let Some(instance) = &node.run.instance {
        page.line("Instance name", instance);
    }
    if let Some(router_id) = &globals.router_id {
        page.line("Router ID", router_id);
    }
    mail(&mut page, config);
    page.line("Dynamic interfaces", true);
    page.line("Default interface", &node.links.default);
    page.line("FIFO write vrrp states on reload", node.fifos.states_on_reload);
    for (name, fifo) in [("Global", &node.fifos.all), ("VRRP", &node.fifos.vrrp)] {
        if let Some(path) = fifo.as_ref().and_then(|fifo| fifo.path.as_ref()) {
            page.line(&format!("{name} notify fifo"), path);
        }
    }
    page.line("VRRP notify priority changes", node.notify_priority_changes);
    page.line("Gratuitous ARP interval", fraction(globals.arp_gap));
    page.line("Gratuitous NA interval", fraction(globals.na_gap));
    let version = config.instances.iter().map(conf::InstanceConfig::version).min();
    page.line("VRRP default protocol version", choose(version == Some(Version::V3), "3", "2"));
    scheduling(&mut page, "VRRP", &node.vrrp);
    scheduling(&mut page, "BFD", &node.bfd);
    page.text(&format!("SNMP vrrp {}", choose(node.snmp.vrrp, "enabled", "disabled")));
    page.text(&format!("SNMP RFCv2 {}", choose(node.snmp.rfc_v2, "enabled", "disabled")));
    page.text(&format!("SNMP RFCv3 {}", choose(node.snmp.rfc_v3, "enabled", "disabled")));
    page.text(&format!("SNMP traps {}", choose(node.snmp.traps, "enabled", "disabled")));
    page.text(&format!("DBus {}", choose(node.dbus.enabled, "enabled", "disabled")));
    page.line("DBus service name", &node.dbus.service);
    page.text(&format!(
        "Script security {}",
        choose(globals.script_security, "enabled", "disabled")
    ));
    for (name, size) in [
        ("vrrp_netlink_cmd_rcv_bufs", node.buffers.netlink_commands),
        ("vrrp_netlink_monitor_rcv_bufs", node.buffers.netlink_news),
        ("process_monitor_rcv_bufs", node.buffers.processes),
    ] {
        let BufferSize { octets, force } = size.unwrap_or(BufferSize { octets: 0, force: false });
        page.line(name, octets);
        page.line(&format!("{name}_force"), u8::from(force));
    }
    page.line("rx_bufs_multiples", node.buffers.adverts.times);
    page.line("umask", format!("0{:o}", node.files.umask));
    page.0
}

fn mail(page: &mut Page, config: &Config) {
    let mail = &config.node.mail;
    if let Some(server) = &mail.server {
        page.line("Smtp server", &server.host);
        page.line("Smtp server port", server.port);
    }
    if let Some(greeting) = &mail.greeting {
        page.line("Smtp HELO name", greeting);
    }
    page.line("Smtp server connection timeout", seconds(mail.timeout));
    if let Some(from) = &mail.from {
        page.line("Email notification from", from);
    }
    if !mail.to.is_empty() {
        page.text("Email notification to:");
        for to in &mail.to {
            page.text(&format!("  {to}"));
        }
    }
    if mail.no_faults {
        page.text("No email faults");
    }
}

fn scheduling(page: &mut Page, process: &str, how: &Scheduling) {
    page.line(&format!("{process} process priority"), how.nice);
    page.line(&format!("{process} don't swap"), how.locked);
    page.line(&format!("{process} realtime priority"), how.real_time.unwrap_or(0));
    page.line(&format!("{process} realtime limit"), how.run_limit.as_micros());
}

fn fraction(span: Duration) -> String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}

struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, " {name} = {value}");
    }

    fn text(&mut self, text: &str) {
        let _ = writeln!(self.0, " {text}");
    }
}
