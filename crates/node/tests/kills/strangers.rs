//! A node that was removed and comes back with its old key, and bytes that are no question.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ui::cluster::{Request, Response};

use crate::cluster::{Cluster, NODES};
use crate::writers::addition;

#[test]
fn who_was_removed_is_heard_no_more_and_bytes_that_are_no_question_change_nothing() {
    let mut cluster = Cluster::new(Duration::from_millis(600));
    let (kept, gone) = ([0, 1], NODES - 1);
    cluster.running[gone] = None;
    let lost = |it: &Cluster| {
        it.status(0).is_some_and(|it| {
            it.members.iter().any(|it| &*it.node == "n3" && !it.reached && it.standing != "alive")
        })
    };
    cluster.until("n3 is lost", lost);
    let removed = cluster.ask(0, &Request::Remove { node: "n3".into() });
    assert!(matches!(removed, Ok(Response::Done(_))), "{removed:?}");
    let two = |it: &Cluster, at: usize| {
        it.status(at).is_some_and(|it| it.members.len() == 2 && it.quorum)
    };
    cluster.until("two are left", |it| kept.iter().all(|at| two(it, *at)));
    let terms = kept.map(|at| cluster.status(at).unwrap().term);

    // It has all it had, its key as well.
    cluster.start(gone);
    cluster.until("it is told", |it| {
        it.log(gone).contains("does not take this node's key")
            && kept.iter().all(|at| it.log(*at).contains("is revoked"))
    });
    let alone = cluster.status(gone).unwrap();
    assert!(!alone.quorum && alone.lease_ms.is_none(), "{alone:?}");
    let answer = cluster.ask(gone, &addition("removed"));
    assert!(answer.is_err(), "{answer:?}");

    // Whoever remains begins anew, and knows it all the same.
    for at in kept {
        cluster.running[at] = None;
        cluster.start(at);
    }
    cluster.until("two go on", |it| kept.iter().all(|at| two(it, *at)));
    cluster.until("it is turned away again", |it| {
        kept.iter().all(|at| it.log(*at).contains("is no member's"))
    });
    cluster.done(&addition("kept"));
    assert_eq!(cluster.there(0), ["kept"]);
    assert!(kept.iter().all(|at| cluster.status(*at).unwrap().term >= terms[0]));

    // What is no question is told so; the next who asks is answered.
    let wrong: [&[u8]; 4] = [
        b"\xff\xff\xff\xff",
        b"\0\0\0\x04nope",
        b"\0\0\0\x0b{\"Change\":1}",
        b"\0\0\0\x09\"Nothing\"",
    ];
    for bytes in wrong {
        let mut stream = UnixStream::connect(&cluster.sockets[0]).unwrap();
        stream.write_all(bytes).unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("not a question this mainstay understands"), "{bytes:?}: {text}");
    }
    assert_eq!(cluster.there(0), ["kept"]);
    cluster.listen();
}
