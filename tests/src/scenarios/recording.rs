//! Recording a pool at work, and replaying it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use nostr_model_relay::Fault;
use nostr_pool_driver::recording::{End, Ended, Fed, Recording, Replayer, record_again, replay};
use nostr_pool_driver::{
    AuthPolicy, FetchOptions, Headers, Item, KeySigner, Proxy, PublishOptions, Quorum, RecordOptions, RecordTo,
    RecordingState, RelayOptions, Runtime, SecretKey, Stats, SubscribeOptions, Verdict, Which,
};

use super::*;

/// A writer whose bytes can be had.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Vec<u8>>>);

impl Shelf {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn record_to(&self) -> RecordTo {
        RecordTo::writer(self.clone())
    }
}

impl Write for Shelf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The counters of a core that is fed a recording, which must say of every step what it said then.
pub(super) fn replayed(bytes: &[u8]) -> (usize, Stats) {
    let recording = Recording::read(bytes).expect("it can be read");
    replay(&recording, |_, _| ()).expect("it replays");
    assert!(record_again(&recording, Vec::new()).as_deref() == Ok(bytes), "bit for bit");
    let mut replayer = Replayer::new(&recording);
    for step in &recording.steps {
        replayer.step(step).expect("no signature is forged");
    }
    (recording.steps.len(), replayer.core().stats())
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// A recording made over real sockets replays bit for bit: relays that crash and come back, lie, say what they like, want
/// to know who asks and send a flood; subscriptions, pages, fetches, publishes signed and unsigned, and the end.
pub async fn replays_bit_for_bit<R: Runtime>(runtime: R) {
    let (honest, shy, liar) = (relay(), relay(), relay());
    shy.set_faults(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true });
    liar.set_faults(Fault::ForgeSignature { every: 2 });
    for server in [&honest, &liar] {
        store(server, (0..1_500).map(note));
    }
    // Of these nobody else has a copy, so the forged ones are found out whoever comes first.
    store(&liar, (1_500..1_600).map(note));
    store(&shy, [note(5_000)]);
    let (shelf, servers) = (Shelf::default(), [&honest, &shy, &liar]);
    let builder = servers.iter().fold(builder(), |builder, server| builder.relay(server.url()));
    let builder = builder.signer(KeySigner::new(keys(1))).auth_policy(AuthPolicy::Always);
    let pool = build(&runtime, builder.record(shelf.record_to(), RecordOptions::default()));
    assert_eq!(pool.recording().unwrap().state, RecordingState::Running);

    let mut notes_of_all = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next(&mut notes_of_all, |item| matches!(item, Item::Eose(_)).then_some(())).await;
    let fetched = pool.fetch([notes().limit(3)], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 3);
    // The third is quarantined by now.
    let two = PublishOptions::default().with_quorum(Quorum::AtLeast(2));
    assert_eq!(pool.publish(note(6_000), two.clone()).unwrap().await.verdict, Some(Verdict::Reached));
    let unsigned = pool.publish_unsigned(template(6_001), two).unwrap();
    assert_eq!(unsigned.await.verdict, Some(Verdict::Reached));
    honest.kill();
    let gone = || pool.relay(&url_of(&honest)).is_some_and(|record| record.last_error.is_some());
    until(&runtime, "the relay is gone", gone).await;
    let now = Timestamp::new(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let missed = keys(2).sign(&EventTemplate::text_note("missed", now), [0; 32]);
    store(&honest, [missed.clone()]);
    honest.revive().unwrap();
    next(&mut notes_of_all, |item| event(item).filter(|it| it.event.id() == missed.id())).await;
    notes_of_all.update([notes(), Filter::new().kind(Kind::METADATA)]).unwrap();
    pool.remove_relay(&url_of(&liar)).unwrap();
    pool.add_relay(liar.url(), RelayOptions::default()).unwrap();
    pool.disconnect(Which::One(url_of(&shy)), 1000, "bye").unwrap();
    drop(notes_of_all);
    assert!(pool.subscribe([], SubscribeOptions::default()).is_err(), "calls that fail are recorded, too");

    pool.shutdown(PATIENCE / 4).await;
    let status = pool.recording().unwrap();
    assert_eq!(status.state, RecordingState::Ended(Ended::Closed));
    let bytes = shelf.bytes();
    assert_eq!(status.bytes, bytes.len() as u64, "all of it is written");
    let (steps, stats) = replayed(&bytes);
    assert!(steps > 1_000, "{steps}");
    assert_eq!(stats, pool.stats());
    assert!(stats.verified > 400 && stats.forged >= 10, "{stats:?}");
}

/// Neither a secret key nor a password or a header that is one is in it, and relays' addresses with a login are refused.
pub async fn holds_no_secret<R: Runtime>(runtime: R) {
    let server = relay();
    server.set_faults(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true });
    store(&server, [note(1)]);
    let secret = keys(7).secret_key().clone();
    let (shelf, onion) = (Shelf::default(), format!("ws://{}.onion", "a".repeat(56)));
    let headers = Headers::new().with("authorization", "Bearer sesame-header").unwrap();
    // Nobody listens there.
    let proxy: Proxy = "socks5://somebody:sesame-proxy@127.0.0.1:1".parse().unwrap();
    let builder = builder().relay(server.url()).relay(onion.as_str()).headers(headers).proxy(proxy.onion_only());
    let builder = builder.signer(KeySigner::new(keys(7))).auth_policy(AuthPolicy::Always);
    let pool = build(&runtime, builder.record(shelf.record_to(), RecordOptions::default()));
    assert!(pool.add_relay("wss://somebody:sesame-relay@relay.example.com", RelayOptions::default()).is_err());
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    let report = pool.publish_unsigned(template(2), PublishOptions::default()).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Reached));
    pool.shutdown(Duration::from_millis(100)).await;
    let bytes = shelf.bytes();
    replayed(&bytes);
    let raw = [7; 32];
    assert_eq!(SecretKey::from_bytes(raw).unwrap().to_hex(), secret.to_hex());
    for (form, text) in
        [("raw", raw.as_slice()), ("hex", secret.to_hex().as_bytes()), ("nsec", secret.to_nsec().as_bytes())]
    {
        assert!(!has(&bytes, text), "the secret key is in it: {form}");
    }
    for text in ["sesame", "somebody", "nsec1"] {
        assert!(!has(&bytes, text.as_bytes()), "{text} is in it");
    }
    assert!(has(&bytes, keys(7).public_key().as_bytes()), "what may be in it can be found like this");
}

