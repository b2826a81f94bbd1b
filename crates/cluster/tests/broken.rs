//! Broken documents, through every door by which a document is changed: refused with a reason, and then
//! nothing is different; or taken, and then what is there is whole.

use base::Wall;
use cib::xml::Element;
use cluster::operation::CibChange;
use cluster::state::Outcome;
use cluster::{Entry, Operation, Refusal, State};

const WHOLE: &str = "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' \
    epoch='5' num_updates='2'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o-s' \
    name='stonith-enabled' value='false'/></cluster_property_set></crm_config><nodes><node id='1' \
    uname='a'/></nodes><resources><primitive id='r' class='ocf' provider='heartbeat' type='Dummy'>\
    <operations><op id='r-m' name='monitor' interval='10s'/></operations></primitive></resources>\
    <constraints><rsc_location id='l' rsc='r' node='a' score='100'/></constraints></configuration>\
    <status/></cib>";

fn state() -> State {
    State::new(cib::xml::parse(WHOLE).expect("a CIB").root)
}

/// Applies a change: whether it was taken. It may not break anything, whichever.
fn tried(state: &mut State, change: CibChange, what: &str) -> Result<(), String> {
    let before = state.cib().clone();
    let (at, by) = (Wall::new(1, 0), "a".into());
    let entry = Entry { at, by, operation: Operation::Cib { expect: None, change } };
    match state.apply(state.applied() + 1, &entry) {
        Outcome::Refused(Refusal::Bad(why)) => {
            assert_eq!(*state.cib(), before, "{what}: refused, and something is different");
            assert!(why.len() > 10, "{what}: {why}");
            Err(why)
        }
        Outcome::Refused(other) => panic!("{what}: {other}"),
        Outcome::Done(_) | Outcome::Unchanged => {
            sound(state, what);
            Ok(())
        }
    }
}

/// What every node has to have: a document that is valid, that can be planned for, and that is the same
/// for whoever is given it as a snapshot.
fn sound(state: &State, what: &str) {
    let report = cib::schema::validate(state.cib());
    assert!(report.is_valid(), "{what}: taken, and the document is not valid");
    for section in ["crm_config", "nodes", "resources", "constraints"] {
        let configuration = state.cib().child("configuration");
        let there = configuration.and_then(|it| it.child(section)).is_some();
        assert!(there, "{what}: taken, and there is no {section}");
    }
    assert!(state.cib().child("status").is_some(), "{what}: taken, and the status is gone");
    let again = State::decode(&state.encode());
    assert_eq!(again.as_ref(), Ok(state), "{what}: another node would have another document");
    let _ = sched::plan(&cib::Cib::read(state.cib()), cib::dates::WallTime(100));
}

/// Every door through which this text can be put.
fn doors(text: &str, scope: &str) -> Vec<(&'static str, CibChange)> {
    let (xml, at) = (text.to_owned(), scope.to_owned());
    let path = || "//primitive[@id='r']".to_owned();
    let patch = format!(
        "<diff format='2'><version><source admin_epoch='0' epoch='5' num_updates='2'/><target \
         admin_epoch='0' epoch='6' num_updates='0'/></version><change operation='create' \
         path='/cib/configuration/resources' position='0'>{text}</change></diff>"
    );
    vec![
        ("create", CibChange::Create { scope: at.clone(), xml: xml.clone() }),
        ("modify", CibChange::Modify { scope: at.clone(), xml: xml.clone(), allow_create: true }),
        ("replace", CibChange::Replace { scope: at.clone(), xml: xml.clone() }),
        ("replace whole", CibChange::Replace { scope: "cib".into(), xml: xml.clone() }),
        ("replace at", CibChange::ReplaceAt { path: path(), xml: xml.clone() }),
        ("delete", CibChange::Delete { scope: at, xml: xml.clone() }),
        ("patch", CibChange::Patch { xml: patch }),
        ("patch itself", CibChange::Patch { xml }),
    ]
}

