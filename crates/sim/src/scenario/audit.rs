//! The audits: what must be so after each step. One list, for all stages.
//!
//! Some hold whatever was done ([`Wish`] does not say where things run, only who may run them); while
//! the cluster leaves everything alone, those on places do not count, and that nothing runs twice does.

use super::picture::{Picture, Wish};
use super::scene::Scene;

type Audit = fn(&Wish, &Picture, &mut Vec<String>);

/// Each by its name.
const AUDITS: &[(&str, Audit)] = &[
    ("everybody answers who is there", answers),
    ("quorum is where a majority is", quorum),
    ("one DC in each partition", one_dc),
    ("the DC is content", content),
    ("equal documents in each partition", equal_documents),
    ("nothing acknowledged is lost", nothing_lost),
    ("nothing runs twice", once),
    ("everything runs that can", all_run),
    ("nothing runs where it must not", no_orphans),
    ("groups are together", groups),
    ("things begin in their order", order),
    ("clones are everywhere", clones),
    ("colocations hold", colocations),
    ("what was moved is where it was moved to", preferred),
];

/// All that is not as it should be; empty if everything is.
#[must_use]
pub fn audit(wish: &Wish, picture: &Picture) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, audit) in AUDITS {
        let mut found = Vec::new();
        audit(wish, picture, &mut found);
        findings.extend(found.into_iter().map(|it| format!("{name}: {it}")));
    }
    findings
}

fn answers(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for (wanted, seen) in wish.nodes.iter().zip(&picture.nodes) {
        if wanted.up != seen.says.is_some() {
            let what = if wanted.up { "does not answer" } else { "answers, and should be down" };
            out.push(format!("{} {what}", seen.name));
        }
    }
}

fn quorum(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for (wanted, seen) in wish.nodes.iter().zip(&picture.nodes) {
        let right = wish.quorum(wanted.side);
        if let Some(says) = &seen.says
            && wanted.up
            && says.quorum != right
        {
            out.push(format!("{} says {}, and it is {right}", seen.name, says.quorum));
        }
    }
}

fn one_dc(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for side in wish.sides() {
        let (there, quorate) = (wish.on(side), wish.quorum(side));
        let says = |at: &usize| picture.nodes[*at].says.as_ref();
        let directing: Vec<&str> = there
            .iter()
            .filter(|at| says(at).is_some_and(|it| it.directs))
            .map(|at| &*picture.nodes[*at].name)
            .collect();
        if directing.len() != usize::from(quorate) {
            out.push(format!("{directing:?} direct on side {side}, quorum {quorate}"));
        }
        for at in there.iter().filter(|_| quorate) {
            let dc = says(at).and_then(|it| it.dc.as_deref());
            if dc != directing.first().copied() {
                out.push(format!("{} takes {dc:?} for the DC", picture.nodes[*at].name));
            }
        }
    }
}

fn content(_: &Wish, picture: &Picture, out: &mut Vec<String>) {
    let says = picture.nodes.iter().filter_map(|it| Some((&it.name, it.says.as_ref()?)));
    for (name, _) in says.filter(|(_, it)| it.directs && !it.settled) {
        out.push(format!("{name} still has something to do"));
    }
}

fn equal_documents(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for side in wish.sides().into_iter().filter(|side| wish.quorum(*side)) {
        let says = |at: usize| Some((at, picture.nodes[at].says.as_ref()?.document));
        let documents: Vec<(usize, u64)> = wish.on(side).into_iter().filter_map(says).collect();
        for (at, document) in &documents {
            if *document != documents[0].1 {
                let names = (&picture.nodes[*at].name, &picture.nodes[documents[0].0].name);
                out.push(format!("{} and {} differ", names.0, names.1));
            }
        }
    }
}

fn nothing_lost(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for at in wish.sides().into_iter().filter(|it| wish.quorum(*it)).flat_map(|it| wish.on(it)) {
        let seen = &picture.nodes[at];
        let has = seen.says.as_ref().and_then(|it| it.mark);
        if seen.says.is_some() && has < wish.mark {
            out.push(format!("{} has change {has:?}, not {:?}", seen.name, wish.mark));
        }
    }
}

fn once(_: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for resource in Scene::SINGLES {
        let places = picture.places(resource);
        if places.len() > 1 {
            let names: Vec<&str> = places.iter().map(|at| &*picture.nodes[*at].name).collect();
            out.push(format!("{resource} runs on {}", names.join(" and ")));
        }
    }
    for seen in &picture.nodes {
        let copies = seen.count(Scene::CLONE);
        if copies > 1 {
            out.push(format!("{copies} copies of {} run on {}", Scene::CLONE, seen.name));
        }
    }
}

fn all_run(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    let serving = wish.serving().len();
    for resource in Scene::SINGLES {
        let needs = if resource == Scene::APART { 2 } else { 1 };
        let runs = !picture.places(resource).is_empty();
        if !wish.maintenance && runs != (serving >= needs) {
            let what = if runs { "runs, with" } else { "does not run, with" };
            out.push(format!("{resource} {what} {serving} to run it on"));
        }
    }
}

fn no_orphans(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    let serving = wish.serving();
    for (at, seen) in picture.nodes.iter().enumerate() {
        if !wish.maintenance && !serving.contains(&at) {
            out.extend(seen.active.iter().map(|it| format!("{} on {}", it.resource, seen.name)));
        }
    }
}

