//! What being recorded costs a frame: `cargo bench -p nostr-pool-core --bench recording`.
//!
//! The tape is what the driver's is: a lock, and a buffer that is emptied at 64 KiB.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use divan::Bencher;
use divan::counter::ItemsCount;
use nostr_pool_core::recording::{Ended, Recorder, Recording, Tape, replay};
use nostr_pool_core::{Call, Command, Config, Core, Input, Instant, Now, PoolEvent, RelayOptions, SocketId, Subscribe};
use nostr_pool_corpus::{Mix, generated_with};
use nostr_proto::{EventId, Filter, Proof, RelayUrl, Timestamp, verify};

const EVENTS: usize = 1_000;

fn main() {
    divan::main();
}

#[derive(Clone, Default)]
struct Spool(Arc<Mutex<Vec<u8>>>);

impl Tape for Spool {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let mut waiting = self.0.lock().expect("no thread panics");
        if waiting.len() > 64 << 10 {
            waiting.clear();
        }
        waiting.extend_from_slice(bytes);
        true
    }

    fn end(&mut self, _: &[u8], _: Ended) {}
}

struct Load {
    frames: Vec<String>,
    proofs: HashMap<EventId, Proof>,
}

fn load() -> Load {
    let events = generated_with(7, EVENTS, &Mix::like_shared());
    let hashed = events.iter().map(|event| event.clone().check_id().expect("its id is its hash"));
    let proofs = hashed.map(|event| (event.id(), verify(&event).expect("it is signed"))).collect();
    Load { frames: events.iter().map(|event| format!("[\"EVENT\",\"p0\",{event}]")).collect(), proofs }
}

fn now() -> Now {
    Now { mono: Instant::from_micros(5), unix: Timestamp::new(1_800_000_000) }
}

fn config() -> Config {
    Config { queue_items: usize::MAX, queue_bytes: usize::MAX, ..Config::default() }
}

/// A core, connected and subscribed to everything, and who records it.
struct Run<T> {
    core: Core,
    recorder: Option<Recorder<T>>,
}

impl<T: Tape> Run<T> {
    fn new(tape: Option<T>) -> Self {
        let recorder = tape.map(|tape| Recorder::new(tape, u64::MAX, &config(), &[7; 32], now()));
        let mut run = Self { core: Core::new(config(), [7; 32], now()), recorder };
        let url = RelayUrl::parse("wss://a.example").expect("a valid URL");
        run.call(Call::AddRelay { url, options: RelayOptions::default() });
        run.call(Call::Subscribe(Subscribe { filters: vec![Filter::new()], ..Subscribe::default() }));
        run.input(Input::Opened { socket: SocketId::new(0, 1) });
        run
    }

    fn call(&mut self, call: Call) {
        let reply = match &mut self.recorder {
            None => self.core.handle_call(call, now()),
            Some(recorder) => recorder.call(&mut self.core, call, now()),
        };
        reply.expect("the call is right");
    }

    fn input(&mut self, input: Input<'_>) {
        match &mut self.recorder {
            None => self.core.handle_input(input, now()),
            Some(recorder) => recorder.input(&mut self.core, input, now()),
        }
    }

    /// Every frame, and every answer to what it asks. Tells how many events were delivered.
    fn feed(&mut self, load: &Load) -> usize {
        let mut delivered = 0;
        for frame in &load.frames {
            self.input(Input::Text { socket: SocketId::new(0, 1), frame });
            while let Some(command) = self.core.poll_command() {
                if let Command::Verify { ticket, event } = command {
                    self.input(Input::Verified { ticket, outcome: Ok(load.proofs[&event.id()]) });
                }
            }
            while let Some(event) = self.core.poll_event() {
                delivered += usize::from(matches!(event, PoolEvent::Item { .. }));
            }
        }
        delivered
    }
}

fn new_events<T: Tape>(bencher: Bencher<'_, '_>, tape: impl Fn() -> Option<T> + Sync) {
    let load = load();
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| Run::new(tape())).bench_local_refs(|run| run.feed(&load));
}

/// Events that are new: parsed, hashed and delivered; their signatures are checked beforehand.
#[divan::bench]
fn new_events_unrecorded(bencher: Bencher<'_, '_>) {
    new_events(bencher, || None::<()>);
}

#[divan::bench]
fn new_events_recorded(bencher: Bencher<'_, '_>) {
    new_events(bencher, || Some(Spool::default()));
}

fn known_events<T: Tape>(bencher: Bencher<'_, '_>, tape: Option<T>) {
    let (load, mut run) = (load(), Run::new(tape));
    run.feed(&load);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| run.feed(&load));
}

/// Events that are known: what most frames are where several relays have the same.
#[divan::bench]
fn known_events_unrecorded(bencher: Bencher<'_, '_>) {
    known_events(bencher, None::<()>);
}

#[divan::bench]
fn known_events_recorded(bencher: Bencher<'_, '_>) {
    known_events(bencher, Some(Spool::default()));
}

/// Reading and replaying a recording of new events, signatures included.
#[divan::bench]
fn replaying(bencher: Bencher<'_, '_>) {
    let mut run = Run::new(Some(Vec::new()));
    run.feed(&load());
    let bytes = run.recorder.map(Recorder::into_tape).unwrap_or_default();
    println!("{} bytes for {EVENTS} events", bytes.len());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let recording = Recording::read(&bytes).expect("it can be read");
        replay(&recording, |_, _| ()).expect("it replays");
    });
}
