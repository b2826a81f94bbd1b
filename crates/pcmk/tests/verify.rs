//! crm_verify: exit statuses, on CIBs made here; beside Debian's own where that is at hand. The words are ours.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

mod tools;

const A: &str = "<primitive id='a' class='ocf' provider='heartbeat' type='Dummy'/>";
const B: &str = "<primitive id='b' class='ocf' provider='heartbeat' type='Dummy'/>";
const FENCE: &str = "<primitive id='f' class='stonith' type='fence_x'/>";

#[derive(Default)]
struct Made {
    fencing: bool,
    options: &'static str,
    resources: String,
    constraints: &'static str,
    more: &'static str,
    state: &'static str,
}

impl Made {
    fn document(&self) -> String {
        let Self { fencing, options, resources, constraints, more, state } = self;
        format!(
            "<cib crm_feature_set='3.16.2' validate-with='pacemaker-3.9' epoch='1' num_updates='0' \
             admin_epoch='0' have-quorum='1'><configuration><crm_config><cluster_property_set \
             id='s'><nvpair id='s1' name='stonith-enabled' value='{fencing}'/>{options}\
             </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/></nodes>\
             <resources>{resources}</resources><constraints>{constraints}</constraints>{more}\
             </configuration><status><node_state id='1' uname='n1' in_ccm='true' crmd='online' \
             join='member' expected='member'/>{state}</status></cib>"
        )
    }
}

fn option(name: &'static str) -> Made {
    Made { options: name, resources: A.into(), ..Made::default() }
}

fn resources(text: &str) -> Made {
    Made { resources: text.into(), ..Made::default() }
}

fn meta(name: &str, value: &str) -> Made {
    let set = format!(
        "<meta_attributes id='m'><nvpair id='m1' name='{name}' value='{value}'/></meta_attributes>"
    );
    resources(&A.replace("/>", &format!(">{set}</primitive>")))
}

fn operations(ops: &str) -> Made {
    resources(&A.replace("/>", &format!("><operations>{ops}</operations></primitive>")))
}

fn constraint(text: &'static str) -> Made {
    Made {
        resources: format!("{A}{B}<clone id='k'>{FENCE}</clone>"),
        constraints: text,
        ..Made::default()
    }
}

