//! How a node becomes a member: by an invitation, once.
//!
//! Who runs the cluster has a member make an invitation, and carries its *token* to the new node. It
//! says where that member is, which key it has (so that nobody else can be mistaken for it), and a
//! secret. The new node calls, shows its own key, and says the secret; whoever made the invitation looks
//! whether it is still good, has the node committed as a member, and answers with who the others are.
//!
//! The secret counts for one key alone, the first that shows it and is let in; with that key it may be
//! shown again, since an answer can be lost. Invitations live in the memory of the member that made
//! them, as the digest of their secret, and end with it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cluster::Role;
use cluster::seam::Failure;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::server::TlsStream;

use crate::core::{Core, lock};
use crate::frame;
use crate::key::{self, Key, KeyError, Print};
use crate::members;
use crate::outlet::Event;
use crate::types::Peer;

/// What every token begins with.
const MARK: &str = "mainstay1-";
/// How many octets of a token's digest stand at its end: a letter that was lost is told from a secret
/// that does not fit.
const CHECK: usize = 4;
/// One that comes to join says what it wants within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// It is answered within this, or not at all.
const ANSWER: Duration = Duration::from_secs(25);
/// How many invitations there may be.
const INVITATIONS: usize = 1_000;

/// What only the invited node and who invited it know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret([u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(crate) fn draw() -> Result<Self, KeyError> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// What is carried to a new node: whom to call, and what to say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Where the member is that made the invitation.
    pub address: SocketAddr,
    /// Its key.
    pub key: Print,
    /// What to say.
    pub secret: Secret,
}

/// Why a text is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// It is something else.
    #[error("this is no token: one begins with `{MARK}`, as `mainstay cluster invite` prints it")]
    Foreign,
    /// Letters are missing, or were changed.
    #[error("this token is not whole: copy all of what `mainstay cluster invite` printed")]
    Damaged,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = postcard::to_allocvec(self).unwrap_or_default();
        let check = Sha256::digest(&bytes);
        f.write_str(MARK)?;
        bytes.iter().chain(&check[..CHECK]).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let digits = text.trim().strip_prefix(MARK).ok_or(TokenError::Foreign)?;
        let octet = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(octet).collect();
        let bytes = bytes.filter(|_| digits.len() % 2 == 0).ok_or(TokenError::Damaged)?;
        let at = bytes.len().checked_sub(CHECK).ok_or(TokenError::Damaged)?;
        let (bytes, check) = bytes.split_at(at);
        if Sha256::digest(bytes)[..CHECK] != *check {
            return Err(TokenError::Damaged);
        }
        postcard::from_bytes(bytes).map_err(|_| TokenError::Damaged)
    }
}

/// What a node says that comes to join.
#[derive(Serialize, Deserialize)]
struct Knock {
    secret: Secret,
    peer: Peer,
}

/// What a node is given that may.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// What it is to the cluster, as the invitation says.
    pub role: Role,
    /// The members, itself among them.
    pub peers: Vec<Peer>,
    /// What the cluster begins with; see [`Config`](crate::Config).
    pub dowry: Vec<u8>,
}

type Answer = Result<Welcome, String>;

/// An invitation, on the side that made it.
#[derive(Debug)]
pub(crate) struct Invitation {
    digest: [u8; 32],
    role: Role,
    until: Instant,
    /// The key that was let in by it.
    by: Option<Print>,
}

impl Invitation {
    pub(crate) fn new(secret: &Secret, role: Role, lifetime: Duration) -> Self {
        Self { digest: secret.digest(), role, until: Instant::now() + lifetime, by: None }
    }
}

/// Those there are.
#[derive(Debug, Default)]
pub(crate) struct Invitations(BTreeMap<[u8; 32], Invitation>);

impl Invitations {
    pub(crate) fn add(&mut self, invitation: Invitation) {
        let now = Instant::now();
        self.0.retain(|_, it| it.until > now);
        if self.0.len() < INVITATIONS {
            self.0.insert(invitation.digest, invitation);
        }
    }

    /// What the invitation says that goes with a secret, if it counts for this key.
    fn find(&self, secret: &Secret, key: Print) -> Result<Role, String> {
        // A digest is looked up, so how long that takes tells nothing of the secret.
        let found = self.0.get(&secret.digest()).ok_or(
            "this node knows of no such invitation: it was made by a process that has ended since, \
             or by another cluster; have another one made with `mainstay cluster invite`",
        )?;
        if found.by.is_some_and(|by| by != key) {
            return Err("this invitation has let another node in already: each is for one; have \
                        another one made with `mainstay cluster invite`"
                .into());
        }
        if found.until <= Instant::now() && found.by.is_none() {
            return Err(
                "this invitation has expired: have another one made with `mainstay cluster \
                        invite`"
                    .into(),
            );
        }
        Ok(found.role)
    }

    fn used(&mut self, secret: &Secret, key: Print) {
        if let Some(found) = self.0.get_mut(&secret.digest()) {
            found.by = Some(key);
        }
    }
}

/// Hears somebody who comes to join, answers, and closes.
pub(crate) async fn serve(mut stream: TlsStream<TcpStream>, from: SocketAddr, core: &Arc<Core>) {
    let print = key::shown(stream.get_ref().1.peer_certificates()).unwrap_or_default();
    let knock = match timeout(PATIENCE, frame::read::<Knock>(&mut stream)).await {
        Ok(Ok(Some(knock))) => knock,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => return core.outlet.event(Event::TurnedAway(from, error.to_string())),
    };
    let name = knock.peer.name.clone();
    let answer: Answer = let_in(core, knock, print).await;
    match &answer {
        Ok(welcome) => core.outlet.event(Event::Joined(name, welcome.role)),
        Err(why) => core.outlet.event(Event::TurnedAway(from, why.clone())),
    }
    if let Ok(bytes) = frame::encode(&answer) {
        // Who has gone meanwhile may come again with the same key.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
    }
}