/// At its size cap, the recording ends with a marker, and the pool goes on.
pub async fn ends_at_its_size_cap<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (0..100).map(note));
    let (shelf, max) = (Shelf::default(), 8_000);
    let options = RecordOptions::default().with_max_bytes(max);
    let pool = build(&runtime, builder().relay(server.url()).record(shelf.record_to(), options));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 100);
    pool.shutdown(PATIENCE / 4).await;
    assert_eq!(pool.recording().unwrap().state, RecordingState::Ended(Ended::SizeCap));
    let bytes = shelf.bytes();
    assert!(bytes.len() as u64 <= max && bytes.len() as u64 > max - 1_500, "{}", bytes.len());
    assert!(matches!(Recording::read(&bytes).unwrap().end, End::Marked { why: Ended::SizeCap, .. }));
    let (steps, stats) = replayed(&bytes);
    assert!(steps > 10 && stats.delivered < 100, "{steps} {stats:?}");
}

/// A disk that is full after so many bytes.
struct Disk {
    room: usize,
    kept: Shelf,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= taken;
        self.kept.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A full disk ends the recording, which is told, and not the pool; what was written can be read.
pub async fn outlives_a_full_disk<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (0..300).map(note));
    let shelf = Shelf::default();
    let disk = Disk { room: 60_000, kept: shelf.clone() };
    let builder = builder().relay(server.url()).record(RecordTo::writer(disk), RecordOptions::default());
    let pool = build(&runtime, builder);
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 300);
    until(&runtime, "the disk is full", || matches!(pool.recording().unwrap().state, RecordingState::Failed(_))).await;
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 300);
    pool.shutdown(PATIENCE / 4).await;
    let bytes = shelf.bytes();
    assert_eq!(bytes.len(), 60_000);
    let recording = Recording::read(&bytes).unwrap();
    assert!(matches!(recording.end, End::BrokenOff { .. }) && recording.steps.len() > 50);
    replay(&recording, |_, _| ()).unwrap();
}

/// A disk that hangs holds up nothing: the recording ends when so much waits for it.
pub async fn waits_for_no_disk<R: Runtime>(runtime: R) {
    struct Hangs(std::sync::mpsc::Receiver<()>, Shelf);

    impl Write for Hangs {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Until the other end is dropped.
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let server = relay();
    store(&server, (0..300).map(note));
    let (shelf, (hold, held)) = (Shelf::default(), std::sync::mpsc::sync_channel(0));
    let options = RecordOptions::default().with_buffer_bytes(20_000);
    let to = RecordTo::writer(Hangs(held, shelf.clone()));
    let pool = build(&runtime, builder().relay(server.url()).record(to, options));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 300);
    assert_eq!(pool.recording().unwrap().state, RecordingState::Ended(Ended::Behind));
    drop::<std::sync::mpsc::SyncSender<()>>(hold);
    pool.shutdown(PATIENCE / 4).await;
    let bytes = shelf.bytes();
    let recording = Recording::read(&bytes).unwrap();
    assert!(matches!(recording.end, End::Marked { why: Ended::Behind, .. }), "{:?}", recording.end);
    replayed(&bytes);
}

/// A pool whose last handle is dropped ends its recording as well, and one whose status nobody reads replays all the same.
pub async fn ends_with_its_pool<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, [note(1)]);
    let shelf = Shelf::default();
    let pool = build(&runtime, builder().relay(server.url()).record(shelf.record_to(), RecordOptions::default()));
    let mut status = pool.status();
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    drop(pool);
    while status.next().await.is_some() {}
    let ended =
        || Recording::read(&shelf.bytes()).is_ok_and(|it| matches!(it.end, End::Marked { why: Ended::Closed, .. }));
    until(&runtime, "the marker is written", ended).await;
    replayed(&shelf.bytes());
    let bytes = shelf.bytes();
    let recording = Recording::read(&bytes).unwrap();
    let shut = |fed: &Fed<'_>| matches!(fed, Fed::Call(call) if format!("{call:?}") == "Shutdown");
    assert!(recording.steps.iter().any(|step| shut(&step.fed)));
}
