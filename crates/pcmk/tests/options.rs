//! The options of crm_simulate, beside Debian's own where that is at hand.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod tools;

const BASE: &str = "<cib crm_feature_set='3.16.1' validate-with='pacemaker-3.9' epoch='5' num_updates='3' \
    admin_epoch='0' have-quorum='1' dc-uuid='1'><configuration><crm_config><cluster_property_set \
    id='s'><nvpair id='s1' name='stonith-enabled' value='true'/><nvpair id='s2' \
    name='placement-strategy' value='balanced'/></cluster_property_set></crm_config><nodes>\
    <node id='1' uname='n1'><utilization id='u1'><nvpair id='u1c' name='cpu' value='4'/></utilization>\
    </node><node id='2' uname='n2'><utilization id='u2'><nvpair id='u2c' name='cpu' value='4'/>\
    </utilization></node></nodes><resources><primitive id='f' class='stonith' type='fence_x'/>\
    <primitive id='a' class='ocf' provider='heartbeat' type='Dummy'><utilization id='ua'><nvpair \
    id='uac' name='cpu' value='2'/></utilization><operations><op id='a-m' name='monitor' \
    interval='10s'/></operations></primitive><primitive id='b' class='ocf' provider='heartbeat' \
    type='Dummy'/><clone id='c'><primitive id='p' class='ocf' provider='heartbeat' type='Dummy'/>\
    </clone></resources><constraints><rsc_ticket id='t' rsc='b' ticket='T' loss-policy='stop'/>\
    <rsc_location id='l' rsc='a' node='n1' score='50'/></constraints></configuration><status>\
    <node_state id='1' uname='n1' in_ccm='true' crmd='online' join='member' expected='member'/>\
    <node_state id='2' uname='n2' in_ccm='true' crmd='online' join='member' expected='member'/>\
    </status></cib>";

/// Lines that are answered alike, word for word; `RUN` is the cluster with everything in its place.
const ALIKE: [&str; 26] = [
    "-x BASE",
    "-x BASE -S",
    "-x RUN -S",
    "-x RUN -R",
    "-x RUN -S -u n1",
    "-x RUN -S -d n2",
    "-x RUN -S -f n1",
    "-x RUN --simulate --node-fail=n1 --node-down=n2",
    "-x RUN -S -q true -d n1",
    "-x RUN -S --ticket-grant T",
    "-x RUN -S -g T -d n1",
    "-x RUN -S --ticket-revoke T",
    "-x RUN -S --ticket-standby T",
    "-x RUN -S --ticket-activate T",
    "-x RUN -R --op-inject a_monitor_10000@n1=7",
    "-x RUN -R -i a_monitor_10000@n1=1 -i b_start_0@n2=0",
    "-x BASE -S --op-fail a_start_0@n1=1",
    "-x BASE -S --op-fail p_start_0@n1=1",
    "-x RUN -S --set-datetime 2030-01-01",
    "-x RUN -S --pending",
    "-x RUN -Sj",
    "-x RUN -A -S",
    "-x RUN -sQ",
    "-x RUN -SQ",
    "-x RUN -Q",
    "-x BASE --show-scores --quiet --run",
];

struct Bench {
    folder: PathBuf,
    base: String,
    run: String,
}

