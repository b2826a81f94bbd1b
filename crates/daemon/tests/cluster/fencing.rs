//! Fencing: nothing starts elsewhere before the device has confirmed, whatever befell the holder; and
//! one that is cut off lets go by itself.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base::Instant;
use lab::{Need, longest_overlap, requires, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, Engine, FENCE_AGENTS, PATIENCE};
use crate::vips::native;

/// n5 has the article's.
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 60));
const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

/// The power switch of all nodes: each can reach it beside the network.
pub(crate) struct Switch {
    asked: Receiver<(String, UnixStream)>,
    send: Sender<(String, UnixStream)>,
    /// Whom it switched off, and when it confirmed that.
    pub(crate) off: Vec<(String, Instant)>,
}

impl Switch {
    pub(crate) fn new(bench: &mut Bench, agent: &str, nodes: &[&str]) -> Self {
        let (send, asked) = channel();
        let it = Self { asked, send, off: Vec::new() };
        for node in nodes {
            let place = format!("{FENCE_AGENTS}/fence_lab");
            bench.lab.node_mut(node).write(place, agent, 0o755).unwrap();
            it.plug(bench, node);
        }
        it
    }

    /// Lets a node reach it, whose power has come (back).
    pub(crate) fn plug(&self, bench: &Bench, node: &str) {
        let socket = bench.lab.node(node).run(|| UnixListener::bind("/run/lab/sock")).unwrap();
        let send = self.send.clone();
        std::thread::spawn(move || listen(&socket, &send));
    }

    /// Does what was asked for.
    fn work(&mut self, bench: &mut Bench) {
        while let Ok((node, mut stream)) = self.asked.try_recv() {
            if bench.lab.node(&node).has_power() {
                bench.lab.crash(&node).unwrap();
            }
            self.off.push((node, monotonic()));
            let _ = stream.write_all(b"ok off\n");
        }
    }

    /// Waits for something, and works meanwhile.
    pub(crate) fn wait(&mut self, bench: &mut Bench, mut is: impl FnMut(&Bench) -> bool) {
        let came = wait_for(PATIENCE, || {
            self.work(bench);
            is(bench)
        });
        assert!(came.is_some(), "off: {:?}\n{}", self.off, bench.story());
    }
}

fn listen(socket: &UnixListener, send: &Sender<(String, UnixStream)>) {
    while let Ok((mut stream, _)) = socket.accept() {
        let mut line = [0; 100];
        let Ok(length) = stream.read(&mut line) else { continue };
        let line = String::from_utf8_lossy(&line[..length]).into_owned();
        match line.split_once(' ') {
            Some(("off" | "reboot", node)) => {
                if send.send((node.to_owned(), stream)).is_err() {
                    return;
                }
            }
            _ => {
                let _ = stream.write_all(b"ok on\n");
            }
        }
    }
}

/// The lab's fence agent. It belongs to the folder where the real Pacemaker is measured, which need not
/// be here; one that was asked for by name must be.
pub(crate) fn fence_lab() -> Option<String> {
    let named = std::env::var_os("MAINSTAY_SHARED").map(PathBuf::from);
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = named.clone().unwrap_or_else(here);
    if named.is_none() && !folder.is_dir() {
        eprintln!("SKIPPED: no {}, and MAINSTAY_SHARED is not set", folder.display());
        return None;
    }
    let needs = [Need::Root, Need::program("/usr/bin/python3")];
    let agent = folder.join("lab/pacemaker/fence_lab");
    requires(&needs).then(|| std::fs::read_to_string(agent).unwrap())
}

/// When a node other than this one had the VIP first, from then on.
pub(crate) fn first_elsewhere(
    bench: &Bench,
    vip: IpAddr,
    holder: &str,
    since: Instant,
) -> Option<Instant> {
    let holdings = bench.lab.holdings();
    let mut all = holdings.iter().filter(|it| it.address == vip && it.present && it.at > since);
    all.find(|it| *it.node != *holder).map(|it| it.at)
}

#[test]
fn a_holder_is_off_before_anything_starts_elsewhere_and_lets_go_when_it_is_cut_off() {
    holder(Engine::Raft);
}

