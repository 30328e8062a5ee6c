//! Authentication (NIP-42).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};
use nostr_model_relay::{Fault, FaultPlan, Server};
use nostr_pool_driver::{
    AuthFailure, AuthPolicy, AuthState, Config, FetchOptions, Item, KeySigner, LegState, PublishOptions, PublishStatus,
    ReconnectOptions, RelayOptions, RelayUpdate, Runtime, SignError, Signer, SubscribeOptions, Verdict, Which,
};
use nostr_proto::{Event, PublicKey, UnsignedEvent};

use super::*;

/// A relay that wants to know who reads and writes, and checks the answer.
fn suspicious(challenge_on_connect: bool) -> Server {
    let server = relay();
    server.set_faults(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect });
    server
}

fn me(policy: AuthPolicy) -> PoolBuilder {
    builder().signer(KeySigner::new(keys(1))).auth_policy(policy)
}

fn auth_of(pool: &Pool, server: &Server) -> AuthState {
    pool.relay(&url_of(server)).expect("it is in the pool").auth
}

fn confirmed(n: u8) -> AuthState {
    AuthState::Authenticated { identities: vec![keys(n).public_key()], confirmed: true }
}

/// Where the relay demands it, events are read and published after it, whenever the challenge comes.
pub async fn authenticates_on_demand<R: Runtime>(runtime: R) {
    for early in [true, false] {
        let server = suspicious(early);
        store(&server, [note(1)]);
        let pool = build(&runtime, me(AuthPolicy::Always).relay(server.url()));
        let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
        assert_eq!(fetched.events.len(), 1, "{fetched:?}");
        assert!(fetched.coverage.is_complete(), "{fetched:?}");
        let report = pool.publish(note(2), PublishOptions::default()).unwrap().await;
        assert_eq!(report.verdict, Some(Verdict::Reached), "{report:?}");
        assert_eq!(auth_of(&pool, &server), confirmed(1));
        let stats = server.with(|relay| relay.stats());
        assert_eq!((stats.auths, stats.reqs, stats.events_in), (1, 2, 1), "one refusal, one repetition");
    }
}

/// A publish that is refused for lack of it is sent again after it, once.
pub async fn publishes_after_it<R: Runtime>(runtime: R) {
    let server = suspicious(false);
    let pool = build(&runtime, me(AuthPolicy::Always).relay(server.url()));
    let event = note(1);
    let report = pool.publish(event.clone(), PublishOptions::default()).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Reached), "{report:?}");
    let stats = server.with(|relay| relay.stats());
    assert_eq!((stats.auths, stats.events_in), (1, 2));
    assert!(server.with(|relay| relay.contains(&event.id())));
}

/// By default a relay learns nothing.
pub async fn tells_nobody_by_default<R: Runtime>(runtime: R) {
    let server = suspicious(true);
    let pool = build(&runtime, builder().signer(KeySigner::new(keys(1))).relay(server.url()));
    let report = pool.publish(note(1), PublishOptions::default()).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Failed), "{report:?}");
    assert!(matches!(report.relays[0].1, PublishStatus::Rejected(_)), "{report:?}");
    assert_eq!(auth_of(&pool, &server), AuthState::Challenged);
    assert_eq!(server.with(|relay| relay.stats()).auths, 0);
}

/// A relay that never says OK is taken to have said yes.
pub async fn does_without_an_ok<R: Runtime>(runtime: R) {
    let server = relay();
    let auth = Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true };
    server.set_faults(FaultPlan::new().with(auth).with(Fault::NeverOkAuth));
    store(&server, [note(1)]);
    let config = Config { auth_ok_deadline: Duration::from_millis(200), ..quick() };
    let pool = build(&runtime, me(AuthPolicy::Always).config(config).relay(server.url()));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    assert!(matches!(auth_of(&pool, &server), AuthState::Authenticated { confirmed: false, .. }));
}

/// The application is asked, and what it says is done.
pub async fn asks_first<R: Runtime>(runtime: R) {
    for yes in [true, false] {
        let server = suspicious(true);
        let pool = build(&runtime, me(AuthPolicy::Ask).relay(server.url()));
        let mut news = pool.status();
        let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
        while news.next().await.unwrap().update != RelayUpdate::Auth(AuthState::Requested) {}
        assert_eq!(server.with(|relay| relay.stats()).auths, 0);
        if yes {
            pool.authenticate(&url_of(&server), None).unwrap();
        } else {
            pool.deny_auth(&url_of(&server)).unwrap();
        }
        let end = next(&mut subscription, |item| match item {
            Item::Leg { state: state @ (LegState::Live | LegState::Closed(_)), .. } => Some(state),
            _ => None,
        });
        assert_eq!(end.await == LegState::Live, yes);
    }
}

