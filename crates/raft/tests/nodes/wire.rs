//! What comes over the wire and should not: it is told precisely, and changes nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::Role;
use raft::key::{Trust, caller};
use raft::{Event, Key};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{World, steady};

/// A connection to a node, with this key.
async fn connect(to: SocketAddr, key: &Key, its: &Key) -> std::io::Result<TlsStream<TcpStream>> {
    let trust = Trust::default();
    trust.set([(its.print(), 1)].into());
    let config = caller(key, &trust, its.print()).expect("TLS");
    let socket = TcpSocket::new_v4()?;
    let stream = socket.connect(to).await?;
    TlsConnector::from(config).connect(ServerName::IpAddress(to.ip().into()), stream).await
}

/// Sends bytes with a key, and waits for the other side to end it.
fn send(world: &World, to: usize, key: &Key, bytes: &[u8]) {
    let node = &world.nodes[to];
    let address = node.engine.as_ref().expect("runs").listens();
    world.runtime().block_on(async {
        let Ok(mut stream) = connect(address, key, &node.key).await else { return };
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
    });
}

fn event(world: &mut World, at: usize, what: &str) -> Event {
    let told = |event: &Event| event.to_string().contains(what);
    world.until(what, |world| world.nodes[at].said.events.iter().any(told));
    world.nodes[at].said.events.iter().find(|it| told(it)).expect("just now").clone()
}

#[test]
fn what_is_wrong_on_the_wire_is_told_and_changes_nothing() {
    let mut world = World::voters(3, steady());
    let last = world.commit(0);
    world.equal();
    let (leader, term) = (world.settled(), world.nodes[0].said.leadership().term);
    let to = (leader + 1) % 3;
    let peer = world.nodes[(leader + 2) % 3].key.clone();
    let stranger = Key::generate().expect("randomness");
    send(&world, to, &stranger, b"\0\0\0\x01\0");
    let told = event(&mut world, to, "no member's");
    assert!(matches!(told, Event::TurnedAway(..)), "{told}");
    assert!(told.to_string().contains(&stranger.print().to_string()), "{told}");
    // With a member's key, but not a member's words.
    let wrong: [(&[u8], &str); 6] = [
        (&[0xff; 4], "4294967295 bytes was announced"),
        (&[0, 0, 0, 9, 1, 2], "a frame of 9 bytes ended after 2"),
        (&[0, 0], "a frame of 4 bytes ended after 2"),
        (&[0, 0, 0, 3, 9, 9, 9], "a frame of 3 bytes cannot be read"),
        (&[0, 0, 0, 4, 0, 1, 0, 0], "1 bytes are left over"),
        (&[0, 0, 0, 0], "a frame of 0 bytes cannot be read"),
    ];
    for (bytes, what) in wrong {
        send(&world, to, &peer, bytes);
        let told = event(&mut world, to, what);
        assert!(matches!(told, Event::Ended(..)), "{told}");
    }
    // No TLS at all.
    let address = world.nodes[to].engine().listens();
    world.runtime().block_on(async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    event(&mut world, to, "corrupt message");
    assert_eq!(world.settled(), leader);
    assert_eq!(world.nodes[to].said.leadership().term, term);
    assert_eq!(world.nodes[to].said.last, last);
    assert_eq!(world.commit(to), last + 1);
    world.equal();
}

#[test]
fn a_capture_that_is_replayed_says_nothing() {
    let mut world = World::voters(3, steady());
    let leader = world.settled();
    let to = (leader + 1) % 3;
    let last = world.commit(leader);
    world.equal();
    let peer = world.nodes[(leader + 2) % 3].key.clone();
    let address = world.nodes[to].engine().listens();
    let its = world.nodes[to].key.clone();
    // Everything that a member sends, as somebody between would record it.
    let captured = Arc::new(Mutex::new(Vec::new()));
    world.runtime().block_on(async {
        let between = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = between.local_addr().expect("bound");
        let kept = Arc::clone(&captured);
        tokio::spawn(async move {
            let (mut caller, _) = between.accept().await.expect("a caller");
            let mut called = TcpStream::connect(address).await.expect("it listens");
            let (mut a, mut b) = caller.split();
            let (mut c, mut d) = called.split();
            let mut bytes = vec![0; 1 << 16];
            let forth = async {
                while let Ok(length @ 1..) = a.read(&mut bytes).await {
                    kept.lock().expect("whole").extend_from_slice(&bytes[..length]);
                    d.write_all(&bytes[..length]).await.expect("sent");
                }
            };
            tokio::select! { () = forth => {}, _ = tokio::io::copy(&mut c, &mut b) => {} }
        });
        let mut stream = connect(at, &peer, &its).await.expect("a member");
        // A call for a sign of life, which is answered.
        stream.write_all(&[0, 0, 0, 3, 0, 7, 0]).await.expect("sent");
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.expect("an answer");
    });
    let capture = captured.lock().expect("whole").clone();
    assert!(capture.len() > 200, "{}", capture.len());
    let events = world.nodes[to].said.events.len();
    world.runtime().block_on(async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(&capture).await.expect("sent");
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    });
    world.until("it is told", |world| world.nodes[to].said.events.len() > events);
    let told = world.nodes[to].said.events[events].to_string();
    // It cannot answer what it is asked, whether the rest of the capture is looked at or waited for.
    let refused = ["replayed or changed", "it showed no key"].iter().any(|why| told.contains(why));
    assert!(refused, "{told}");
    assert_eq!(world.nodes[to].said.last, last);
    world.commit(to);
    world.equal();
}

#[test]
fn who_was_removed_is_let_in_no_more_and_disturbs_nobody() {
    let mut world = World::voters(3, steady());
    let leader = world.settled();
    let (other, gone) = ((leader + 1) % 3, (leader + 2) % 3);
    let roles = [leader, other].map(|at| (world.nodes[at].name.clone(), Role::Voter)).into();
    let ticket = world.members(other, roles);
    let answer = world.answer(other, ticket);
    assert!(answer.is_ok(), "{answer:?}");
    world.until("both know", |world| {
        [leader, other].iter().all(|at| world.nodes[*at].said.members.len() == 2)
    });
    let term = world.nodes[leader].said.leadership().term;
    // It calls on, and is turned away.
    event(&mut world, leader, "is revoked");
    event(&mut world, gone, "not reached: it ");
    let ticket = world.propose(gone);
    let answer = world.answer(gone, ticket);
    assert!(answer.is_err(), "{answer:?}");
    world.pass(Duration::from_secs(2));
    world.commit(other);
    assert_eq!(world.nodes[leader].said.leadership().term, term);
    assert_eq!(world.nodes[other].said.leadership().leader, Some(world.nodes[leader].name.clone()));
}