#[test]
fn text_that_is_no_document_is_refused_through_every_door() {
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    let bomb =
        "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]><primitive id='&c;'/>";
    let wrong: [(&str, &str); 14] = [
        ("nothing", ""),
        ("no markup", "stonith-enabled=false"),
        ("cut short", "<primitive id='q' class='ocf'"),
        ("not closed", "<group id='g'><primitive id='q' class='lsb' type='t'/>"),
        ("closed by another", "<group id='g'></primitive>"),
        ("two roots", "<primitive id='q' class='lsb' type='t'/><primitive id='p'/>"),
        ("an attribute twice", "<primitive id='q' id='p' class='lsb' type='t'/>"),
        ("no quotes", "<primitive id=q class=lsb type=t/>"),
        ("a NUL", "<primitive id='q\0' class='lsb' type='t'/>"),
        ("a control character by number", "<primitive id='q&#1;' class='lsb' type='t'/>"),
        ("an entity nobody knows", "<primitive id='&who;' class='lsb' type='t'/>"),
        ("an entity that grows", bomb),
        ("twenty thousand levels", &deep),
        ("JSON", "{\"id\": \"q\"}"),
    ];
    for (what, text) in wrong {
        for (door, change) in doors(text, "resources") {
            let mut state = state();
            let said = tried(&mut state, change, &format!("{what}, {door}"));
            assert!(said.is_err(), "{what}, {door}: it was taken");
        }
    }
}

#[test]
fn elements_that_would_break_the_document_are_refused_through_every_door_that_keeps_them() {
    let wrong: [(&str, &str, &str); 9] = [
        ("no class", "resources", "<primitive id='q' type='t'/>"),
        ("no id", "resources", "<primitive class='lsb' type='t'/>"),
        ("an element nobody knows", "resources", "<resource id='q' class='lsb' type='t'/>"),
        (
            "an attribute nobody knows",
            "resources",
            "<primitive id='q' class='lsb' type='t' x='1'/>",
        ),
        ("an id that is no name", "resources", "<primitive id='1 2' class='lsb' type='t'/>"),
        ("an id that is taken", "resources", "<primitive id='l' class='lsb' type='t'/>"),
        ("an empty group", "resources", "<group id='g'/>"),
        (
            "a reference to nothing",
            "resources",
            "<group id='g'><primitive id-ref='nobody'/></group>",
        ),
        ("a constraint here", "resources", "<rsc_location id='m' rsc='r' node='a' score='1'/>"),
    ];
    for (what, scope, text) in wrong {
        for (door, change) in doors(text, scope) {
            let keeps = !matches!(door, "delete" | "patch itself" | "replace whole");
            let mut state = state();
            let said = tried(&mut state, change, &format!("{what}, {door}"));
            assert!(!keeps || said.is_err(), "{what}, {door}: it was taken");
        }
    }
}

/// What is there goes, piece by piece and as a whole; whatever was taken, the rest is whole.
#[test]
fn whatever_is_cut_out_of_the_document_leaves_a_whole_one_or_is_refused() {
    let places = [
        "/cib",
        "/cib/configuration",
        "//crm_config",
        "//nodes",
        "//resources",
        "//constraints",
        "//status",
        "//primitive",
        "//op",
        "//node",
        "//*",
        "//nvpair",
        "//@id",
        "//cib/@epoch",
    ];
    for path in places {
        for all in [false, true] {
            let what = format!("{path} {all}");
            let change = CibChange::DeleteAt { path: path.into(), all };
            let _ = tried(&mut state(), change, &what);
            let xml = "<a/>".to_owned();
            let change = CibChange::ReplaceAt { path: path.into(), xml };
            let said = tried(&mut state(), change, &what);
            assert!(said.is_err(), "{what}: it was replaced by something nobody knows");
        }
        let patch = format!(
            "<diff format='2'><version><source admin_epoch='0' epoch='5' num_updates='2'/><target \
             admin_epoch='0' epoch='6' num_updates='0'/></version><change operation='delete' \
             path='{path}'/></diff>"
        );
        let _ = tried(&mut state(), CibChange::Patch { xml: patch }, &format!("{path} by patch"));
    }
}

