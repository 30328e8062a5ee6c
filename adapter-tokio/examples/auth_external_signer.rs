//! Authentication (NIP-42) with a signer that is somewhere else: another process, a phone, a hardware token.
//!
//! Needs no network: a relay that wants to know who reads runs on a loopback port. What the signer would do elsewhere, it
//! does here on a thread of its own, which thinks for a while before it signs.
//!
//! Run it with `cargo run -p nostr-pool-tokio --example auth_external_signer`.

use std::error::Error;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use nostr_model_relay::{Config as RelayConfig, Fault, Server};
use nostr_pool_tokio::{
    AuthPolicy, AuthState, Event, EventTemplate, FetchOptions, Filter, Keys, Kind, Pool, PublicKey, RelayUpdate,
    RelayUrl, SignError, Signer, Timestamp, Tokio, UnsignedEvent,
};

/// What goes to the signer, and the way back.
struct Question {
    what: String,
    event: UnsignedEvent,
    answer: oneshot::Sender<Result<Event, SignError>>,
}

/// The application's end of the signer: it has no key, and waits for nothing.
struct Remote {
    public_key: PublicKey,
    questions: SyncSender<Question>,
}

impl Remote {
    fn ask(&self, what: String, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.questions.try_send(Question { what, event, answer });
        async move {
            sent.map_err(|_| SignError::new("the signer has too much to do"))?;
            answered.await.unwrap_or_else(|_| Err(SignError::new("the signer went away")))
        }
        .boxed()
    }
}

impl Signer for Remote {
    fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn sign(&self, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        self.ask(format!("an event of kind {}", event.kind().as_u16()), event)
    }

    fn sign_auth(&self, relay: RelayUrl, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        self.ask(format!("that {relay} may know whose connection it is"), event)
    }
}

/// The other end, which has the key.
fn sign_elsewhere(keys: &Keys, questions: &Receiver<Question>) {
    for Question { what, event, answer } in questions {
        println!("signer: asked for {what}");
        thread::sleep(Duration::from_millis(300));
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&event.created_at().as_secs().to_le_bytes());
        // The pool may have given up meanwhile.
        let _ = answer.send(Ok(event.sign(keys, entropy)));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A key of nobody. A real one never leaves the signer.
    let keys = Keys::from_entropy([42; 32])?;
    let relay = Server::start(RelayConfig::default())?;
    relay.set_faults(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true });
    let note = keys.sign(&EventTemplate::text_note("for your eyes only", Timestamp::new(1_700_000_000)), [0; 32]);
    relay.with(|relay| relay.store(note));

    let (questions, asked) = sync_channel(16);
    let signer = Remote { public_key: keys.public_key(), questions };
    thread::spawn(move || sign_elsewhere(&keys, &asked));

    // `Ask`: nothing is told to any relay before the application has said yes to it. `Always` would ask the signer only.
    let pool = Pool::builder().relay(relay.url()).signer(signer).auth_policy(AuthPolicy::Ask).build(Tokio::current())?;
    let mut news = pool.status();
    let decider = pool.clone();
    let decide = tokio::spawn(async move {
        while let Some(update) = news.next().await {
            let RelayUpdate::Auth(state) = update.update else { continue };
            println!("{}: {state:?}", update.relay);
            if state == AuthState::Requested {
                println!("user: yes, {} may know", update.relay);
                // The only errors are of a relay that has gone, or a pool that has ended.
                let _ = decider.authenticate(&update.relay, None);
            }
            if matches!(state, AuthState::Authenticated { .. } | AuthState::Failed(_)) {
                return;
            }
        }
    });

    let fetched = pool.fetch([Filter::new().kind(Kind::TEXT_NOTE)], FetchOptions::default()).await?;
    for found in &fetched.events {
        println!("read: {:?}", found.event.content());
    }
    decide.await?;
    pool.shutdown(Duration::from_secs(1)).await;
    if fetched.events.len() == 1 { Ok(()) } else { Err("the relay's note was not read".into()) }
}
