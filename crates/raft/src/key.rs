//! A node's key pair, and whose public keys it takes: who is who in the cluster's own traffic.
//!
//! No certificate, no authority and no date: a node shows its bare public key (RFC 7250) and proves
//! that it has the private half; who it is follows from the list of members. So nothing expires, and
//! a clock that is wrong at boot locks nobody out. A node's id is made of its key: whoever lost the
//! key along with the rest of the disk comes back as another node, and cannot vote twice.
//!
//! TLS 1.3 alone, no session is ever resumed and no early data taken: what was recorded on the wire
//! is worth nothing on another connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerMisbehaved, ServerConfig, SignatureScheme,
};
use sha2::{Digest, Sha256};

use crate::types::NodeId;

/// What those say that come to join, in the first word of their handshake (ALPN).
pub(crate) const JOIN: &[u8] = b"mainstay-join/1";

/// SHA-256 of a public key, in the form that travels (SubjectPublicKeyInfo).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Print(pub [u8; 32]);

impl Print {
    fn of(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// The id of the node that has this key.
    #[must_use]
    pub fn id(self) -> NodeId {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        NodeId::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a key cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness.
    #[error("no key could be made: the system gives no randomness")]
    NoRandomness,
    /// These bytes are none.
    #[error("this is not a private key of mainstay's (Ed25519, PKCS 8): {0}")]
    Unreadable(String),
}

/// A node's key pair.
#[derive(Clone)]
pub struct Key {
    pkcs8: Vec<u8>,
    certified: Arc<CertifiedKey>,
    print: Print,
}

impl fmt::Debug for Key {
    /// Never the private half.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.print)
    }
}

impl Key {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn generate() -> Result<Self, KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        Self::read(pkcs8.map_err(|_| KeyError::NoRandomness)?.as_ref())
    }

    /// Reads one, as [`Key::bytes`] gives it.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let signing = provider::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8))
            .map_err(|error| KeyError::Unreadable(error.to_string()))?;
        let spki = signing
            .public_key()
            .ok_or_else(|| KeyError::Unreadable("it has no public half".into()))?
            .to_vec();
        let print = Print::of(&spki);
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signing));
        Ok(Self { pkcs8: pkcs8.into(), certified, print })
    }

    /// The private key: for a file that only root reads.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.pkcs8
    }

    /// What others pin.
    #[must_use]
    pub fn print(&self) -> Print {
        self.print
    }
}

/// Whose keys are taken; clones share it, and a change counts at once.
#[derive(Clone, Debug, Default)]
pub struct Trust(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    members: BTreeMap<Print, NodeId>,
    /// Keys that were taken once, and are not any more.
    revoked: BTreeSet<Print>,
}

/// Why a key is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// It was never known here.
    #[error("key {0} is no member's: let its node join first")]
    Stranger(Print),
    /// Its node was removed.
    #[error("key {0} is revoked: its node was removed from the cluster")]
    Revoked(Print),
    /// A member's, but not the one that was to be reached.
    #[error(
        "key {shown} was shown where {pinned} was expected: another node listens at that address"
    )]
    Other {
        /// The one that was shown.
        shown: Print,
        /// The one that was expected.
        pinned: Print,
    },
}

impl Trust {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these are taken, and no others.
    pub fn set(&self, members: BTreeMap<Print, NodeId>) {
        let mut known = self.known();
        let gone: Vec<_> =
            known.members.keys().filter(|it| !members.contains_key(it)).copied().collect();
        known.revoked.extend(gone);
        known.revoked.retain(|it| !members.contains_key(it));
        known.members = members;
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// When it is no member's.
    pub fn who(&self, print: Print) -> Result<NodeId, Refused> {
        let known = self.known();
        match known.members.get(&print) {
            Some(id) => Ok(*id),
            None if known.revoked.contains(&print) => Err(Refused::Revoked(print)),
            None => Err(Refused::Stranger(print)),
        }
    }
}

/// Looks at keys in a handshake.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    /// The only one that will do, for who calls.
    pinned: Option<Print>,
    /// Whoever is not a member yet is heard as well: an invitation decides, not the key.
    open: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn judge(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        let shown = Print::of(shown);
        let judged = match self.pinned {
            Some(pinned) if pinned != shown => Err(Refused::Other { shown, pinned }),
            _ if self.open => Ok(()),
            _ => self.trust.who(shown).map(|_| ()),
        };
        judged.map_err(|refused| CertificateError::Other(OtherError(Arc::new(refused))).into())
    }

