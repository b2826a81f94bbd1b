//! Who plays in the cluster's demo, what it runs, and how it begins: by the commands a person types.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::{CommandLine, FENCE_AGENT, Lab, LabError, Node, Power, wait_for};

const NGINX: &str = "/usr/sbin/nginx";
const NGINX_AGENT: &str = "/usr/lib/ocf/resource.d/heartbeat/nginx";
/// Where fence agents are on each node.
const FENCE_AGENTS: &str = "/run/lab/agents";
const SITE: &str = "/run/lab/nginx.conf";
/// Whatever a person types is answered within this.
const PATIENCE: Duration = Duration::from_secs(20);
/// The article's page, of which one sees who serves it. Alone in a user namespace it cannot become
/// another user.
const CONF: &str = "user root; pid /run/nginx.pid; error_log /run/lab/nginx.log; worker_processes 1; \
    events {} http { access_log off; client_body_temp_path /run/lab/b; proxy_temp_path /run/lab/p; \
    fastcgi_temp_path /run/lab/f; uwsgi_temp_path /run/lab/u; scgi_temp_path /run/lab/s; \
    server { listen 80; location / { return 200 \"$hostname\"; } } }\n";

/// What is shown, on this machine.
#[derive(Debug)]
pub(super) struct Cast {
    binary: String,
    /// The article's.
    pub(super) vip: IpAddr,
    /// Whether there is a web server to show.
    pub(super) web: bool,
    /// What cannot be shown here, and why.
    pub(super) missing: Vec<String>,
}

impl Cast {
    pub(super) fn new(binary: &Path) -> Self {
        let web = Path::new(NGINX).exists() && Path::new(NGINX_AGENT).exists();
        let mut missing = Vec::new();
        if !web {
            missing.push(format!(
                "Not shown: the web server behind the VIP. It needs {NGINX} and {NGINX_AGENT} (Debian: \
                 nginx-light, resource-agents)."
            ));
        }
        let vip = Ipv4Addr::new(193, 168, 0, 6).into();
        Self { binary: binary.to_string_lossy().into_owned(), vip, web, missing }
    }

    fn line(&self, words: &[&str]) -> CommandLine {
        let words = words.iter().map(|it| (*it).to_owned());
        CommandLine { arguments: std::iter::once(self.binary.clone()).chain(words).collect() }
    }

    /// Puts the fence agent and the web server's configuration on every node.
    pub(super) fn equip(&self, lab: &mut Lab, power: &Power) -> Result<(), LabError> {
        power.install(lab, FENCE_AGENTS)?;
        for name in ["n1", "n2", "n3"] {
            lab.node_mut(name).write(SITE, CONF, 0o644)?;
        }
        Ok(())
    }

    fn home(power: &Power, node: &str) -> String {
        power.disk(node).to_string_lossy().into_owned()
    }

    /// Starts the node's process.
    pub(super) fn start(&self, lab: &mut Lab, power: &Power, node: &str) -> Result<(), LabError> {
        let home = Self::home(power, node);
        let words = ["cluster", "run", "--home", &home, "--fence-agents", FENCE_AGENTS];
        lab.node_mut(node).start(&self.line(&words), "").map(drop)
    }

    /// What a command writes, if it succeeds.
    pub(super) fn ask(&self, node: &Node, words: &[&str]) -> Result<Option<String>, LabError> {
        node.output(&self.line(words), PATIENCE)
    }

    /// As [`Self::ask`], for what must succeed.
    fn command(&self, lab: &Lab, node: &str, words: &[&str]) -> Result<String, LabError> {
        let process = lab.node(node).spawn(&self.line(words))?;
        match process.wait(PATIENCE) {
            Some(status) if status.success() => Ok(process.log()),
            _ => {
                Err(LabError::new(format!("mainstay {} on {node}", words.join(" ")), process.log()))
            }
        }
    }

