//! The tools that ask a cluster, on a CIB in a file: against Debian's, command by command; what they
//! print, how they end, and what the CIB says then.
//!
//! Without Debian's tools there is nothing to compare with, and the test says so. Words on standard
//! error are ours, and not compared; that there are some is.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cib::dates::WallTime;
use cib::xml::{self, Element};
use pcmk::live::file::File;
use pcmk::live::{Around, Told, answer};

const CIB: &str = include_str!("live/three.xml");

struct Desk {
    dir: PathBuf,
    around: Around,
}

impl Desk {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = WallTime(i64::try_from(since.expect("after 1970").as_secs()).expect("this era"));
        Self { dir, around: Around { now, host: "elsewhere".into(), ..Around::default() } }
    }

    fn file(&self, whose: &str) -> PathBuf {
        self.dir.join(whose)
    }

    fn lay_out(&self) {
        for whose in ["ours", "theirs"] {
            fs::write(self.file(whose), CIB).expect("a CIB");
        }
    }

    fn ours(&self, words: &[&str]) -> Told {
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        let mut opens = || Ok(Box::new(File::open(&self.file("ours"))?) as Box<_>);
        answer(words[0], &arguments, &self.around, &mut opens).expect("a tool of ours")
    }

    fn theirs(&self, words: &[&str]) -> Option<Told> {
        let tool = Path::new("/usr/sbin").join(words[0]);
        let run = Command::new(&tool)
            .args(&words[1..])
            .env("CIB_file", self.file("theirs"))
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output()
            .ok()?;
        let errors = String::from_utf8_lossy(&run.stderr);
        Some(Told {
            text: String::from_utf8_lossy(&run.stdout)
                .replace("request=\"/usr/sbin/", "request=\""),
            errors: errors.lines().map(str::to_owned).collect(),
            status: u8::try_from(run.status.code()?).ok()?,
        })
    }

    /// What a CIB says, without what counts its changes, and without sets that are empty.
    fn says(&self, whose: &str) -> Element {
        let text = fs::read_to_string(self.file(whose)).expect("a CIB");
        let mut root = xml::parse(&text).expect("well-formed").root;
        cib::blank::strip(&mut root);
        for name in ["epoch", "num_updates", "admin_epoch", "cib-last-written"] {
            root.unset(name);
        }
        for name in ["update-origin", "update-client", "update-user"] {
            root.unset(name);
        }
        prune(&mut root);
        root
    }
}

