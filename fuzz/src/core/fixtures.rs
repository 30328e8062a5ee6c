//! The relays, events and filters that the steps speak of: made once, the same in every process.

use std::sync::OnceLock;

use nostr_proto::{Event, EventTemplate, Filter, HashedEvent, Keys, Kind, Proof, RelayUrl, Timestamp, UnsignedEvent};

/// An event, what a forger makes of it, and the proof of the real one.
pub(crate) struct Sample {
    pub(crate) event: Event,
    pub(crate) unsigned: UnsignedEvent,
    pub(crate) proof: Proof,
    pub(crate) json: String,
    /// The same content under another's signature.
    pub(crate) bad_signature: String,
    /// The same id over another content.
    pub(crate) bad_content: String,
}

pub(crate) struct Fixtures {
    /// Whom relays get to know.
    pub(crate) keys: Keys,
    pub(crate) relays: Vec<RelayUrl>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) filters: Vec<Filter>,
}

/// Seconds of the wall clock at which every run begins.
pub(crate) const EPOCH: u64 = 1_750_000_000;

pub(crate) fn fixtures() -> &'static Fixtures {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let samples = samples();
        let filters = filters(&samples);
        let keys = Keys::from_entropy([3; 32]).expect("a small number is a valid key");
        Fixtures { keys, relays: relays(), samples, filters }
    })
}

fn relays() -> Vec<RelayUrl> {
    let parse = |url| RelayUrl::parse(url).expect("a valid URL");
    ["wss://a.example", "wss://b.example", "ws://c.example:7777", "wss://d.example/path"].map(parse).to_vec()
}

fn samples() -> Vec<Sample> {
    let keys = [1, 2].map(|n| Keys::from_entropy([n; 32]).expect("a small number is a valid key"));
    let plan: [(u16, u64, &str); 14] = [
        (1, 0, "a"),
        (1, 1, "b"),
        (1, 1, "c"),
        (7, 2, "+"),
        (0, 5, "older profile"),
        (0, 9, "newer profile"),
        (0, 9, "profile of the same second"),
        (3, 3, ""),
        (30_023, 4, "older article"),
        (30_023, 8, "newer article"),
        (20_001, 6, "ephemeral"),
        (5, 7, "deletion"),
        (1, 5_000, "of the future"),
        (1059, 10, "sealed"),
    ];
    let sample = |(i, (kind, after, content)): (usize, (u16, u64, &str))| {
        let author = &keys[i % 2];
        let at = Timestamp::new(EPOCH + after);
        let template = EventTemplate::new(Kind::new(kind), content, at).tag(["d", "document"]).tag(["t", "tag"]);
        let unsigned = template.unsigned(author.public_key());
        let event = unsigned.sign(author, [7; 32]);
        let hashed = hashed(&event);
        let proof = nostr_proto::verify(&hashed).expect("we signed it just now");
        let other = unsigned.sign(author, [8; 32]);
        let mut signature = *event.signature().as_bytes();
        signature[40] ^= 1;
        let json = event.to_json();
        let flipped = nostr_proto::Signature::from_bytes(signature).to_string();
        assert_ne!(other.signature(), event.signature(), "other entropy, another signature");
        Sample {
            bad_signature: json.replace(&event.signature().to_string(), &flipped),
            bad_content: json.replacen(r#""content":""#, r#""content":"not "#, 1),
            unsigned,
            proof,
            json,
            event,
        }
    };
    plan.into_iter().enumerate().map(sample).collect()
}

pub(crate) fn hashed(event: &Event) -> HashedEvent {
    event.clone().check_id().expect("the id of an event of our making is its hash")
}

fn filters(samples: &[Sample]) -> Vec<Filter> {
    vec![
        Filter::new(),
        Filter::new().kind(Kind::new(1)),
        Filter::new().kind(Kind::new(0)).kind(Kind::new(3)),
        Filter::new().author(samples[0].event.pubkey()).limit(2),
        Filter::new().id(samples[1].event.id()).id(samples[4].event.id()),
        Filter::new().tag('t', "tag").since(Timestamp::new(EPOCH + 3)),
        Filter::new().until(Timestamp::new(EPOCH + 4)),
        Filter::new().limit(0),
    ]
}
