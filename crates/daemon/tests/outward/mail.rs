//! Mail about transitions, taken by a server on the node's loopback: keepalived's and mainstay's of
//! the same story say the same. And what keepalived does not do: wait for a server that is away.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use lab::{CommandLine, Node, ProcessSignal, wait_for};

use crate::bench::{BINARY, Bench, PATIENCE, Who, comparable, possible};

/// A mail as it arrived.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Mail {
    from: String,
    to: Vec<String>,
    /// Those headers that filters look at.
    subject: String,
    mailer: String,
    to_header: String,
    text: Vec<String>,
}

type Box = Arc<Mutex<Vec<Mail>>>;

/// Takes mail on port 2525 of the node until the test is over.
fn sink(node: &Node) -> Box {
    let listener = node.run(|| TcpListener::bind("127.0.0.1:2525").unwrap());
    let mails = Box::default();
    let into = mails.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let into = into.clone();
            thread::spawn(move || serve(stream.unwrap(), &into));
        }
    });
    mails
}

fn serve(stream: TcpStream, into: &Box) {
    let mut out = stream.try_clone().unwrap();
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    say("220 sink");
    let (mut mail, mut in_data, mut in_text) = (Mail::default(), false, false);
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if in_data {
            let header = |name: &str| line.strip_prefix(name).map(str::to_owned);
            if line == "." {
                (in_data, in_text) = (false, false);
                mail.text.retain(|line| !line.is_empty());
                into.lock().unwrap().push(std::mem::take(&mut mail));
                say("250 ok");
            } else if in_text {
                mail.text.push(line);
            } else if line.is_empty() {
                in_text = true;
            } else if let Some(subject) = header("Subject: ") {
                mail.subject = subject;
            } else if let Some(mailer) = header("X-Mailer: ") {
                mail.mailer = mailer;
            } else if let Some(to) = header("To: ") {
                mail.to_header = to;
            }
            continue;
        }
        match line.to_uppercase() {
            line if line.starts_with("DATA") => {
                in_data = true;
                say("354 go on");
            }
            line if line.starts_with("QUIT") => return say("221 bye"),
            upper => {
                if upper.starts_with("MAIL FROM:") {
                    mail.from = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                } else if upper.starts_with("RCPT TO:") {
                    mail.to.push(line.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                }
                say("250 ok");
            }
        }
    }
}

fn conf(at: &str, alerts: [&str; 4]) -> String {
    let [globally, group, first, second] = alerts;
    Bench::script(at, "check.sh", &format!("test ! -e {at}/bad"));
    let instance = |name: &str, vrid: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority 100\n \
             advert_int 0.5\n virtual_ipaddress {{\n 193.168.0.{vrid}/16\n }}\n{more}}}\n"
        )
    };
    format!(
        "global_defs {{\n script_user root\n vrrp_version 3\n router_id R1\n{globally} \
         notification_email {{\n a@example.org\n b@example.org\n }}\n \
         notification_email_from k@example.org\n smtp_server 127.0.0.1 2525\n \
         smtp_connect_timeout 5\n smtp_helo_name helo.example\n}}\n\
         vrrp_script chk {{\n script {at}/check.sh\n interval 1\n fall 1\n rise 1\n}}\n\
         vrrp_sync_group G {{\n group {{\n VI_1\n }}\n{group}}}\n{}{}",
        instance("VI_1", 51, first),
        instance("VI_2", 52, &format!(" track_script {{\n chk\n }}\n{second}")),
    )
}

/// Goes through a story; what was mailed, in no order, stops apart.
fn story(who: Who, test: &str, alerts: [&str; 4]) -> Vec<Mail> {
    // keepalived's first mails leave before anybody could listen on a node that is only being made.
    let mut bench = Bench::idle(who, test, "", |at| conf(at, alerts));
    let mails = sink(bench.lab.node("ours"));
    bench.begin();
    bench.await_vip("193.168.0.51", true);
    bench.await_vip("193.168.0.52", true);
    fs::write(bench.directory.join("bad"), "").unwrap();
    bench.await_vip("193.168.0.52", false);
    fs::remove_file(bench.directory.join("bad")).unwrap();
    bench.await_vip("193.168.0.52", true);
    // The last of them are on their way.
    thread::sleep(std::time::Duration::from_secs(1));
    bench.stop();
    let mut mails = mails.lock().unwrap().clone();
    mails.retain(|mail| !mail.subject.ends_with("Stopping"));
    mails.sort();
    mails
}