async fn let_in(core: &Arc<Core>, knock: Knock, print: Print) -> Answer {
    let Knock { secret, peer } = knock;
    if peer.key != print {
        return Err("the key that was shown is not the one that was named".into());
    }
    let role = lock(&core.invitations).find(&secret, print)?;
    // From here on nobody else may use it; if it was in vain, it may be tried again by anybody.
    lock(&core.invitations).used(&secret, print);
    let peer = Peer { role, ..peer };
    let entered = members::ask_in(core, peer.clone()).await;
    if let Err(failure) = entered {
        if matches!(failure, Failure::Refused(_))
            && let Some(found) = lock(&core.invitations).0.get_mut(&secret.digest())
        {
            found.by = None;
        }
        return Err(match failure {
            Failure::Refused(why) => why,
            Failure::Unknown => "the cluster has no quorum, or its leader was lost meanwhile: see \
                                 `mainstay cluster status` there, and run the same command again"
                .into(),
        });
    }
    let metrics = core.metrics();
    let members = metrics.membership_config.membership();
    let mut peers: BTreeMap<_, _> = members.nodes().map(|(_, it)| (it.key, it.clone())).collect();
    peers.insert(peer.key, peer);
    Ok(Welcome { role, peers: peers.into_values().collect(), dowry: core.dowry.clone() })
}

/// Why a node was not let in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoinError {
    /// Who invited is not reached.
    #[error(
        "{0} is not reached: {1}. Is mainstay running there, and does a firewall let this port pass?"
    )]
    Unreached(SocketAddr, String),
    /// It said no.
    #[error("{0} does not let this node in: {1}")]
    Refused(SocketAddr, String),
}

/// Calls who made the invitation, as `peer` with this key, and becomes a member.
///
/// # Errors
/// When it is not reached, or does not let this node in.
pub fn knock(token: &Token, key: &Key, peer: &Peer) -> Result<Welcome, JoinError> {
    let at = token.address;
    let unreached = |why: String| JoinError::Unreached(at, why);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unreached(error.to_string()))?;
    let talk = async {
        let config = key::joiner(key, token.key).map_err(|error| unreached(error.to_string()))?;
        let lost = |error: std::io::Error| unreached(key::why(&error));
        let connect = async {
            let stream = TcpStream::connect(at).await?;
            TlsConnector::from(config).connect(ServerName::IpAddress(at.ip().into()), stream).await
        };
        let mut stream = match timeout(PATIENCE, connect).await {
            Ok(connected) => connected.map_err(lost)?,
            Err(_) => return Err(unreached(format!("no connection within {PATIENCE:?}"))),
        };
        let knock = Knock { secret: token.secret.clone(), peer: peer.clone() };
        let bytes = frame::encode(&knock).map_err(|error| unreached(error.to_string()))?;
        stream.write_all(&bytes).await.map_err(lost)?;
        match timeout(ANSWER, frame::read::<Answer>(&mut stream)).await {
            Ok(Ok(Some(Ok(welcome)))) => Ok(welcome),
            Ok(Ok(Some(Err(why)))) => Err(JoinError::Refused(at, why)),
            Ok(Ok(None)) => Err(unreached("it closed the connection without an answer".into())),
            Ok(Err(error)) => Err(unreached(error.to_string())),
            Err(_) => Err(unreached(format!("no answer within {ANSWER:?}"))),
        }
    };
    runtime.block_on(talk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let address = "10.0.0.1:5419".parse().expect("an address");
        Token { address, key: Print([7; 32]), secret: Secret([9; 16]) }
    }

    #[test]
    fn a_token_is_read_as_it_was_printed_or_not_at_all() {
        let text = token().to_string();
        assert_eq!(text.parse(), Ok(token()));
        assert_eq!(format!(" {text}\n").parse(), Ok(token()));
        for at in MARK.len()..text.len() {
            let mut changed = text.clone();
            changed.replace_range(at..=at, if &text[at..=at] == "0" { "1" } else { "0" });
            assert_eq!(changed.parse::<Token>(), Err(TokenError::Damaged), "{at}");
            assert_eq!(text[..at].parse::<Token>(), Err(TokenError::Damaged), "{at} of it");
        }
        assert_eq!("mainstay".parse::<Token>(), Err(TokenError::Foreign));
        let shown = format!("{:?}", token());
        assert!(shown.ends_with("secret: Secret }"), "the secret is never shown: {shown}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_invitation_is_for_one_key_and_ends() {
        let (a, b) = (Print([1; 32]), Print([2; 32]));
        let (mut all, secret) = (Invitations::default(), Secret([3; 16]));
        all.add(Invitation::new(&secret, Role::Witness, Duration::from_secs(60)));
        assert!(all.find(&Secret([4; 16]), a).is_err_and(|why| why.contains("no such")));
        assert_eq!(all.find(&secret, a), Ok(Role::Witness));
        all.used(&secret, a);
        assert_eq!(all.find(&secret, a), Ok(Role::Witness), "an answer may be lost");
        assert!(all.find(&secret, b).is_err_and(|why| why.contains("another node in already")));
        let late = Secret([5; 16]);
        all.add(Invitation::new(&late, Role::Voter, Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(all.find(&late, a).is_err_and(|why| why.contains("expired")));
    }
}