/// What it is about, the CIB, and the exit status.
#[rustfmt::skip]
fn cases() -> Vec<(&'static str, Made, i32)> {
    let tags = "<tags><tag id='t1'><obj_ref id='a'/></tag><tag id='t2'><obj_ref id='b'/></tag></tags>";
    vec![
        ("right", resources(A), 0),
        ("no fencing device", Made { fencing: true, ..Made::default() }, 78),
        ("a fencing device", Made { fencing: true, resources: FENCE.into(), ..Made::default() }, 0),
        ("two operations alike", operations("<op id='x' name='monitor' interval='10'/><op id='y' name='monitor' interval='10s'/>"), 78),
        ("a start that recurs", operations("<op id='x' name='start' interval='10'/>"), 78),
        ("demote after a start", operations("<op id='x' name='start' interval='0' on-fail='demote'/>"), 78),
        ("demote after a monitor", operations("<op id='x' name='monitor' interval='10' on-fail='demote'/>"), 78),
        ("fence without fencing", operations("<op id='x' name='monitor' interval='10' on-fail='fence'/>"), 78),
        ("standby after a monitor", operations("<op id='x' name='monitor' interval='10' on-fail='standby'/>"), 0),
        ("a stop that never happens", operations("<op id='x' name='stop' interval='0' on-fail='stop'/>"), 0),
        ("a role of promotables", meta("target-role", "Promoted"), 78),
        ("a role by its old name", meta("target-role", "Slave"), 78),
        ("a role in lower case", meta("target-role", "stopped"), 0),
        ("what to do about two", meta("multiple-active", "junk"), 78),
        ("requires fencing", meta("requires", "fencing"), 78),
        ("requires unfencing", meta("requires", "unfencing"), 78),
        ("requires junk", meta("requires", "junk"), 78),
        ("requires nothing", meta("requires", "nothing"), 0),
        ("what nobody needs any more", meta("restart-type", "restart"), 78),
        ("a word for a number", meta("resource-stickiness", "junk"), 0),
        ("a service more than once", resources("<clone id='c'><meta_attributes id='m'><nvpair id='m1' name='globally-unique' value='true'/></meta_attributes><primitive id='a' class='systemd' type='x'/></clone>"), 78),
        ("a group without order", resources(&format!("<group id='g'><meta_attributes id='m'><nvpair id='m1' name='ordered' value='false'/></meta_attributes>{A}</group>")), 78),
        ("a bundle out of reach", resources(&format!("<bundle id='bb'><docker image='x'/>{A}</bundle>")), 78),
        ("a policy that is none", option("<nvpair id='s2' name='no-quorum-policy' value='junk'/>"), 78),
        ("suicide without fencing", option("<nvpair id='s2' name='no-quorum-policy' value='suicide'/>"), 78),
        ("a number that is none", option("<nvpair id='s2' name='batch-limit' value='junk'/>"), 78),
        ("a negative number", option("<nvpair id='s2' name='batch-limit' value='-5'/>"), 0),
        ("a negative time", option("<nvpair id='s2' name='cluster-delay' value='-5s'/>"), 78),
        ("a truth that is none", option("<nvpair id='s2' name='shutdown-lock' value='junk'/>"), 78),
        ("an option of the old", option("<nvpair id='s2' name='stonith-action' value='poweroff'/>"), 78),
        ("a word in other letters", option("<nvpair id='s2' name='placement-strategy' value='Balanced'/>"), 0),
        ("a container that is none", meta("container", "zz"), 78),
        ("an option of others", option("<nvpair id='s2' name='my-own' value='junk'/>"), 0),
        ("an order of no kind", constraint("<rsc_order id='o' first='a' then='b' kind='foo'/>"), 78),
        ("an order by score", constraint("<rsc_order id='o' first='a' then='b' score='0'/>"), 78),
        ("symmetry of turns", constraint("<rsc_order id='o' first='a' then='b' kind='Serialize' symmetrical='true'/>"), 78),
        ("not all of a clone", constraint("<rsc_order id='o' first='k' then='b' require-all='false'/>"), 78),
        ("nobody with that name", constraint("<rsc_order id='o' first='a' then='nope'/>"), 78),
        ("a pattern that is none", constraint("<rsc_location id='l' rsc-pattern='(' node='n1' score='1'/>"), 78),
        ("a node that is none", constraint("<rsc_location id='l' rsc='a' node='n9' score='1'/>"), 0),
        ("fenced for a ticket", constraint("<rsc_ticket id='l' rsc='a' ticket='T' loss-policy='fence'/>"), 78),
        ("two tags", Made { more: tags, ..constraint("<rsc_colocation id='c' rsc='t1' with-rsc='t2' score='1'/>") }, 78),
        ("one tag", Made { more: tags, ..constraint("<rsc_colocation id='c' rsc='t1' with-rsc='b' score='1'/>") }, 0),
        ("a node nobody knows", Made { state: "<node_state id='9' uname='n9' in_ccm='true' crmd='online' join='member' expected='member'/>", ..resources(A) }, 78),
        ("a node that is lost", Made { fencing: true, state: "<node_state id='2' uname='n2' in_ccm='false' crmd='offline' join='member' expected='member'/>", ..resources(FENCE) }, 78),
        ("an attribute nobody knows", resources("<primitive id='a' class='ocf' provider='p' type='t' foo='1'/>"), 78),
        ("the same id twice", resources(&format!("{A}{A}")), 78),
    ]
}

struct Said {
    status: i32,
    last: String,
    found: BTreeSet<String>,
}

fn ask(program: &Path, arguments: &[&str], input: Option<&str>) -> Said {
    let mut child = Command::new(program)
        .args(arguments)
        .env_remove("CIB_file")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    if let Some(text) = input {
        // It may be gone before it has read anything.
        let _ = child.stdin.take().expect("piped").write_all(text.as_bytes());
    }
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().find_map(|line| line.strip_prefix("crm_verify: "));
    let words = |line: &str| {
        let (weight, _) = line.split_once(": ")?;
        ["error", "warning"].contains(&weight).then(|| line.to_owned())
    };
    Said {
        status: output.status.code().unwrap_or(-1),
        last: last.unwrap_or_default().to_owned(),
        found: text.lines().filter_map(words).collect(),
    }
}