fn prune(element: &mut Element) {
    for child in element.elements_mut() {
        prune(child);
    }
    element.retain(|child| {
        let set = matches!(
            child.name(),
            "instance_attributes" | "meta_attributes" | "utilization" | "cluster_property_set"
        );
        !(set && child.children.is_empty())
    });
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Lines that say when something was looked at differ.
fn timeless(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains("Last updated") && !line.contains("last_update "))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Runs scripts of commands by both, each script on a fresh CIB.
fn compare(name: &str, scripts: &[&[&str]]) {
    let desk = Desk::new(name);
    if !Path::new("/usr/sbin/crm_resource").is_file() {
        eprintln!("Debian's pacemaker-cli-utils is not installed: nothing to compare with");
        return;
    }
    let mut unlike = Vec::new();
    for script in scripts {
        desk.lay_out();
        for line in *script {
            let words = split(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let theirs = desk.theirs(&words).expect("a tool of theirs");
            let ours = desk.ours(&words);
            if ours.status != theirs.status {
                unlike.push(format!(
                    "$ {line}\nstatus {} not {}: {ours:?} {theirs:?}",
                    ours.status, theirs.status
                ));
            }
            if timeless(&ours.text) != timeless(&theirs.text) {
                unlike.push(format!("$ {line}\n{}", differs(&ours.text, &theirs.text)));
            }
            if ours.errors.is_empty() && !theirs.errors.is_empty() && theirs.status != 0 {
                unlike.push(format!(
                    "$ {line}\nours says nothing where theirs says {:?}",
                    theirs.errors
                ));
            }
            let (is, should) = (desk.says("ours"), desk.says("theirs"));
            if is != should {
                unlike.push(format!(
                    "$ {line}\nours:\n{}theirs:\n{}",
                    is.pretty(),
                    should.pretty()
                ));
                // What follows starts from the same again.
                fs::copy(desk.file("theirs"), desk.file("ours")).expect("a copy");
            }
        }
    }
    assert!(unlike.is_empty(), "{} unlike:\n{}", unlike.len(), unlike.join("\n"));
}

/// The lines that only one of two texts has.
fn differs(ours: &str, theirs: &str) -> String {
    let only = |sign: &str, one: &str, other: &str| -> String {
        let lines = one.lines().filter(|line| !other.lines().any(|it| it == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    format!("{}{}", only("+", ours, theirs), only("-", theirs, ours))
}

/// Words, with single quotes around those that have blanks.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn moves_bans_and_their_ends_are_written_as_pacemaker_writes_them() {
    compare(
        "moves",
        &[
            &[
                "crm_resource -M -r vip",
                "crm_resource -M -r vip -N n2",
                "crm_resource -B -r vip -N n2",
                "crm_resource -B -r db-clone -N n1 --promoted",
                "crm_resource -U -r vip -N n2",
                "crm_resource -U -r db-clone",
                "crm_resource --clear --resource vip",
            ],
            &[
                "crm_resource -B -r nope",
                "crm_resource -M -r b -N n2",
                "crm_resource -M -r vip -N n9",
                "crm_resource --clear -N n2",
                "crm_resource -B -r g",
                "crm_resource -M -r vip -N n2 -f",
                "crm_resource -M -r vip -N n1",
                "crm_resource -M -r vip -N n1 -f",
                "crm_resource -B -r vip -N n3 -Q",
            ],
            &[
                "crm_resource -B -r db -N n1",
                "crm_resource -M -r db -N n2",
                "crm_resource -M -r db-clone --promoted -N n2",
                "crm_resource -U -r db-clone --promoted",
                "crm_resource -U -r db",
                "crm_resource -M -r b",
                "crm_resource -M -r db-clone",
                "crm_resource -M -r db-clone --promoted",
                "crm_resource -M -r vip -N n2 -u nonsense",
                "crm_resource -M",
                "crm_resource -M -r vip --bogus",
            ],
        ],
    );
}

#[test]
fn a_limited_move_ends_by_itself() {
    let desk = Desk::new("limited");
    desk.lay_out();
    let told = desk.ours(&["crm_resource", "-M", "-r", "vip", "-N", "n2", "-u", "PT1H"]);
    assert_eq!(told.status, 0, "{told:?}");
    let until = WallTime(desk.around.now.0 + 3_600).spelled();
    assert_eq!(told.text, format!("Migration will take effect until: {until}\n"));
    let find = |path: &str| {
        let path = cib::xpath::XPath::parse(path).expect("a path");
        path.string(&desk.says("ours"))
    };
    let rule = "//rsc_location[@id='cli-prefer-vip']/rule[@id='cli-prefer-rule-vip']";
    assert_eq!(find(&format!("{rule}/expression[@id='cli-prefer-expr-vip']/@value")), "n2");
    let end =
        format!("{rule}/date_expression[@id='cli-prefer-lifetime-end-vip'][@operation='lt']/@end");
    assert_eq!(find(&end), until);
    // Before and after its end.
    let goes = |at: i64| {
        let plan = sched::plan(&cib::Cib::read(&desk.says("ours")), WallTime(at));
        let vip = plan.resources.iter().find(|it| &*it.id == "vip").expect("it is there");
        vip.assigned.map(|node| plan.nodes[node].name.to_string())
    };
    assert_eq!(goes(desk.around.now.0).as_deref(), Some("n2"));
    assert_eq!(goes(desk.around.now.0 + 3_700).as_deref(), Some("n1"));
    // Only what is over goes.
    let clear = ["crm_resource", "-U", "-r", "vip", "--expired"];
    assert_eq!(desk.ours(&clear).text, "");
    let later = Desk {
        dir: desk.dir.join("."),
        around: Around { now: WallTime(desk.around.now.0 + 3_700), ..desk.around.clone() },
    };
    assert_eq!(later.ours(&clear).text, "Removing constraint: cli-prefer-vip\n");
    std::mem::forget(later);
}

#[test]
fn attributes_are_asked_for_and_set_alike() {
    compare(
        "attributes",
        &[
            &[
                "crm_attribute -N n1 -l reboot -n pingd -G",
                "crm_attribute -N n1 -l reboot -n pingd -G -q",
                "crm_attribute -N n1 -l reboot -n nope -G -q",
                "crm_attribute -N n1 -l reboot -n nope --query",
                "crm_attribute -N n1 -l reboot -n pingd -v 7",
                "crm_attribute -N n1 -l reboot -n new -v x -q",
                "crm_attribute -N n2 -l reboot --name first --update y",
                "crm_attribute -N n1 -l forever -n site -v here",
                "crm_attribute -N n1 -n site -G",
                "crm_attribute -N n2 -l forever -n site -G -d dflt",
                "crm_attribute -N n1 -n site -D",
                "crm_attribute -N n1 -n site -D",
                "crm_attribute --node n1 -l reboot --name new --delete",
                "crm_attribute -N n1 -l reboot -n #health-a:b -v 1",
            ],
            &[
                "crm_attribute -t crm_config -n stonith-enabled -G",
                "crm_attribute -n stonith-enabled -G -q",
                "crm_attribute --type crm_config --name db_REPL_INFO -s mysql_replication -v 'n1|1|2'",
                "crm_attribute --type crm_config --name db_REPL_INFO -s mysql_replication --query -q",
                "crm_attribute -t crm_config -n db_REPL_INFO -D -s mysql_replication",
                "crm_attribute -n stonith-enabled -v true",
                "crm_attribute -t nodes -N n2 -z -n cpu -v 4",
                "crm_attribute --quiet -t nodes --node n2 -z -n cpu",
                "crm_attribute",
            ],
            &[
                "crm_attribute -p db -N n1 -G -q",
                "crm_attribute -p db -N n2 -v 5",
                "crm_attribute --promotion=db -N n1 -D",
                "crm_attribute -N n9 -l reboot -n x -G",
                "crm_attribute -n pingd -l reboot -N n1 -G --output-as=xml",
                "crm_attribute -N n1 -n s -v 1 --output-as=xml",
                "crm_attribute -N n1 --bogus",
            ],
        ],
    );
}

#[test]
fn resources_are_told_alike() {
    compare(
        "resources",
        &[
            &[
                "crm_resource -W -r vip",
                "crm_resource -W -r db-clone",
                "crm_resource -W -r b",
                "crm_resource -W -r g",
                "crm_resource --locate --resource vip -Q",
                "crm_resource -W -r nope",
                "crm_resource -l",
                "crm_resource -L",
                "crm_resource --list --output-as=xml",
                "crm_resource -W -r db --output-as=xml",
                "crm_resource -O",
                "crm_resource --list-operations -N n2",
                "crm_resource -q -r vip",
                "crm_resource --get-property class -r vip",
            ],
            &[
                "crm_resource -g ip -r vip",
                "crm_resource -g nope -r vip",
                "crm_resource -m -g target-role -r vip",
                "crm_resource -p target-role -m -v Stopped -r vip",
                "crm_resource -g target-role -m -r vip",
                "crm_resource -L",
                "crm_resource -Y -r vip",
                "crm_resource -Q -r vip -z -g cpu",
                "crm_resource -r vip -z -p cpu -v 2",
                "crm_resource -Q -r vip -z -g cpu",
                "crm_resource --resource=vip --utilization --delete-parameter=cpu",
                "crm_resource -d ip -r vip",
                "crm_resource -d nope -r vip",
                "crm_resource -p x -v 1 -r db",
                "crm_resource -p target-role -m -v Started -r db",
                "crm_resource -p target-role -m -v Started -r g",
                "crm_resource -L -r vip",
                "crm_resource -D -r vip -t primitive",
                "crm_resource -l",
            ],
        ],
    );
}

#[test]
fn the_document_is_read_and_changed_alike() {
    compare(
        "cibadmin",
        &[
            &[
                "cibadmin -Q",
                "cibadmin -Q -A //node",
                "cibadmin -Q -A //node[@id=2]",
                "cibadmin --query --xpath //nope",
                "cibadmin -Q -e -A //node",
                "cibadmin -Q -n -o nodes",
                "cibadmin -Q --local --scope resources",
                "cibadmin -Q -o rsc_defaults",
            ],
            &[
                "cibadmin -C -o constraints -X '<rsc_location id=\"l1\" rsc=\"vip\" node=\"n1\" score=\"5\"/>'",
                "cibadmin -M -o constraints -X '<rsc_location id=\"l1\" score=\"6\"/>'",
                "cibadmin -M -o constraints -X '<rsc_location id=\"l2\" score=\"6\"/>'",
                "cibadmin -M -c -o constraints -X '<rsc_location id=\"l3\" rsc=\"vip\" node=\"n2\" score=\"6\"/>'",
                "cibadmin -D -X '<rsc_location id=\"l3\"/>'",
                "cibadmin -D -X '<rsc_location id=\"l3\"/>'",
                "cibadmin -D -A //rsc_location[@id=\"l1\"]",
                "cibadmin -R -o constraints -X '<constraints/>'",
                "cibadmin -M -X '<nope/>'",
                "cibadmin -B",
                "cibadmin -C -X '<rsc_location id=\"z\" rsc=\"vip\" node=\"n1\" score=\"5\"/>'",
                "cibadmin -E",
                "cibadmin -E --force",
                "cibadmin -a",
            ],
        ],
    );
    let desk = Desk::new("cibadmin-status");
    desk.lay_out();
    let create = "<rsc_location id='l' rsc='vip' node='n1' score='5'/>";
    let create = ["cibadmin", "-C", "-o", "constraints", "-X", create];
    assert_eq!(desk.ours(&create).status, 0);
    let again = desk.ours(&create);
    assert!(again.status == 108 && again.errors[0].contains("File exists"), "{again:?}");
    let invalid = desk.ours(&["cibadmin", "-C", "-o", "resources", "-X", "<primitive id='q'/>"]);
    assert_eq!(invalid.status, 78, "{invalid:?}");
    assert_eq!(desk.ours(&["cibadmin", "-Q", "-A", "//["]).status, 65);
}

#[test]
fn the_page_reads_alike() {
    compare(
        "page",
        &[&[
            "crm_mon -1",
            "crm_mon -1 -r -n -A -f -o",
            "crm_mon -1 -r -o -t",
            "crm_mon -1 -f",
            "crm_mon -1 --output-as=xml",
            "crm_mon -1 -X",
            "crm_mon --one-shot --inactive --output-as xml",
            "crm_mon -1 --exclude=all --include=nodes",
        ]],
    );
}

#[test]
fn without_a_cluster_what_needs_one_says_so() {
    let desk = Desk::new("alone");
    desk.lay_out();
    for words in [["crm_node", "-l"], ["crm_node", "-q"], ["stonith_admin", "-H*"]] {
        let told = desk.ours(&words);
        assert!(told.status == 102 && !told.errors.is_empty(), "{words:?}: {told:?}");
    }
    // An agent is told who it works for, and so need not ask.
    let around = Around { on_node: Some("n2".into()), ..desk.around.clone() };
    let mut nobody = || Err(pcmk::failure::Failure { status: 102, text: "nobody".into() });
    let name = answer("crm_node", &["crm_node".into(), "-n".into()], &around, &mut nobody);
    assert_eq!(name.expect("a tool").text, "n2\n");
    assert_eq!(answer("crm_nothing", &[], &around, &mut nobody), None);
}

#[test]
fn failures_are_forgotten_where_they_were() {
    let desk = Desk::new("cleanup");
    desk.lay_out();
    let told = desk.ours(&["crm_resource", "--cleanup", "-r", "b"]);
    assert_eq!(told.text, "Cleaned up a on n2\n", "its group is cleaned up");
    let left = desk.says("ours");
    let none =
        |path: &str| cib::xpath::XPath::parse(path).expect("a path").select(&left).is_empty();
    assert!(none("//lrm_resource[@id='a']") && none("//nvpair[starts-with(@name,'fail-count-a')]"));
    assert!(!none("//lrm_resource[@id='vip']") && !none("//nvpair[@name='pingd']"));
    assert_eq!(desk.ours(&["crm_resource", "-C"]).text, "Cleaned up all resources on all nodes\n");
    let all = desk.ours(&["crm_resource", "--refresh", "-N", "n1"]).text;
    assert_eq!(all, "Cleaned up db on n1\nCleaned up vip on n1\n");
}
