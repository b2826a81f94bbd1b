//! Fuzz targets: every door through which bytes of others come in, and what must hold whatever they
//! are.
//!
//! Each target is an ordinary function; `src/bin` gives it to libFuzzer, and the tests here to the
//! stored corpus, so that what was once found stays found without a fuzzer. `cargo xtask fuzz` runs
//! them; it needs no nightly compiler, because coverage comes from LLVM's pass alone.

mod bytes;
pub mod clusters;
mod documents;
mod driven;
pub mod unrest;

use vip::last_will::{Bequest, Death, Edit, LastWill};
use vrrp::{Image, Input};

use bytes::Bytes;

/// A packet from the wire, as a frame and as a bare message, under every kind of terms.
pub fn wire(data: &[u8]) {
    vrrp::wire::fuzz::any_octets(data);
}

/// A configuration file: it is understood or refused with a text, and its report can be shown.
pub fn config(data: &[u8]) {
    let lenient = data.first().is_some_and(|first| first & 1 == 1);
    let source = conf::Source { name: "fuzz.conf", text: data };
    let loaded = conf::load(source, conf::Options { lenient, skip_ipvs: lenient });
    let report = conf::render(&loaded, false);
    let errors = loaded.diagnostics.iter().any(|d| d.severity == conf::Severity::Error);
    assert_eq!(loaded.config.is_none(), errors, "refused without an error, or taken with one");
    assert!(!errors || !report.is_empty(), "refused without a word");
}

/// A frame of the control socket, as a question and as an answer.
pub fn frames(data: &[u8]) {
    let _ = ui::protocol::read_frame::<ui::protocol::Request>(&mut &data[..]);
    let _ = ui::protocol::read_frame::<ui::protocol::Response>(&mut &data[..]);
}

/// What another version handed over: understood or not, a router goes on from it.
pub fn image(data: &[u8]) {
    let Ok(image) = postcard::from_bytes::<Image>(data) else { return };
    let mut world = driven::World::new(Bytes::new(data));
    world.feed(Input::Adopt { image: Some(image), held: Vec::new(), events: 0 });
    world.run(8);
}

/// A whole router, driven by bytes: configurations, packets, the kernel's news, time.
pub fn router(data: &[u8]) {
    let mut world = driven::World::new(Bytes::new(data));
    world.run(usize::MAX);
}

/// The guardian's will, driven by bytes. However the engine behaves: addresses are removed only
/// after the silence and the farewells, and no engine is started while another lives.
pub fn will(data: &[u8]) {
    use vip::last_will::{Input, Output};
    let mut bytes = Bytes::new(data);
    let mut now = base::Instant::ZERO;
    let mut will = LastWill::new(now);
    let (mut lives, mut silenced) = (false, false);
    while let Some(kind) = bytes.next() {
        now = now + core::time::Duration::from_millis(bytes.small(2_000));
        let name = base::Name::from(if bytes.flag() { "a" } else { "b" });
        let input = match kind % 6 {
            0 => {
                let patience = core::time::Duration::from_millis(60 + bytes.small(4_000));
                let (farewells, vips) = (Vec::new(), Vec::new());
                Input::Edit(Edit::Hold(Bequest { name, farewells, vips, patience, seal: None }))
            }
            1 => Input::Edit(Edit::Release { name }),
            2 => Input::Alive,
            3 if lives => Input::Ended,
            4 if bytes.small(16) == 0 => Input::Stop,
            _ => Input::Wake,
        };
        lives &= input != Input::Ended;
        will.handle(now, input);
        while let Some(output) = will.poll_output() {
            match output {
                Output::Start { .. } => {
                    assert!(!lives, "a second engine beside a living one");
                    (lives, silenced) = (true, false);
                }
                Output::Silence => silenced = true,
                Output::Farewell { .. } | Output::Remove(_) | Output::RemoveWays(_) => {
                    assert!(silenced, "heard on the way out")
                }
                Output::Kill | Output::Adopted => {}
                Output::CarriedOut { death, .. } => {
                    assert!(matches!(death, Death::Ended | Death::Stalled));
                    assert!(will.holders().next().is_none(), "carried out, and still held");
                }
            }
        }
        assert!(will.poll_timeout().is_none_or(|at| at >= now), "a deadline that is over");
    }
}