/// Who takes part the cluster alone says, through whatever door somebody else does.
#[test]
fn no_change_of_the_document_makes_a_node_that_takes_part_another() {
    let mut whole = state();
    for operation in [
        Operation::Admit {
            node: "a".into(),
            id: "1".into(),
            role: cluster::Role::Voter,
            lease: core::time::Duration::from_secs(1),
        },
        Operation::Verdict {
            node: "a".into(),
            life: cluster::operation::Life(7),
            verdict: cluster::operation::Verdict::Alive,
        },
    ] {
        let entry = Entry { at: Wall::new(1, 0), by: "a".into(), operation };
        let outcome = whole.apply(whole.applied() + 1, &entry);
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
    let said = |state: &State| {
        let status = state.cib().child("status").expect("a status");
        let node = status.named("node_state").find(|it| it.id() == Some("1")).expect("a state");
        node.attrs()
            .iter()
            .map(|it| (it.name.to_string(), it.value.to_string()))
            .collect::<Vec<_>>()
    };
    let before = said(&whole);
    assert!(before.iter().any(|(name, value)| name == "crmd" && value == "online"), "{before:?}");
    let path = |path: &str| path.to_owned();
    let version = whole.version();
    let patch = |change: &str| CibChange::Patch {
        xml: format!(
            "<diff format='2'><version><source admin_epoch='0' epoch='{0}' num_updates='{1}'/><target \
             admin_epoch='0' epoch='{0}' num_updates='{2}'/></version>{change}</diff>",
            version.epoch,
            version.num_updates,
            version.num_updates + 1
        ),
    };
    let lies =
        "<node_state id='1' uname='a' crmd='offline' in_ccm='false' join='down'/>".to_owned();
    let changes = [
        CibChange::DeleteAt { path: path("//status"), all: true },
        CibChange::DeleteAt { path: path("//node_state"), all: true },
        CibChange::Delete { scope: "status".into(), xml: "<node_state id='1'/>".into() },
        CibChange::Modify { scope: "status".into(), xml: lies.clone(), allow_create: true },
        CibChange::Replace { scope: "status".into(), xml: format!("<status>{lies}</status>") },
        CibChange::Replace { scope: "status".into(), xml: "<status/>".into() },
        CibChange::ReplaceAt { path: path("//node_state"), xml: lies },
        CibChange::Replace { scope: "cib".into(), xml: WHOLE.into() },
        patch("<change operation='delete' path='/cib/status'/>"),
        patch("<change operation='delete' path='/cib/status/node_state[@id=&quot;1&quot;]'/>"),
        CibChange::Erase,
    ];
    for change in changes {
        let mut state = whole.clone();
        let what = format!("{change:?}");
        let _ = tried(&mut state, change, &what);
        assert_eq!(said(&state), before, "{what}");
    }
}

/// The whole text with one thing wrong with it somewhere, put in the place of all.
#[test]
fn a_whole_document_that_was_damaged_on_the_way_is_refused_or_still_one() {
    let (mut taken, mut refused) = (0, 0);
    let mut count = |said: Result<(), String>| match said {
        Ok(()) => taken += 1,
        Err(_) => refused += 1,
    };
    for at in (0..WHOLE.len()).filter(|at| WHOLE.is_char_boundary(*at)) {
        let cut = WHOLE[..at].to_owned();
        let without = format!("{}{}", &WHOLE[..at], &WHOLE[at + 1..]);
        let mut other = WHOLE.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8_lossy(&other).into_owned();
        for (what, xml) in [("cut", cut), ("one octet less", without), ("one bit", other)] {
            let change = CibChange::Replace { scope: "cib".into(), xml };
            count(tried(&mut state(), change, &format!("{what} at {at}")));
        }
    }
    assert!(taken > 0 && refused > taken, "{taken} were taken, {refused} refused");
    let whole: Element = cib::xml::parse(WHOLE).expect("a CIB").root;
    assert!(cib::schema::validate(&whole).is_valid());
}