fn same(test: &str, alerts: [&str; 4], expected: &[&str]) {
    if !comparable() {
        return;
    }
    let [theirs, ours] = [Who::Keepalived, Who::Mainstay].map(|who| story(who, test, alerts));
    assert_eq!(theirs, ours);
    for subject in expected {
        assert!(ours.iter().any(|mail| mail.subject == *subject), "{subject}: {ours:#?}");
    }
}

#[test]
fn everybody_s_transitions_are_mailed_as_keepalived_mails_them() {
    same(
        "mail",
        [" smtp_alert\n", " smtp_alert\n", "", ""],
        &[
            "[R1] VRRP Instance VI_1 - Entering BACKUP state",
            "[R1] VRRP Instance VI_1 - Entering MASTER state",
            "[R1] VRRP Group G - Entering MASTER state",
            "[R1] VRRP Instance VI_2 - Entering FAULT state",
        ],
    );
}

#[test]
fn one_instance_s_transitions_without_its_faults() {
    same(
        "mail-one",
        [" no_email_faults\n", "", "", " smtp_alert\n"],
        &["[R1] VRRP Instance VI_2 - Entering MASTER state"],
    );
}

#[test]
fn mail_waits_for_a_server_that_is_away_and_a_stop_is_mailed_too() {
    if !possible() {
        return;
    }
    let bench =
        Bench::start(Who::Mainstay, "mail-late", "", |at| conf(at, ["", "", " smtp_alert\n", ""]));
    bench.await_vip("193.168.0.51", true);
    bench.wait("trouble is told", || {
        bench.status().mail.is_some_and(|mail| mail.waiting > 0 && mail.trouble.is_some())
    });
    let mails = sink(bench.lab.node("ours"));
    let subjects = || -> Vec<String> {
        mails.lock().unwrap().iter().map(|mail| mail.subject.clone()).collect()
    };
    let master = "[R1] VRRP Instance VI_1 - Entering MASTER state";
    bench.wait("the mail comes late", || subjects().iter().any(|subject| subject == master));
    bench.wait("nothing waits", || {
        bench.status().mail.is_some_and(|mail| mail.waiting == 0 && mail.trouble.is_none())
    });
    bench.stop();
    let stopped = || subjects().iter().any(|subject| subject.ends_with("VI_1 - Stopping"));
    assert!(wait_for(PATIENCE, stopped).is_some(), "{:#?}\n{}", subjects(), bench.daemon().log());
}

#[test]
fn mail_that_waits_outlives_the_control_that_wrote_it_and_an_upgrade() {
    if !possible() {
        return;
    }
    let bench =
        Bench::start(Who::Mainstay, "mail-heir", "", |at| conf(at, ["", "", " smtp_alert\n", ""]));
    bench.await_vip("193.168.0.51", true);
    let wait_for_trouble = |what: &str| {
        bench.wait(what, || {
            bench.status().mail.is_some_and(|mail| mail.waiting > 0 && mail.trouble.is_some())
        });
    };
    wait_for_trouble("trouble is told");
    let killed = bench.lab.node("ours").signal_named("ms:control", ProcessSignal::KILL);
    assert_eq!(killed, 1);
    wait_for_trouble("the next control has the mail");
    let upgrade = CommandLine::parse(&format!("{BINARY} upgrade --control {{control}}"));
    let done = bench.lab.node("ours").output(&upgrade, PATIENCE).unwrap();
    assert!(done.is_some_and(|said| said.contains("has taken over")), "{}", bench.daemon().log());
    wait_for_trouble("the next version has the mail");
    let mails = sink(bench.lab.node("ours"));
    let master = "[R1] VRRP Instance VI_1 - Entering MASTER state";
    bench.wait("the mail comes late", || {
        mails.lock().unwrap().iter().any(|mail| mail.subject == master)
    });
    bench.wait("nothing waits", || bench.status().mail.is_some_and(|mail| mail.waiting == 0));
    bench.stop();
}