    fn prove(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }
}

/// TLS 1.2 is not spoken, so nobody signs as it does.
fn old() -> Error {
    Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.prove(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.prove(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// How this node calls the one that has the key `pinned`.
///
/// # Errors
/// When TLS cannot be had as it has to be.
pub fn caller(key: &Key, trust: &Trust, pinned: Print) -> Result<Arc<ClientConfig>, Error> {
    let verifier = verifier(trust, Some(pinned), false);
    Ok(Arc::new(calling(key, verifier)?))
}

/// How a node that is to become a member calls the one that invited it, whose key is `pinned`.
pub(crate) fn joiner(key: &Key, pinned: Print) -> Result<Arc<ClientConfig>, Error> {
    let mut config = calling(key, verifier(&Trust::default(), Some(pinned), true))?;
    config.alpn_protocols = vec![JOIN.to_vec()];
    Ok(Arc::new(config))
}

fn verifier(trust: &Trust, pinned: Option<Print>, open: bool) -> Verifier {
    let provider = Arc::new(provider::default_provider());
    Verifier { trust: trust.clone(), pinned, open, provider }
}

fn calling(key: &Key, verifier: Verifier) -> Result<ClientConfig, Error> {
    let provider = Arc::clone(&verifier.provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
            &key.certified,
        ))));
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// How this node is called.
///
/// # Errors
/// When TLS cannot be had as it has to be.
pub fn called(key: &Key, trust: &Trust) -> Result<Arc<ServerConfig>, Error> {
    Ok(Arc::new(answering(key, verifier(trust, None, false))?))
}

/// How this node is called by those who were invited, and are no members yet.
pub(crate) fn invited(key: &Key) -> Result<Arc<ServerConfig>, Error> {
    let mut config = answering(key, verifier(&Trust::default(), None, true))?;
    config.alpn_protocols = vec![JOIN.to_vec()];
    Ok(Arc::new(config))
}

fn answering(key: &Key, verifier: Verifier) -> Result<ServerConfig, Error> {
    let provider = Arc::clone(&verifier.provider);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(
            &key.certified,
        ))));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The print of the key that was shown on a connection.
pub(crate) fn shown(keys: Option<&[CertificateDer<'_>]>) -> Option<Print> {
    keys?.first().map(|key| Print::of(key))
}

/// What was wrong with a handshake, in words: rustls hides ours behind its own.
pub(crate) fn why(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            why.to_string()
        }
        Some(Error::AlertReceived(rustls::AlertDescription::CertificateUnknown)) => {
            "it does not take this node's key: this node is not, or no more, a member there".into()
        }
        Some(Error::DecryptError) => crate::frame::FrameError::Forged.to_string(),
        _ => error.to_string(),
    }
}

/// Whether what came was not written for this connection.
pub(crate) fn is_forged(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    matches!(inner, Some(Error::DecryptError))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is_one() {
        let key = Key::generate().expect("randomness");
        let again = Key::read(key.bytes()).expect("the same");
        assert_eq!(again.print(), key.print());
        assert_eq!(key.print().id().to_be_bytes(), key.print().0[..8]);
        assert!(!format!("{key:?}").contains("pkcs8"), "the private half is never shown");
        for bad in [&b""[..], b"-----BEGIN", &key.bytes()[1..]] {
            assert!(matches!(Key::read(bad), Err(KeyError::Unreadable(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_key_that_was_taken_once_is_told_from_one_that_never_was() {
        let trust = Trust::default();
        let (a, b) = (Print([1; 32]), Print([2; 32]));
        trust.set(BTreeMap::from([(a, 1)]));
        assert_eq!((trust.who(a), trust.who(b)), (Ok(1), Err(Refused::Stranger(b))));
        trust.set(BTreeMap::from([(b, 2)]));
        assert_eq!((trust.who(a), trust.who(b)), (Err(Refused::Revoked(a)), Ok(2)));
        trust.set(BTreeMap::from([(a, 1), (b, 2)]));
        assert_eq!((trust.who(a), trust.who(b)), (Ok(1), Ok(2)));
    }
}