/// On the next connection it comes before the requests.
pub async fn comes_first_the_next_time<R: Runtime>(runtime: R) {
    let server = suspicious(true);
    let pool = build(&runtime, me(AuthPolicy::Always).relay(server.url()));
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let live = |item| matches!(item, Item::Leg { state: LegState::Live, .. }).then_some(());
    next(&mut subscription, live).await;
    let before = server.with(|relay| relay.stats());
    pool.reconnect(Which::All, ReconnectOptions::default()).unwrap();
    next(&mut subscription, live).await;
    let after = server.with(|relay| relay.stats());
    assert_eq!((after.reqs - before.reqs, after.auths - before.auths), (1, 1), "no request was refused");
}

/// What a signer was asked to tell, and where it waits for the answer.
type Asked = Arc<Mutex<Vec<(RelayUrl, oneshot::Sender<bool>)>>>;

/// Signs when told to.
struct Slow {
    keys: Keys,
    asked: Asked,
}

impl Signer for Slow {
    fn public_key(&self) -> PublicKey {
        self.keys.public_key()
    }

    fn sign(&self, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        async move { Err(SignError::new(format!("asked for {:?}", event.kind()))) }.boxed()
    }

    fn sign_auth(&self, relay: RelayUrl, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        let (answer, answered) = oneshot::channel();
        self.asked.lock().unwrap().push((relay, answer));
        let signed = event.sign(&self.keys, [0; 32]);
        async move { answered.await.unwrap_or(false).then_some(signed).ok_or_else(|| SignError::new("no")) }.boxed()
    }
}

/// A signer outside is told which relay asks, may take its time, and may say no.
pub async fn asks_a_signer_outside<R: Runtime>(runtime: R) {
    for yes in [true, false] {
        let server = suspicious(true);
        let asked = Asked::default();
        let signer = Slow { keys: keys(1), asked: asked.clone() };
        let builder = builder().signer(signer).auth_policy(AuthPolicy::Always).relay(server.url());
        let pool = build(&runtime, builder);
        let fetch = pool.fetch([notes()], FetchOptions::default());
        until(&runtime, "the signer is asked", || asked.lock().unwrap().len() == 1).await;
        assert!(matches!(auth_of(&pool, &server), AuthState::Signing { .. }));
        let (relay, answer) = asked.lock().unwrap().pop().unwrap();
        assert_eq!(relay, url_of(&server));
        answer.send(yes).unwrap();
        let fetched = fetch.await.unwrap();
        assert_eq!(fetched.coverage.is_complete(), yes, "{fetched:?}");
        if !yes {
            assert_eq!(auth_of(&pool, &server), AuthState::Failed(AuthFailure::NotSigned("no".into())));
        }
    }
}

/// Each relay knows the key that is meant for it, and no other.
pub async fn is_another_to_each_relay<R: Runtime>(runtime: R) {
    let servers = [suspicious(true), suspicious(true)];
    let second = RelayOptions { identity: Some(keys(2).public_key()), ..RelayOptions::default() };
    let builder = me(AuthPolicy::Always)
        .signer(KeySigner::new(keys(2)))
        .relay(servers[0].url())
        .relay_with(servers[1].url(), second);
    let pool = build(&runtime, builder);
    pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(auth_of(&pool, &servers[0]), confirmed(1));
    assert_eq!(auth_of(&pool, &servers[1]), confirmed(2));
    assert!(pool.authenticate(&url_of(&servers[0]), Some(keys(2).public_key())).is_err(), "that would link them");
}

/// Counts what it signs.
struct Counting(KeySigner, Arc<AtomicUsize>);

impl Signer for Counting {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, event: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.sign(event)
    }
}

/// A challenge alone costs no signature, unless it is asked for.
pub async fn signs_only_what_is_needed<R: Runtime>(runtime: R) {
    for at_once in [false, true] {
        let server = relay();
        let auth = Fault::AuthRequired { reads: false, writes: false, challenge_on_connect: true };
        server.set_faults(auth);
        let signed = Arc::new(AtomicUsize::new(0));
        let signer = Counting(KeySigner::new(keys(1)), signed.clone());
        let options = RelayOptions { auth_at_once: at_once, ..RelayOptions::default() };
        let builder = builder().signer(signer).auth_policy(AuthPolicy::Always).relay_with(server.url(), options);
        let pool = build(&runtime, builder);
        connect(&pool).await;
        pool.publish(note(1), PublishOptions::default()).unwrap().await;
        if at_once {
            until(&runtime, "it is authenticated", || auth_of(&pool, &server) == confirmed(1)).await;
        }
        assert_eq!(signed.load(Ordering::Relaxed), usize::from(at_once));
    }
}
