//! Carrying out a plan on the document and on what planning knows of it comes to the same.

use std::fs;
use std::path::PathBuf;

use cib::Cib;
use cib::dates::WallTime;
use pcmk::execute::{self, Outcome};
use pcmk::paper::{Model, Tree};

/// A node's state is made, one is fenced, one has a history with a record of the same id, and one
/// whose resource is kept under its instance's name.
const CIB: &str = r#"<cib validate-with="pacemaker-3.7" have-quorum="1" dc-uuid="1">
  <configuration>
    <crm_config/>
    <nodes><node id="1" uname="a"/><node id="2" uname="b"/><node id="3" uname="c"/></nodes>
    <resources>
      <primitive id="fence" class="stonith" type="fence_dummy"/>
      <primitive id="vip" class="ocf" provider="pacemaker" type="Dummy">
        <operations><op id="m" name="monitor" interval="10s"/></operations>
      </primitive>
      <clone id="c"><primitive id="p" class="ocf" provider="pacemaker" type="Dummy"/></clone>
    </resources>
    <constraints/>
  </configuration>
  <status>
    <node_state id="1" uname="a" in_ccm="true" crmd="online" join="member" expected="member">
      <lrm id="1"><lrm_resources>
        <lrm_resource id="p:0" class="ocf" provider="pacemaker" type="Dummy">
          <lrm_rsc_op id="p:0_last_0" operation="monitor" call-id="7" rc-code="7" op-status="0"
            interval="0" transition-magic="0:7;1:1:7:x" exit-reason="none"/>
        </lrm_resource>
        <lrm_resource id="gone" class="ocf" provider="pacemaker" type="Dummy">
          <lrm_rsc_op id="gone_last_0" operation="start" call-id="3" rc-code="0" op-status="0"
            interval="0" transition-key="1:1:0:x"/>
        </lrm_resource>
      </lrm_resources></lrm>
    </node_state>
    <node_state id="2" uname="b" in_ccm="false" crmd="offline" join="member" expected="member">
      <transient_attributes id="2"><instance_attributes id="i"><nvpair id="n" name="x" value="1"/>
      </instance_attributes></transient_attributes>
      <lrm id="2"><lrm_resources>
        <lrm_resource id="vip" class="ocf" provider="pacemaker" type="Dummy">
          <lrm_rsc_op id="vip_last_0" operation="start" call-id="3" rc-code="0" op-status="0"
            interval="0" transition-key="1:1:0:x"/>
        </lrm_resource>
      </lrm_resources></lrm>
    </node_state>
  </status>
</cib>"#;

/// What a CIB is after its plan: read from the document, and as the model has it.
fn both(text: &str, rounds: usize) -> (String, String, usize) {
    let mut document = cib::xml::parse(text).expect("well-formed");
    let mut model = Model::new(Cib::parse(text).expect("well-formed"));
    let mut steps = 0;
    for _ in 0..rounds {
        let now = model.cib.execution_date.unwrap_or(WallTime(1_764_000_000));
        let plan = sched::plan(&model.cib, now);
        let known = pcmk::simulate::names(&plan);
        let mut tree = Tree::new(&mut document.root);
        for at in execute::order(&plan) {
            let outcome = Outcome { rc: None, at: now.0 };
            execute::apply(&mut tree, &plan.steps[at], &known, outcome);
            execute::apply(&mut model, &plan.steps[at], &known, outcome);
            steps += 1;
        }
        model = Model::new(model.cib);
    }
    (format!("{:?}", Cib::read(&document.root)), format!("{:?}", model.cib), steps)
}

#[test]
fn a_plan_leaves_the_same_on_the_document_and_on_the_model() {
    let (tree, model, steps) = both(CIB, 3);
    assert_eq!(tree, model);
    assert!(steps > 10, "only {steps} steps");
    assert!(!model.contains("\"x\", value"), "{model}");
    // A failure that was told leaves its reason; a success takes it away again.
    assert!(!model.contains("none"), "{model}");
}

#[test]
fn so_it_does_in_the_suite() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ways = ["../../../shared/suites/scheduler", "../../../../shared/suites/scheduler"];
    let roots = ways.into_iter().map(|way| here.join(way));
    let Some(root) = roots.into_iter().find(|root| root.join("cases.json").exists()) else {
        eprintln!("the suite is not at hand: skipped");
        return;
    };
    let mut seen = 0;
    for entry in fs::read_dir(root.join("data/xml")).expect("cases") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("text");
        let (tree, model, _) = both(&text, 1);
        assert!(tree == model, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 500, "only {seen} cases");
}