#[test]
fn mistakes_are_found_as_by_pacemaker() {
    let folder = std::env::temp_dir().join(format!("mainstay-verify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("cib.xml");
    let name = file.to_str().expect("a name");
    let (ours, theirs) = (tools::ours("crm_verify"), tools::theirs("crm_verify"));
    for (about, made, status) in cases() {
        std::fs::write(&file, made.document()).expect("written");
        let our = ask(&ours, &["-VV", "-x", name], None);
        assert_eq!(our.status, status, "{about}: {:?}", our.found);
        assert_eq!(our.found.is_empty(), status == 0, "{about}: {:?}", our.found);
        if let Some(theirs) = &theirs {
            assert_eq!(our.status, ask(theirs, &["-VV", "-x", name], None).status, "{about}");
        }
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn command_lines_end_as_with_pacemaker() {
    let right = resources(A).document();
    let folder = std::env::temp_dir().join(format!("mainstay-verify-lines-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let [file, saved] = ["cib.xml", "saved.xml"].map(|name| folder.join(name));
    std::fs::write(&file, &right).expect("written");
    let (name, copy) = (file.to_str().expect("a name"), saved.to_str().expect("a name"));
    let (ours, theirs) = (tools::ours("crm_verify"), tools::theirs("crm_verify"));
    let lines: [(&[&str], Option<&str>, i32); 15] = [
        (&[], None, 1),
        (&["-x", name], None, 0),
        (&["-Vx", name], None, 0),
        (&["--verbose", "--xml-file", name], None, 0),
        (&["--xml-file=/nowhere/at/all"], None, 1),
        (&["-X", &right], None, 0),
        (&["--xml-text", "<foo/>"], None, 76),
        (&["-p"], Some(&right), 0),
        (&["--xml-pipe"], Some("no xml"), 1),
        (&["-x"], None, 64),
        (&["-Z"], None, 64),
        (&["--nonsense"], None, 64),
        (&["-h"], None, 0),
        (&["--version"], None, 0),
        (&["-S", copy, "-x", name], None, 0),
    ];
    for (line, input, status) in lines {
        let _ = std::fs::remove_file(&saved);
        let our = ask(&ours, line, input);
        assert_eq!(our.status, status, "{line:?}");
        assert_eq!(saved.exists(), line.contains(&"-S"), "{line:?}");
        if let Some(theirs) = &theirs {
            let their = ask(theirs, line, input);
            assert_eq!(our.status, their.status, "{line:?}");
        }
    }
    // Without a cluster there is nothing live to look at.
    let live = ask(&ours, &["-L"], None);
    assert_eq!(live.status, 66);
    assert!(live.last.contains("no cluster is running here"), "{}", live.last);
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// The status element of an answer as XML: code and meaning, and the version of its frame.
fn framed(program: &Path, line: &[&str]) -> [String; 3] {
    let output = Command::new(program).args(line).env_remove("CIB_file").output();
    let text = String::from_utf8(output.expect("it can be started").stdout).expect("text");
    let root = cib::xml::parse(&text).expect("an answer as XML").root;
    assert!(root.get("request").is_some_and(|asked| asked.ends_with(&line.join(" "))), "{text}");
    let status = root.child("status").expect("a status");
    [status.get("code"), status.get("message"), root.get("api-version")]
        .map(|it| it.unwrap_or_default().to_owned())
}

#[test]
fn answers_as_xml_are_those_of_pacemaker() {
    let folder = std::env::temp_dir().join(format!("mainstay-verify-xml-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let [right, wrong] = ["right.xml", "wrong.xml"].map(|name| folder.join(name));
    std::fs::write(&right, resources(A).document()).expect("written");
    let no_kind = "<rsc_order id='o' first='a' then='b' kind='foo'/>";
    std::fs::write(&wrong, constraint(no_kind).document()).expect("written");
    let (ours, theirs) = (tools::ours("crm_verify"), tools::theirs("crm_verify"));
    for (file, code) in [(&right, "0"), (&wrong, "78"), (&folder.join("none"), "1")] {
        let line = ["-x", file.to_str().expect("a name"), "--output-as=xml"];
        let our = framed(&ours, &line);
        assert_eq!(our[0], code, "{our:?}");
        if let Some(theirs) = &theirs {
            assert_eq!(our, framed(theirs, &line));
        }
    }
    let place = folder.join("answer");
    let (file, to) = (right.to_str().expect("a name"), place.to_str().expect("a name"));
    let asked = ["-x", file, "--output-as", "xml", "--output-to", to];
    assert_eq!(ask(&ours, &asked, None).status, 0);
    let answer = std::fs::read_to_string(&place).expect("an answer");
    assert!(answer.contains("<status code=\"0\" message=\"OK\"/>"), "{answer}");
    std::fs::remove_dir_all(&folder).expect("removed");
}