fn groups(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    let first = picture.places(Scene::GROUP[0]);
    for member in Scene::GROUP {
        let places = picture.places(member);
        if !wish.maintenance && places != first {
            out.push(format!("{} on {first:?}, {member} on {places:?}", Scene::GROUP[0]));
        }
    }
}

fn order(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for seen in picture.nodes.iter().filter(|_| !wish.maintenance) {
        for (first, then) in Scene::ORDER {
            if let (Some(before), Some(after)) = (seen.since(first), seen.since(then))
                && before > after
            {
                out.push(format!(
                    "{then} began {} before {first} on {}",
                    before - after,
                    seen.name
                ));
            }
        }
    }
}

fn clones(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    for at in wish.serving().into_iter().filter(|_| !wish.maintenance) {
        let seen = &picture.nodes[at];
        if seen.count(Scene::CLONE) == 0 {
            out.push(format!("{} is not on {}", Scene::CLONE, seen.name));
        }
    }
}

fn colocations(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    if wish.maintenance {
        return;
    }
    let web = picture.places(Scene::GROUP[2]);
    for resource in Scene::TOGETHER {
        if picture.places(resource) != web {
            out.push(format!("{resource} is not where the group is"));
        }
    }
    if picture.places(Scene::APART).iter().any(|it| web.contains(it)) {
        out.push(format!("{} is where the group is", Scene::APART));
    }
}

fn preferred(wish: &Wish, picture: &Picture, out: &mut Vec<String>) {
    let there = wish.preferred.filter(|at| !wish.maintenance && wish.serving().contains(at));
    if let Some(at) = there
        && picture.places(Scene::WANDERER) != [at]
    {
        out.push(format!("{} is not on {}", Scene::WANDERER, picture.nodes[at].name));
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::{Active, Says, Seen};
    use super::*;

    /// Three nodes that are as they should be: the group on the first, what is apart on the second.
    fn well() -> (Wish, Picture) {
        let seen = |at: usize| {
            let names: &[&str] = match at {
                0 => &["w1", "w2", "w3", "d", "v", "c"],
                1 => &["x", "s", "c"],
                _ => &["c"],
            };
            let active = |(since, name): (u64, &&str)| Active {
                resource: (*name).into(),
                since: Some(since),
            };
            Seen {
                name: format!("n{at}").into(),
                says: Some(Says {
                    quorum: true,
                    dc: Some("n0".into()),
                    directs: at == 0,
                    settled: at == 0,
                    document: 7,
                    mark: Some(3),
                }),
                active: (1..).zip(names).map(active).collect(),
            }
        };
        let mut wish = Wish::new(3);
        (wish.mark, wish.preferred) = (Some(3), Some(1));
        (wish, Picture { nodes: (0..3).map(seen).collect() })
    }

    #[test]
    fn each_audit_finds_what_it_is_for_and_nothing_where_all_is_well() {
        assert_eq!(audit(&well().0, &well().1), Vec::<String>::new());
        type Spoil = fn(&mut Wish, &mut Picture);
        fn says(picture: &mut Picture, at: usize) -> &mut Says {
            picture.nodes[at].says.as_mut().unwrap()
        }
        let spoilt: [Spoil; 14] = [
            |_, it| it.nodes[2].says = None,
            |_, it| says(it, 1).quorum = false,
            |_, it| says(it, 2).directs = true,
            |_, it| says(it, 0).settled = false,
            |_, it| says(it, 1).document = 8,
            |_, it| says(it, 1).mark = Some(2),
            |_, it| it.nodes[2].active.push(Active { resource: "s".into(), since: None }),
            |_, it| it.nodes[1].active.retain(|it| &*it.resource != "x"),
            |wish, _| wish.nodes[2].standby = true,
            |_, it| {
                let moved = it.nodes[0].active.remove(1);
                it.nodes[2].active.push(moved);
            },
            |_, it| it.nodes[0].active[0].since = Some(9),
            |_, it| it.nodes[2].active.clear(),
            |_, it| {
                let moved = it.nodes[0].active.remove(4);
                it.nodes[2].active.push(moved);
            },
            |wish, _| wish.preferred = Some(2),
        ];
        for (at, ((name, _), spoil)) in AUDITS.iter().zip(spoilt).enumerate() {
            let (mut wish, mut picture) = well();
            spoil(&mut wish, &mut picture);
            let found = audit(&wish, &picture);
            assert!(found.iter().any(|it| it.starts_with(name)), "{at}, {name}: {found:?}");
        }
    }

    #[test]
    fn a_side_without_a_majority_is_to_run_nothing_and_to_have_no_dc() {
        let (mut wish, mut picture) = well();
        wish.nodes[1].side = 1;
        let found = audit(&wish, &picture);
        assert!(found.iter().any(|it| it.contains("x on n1")), "{found:?}");
        assert!(found.iter().any(|it| it.contains("n1 says true, and it is false")), "{found:?}");
        let alone = &mut picture.nodes[1];
        alone.active.clear();
        let says = alone.says.as_mut().unwrap();
        (says.quorum, says.document, says.mark, says.dc) = (false, 9, None, None);
        let name = |name: &str| Active { resource: name.into(), since: None };
        picture.nodes[2].active.extend([name("x"), name("s")]);
        assert_eq!(audit(&wish, &picture), Vec::<String>::new());
    }
}
