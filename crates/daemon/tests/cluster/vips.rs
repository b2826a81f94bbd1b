//! The article's VIP with a web server behind it, and the same VIP without an agent's program.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use lab::{Lab, Need, ProcessSignal, requires, wait_for};

use crate::NODES;
use crate::bench::{Bench, PATIENCE};

/// The article's.
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 6));
const NATIVE: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 7));
const CONF: &str = "/run/lab/nginx.conf";
const NGINX: &str = "pid /run/nginx.pid; error_log /run/lab/nginx.log; events {} \
    http { access_log off; client_body_temp_path /run/lab/b; proxy_temp_path /run/lab/p; \
    fastcgi_temp_path /run/lab/f; uwsgi_temp_path /run/lab/u; scgi_temp_path /run/lab/s; \
    server { listen 80; location / { return 200 \"$hostname\"; } } }";
const WEB: &str = "<resources><group id='web'>\
    <primitive id='vip' class='ocf' provider='heartbeat' type='IPaddr2'>\
    <instance_attributes id='vip-p'><nvpair id='vip-ip' name='ip' value='193.168.0.6'/>\
    <nvpair id='vip-m' name='cidr_netmask' value='16'/></instance_attributes>\
    <operations><op id='vip-o' name='monitor' interval='10s'/></operations></primitive>\
    <primitive id='site' class='ocf' provider='heartbeat' type='nginx'>\
    <instance_attributes id='site-p'><nvpair id='site-h' name='httpd' value='/usr/sbin/nginx'/>\
    <nvpair id='site-c' name='configfile' value='/run/lab/nginx.conf'/></instance_attributes>\
    <operations><op id='site-o' name='monitor' interval='10s'/></operations></primitive></group>\
    </resources>";

/// A VIP that needs no program.
pub(crate) fn native(id: &str, address: IpAddr) -> String {
    format!(
        "<primitive id='{id}' class='ocf' provider='mainstay' type='IPaddr2'>\
         <instance_attributes id='{id}-p'><nvpair id='{id}-ip' name='ip' value='{address}'/>\
         </instance_attributes><operations><op id='{id}-o' name='monitor' interval='1s'/>\
         </operations></primitive>"
    )
}

/// What the web server at the VIP says: the name of its node.
fn site(lab: &Lab) -> Option<String> {
    lab.client().run(|| {
        let to = SocketAddr::from((VIP, 80));
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(500)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.1 200").then(|| text.rsplit('\n').next().unwrap_or("").to_owned())
    })
}

#[test]
fn a_client_is_served_by_the_web_server_behind_the_vip_wherever_it_is() {
    let agents = Path::new("/usr/lib/ocf/resource.d/heartbeat");
    let needs = [
        Need::Root,
        Need::file(agents.join("IPaddr2")),
        Need::file(agents.join("nginx")),
        Need::program("/usr/sbin/nginx"),
    ];
    if !requires(&needs) {
        return;
    }
    let Some(mut bench) = Bench::new(3) else { return };
    for node in NODES {
        bench.lab.node_mut(node).write(CONF, NGINX, 0o644).unwrap();
    }
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    bench.replace("n1", "resources", WEB);
    let mut former = Vec::new();
    for _ in NODES {
        let mut holder = String::new();
        let served = wait_for(PATIENCE, || {
            holder = site(&bench.lab).unwrap_or_default();
            !holder.is_empty() && !former.contains(&holder)
        });
        assert!(served.is_some(), "served by {holder:?}\n{}", bench.story());
        assert_eq!(bench.lab.holders(VIP), [&*holder], "{}", bench.story());
        assert_eq!(bench.where_is("/run/nginx.pid"), [&*holder]);
        bench.ok("n2", &["node", "standby", &holder]);
        former.push(holder);
    }
    // Nobody is left to serve it.
    let nobody = wait_for(PATIENCE, || bench.lab.holders(VIP).is_empty());
    assert!(nobody.is_some(), "{}", bench.story());
}

#[test]
fn a_vip_without_a_program_is_silent_from_the_end_of_the_lease_on() {
    let Some(mut bench) = Bench::new(3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    let resources = format!("<resources>{}</resources>", native("v", NATIVE));
    bench.replace("n1", "resources", &resources);
    let holder = bench.holder("n2", "v");
    assert_eq!(bench.lab.holders(NATIVE), [&*holder], "{}", bench.story());
    let probe = bench.lab.probe(NATIVE, Duration::from_millis(5)).unwrap();
    let answered = wait_for(PATIENCE, || probe.last_answer().is_some());
    assert!(answered.is_some_and(|_| *probe.last_answer().unwrap().node == *holder));

    // Somebody else takes it away: it is put back, and nobody was asked.
    let taken = "ip address del 193.168.0.7/16 dev eth0".split(' ').map(str::to_owned).collect();
    let taken = bench.lab.node(&holder).output(&lab::CommandLine { arguments: taken }, PATIENCE);
    assert!(taken.unwrap().is_some());
    assert!(bench.lab.wait_holders(NATIVE, &[&holder], PATIENCE).is_some(), "{}", bench.story());

    // Its node is moved out of service: gone there, then here.
    bench.ok("n1", &["node", "standby", &holder]);
    let next = wait_for(PATIENCE, || {
        let now = bench.lab.holders(NATIVE);
        now.len() == 1 && now[0] != holder
    });
    assert!(next.is_some(), "{}", bench.story());
    let next = bench.holder("n1", "v");
    bench.ok("n1", &["node", "online", &holder]);

    // Its process freezes while the kernel goes on: from the end of the lease on it does not answer.
    let asker = bench.lab.asker(NATIVE, Duration::from_millis(5)).unwrap();
    let process = bench.process(&next).clone();
    let since = linux::clock::monotonic();
    process.signal(ProcessSignal::STOP);
    let others: Vec<&str> = NODES.into_iter().filter(|it| *it != next).collect();
    let moved = wait_for(PATIENCE, || {
        let last = probe.last_answer();
        last.is_some_and(|it| others.contains(&&*it.node) && it.at > since)
    });
    assert!(moved.is_some(), "{}", bench.story());
    assert!(bench.lab.node(&next).holds(NATIVE), "nobody was there to remove it");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(asker.longest_overlap(since), Duration::ZERO);
    // It wakes, and lets go.
    process.signal(ProcessSignal::CONT);
    let gone = wait_for(PATIENCE, || !bench.lab.node(&next).holds(NATIVE));
    assert!(gone.is_some(), "{}", bench.story());
    bench.settled(&NODES);
    let outcome = probe.finish();
    println!("outage when the holder froze, at most: {:?}", outcome.closed_outage());
    assert_eq!(asker.longest_overlap(since), Duration::ZERO);
    assert_eq!(outcome.answered_twice, 0);
}