impl Bench {
    fn new(name: &str, ours: &Path) -> Self {
        let folder = format!("mainstay-options-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        let path = |name: &str| folder.join(name).display().to_string();
        let (base, run) = (path("base.xml"), path("run.xml"));
        fs::write(&base, BASE).expect("written");
        let made = Self { folder, base, run };
        let said = made.ask(ours, "-x BASE --simulate -Q --save-output RUN", "");
        assert_eq!(said.0, 0, "{}", said.1);
        made
    }

    /// The exit status, and everything said.
    fn ask(&self, program: &Path, line: &str, input: &str) -> (i32, String) {
        let folder = self.folder.display().to_string();
        let words = line.split(' ').map(|word| match word {
            "BASE" => self.base.clone(),
            "RUN" => self.run.clone(),
            _ => word.replace("OUT/", &format!("{folder}/")),
        });
        let mut child = Command::new(program)
            .args(words)
            .env_remove("CIB_file")
            .env("TZ", "UTC")
            .env("CIB_shadow_dir", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        // It may be gone before it has read anything.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What is said, without empty lines, the time of day, and the numbers of actions: theirs counts
/// also what it never shows.
fn plain(said: &str) -> Vec<String> {
    let words = |line: &str| {
        let mut all: Vec<&str> = line.split_whitespace().collect();
        if all.starts_with(&["Pretending", "action"]) {
            all.remove(2);
        }
        let all = all.into_iter().map(|word| match word.split_once('=') {
            Some((name, _)) if name.starts_with("last-failure-") => name,
            _ => word,
        });
        all.collect::<Vec<_>>().join(" ")
    };
    said.lines().map(words).filter(|line| !line.is_empty()).collect()
}

#[test]
fn options_are_answered_as_by_pacemaker() {
    let ours = tools::ours("crm_simulate");
    let bench = Bench::new("alike", &ours);
    let theirs = tools::theirs("crm_simulate");
    for line in ALIKE {
        let our = bench.ask(&ours, line, "");
        assert_eq!(our.0, 0, "{line}: {}", our.1);
        if let Some(theirs) = &theirs {
            let their = bench.ask(theirs, line, "");
            assert_eq!((our.0, plain(&our.1)), (their.0, plain(&their.1)), "{line}");
        }
    }
}

#[test]
fn standard_input_is_read_by_both_its_names() {
    let ours = tools::ours("crm_simulate");
    let bench = Bench::new("pipe", &ours);
    let text = fs::read_to_string(&bench.run).expect("written");
    let file = bench.ask(&ours, "-x RUN -S -d n1", "");
    for line in ["-x - -S -d n1", "-p -S -d n1", "--xml-pipe --simulate --node-down n1"] {
        assert_eq!(bench.ask(&ours, line, &text), file, "{line}");
    }
}

#[test]
fn files_are_written_and_can_be_gone_on_from() {
    let ours = tools::ours("crm_simulate");
    let bench = Bench::new("files", &ours);
    let line = "-x RUN -S -Q -f n1 --save-input OUT/I --save-output=OUT/O --save-graph OUT/G --save-dotfile OUT/D";
    let (status, said) = bench.ask(&ours, line, "");
    assert_eq!(status, 0, "{said}");
    let read = |name: &str| fs::read_to_string(bench.folder.join(name)).expect("a file");
    assert!(
        read("G").contains("operation=\"stonith\"") && read("D").starts_with(" digraph \"g\" {")
    );
    // What was stored before planning holds the event, and what was stored afterwards its end.
    let before = bench.ask(&ours, "-x OUT/I -R", "");
    assert!(before.1.contains("Fence (reboot) n1"), "{}", before.1);
    let after = bench.ask(&ours, "-x OUT/O -R", "");
    assert!(after.1.contains("OFFLINE: [ n1 ]") && !after.1.contains("Fence"), "{}", after.1);
    if let Some(theirs) = tools::theirs("crm_simulate") {
        let (status, said) = bench.ask(&theirs, &line.replace("OUT/", "OUT/their-"), "");
        assert_eq!(status, 0, "{said}");
        for name in ["I", "O"] {
            let ask = |program: &Path, name: &str| {
                plain(&bench.ask(program, &format!("-x OUT/{name} -S"), "").1)
            };
            let wanted = ask(&theirs, &format!("their-{name}"));
            assert_eq!(ask(&theirs, name), wanted, "ours, read by theirs: {name}");
            assert_eq!(
                ask(&ours, &format!("their-{name}")),
                wanted,
                "theirs, read by ours: {name}"
            );
        }
    }
}

#[test]
fn capacities_are_told_before_and_after() {
    let ours = tools::ours("crm_simulate");
    let bench = Bench::new("room", &ours);
    let capacities = |program: &Path| {
        let (status, said) = bench.ask(program, "-x RUN --show-utilization -s -Q", "");
        assert_eq!(status, 0, "{said}");
        // Theirs tells in between what each resource takes.
        let lines = plain(&said).into_iter();
        lines.filter(|line| !line.contains(" utilization on ")).collect::<Vec<_>>()
    };
    let our = capacities(&ours);
    assert_eq!(our.first().map(String::as_str), Some("Original: n1 capacity: cpu=4"));
    assert!(our.contains(&"Remaining: n1 capacity: cpu=2".to_owned()), "{our:?}");
    if let Some(theirs) = tools::theirs("crm_simulate") {
        assert_eq!(our, capacities(&theirs));
    }
}

#[test]
fn what_is_wrong_is_said_and_ends_badly() {
    let ours = tools::ours("crm_simulate");
    let bench = Bench::new("wrong", &ours);
    let theirs = tools::theirs("crm_simulate");
    // Alike with theirs, word for word.
    for line in ["-x", "-x RUN -Z", "-x RUN --nonsense"] {
        let our = bench.ask(&ours, line, "");
        assert_eq!(our.0, 64, "{line}: {}", our.1);
        if let Some(theirs) = &theirs {
            assert_eq!(our, bench.ask(theirs, line, ""), "{line}");
        }
    }
    // The same numbers as theirs, in our own words.
    for (name, text) in [("junk", "no XML"), ("foo", "<foo/>"), ("bare", "<cib/>")] {
        fs::write(bench.folder.join(name), text).expect("written");
    }
    fs::create_dir_all(bench.folder.join("dir")).expect("a folder");
    let numbered = [
        ("-x OUT/nowhere -S", "", 70, "nowhere: No such file"),
        ("-x OUT/dir -S", "", 70, "dir: "),
        ("-x OUT/junk -S", "", 70, "not well-formed"),
        ("-p -S", "", 70, "not well-formed"),
        ("-x - -S", "no XML", 70, "not well-formed"),
        ("-x OUT/foo", "", 66, "not a <cib>"),
        ("-x OUT/foo -S -Q", "", 66, "not a <cib>"),
        ("-p -S", "<foo/>", 66, "not a <cib>"),
        ("-x OUT/bare -S", "", 0, "No resources"),
        ("-x RUN -S -G OUT/no/such", "", 74, "no/such: No such file"),
        ("-x RUN -S -Q -G OUT/dir", "", 74, "dir: "),
        ("-x RUN -S -D OUT/no/such", "", 74, "no/such: No such file"),
        ("-x RUN -S -I OUT/no/such", "", 105, "no/such: No such file"),
        ("-x RUN -S -O OUT/no/such", "", 105, "no/such: No such file"),
        ("-x RUN -S -O OUT/dir", "", 1, "dir: "),
        ("-x RUN -S -O OUT/junk/x", "", 1, "junk/x: "),
    ];
    for (line, input, status, text) in numbered {
        let our = bench.ask(&ours, line, input);
        assert!(our.0 == status && our.1.contains(text), "{line}: {our:?}");
        if let Some(theirs) = &theirs {
            let their = bench.ask(theirs, line, input);
            assert_eq!(their.0, status, "{line}: {}", their.1);
        }
    }
    // Theirs plans on with what it has of a text that ends too early.
    let short = bench.ask(&ours, "-p -S", "<cib><configuration><nodes>");
    assert!(short.0 == 70 && short.1.contains("the text ends inside"), "{short:?}");
    // Theirs aborts on the one, and goes on without a word about the others.
    let stricter = [
        ("-x RUN -S -i a_monitor_10000@n9=7", 1, "no node is called n9"),
        ("-x RUN -S -i zz_monitor_10000@n1=7", 1, "no resource is called zz"),
        ("-x RUN -S -i junk", 64, "RESOURCE_TASK_INTERVAL@NODE=RC"),
        ("-x RUN -S -F junk", 64, "RESOURCE_TASK_INTERVAL@NODE=RC"),
        ("-x RUN -S -t junk", 64, "junk is no time"),
        ("-x RUN -S extra", 64, "extra is no option"),
        ("-L -S", 102, "no cluster is running here"),
    ];
    for (line, status, text) in stricter {
        let our = bench.ask(&ours, line, "");
        assert_eq!(our.0, status, "{line}: {}", our.1);
        assert!(our.1.contains(text), "{line}: {}", our.1);
    }
}

#[test]
fn a_document_is_held_against_its_schema() {
    let ours = tools::ours("crm_simulate");
    let bench = Bench::new("schema", &ours);
    let theirs = tools::theirs("crm_simulate");
    let odd = |text: &str| text.replace("type='Dummy'>", "type='Dummy' odd='1'>");
    let named = |name: &str| BASE.replace("'pacemaker-3.9'", &format!("'{name}'"));
    let bare = BASE.replace("validate-with='pacemaker-3.9'", "");
    let cases = [
        ("as it should be", BASE.to_owned(), 0, ""),
        ("an attribute that is none", odd(BASE), 78, "pacemaker-3.9 refuses it"),
        ("the same id twice", BASE.replace("id='b' ", "id='a' "), 78, "X024"),
        ("nobody of that name", BASE.replace("rsc='b'", "rsc='z'"), 78, "X025"),
        ("nothing said of a node", BASE.replace("uname='n2'>", ">"), 78, "X021"),
        ("oddities in the status", BASE.replace("join='member'", "join='member' odd='1'"), 0, ""),
        ("an old one", named("pacemaker-2.10"), 0, ""),
        ("an ancient one", named("pacemaker-0.6"), 0, ""),
        ("an old one that is odd", odd(&named("pacemaker-2.5")), 78, "from pacemaker-2.5"),
        ("of a schema that is none", named("nonsense"), 78, "no schema has that name"),
        ("of no schema on purpose", odd(&named("none")), 0, ""),
        ("what is being tried out", named("pacemaker-next"), 0, ""),
        ("of no schema", bare, 0, ""),
    ];
    let file = bench.folder.join("case");
    for (about, text, status, said) in cases {
        fs::write(&file, &text).expect("written");
        for line in ["-x OUT/case -S", "-x OUT/case -R -Q", "-x OUT/case -S -d n1"] {
            let our = bench.ask(&ours, line, "");
            assert!(our.0 == status && our.1.contains(said), "{about}: {line}: {our:?}");
            if let Some(theirs) = &theirs {
                let their = bench.ask(theirs, line, "");
                assert_eq!(their.0, status, "{about}: {line}: {}", their.1);
            }
        }
    }
    // Theirs reads no later schemas than its own; here they are read as far as they are known.
    fs::write(&file, named("pacemaker-3.10")).expect("written");
    assert_eq!(bench.ask(&ours, "-x OUT/case -S", "").0, 0);
}
