//! Mails about transitions: who gets them and by which server, and what is said of their delivery.
//!
//! Control writes them, the runner delivers them; delivery may take as long as a mail server likes,
//! so it is a thread of its own there. Nothing waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{Name, Subject};
use serde::{Deserialize, Serialize};

/// Letters that may wait at once. When a server is away for long, the oldest news are the least
/// worth.
pub(crate) const WAITING: usize = 256;

/// Which transitions are mailed, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Mailing {
    instances: BTreeSet<Name>,
    groups: BTreeSet<Name>,
    /// Faults are not.
    no_faults: bool,
    /// How.
    pub(crate) post: PostOffice,
}

/// By which server, from whom and to whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PostOffice {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) timeout: Duration,
    pub(crate) greeting: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

/// A mail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// What became of an attempt to deliver a letter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Delivery {
    /// The server has it.
    Done,
    /// It does not, for this reason; it will be tried again.
    Later(String),
    /// It does not, and will not be tried again.
    GivenUp(String),
}

impl Mailing {
    /// What a configuration asks for; nothing when there is no server, nobody to get it, or nothing
    /// to be told.
    pub(crate) fn of(config: &conf::Config, host_name: &str) -> Option<Self> {
        let mail = &config.node.mail;
        let server = mail.server.as_ref()?;
        let instances = config.instances.iter().filter(|one| one.smtp_alert);
        let groups = config.groups.iter().filter(|group| group.smtp_alert);
        let instances: BTreeSet<Name> = instances.map(|one| one.name.clone()).collect();
        let groups: BTreeSet<Name> = groups.map(|group| group.name.clone()).collect();
        if mail.to.is_empty() || (instances.is_empty() && groups.is_empty()) {
            return None;
        }
        // A bare name is an account of this machine.
        let full = |address: &String| {
            if address.contains('@') { address.clone() } else { format!("{address}@{host_name}") }
        };
        let from = mail.from.as_ref().map_or_else(|| format!("keepalived@{host_name}"), full);
        Some(Self {
            instances,
            groups,
            no_faults: mail.no_faults,
            post: PostOffice {
                host: server.host.clone(),
                port: server.port,
                timeout: mail.timeout,
                greeting: mail.greeting.clone().unwrap_or_else(|| host_name.to_owned()),
                from,
                to: mail.to.iter().map(full).collect(),
            },
        })
    }

    /// Whether somebody wants mail about this.
    pub(crate) fn wants(&self, subject: &Subject, word: &str) -> bool {
        let wanted = match subject {
            Subject::Instance(name) => self.instances.contains(name),
            Subject::Group(name) => self.groups.contains(name),
            Subject::Node | Subject::Interface(_) | Subject::Tracker(_) => false,
        };
        wanted && !(self.no_faults && word == "FAULT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailing(text: &str) -> Option<Mailing> {
        let source = conf::Source { name: "test", text: text.as_bytes() };
        let loaded = conf::load(source, conf::Options::default());
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        Mailing::of(&config, "node")
    }

    const VI: &str = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n \
                      virtual_ipaddress {\n 192.0.2.1\n }\n ALERT\n}\n";

    #[test]
    fn mail_goes_out_only_with_a_server_a_reader_and_something_to_tell() {
        let globals = "global_defs {\n notification_email {\n root\n A <a@b.example>\n }\n \
                       smtp_server 192.0.2.9 2525\n}\n";
        let conf = [globals, &VI.replace("ALERT", "smtp_alert")].concat();
        let found = mailing(&conf).unwrap();
        let vi = Subject::Instance("VI_1".into());
        assert!(found.wants(&vi, "FAULT") && !found.wants(&Subject::Node, "FAULT"));
        let PostOffice { host, port, greeting, from, to, .. } = &found.post;
        assert_eq!(
            (&**host, *port, &**greeting, &**from),
            ("192.0.2.9", 2525, "node", "keepalived@node")
        );
        assert_eq!(*to, ["root@node", "A <a@b.example>"]);
        for without in [
            [globals, &VI.replace("ALERT", "")].concat(),
            conf.replace("smtp_server 192.0.2.9 2525", ""),
            conf.replace("root\n A <a@b.example>\n", ""),
        ] {
            assert_eq!(mailing(&without), None, "{without}");
        }
        let quiet = conf.replace("smtp_server", "no_email_faults\n smtp_server");
        let quiet = mailing(&quiet).unwrap();
        assert!(!quiet.wants(&vi, "FAULT") && quiet.wants(&vi, "MASTER"));
    }
}