pub(crate) fn holder(engine: Engine) {
    let Some(agent) = fence_lab() else { return };
    let Some(mut bench) = Bench::on(engine, 5) else { return };
    let mut switch = Switch::new(&mut bench, &agent, &NODES);
    bench.all(&NODES);
    bench.options("n1", &[("stonith-enabled", "true"), ("stonith-action", "off")]);
    let device = "<primitive id='power' class='stonith' type='fence_lab'><instance_attributes \
        id='power-p'><nvpair id='power-l' name='pcmk_host_list' value='n1 n2 n3 n4 n5'/>\
        </instance_attributes></primitive>";
    bench.replace(
        "n1",
        "resources",
        &format!("<resources>{device}{}</resources>", native("v", VIP)),
    );
    bench.holder("n1", "power");
    let holder = bench.holder("n1", "v");
    let probe = bench.lab.probe(VIP, Duration::from_millis(5)).unwrap();
    assert!(wait_for(PATIENCE, || probe.last_answer().is_some()).is_some(), "{}", bench.story());

    // It loses its power: the device has to confirm that before the VIP starts on another.
    let fault = monotonic();
    bench.lab.crash(&holder).unwrap();
    switch.wait(&mut bench, |_| {
        probe.last_answer().is_some_and(|it| it.at > fault && *it.node != *holder)
    });
    let confirmed = switch.off.iter().find(|(node, _)| *node == holder).map(|it| it.1);
    let began = first_elsewhere(&bench, VIP, &holder, fault);
    assert!(confirmed < began && confirmed.is_some(), "{confirmed:?} {began:?}");
    let outcome = probe.finish();
    println!("outage at a crash, fencing on: {:?}", outcome.closed_outage());

    // Another is cut off. It has no quorum and lets go; meanwhile, unconfirmed, nobody takes it.
    let left: Vec<&str> = NODES.into_iter().filter(|it| *it != holder).collect();
    let next = bench.holder(left[0], "v");
    let rest: Vec<&str> = left.into_iter().filter(|it| *it != next).collect();
    bench.standing(&next, &holder, |it| it == "lost (fenced)");
    let fault = monotonic();
    bench.lab.cut(&next).unwrap();
    let gone = wait_for(PATIENCE, || !bench.lab.node(&next).holds(VIP));
    assert!(gone.is_some(), "{}", bench.story());
    bench.standing(rest[0], &next, |it| it.starts_with("lost"));
    assert_eq!(first_elsewhere(&bench, VIP, &next, fault), None, "it was not confirmed");
    switch.wait(&mut bench, |it| first_elsewhere(it, VIP, &next, fault).is_some());
    let confirmed = switch.off.iter().find(|(node, _)| *node == next).map(|it| it.1);
    let began = first_elsewhere(&bench, VIP, &next, fault);
    assert!(confirmed < began && confirmed.is_some(), "{confirmed:?} {began:?}");
    assert_eq!(longest_overlap(&bench.lab.holdings(), VIP, monotonic()), Duration::ZERO);
    assert_eq!(switch.off.len(), 2, "{:?}", switch.off);
}

#[test]
fn somebody_has_a_node_fenced_by_hand() {
    let Some(agent) = fence_lab() else { return };
    let Some(mut bench) = Bench::new(3) else { return };
    let three = ["n1", "n2", "n3"];
    let mut switch = Switch::new(&mut bench, &agent, &three);
    let dc = bench.three();
    bench.options("n1", &[("stonith-enabled", "true"), ("stonith-action", "off")]);
    let device = "<primitive id='power' class='stonith' type='fence_lab'><instance_attributes \
        id='power-p'><nvpair id='power-l' name='pcmk_host_list' value='n1 n2 n3'/>\
        </instance_attributes></primitive>";
    bench.replace("n1", "resources", &format!("<resources>{device}</resources>"));
    bench.holder("n1", "power");
    let [by, victim] = [0, 1].map(|at| three.into_iter().filter(|it| *it != dc).nth(at).unwrap());
    let (ok, said) = bench.tool(by, &["stonith_admin", "--confirm", victim]);
    assert!(!ok && said.contains("is in touch"), "{said}");
    let (ok, said) = bench.tool(by, &["stonith_admin", "--fence", "n9"]);
    assert!(!ok && said.contains("is no member"), "{said}");
    let tool = format!("{}/stonith_admin", crate::bench::TOOLS);
    let arguments = [&tool, "--fence", victim].map(str::to_owned).to_vec();
    let asked = bench.lab.node(by).spawn(&lab::CommandLine { arguments }).unwrap();
    switch.wait(&mut bench, |_| asked.ended().is_some());
    assert!(asked.ended().is_some_and(|it| it.success()), "{}\n{}", asked.log(), bench.story());
    let off: Vec<&str> = switch.off.iter().map(|it| &*it.0).collect();
    assert_eq!(off, [victim]);
    bench.standing(by, victim, |it| it == "lost (fenced)");
    let (_, history) = bench.tool(by, &["stonith_admin", "--history", victim]);
    assert!(history.contains(&format!("off of {victim} successful: delegate=power")), "{history}");
}
