//! `check`, `explain` and `config show` as a person types them: what is printed, and the status.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A directory that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mainstay(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_mainstay");
    Command::new(binary).args(arguments).env("NO_COLOR", "1").output().expect("mainstay runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn node(priority: &str, more: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n interface bond0\n virtual_router_id 51\n priority {priority}\n virtual_ipaddress {{\n  192.0.2.9/24\n }}\n{more}}}\n"
    )
}

#[test]
fn two_nodes_are_compared() {
    let scratch = Scratch::new("compare");
    let one = scratch.file("one.conf", &node("150", ""));
    let two = scratch.file("two.conf", &node("100", ""));
    let same = mainstay(&["check", &one, &two]);
    assert_eq!(same.status.code(), Some(0), "{}", err(&same));
    assert!(err(&same).contains("2 nodes, 0 differences"), "{}", err(&same));
    let odd = scratch.file("odd.conf", &node("150", " advert_int 2\n"));
    let differ = mainstay(&["check", &one, &odd]);
    assert_eq!(differ.status.code(), Some(4));
    for want in ["error[C111]", "warning[C116]", "one.conf:", "odd.conf:8:13"] {
        assert!(err(&differ).contains(want), "{want} in\n{}", err(&differ));
    }
    let json = mainstay(&["check", "--json", &one, &odd]);
    let value: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(value["differences"][0]["code"], "C111");
    assert_eq!(value["differences"][0]["places"][1]["at"]["line"], 8);
    assert_eq!(value["files"][0]["usable"], true);
}

#[test]
fn an_include_is_read_and_a_mistake_shown_in_its_file() {
    let scratch = Scratch::new("include");
    scratch.file("conf.d/b.conf", &node("999", ""));
    let main = scratch.file("main.conf", "include conf.d/*.conf\n");
    let check = mainstay(&["check", &main]);
    assert_eq!(check.status.code(), Some(4));
    assert!(err(&check).contains("conf.d/b.conf:4:11"), "{}", err(&check));
    let show = mainstay(&["config", "show", &main]);
    assert!(out(&show).contains("priority 999"), "{}", out(&show));
}

#[test]
fn the_config_id_decides_and_ipvs_can_be_passed_over() {
    let scratch = Scratch::new("id");
    let text = format!("@a $P=150\n@^a $P=100\n{}", node("$P", ""));
    let file = scratch.file("k.conf", &text);
    for (id, want) in [("a", 150), ("b", 100)] {
        let show = mainstay(&["config", "show", "--effective", "-i", id, &file]);
        let value: Value = serde_json::from_slice(&show.stdout).expect("JSON");
        assert_eq!(value["instances"][0]["priority"], want);
        assert_eq!(value["instances"][0]["announce"]["takeover"]["again_after"], 5);
    }
    let ipvs = scratch.file(
        "lvs.conf",
        &format!(
            "virtual_server 192.0.2.9 80 {{\n real_server 192.0.2.8 80 {{\n }}\n}}\n{}",
            node("1", "")
        ),
    );
    let refused = mainstay(&["check", &ipvs]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(err(&refused).contains("keepalived -C"), "{}", err(&refused));
    assert_eq!(mainstay(&["check", "--skip-ipvs", &ipvs]).status.code(), Some(0));
}

#[test]
fn no_password_is_ever_shown() {
    let scratch = Scratch::new("secret");
    let more = " authentication {\n  auth_type PASS\n  auth_pass s3cr3t\n }\n";
    let file = scratch.file("k.conf", &node("100", more));
    for arguments in [
        &["check", &file][..],
        &["check", "--json", &file],
        &["config", "show", "--effective", &file],
    ] {
        let output = mainstay(arguments);
        assert!(!format!("{}{}", out(&output), err(&output)).contains("s3cr3t"), "{arguments:?}");
    }
}

#[test]
fn words_are_explained() {
    let keyword = mainstay(&["explain", "nopreempt"]);
    assert_eq!(keyword.status.code(), Some(0));
    assert!(out(&keyword).contains("in `vrrp_instance`"));
    assert!(out(&mainstay(&["explain", "c101"])).starts_with("C101"));
    let unknown = mainstay(&["explain", "priorty"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("did you mean `priority`?"));
}
