//! What a person sees, word for word. Change it knowingly.

use conf::{Options, Source, load, render};

const TEXT: &str = "vrrp_instance VI_1 {
\tinterface eth0
\tvirtual_router_id 300
\tpriorty 100
\tauth_pas s3cret
\tvirtual_ipaddress {
\t\t192.0.2.1/24
\t\t192.0.2.1/24
\t}
}
";

const SEEN: &str = "\
error[C023]: `300` is out of range for `virtual_router_id`
 --> keepalived.conf:3:20
  |
3 |  virtual_router_id 300
  |                    ^^^ expected 1 to 255
  |
  = help: `virtual_router_id` takes a whole number from 1 to 255

error[C010]: unknown keyword `priorty` in `vrrp_instance`
 --> keepalived.conf:4:2
  |
4 |  priorty 100
  |  ^^^^^^^ did you mean `priority`?
  |
  = help: write `priority`

error[C010]: unknown keyword `auth_pas` in `vrrp_instance`
 --> keepalived.conf:5:2
  |
5 |  auth_pas ******
  |  ^^^^^^^^ no keyword here has this name
  |
  = help: remove the line, or see keepalived.conf(5) for what may stand here; `--lenient` skips what is unknown

error[C048]: the VIP `192.0.2.1` is listed twice
 --> keepalived.conf:8:3
  |
8 |   192.0.2.1/24
  |   ^^^^^^^^^^^^ again here
  |
 ::: keepalived.conf:7:3
  |
7 |   192.0.2.1/24
  |   ------------ first here
  |
  = help: remove one of them

keepalived.conf: 4 errors, 0 warnings; not usable
";

#[test]
fn diagnostics_read_like_this() {
    let source = Source { name: "keepalived.conf", text: TEXT.as_bytes() };
    let loaded = load(source, Options::default());
    assert_eq!(render(&loaded, false), SEEN);
}

#[test]
fn colour_changes_nothing_but_colour() {
    let source = Source { name: "keepalived.conf", text: TEXT.as_bytes() };
    let loaded = load(source, Options::default());
    let coloured = render(&loaded, true);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find('m').expect("a colour ends");
        rest = &rest[at + end + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, SEEN);
}

#[test]
fn nothing_found_is_nothing_said() {
    let text = b"vrrp_instance a {\n interface e\n virtual_router_id 1\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    let source = Source { name: "x", text };
    assert_eq!(render(&load(source, Options::default()), false), "");
}

#[test]
fn of_a_long_line_the_column_is_right_and_the_rest_is_left_out() {
    let text = format!("# é\n{} x\n", " ".repeat(100_000) + "frob");
    let source = Source { name: "x", text: text.as_bytes() };
    let shown = render(&load(source, Options::default()), false);
    assert!(shown.contains("x:2:100001"), "{shown}");
    assert!(shown.len() < 800, "{shown}");
}

#[test]
fn a_flood_is_counted() {
    let text = "frob\n".repeat(1_000);
    let source = Source { name: "x", text: text.as_bytes() };
    let loaded = load(source, Options::default());
    assert_eq!((loaded.diagnostics.len(), loaded.dropped), (200, 800));
    assert!(render(&loaded, false).contains("200 errors, 0 warnings and 800 more"));
}