/// A cluster document: as text, as what it says, as one side of a patch, under an XPath.
pub fn cib(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let (path, left) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let right = parts.next().unwrap_or_default();
    let (Ok(old), read) = (cib::xml::parse(left), cib::Cib::parse(left)) else {
        assert!(cib::Cib::parse(left).is_err(), "one reader takes what the other refuses");
        return;
    };
    let read = read.expect("both read it, or neither");
    assert_eq!(format!("{read:?}"), format!("{:?}", cib::Cib::read(&old.root)));
    let again = cib::xml::parse(&old.to_string()).expect("what is written can be read");
    assert_eq!(again.root, old.root);
    if let Ok(path) = cib::xpath::XPath::parse(path) {
        let _ = path.select(&old.root);
    }
    let Ok(new) = cib::xml::parse(right) else { return };
    if let Ok(patch) = cib::patch::Patch::from_xml(&new.root) {
        let _ = patch.apply(&old.root, cib::patch::Check::Loose);
    }
    // What leads from one to the other leads there.
    if let Ok(patch) = cib::patch::diff(&old.root, &new.root, false)
        && let Ok(reached) = patch.apply(&old.root, cib::patch::Check::Loose)
    {
        let left = cib::patch::diff(&reached, &new.root, false);
        assert!(left.is_ok_and(|left| left.is_empty()), "a patch does not lead to its end");
    }
}

/// Two documents out of bytes, and the patch that leads from one to the other.
pub fn patch(data: &[u8]) {
    documents::patch(&mut Bytes::new(data));
}

/// A rule out of bytes, and dates and durations as anybody might write them.
pub fn rules(data: &[u8]) {
    documents::rules(data);
}

/// A cluster, planned for once: a plan that can be carried out, which the checker has nothing
/// against. What becomes of it plan after plan is the campaign's business (`cargo xtask clusters`).
pub fn sched(data: &[u8]) {
    let text = clusters::document(&mut Bytes::new(data), clusters::Sense::Wild);
    let cib = cib::Cib::parse(&text).expect("what is made here is well-formed");
    let plan = sched::plan(&cib, cib.execution_date.unwrap_or_default());
    let wrong = sched::check(&plan);
    assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
}

/// The cluster of a number, for campaigns.
#[must_use]
pub fn cluster(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(1024);
    while data.len() < 1024 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
    }
    clusters::document(&mut Bytes::new(&data), clusters::Sense::Possible)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::clusters::{Class, judge};
    use super::unrest::Unrest;

    fn each(target: &str, run: impl Fn(&[u8])) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let files = std::fs::read_dir(&folder).expect("every target has a corpus");
        let mut tried = 0;
        for file in files.flatten() {
            run(&std::fs::read(file.path()).expect("a file of the corpus"));
            tried += 1;
        }
        assert!(tried > 0, "{}", folder.display());
    }

    #[test]
    fn the_corpus_breaks_nothing() {
        each("wire", super::wire);
        each("config", super::config);
        each("frames", super::frames);
        each("image", super::image);
        each("router", super::router);
        each("will", super::will);
        each("cib", super::cib);
        each("patch", super::patch);
        each("rules", super::rules);
        each("sched", super::sched);
    }
    /// Clusters that do not come to rest, and why: a cluster may ask for what cannot last.
    const RESTLESS: [(u64, Unrest); 1] = [(25, Unrest::MovesSingles)];

    /// Plans carried out one after the other: nothing starts where it is banned, nothing stays
    /// active too often, and there is an end to it.
    #[test]
    fn plans_lead_to_rest_and_to_nothing_that_must_not_be() {
        let (mut restless, mut planned) = (Vec::new(), 0);
        for seed in 0..60 {
            let verdict = judge(&super::cluster(seed)).expect("a document");
            planned += verdict.rounds;
            restless.extend(verdict.unrest.map(|unrest| (seed, unrest)));
            for (class, what) in verdict.wrong {
                let told = matches!(class, Class::Restless | Class::Held);
                assert!(told, "seed {seed}: {}: {what}", class.told());
            }
        }
        assert!(planned > 40, "nothing was to be done");
        assert_eq!(restless, RESTLESS);
    }
}
