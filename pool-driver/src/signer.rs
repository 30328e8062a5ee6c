//! Who signs what the application publishes unsigned, and the answers to relays' challenges.

use std::fmt;
use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::{BoxFuture, Either, ready, select};
use nostr_pool_core::{Input, Ticket};
use nostr_proto::{Event, Keys, PublicKey, RelayUrl, UnsignedEvent};

use crate::shared::Shared;

/// Signs events of one author: with a key in memory, a hardware token, a remote signer.
pub trait Signer: Send + Sync + 'static {
    /// The author in whose name it signs.
    fn public_key(&self) -> PublicKey;

    /// Signs an event. Runs in a task of the pool's runtime; the answer is checked like anything from outside: another
    /// event than the one asked for, or a wrong signature, counts as a refusal. The publish's deadline does not wait
    /// for it. What has not answered when the pool ends is dropped.
    fn sign(&self, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>>;

    /// Signs the answer to a relay's challenge (NIP-42), after which the relay knows whose connection it is; the policy
    /// of the pool has allowed it. By default [`sign`](Self::sign)ed like any event. The answer is checked as well, and
    /// counts for nothing after [`Config::auth_sign_deadline`](crate::Config::auth_sign_deadline).
    fn sign_auth(&self, relay: RelayUrl, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        let _ = relay;
        self.sign(event)
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public_key(&self) -> PublicKey {
        (**self).public_key()
    }

    fn sign(&self, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        (**self).sign(event)
    }

    fn sign_auth(&self, relay: RelayUrl, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        (**self).sign_auth(relay, event)
    }
}

/// Why a signer did not sign, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignError(String);

impl SignError {
    /// For these reasons; one line, for people. No secrets: the application is told, and a pool that is
    /// [recorded](crate::PoolBuilder::record) has them in its recording.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SignError {}

/// A signer with its key in memory.
#[derive(Debug)]
pub struct KeySigner(Keys);

impl KeySigner {
    /// Signs with these keys.
    pub fn new(keys: Keys) -> Self {
        Self(keys)
    }
}

impl Signer for KeySigner {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        // Fresh entropy hardens BIP-340 against fault attacks; the signature is sound without.
        let mut aux = [0; 32];
        let signed = match getrandom::fill(&mut aux) {
            Ok(()) => Ok(event.sign(&self.0, aux)),
            Err(e) => Err(SignError::new(format!("no entropy: {e}"))),
        };
        ready(signed).boxed()
    }
}

/// Answers the core exactly once, whatever becomes of the signer. A signer that thinks long keeps no pool alive.
struct Reply {
    shared: Weak<Shared>,
    ticket: Ticket,
    outcome: Option<Result<Event, SignError>>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let ticket = self.ticket;
        let outcome = self.outcome.take().unwrap_or_else(|| Err(SignError::new("the signer gave no answer")));
        let outcome = outcome.map_err(|e| e.0);
        shared.enter_dropping(|state, now| state.core.handle_input(Input::Signed { ticket, outcome }, now));
    }
}

/// An event to be signed.
pub(crate) struct Order {
    pub(crate) ticket: Ticket,
    pub(crate) event: UnsignedEvent,
    /// Whose challenge it answers, if it is such an answer.
    pub(crate) relay: Option<RelayUrl>,
}

/// Has an event signed in a task of its own, which ends with the pool.
pub(crate) fn spawn(shared: &Arc<Shared>, order: Order) {
    let Order { ticket, event, relay } = order;
    let reply = Reply { shared: Arc::downgrade(shared), ticket, outcome: None };
    let signer = shared.signers.iter().find(|signer| signer.public_key() == event.pubkey()).cloned();
    let ended = shared.ended.clone();
    let task = async move {
        // The whole of it moves in here, so that it is dropped, and answers, however the task ends.
        let mut reply = reply;
        reply.outcome = match signer {
            Some(signer) => {
                let signing = match relay {
                    Some(relay) => signer.sign_auth(relay, event),
                    None => signer.sign(event),
                };
                match select(signing, ended).await {
                    Either::Left((outcome, _)) => Some(outcome),
                    Either::Right(_) => None,
                }
            }
            None => Some(Err(SignError::new("the pool has no signer for this key"))),
        };
    };
    shared.engine.spawn(task.boxed());
}