    /// What a node says of the cluster.
    pub(super) fn status(&self, node: &Node) -> Result<Option<Value>, LabError> {
        let text = self.ask(node, &["cluster", "status", "--json"])?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Whether these say that so many are alive, and agree on who directs.
    pub(super) fn agree(&self, lab: &Lab, nodes: &[&str]) -> bool {
        let says = |name: &&str| {
            let status = self.status(lab.node(name)).ok()??;
            let members = status["members"].as_array()?;
            let well = members.iter().all(|it| it["standing"] == "alive" && it["votes"] == true);
            let dc = status["dc"].as_str()?.to_owned();
            (well && members.len() == nodes.len() && status["quorum"] == true).then_some(dc)
        };
        let dcs: Vec<Option<String>> = nodes.iter().map(says).collect();
        dcs.iter().all(|it| it.is_some() && *it == dcs[0])
    }

    /// Begins the cluster, node by node, and has it run what it is to run.
    pub(super) fn found(&self, lab: &mut Lab, power: &Power) -> Result<(), LabError> {
        for node in ["n1", "n2", "n3"] {
            let home = Self::home(power, node);
            let address = lab.node(node).address().map(|it| it.to_string()).unwrap_or_default();
            let place = ["--home", &home, "--address", &address];
            if node == "n1" {
                self.command(lab, node, &[&["cluster", "init"][..], &place[..]].concat())?;
            } else {
                let token = self.command(lab, "n1", &["cluster", "invite"])?;
                let words = [&["cluster", "join", token.trim()][..], &place[..]].concat();
                self.command(lab, node, &words)?;
            }
            self.start(lab, power, node)?;
            let up = || self.status(lab.node(node)).is_ok_and(|it| it.is_some());
            if wait_for(PATIENCE, up).is_none() {
                return Err(LabError::new(format!("waiting for {node}"), lab.node(node).log()));
            }
        }
        if wait_for(PATIENCE, || self.agree(lab, &["n1", "n2", "n3"])).is_none() {
            return Err(LabError::new("waiting for quorum", lab.node("n1").log()));
        }
        Ok(())
    }

    /// Has the cluster run the VIP, the web server and the fence device.
    pub(super) fn configure(&self, lab: &mut Lab) -> Result<(), LabError> {
        let options = "<crm_config><cluster_property_set id='o'><nvpair id='o-s' \
            name='stonith-enabled' value='true'/></cluster_property_set></crm_config>";
        for (scope, xml) in [("crm_config", options.to_owned()), ("resources", self.resources())] {
            let file = PathBuf::from("/run/lab/section.xml");
            lab.node_mut("n1").write(&file, xml, 0o600)?;
            let words = ["cib", "replace", "/run/lab/section.xml", "--scope", scope];
            self.command(lab, "n1", &words)?;
        }
        Ok(())
    }

    fn resources(&self) -> String {
        let attributes = |id: &str, pairs: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| {
                format!("<nvpair id='{id}-{name}' name='{name}' value='{value}'/>")
            };
            let pairs: String = pairs.iter().map(pair).collect();
            format!("<instance_attributes id='{id}-p'>{pairs}</instance_attributes>")
        };
        let monitor = |id: &str| {
            format!("<operations><op id='{id}-m' name='monitor' interval='2s'/></operations>")
        };
        let power = attributes("power", &[("pcmk_host_list", "n1 n2 n3")]);
        let ip = self.vip.to_string();
        let vip = attributes("vip", &[("ip", ip.as_str()), ("cidr_netmask", "16")]);
        let site = attributes("site", &[("httpd", NGINX), ("configfile", SITE)]);
        let site = match self.web {
            true => format!(
                "<primitive id='site' class='ocf' provider='heartbeat' type='nginx'>{site}{}</primitive>",
                monitor("site")
            ),
            false => String::new(),
        };
        format!(
            "<resources><primitive id='power' class='stonith' type='{FENCE_AGENT}'>{power}</primitive>\
             <group id='web'><primitive id='vip' class='ocf' provider='mainstay' type='IPaddr2'>{vip}{}\
             </primitive>{site}</group></resources>",
            monitor("vip")
        )
    }
}
