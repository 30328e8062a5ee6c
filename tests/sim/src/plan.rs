//! What a run starts from, as a value.

use nostr_pool_core::{AuthPolicy, Config};
use nostr_pool_corpus::rng::Rng;
use nostr_proto::Keys;

use super::choices::Choices;

/// The smallest cap of a relay that may be relied on, and the most that the pool takes it for.
pub(super) const MIN_PAGE: u16 = 10;

/// A run apart from its steps: the same plan and the same steps are the same run, bit for bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Everything that a step leaves open (latencies, keys, the core's seed) is drawn from it.
    pub seed: u64,
    /// The relays, each with the draw that chooses how it misbehaves; `None`: honest. The first one always is.
    pub relays: Vec<Option<u64>>,
    /// How many events they return at once: from this, each has a cap of its own. 0: whatever there is.
    pub caps: u64,
    /// One of them that says nothing at all, whatever its draw.
    pub mute: Option<usize>,
    /// The bounds of the pool.
    pub limits: Limits,
    /// How often things go wrong by themselves.
    pub rates: Rates,
    /// The last relay holds thousands of events and forges a few of them, as it sends them: too few to be left alone for it.
    pub sparse: bool,
    /// The application's live subscriptions ask the first relay alone: the others are connected for fetches and publishes,
    /// and take turns where sockets are few.
    pub narrow: bool,
    /// In the end, the application asks for all connections; otherwise the pool has to come back by itself.
    pub asks_in_the_end: bool,
}

/// Bounds of the pool that a run sets; 0 leaves the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Sockets at once.
    pub max_connections: u16,
    /// Frames untaken per socket.
    pub send_credits: u16,
    /// Events being verified.
    pub max_in_flight: u16,
    /// The same per relay.
    pub max_in_flight_per_relay: u16,
    /// Ids remembered. Where it is set, the last relay gets far more events than the others.
    pub max_seen: u16,
    /// Bytes untaken per subscription.
    pub queue_bytes: u16,
    /// The same, of all of them together.
    pub queued_bytes: u16,
    /// The fewest events that a relay returns if it has as many.
    pub min_page: u16,
    /// Pages to make up for what one relay owes, and events in them.
    pub max_pages: u16,
    /// See `max_pages`.
    pub max_page_events: u16,
    /// Bytes of a frame: a longer one ends its connection.
    pub frame: u16,
    /// REQs at once, filters in one and bytes of one, where a relay says nothing of that.
    pub requests: u16,
    /// See `requests`.
    pub filters: u16,
    /// See `requests`.
    pub message: u16,
}

/// One in so many; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Dials that are refused.
    pub refused: u8,
    /// Dials and closing handshakes that are late, past their deadline often.
    pub hung: u8,
    /// Events that the user does not want to sign.
    pub unsigned: u8,
    /// Inputs that come once more when their socket is gone.
    pub echoed: u8,
}

impl Plan {
    /// The plainest run: two honest relays, and nothing goes wrong by itself.
    pub fn plain(seed: u64) -> Self {
        let (limits, rates) = (Limits::default(), Rates::default());
        Self {
            seed,
            relays: vec![None, None],
            caps: 0,
            mute: None,
            limits,
            rates,
            sparse: false,
            narrow: false,
            asks_in_the_end: true,
        }
    }

    /// A run as chosen.
    pub fn choose(seed: u64, from: &mut impl Choices) -> Self {
        let others = from.between(1, 4);
        let draw = |from: &mut _| Some(Choices::below(from, 1 << 16) as u64);
        let relays = std::iter::once(None).chain((0..others).map(|_| draw(from))).collect();
        let sparse = from.one_in(500);
        let narrow = from.one_in(4);
        let mute = (narrow || from.one_in(8)).then(|| from.between(1, others));
        let limits = Limits {
            max_connections: if narrow { from.small(2, 3) } else { from.small(2, 10) },
            send_credits: from.small(1, 64),
            max_in_flight: from.small(8, 256),
            max_in_flight_per_relay: from.small(8, 64),
            max_seen: if from.one_in(6) { from.small(100, 200) } else { 0 },
            queue_bytes: if from.one_in(6) { from.small(1_000, 9_000) } else { 0 },
            queued_bytes: if from.one_in(6) { from.small(2_000, 20_000) } else { 0 },
            min_page: from.small(1, MIN_PAGE),
            max_pages: if from.one_in(3) { from.small(1, 20) } else { 0 },
            max_page_events: if from.one_in(4) { from.small(10, 300) } else { 0 },
            frame: if from.one_in(8) { from.small(4_000, 10_000) } else { 0 },
            requests: if from.one_in(3) { from.small(2, 8) } else { 0 },
            filters: if from.one_in(3) { from.small(6, 10) } else { 0 },
            message: if from.one_in(6) { from.small(220, 1_000) } else { 0 },
        };
        let caps = if from.one_in(4) { 0 } else { from.below(1 << 16) as u64 };
        // Each kind of trouble is off in some runs: what one of them hides, the absence of another shows.
        let mut rate = |n: u8| if from.one_in(4) { 0 } else { n };
        let rates = Rates { refused: rate(8), hung: rate(6), unsigned: rate(6), echoed: rate(5) };
        let asks_in_the_end = from.one_in(2);
        Self { seed, relays, caps, mute, limits, rates, sparse, narrow, asks_in_the_end }
    }

    /// Whether the application lets relays know who it is, and some relay wants to: so it is in one run out of eight.
    pub fn authenticates(&self) -> bool {
        self.seed % 8 == 7
    }

    /// Whom they get to know.
    pub(super) fn identity(&self) -> Keys {
        Keys::from_entropy(Rng::new(!self.seed).bytes32()).expect("a scalar in range")
    }

    /// The pool's configuration.
    pub fn config(&self) -> Config {
        let default = Config::default();
        let or = |limit: u16, default| if limit == 0 { default } else { usize::from(limit) };
        let (auth, identity) = match self.authenticates() {
            true => (AuthPolicy::Always, Some(self.identity().public_key())),
            false => (AuthPolicy::Never, None),
        };
        Config {
            auth,
            identity,
            max_connections: or(self.limits.max_connections, default.max_connections),
            send_credits: or(self.limits.send_credits, default.send_credits),
            max_in_flight: or(self.limits.max_in_flight, default.max_in_flight),
            max_in_flight_per_relay: or(self.limits.max_in_flight_per_relay, default.max_in_flight_per_relay),
            max_seen: or(self.limits.max_seen, default.max_seen),
            queue_bytes: or(self.limits.queue_bytes, default.queue_bytes),
            max_queued_bytes: or(self.limits.queued_bytes, default.max_queued_bytes),
            min_page: or(self.limits.min_page, default.min_page),
            max_pages: if self.limits.max_pages == 0 { default.max_pages } else { self.limits.max_pages.into() },
            max_page_events: or(self.limits.max_page_events, default.max_page_events),
            unknown_max_requests: or(self.limits.requests, default.unknown_max_requests),
            unknown_max_filters: or(self.limits.filters, default.unknown_max_filters),
            unknown_max_message: or(self.limits.message, default.unknown_max_message),
            ..default
        }
    }
}
