//! Every bound and delay of the core, with its default.

use core::time::Duration;

use nostr_proto::PublicKey;

use crate::auth::AuthPolicy;

/// Limits and delays. All of them are finite; [`Config::default`] is what a desktop or mobile client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sockets that may be dialling, open or closing at once. Default 10.
    pub max_connections: usize,
    /// Relays that the pool knows at once. Default 1,000.
    pub max_relays: usize,
    /// Logical subscriptions at once. Default 20,000.
    pub max_subscriptions: usize,
    /// Filters in one subscription or count. Default 10, which is what relays commonly take in one REQ.
    pub max_filters: usize,
    /// Publishes remembered at once, finished ones included; the oldest finished one makes room. Default 1,000.
    pub max_publishes: usize,
    /// Bytes of events held by those publishes. Default 16 MiB.
    pub max_publish_bytes: usize,
    /// REQs that run at once at a relay whose document (NIP-11) names no `max_subscriptions`; 0 counts as 1. Default 10.
    pub unknown_max_requests: usize,
    /// Filters in one REQ to a relay whose document names no `max_filters`; 0 counts as 1. Default 10.
    pub unknown_max_filters: usize,
    /// Bytes of a REQ to a relay whose document names no `max_message_length`. Default 64 KiB.
    pub unknown_max_message: usize,
    /// How long live subscriptions keep their request at a relay that takes fewer of them than there are, while others wait
    /// that can't be packed beside them. Then they wait in turn. Default 10 s.
    pub request_turn: Duration,
    /// How long a subscription waits for others to be grouped with at most, whatever they say. Default 5 s.
    pub group_max: Duration,
    /// The largest event that is published, in bytes of its JSON. Default 1 MiB, which is what this library reads, too.
    pub max_event_bytes: usize,

    /// First wait after a connection was lost or a dial failed. Doubles with each failure in a row. Default 1 s.
    pub backoff_base: Duration,
    /// Longest wait between two dials, jitter included, and before anything that was refused is tried again. Default 60 s.
    pub backoff_max: Duration,
    /// Up to this much is added to each wait, drawn from the seed. Default 1 s.
    pub backoff_jitter: Duration,
    /// How long a connection must stay open before a failure counts as the first in a row again. Default 60 s.
    pub stable_after: Duration,
    /// A dial (resolve, connect, TLS and upgrade together) is given up after this. Default 15 s.
    pub dial_deadline: Duration,
    /// A closing handshake is given up after this. Default 2 s.
    pub close_deadline: Duration,
    /// A ping is sent this often; two of them with no frame at all after them close the socket. Default 30 s.
    pub keepalive: Duration,
    /// A connection that nobody needs is closed after this. Default 60 s.
    pub idle_close: Duration,
    /// How long a connection that serves only fetches and publishes may stay open while other relays wait for a socket;
    /// then it makes room, and waits again behind them if it is still needed. Less than 1 s counts as that. Default 10 s.
    pub one_shot_turn: Duration,

    /// How long a relay is left alone after it sent too many forged events. Doubles with each time in a row. Default 600 s.
    pub quarantine_base: Duration,
    /// Longest quarantine. Default 21,600 s (six hours).
    pub quarantine_max: Duration,
    /// The next quarantine is the first in a row again when the last one has been over for this long. Default 86,400 s
    /// (a day).
    pub quarantine_clean: Duration,
    /// Distinct forged events within `quarantine_window` that a quarantine takes at least; 0 counts as 1. Default 10.
    pub quarantine_min_forged: usize,
    /// Of the distinct events that the relay sent within the window, forged ones must be more than this many percent.
    /// Default 1.
    pub quarantine_percent: u8,
    /// How long a forged event counts. Counted in tenths, so that the last one may be cut short. Default 600 s.
    pub quarantine_window: Duration,

    /// The distance between two messages to a relay that said `rate-limited`: see `pace_max`. Default 1 s.
    pub pace_base: Duration,
    /// The longest such distance. It doubles with every refusal that comes after the relay had taken something at the
    /// present pace, and shrinks by a sixteenth with every message that is taken, down to an eighth of `pace_base`.
    /// Default 30 s.
    pub pace_max: Duration,
    /// For this long after a refusal, a distance that was doubled does not shrink, and none is lifted altogether, as it is
    /// after that once it falls below an eighth of `pace_base`. Default 600 s.
    pub pace_memory: Duration,

    /// Frames given to a socket that its sink has not taken yet. Default 64.
    pub send_credits: usize,
    /// Bytes given to a socket that its sink has not taken yet. One larger frame may go alone. Default 2 MiB.
    pub send_bytes: usize,

    /// A relay that sent no EOSE is no longer waited for after this; every event restarts it. Default 10 s.
    pub eose_deadline: Duration,
    /// However much progress it makes, a relay is not waited for longer than this. Default 60 s.
    pub eose_deadline_max: Duration,
    /// How far the clock of a relay, or ours, may be off when asking for what was missed. Default 120 s.
    pub skew: Duration,
    /// How much older than its acceptance by the relay an event may be dated and still be caught up with. Default 900 s.
    pub late_window: Duration,
    /// The fewest stored events that a relay is trusted to return to one request if it has as many: an answer with fewer
    /// is whole. Default 10.
    pub min_page: usize,
    /// Pages to make up for what one relay owes to one subscription, before the rest is told as a gap. Default 20.
    pub max_pages: u32,
    /// Events in those pages. Default 5,000.
    pub max_page_events: usize,
    /// Pages asked of one relay at once. Default 2.
    pub max_pages_at_once: usize,
    /// Refused requests without an EOSE between them after which a leg is closed; and, where a subscription ends with its
    /// EOSE, pages in a row without an answer after which what they were for is told as a gap. Default 5.
    pub max_refusals: u32,
    /// Items (events above all) of a subscription that the application has not taken yet. Full, its next events are skipped
    /// until half of it is free, and then asked for again. Default 4,096.
    pub queue_items: usize,
    /// Bytes of those. Default 16 MiB.
    pub queue_bytes: usize,

    /// Bytes that the applications of all subscriptions have not taken yet; what an ended one left to be read does not
    /// count. Beyond, which takes one item more than fits, no relay is read from for a while, and what still comes is
    /// skipped, for every subscription, as by a full queue of its own. Default 64 MiB.
    pub max_queued_bytes: usize,
    /// For how long no relay is read from then, at most, before all are read from for as long; sooner again when half of the
    /// bound is free. Meanwhile, deadlines of EOSEs, pages, OKs and pongs stand still, and EVENTs, CLOSEs and pings go out.
    /// Zero: what comes is skipped, and nothing is paused. Default 500 ms.
    pub queue_pause: Duration,

    /// Event ids remembered as seen, shared out among the relays. Default 100,000; each takes about 350 bytes.
    pub max_seen: usize,
    /// Deliveries (an event to a subscription) remembered, in all; the oldest seen ids make room. Default 400,000.
    pub max_delivered: usize,
    /// Verified events kept at hand for a subscription that still needs them, in bytes. Default 4 MiB.
    pub held_bytes: usize,
    /// Replaceable and addressable events of which the newest version is remembered, shared out among the relays. Default
    /// 50,000; each takes about 150 bytes. Of one that is forgotten, an older version is delivered if it comes.
    pub max_latest: usize,
    /// Versions of one such event that wait until they are due; of more, the one furthest ahead is forgotten. Default 4.
    pub max_future_versions: usize,
    /// An event created more than this ahead of the wall clock is delivered flagged, and replaces no earlier version
    /// before it is due. Whole seconds count. Default 900 s.
    pub future_window: Duration,
    /// Whether events that have expired (NIP-40) are delivered all the same. Default `false`: they are dropped when they
    /// come, and counted.
    pub deliver_expired: bool,
    /// Events that are being fetched again by id, because too many copies came at once and those that were kept turned
    /// out forged. Beyond that it is told as a gap. 0: always. Default 16.
    pub max_repairs: usize,
    /// How many of those one relay is asked for at once, so that no relay has them all. Default 4.
    pub max_repairs_per_relay: usize,
    /// Events whose signature is being checked, in all. From three quarters of it on, relays that bring more are not read
    /// from until it falls to half. Default 4,096.
    pub max_in_flight: usize,
    /// The same, per relay; a relay that reaches half of it is not read from until it falls to a quarter. Default 1,024.
    pub max_in_flight_per_relay: usize,
    /// Other copies of an event in flight that are kept for the case that the first is forged. Default 8.
    pub max_parked: usize,

    /// An EVENT without an OK is unanswered after this, and is sent again. Default 10 s.
    pub ok_deadline: Duration,
    /// First wait after a refusal, before an EVENT is sent to the same relay again, or a request made again, and the first
    /// pause after `rate-limited`. Doubles, up to `backoff_max`. Default 1 s.
    pub retry_base: Duration,
    /// How many times one EVENT is sent to one relay, and a relay asked to count that answers with `error`. Default 5.
    pub max_sends: u32,
    /// The same where the relay's reason for refusing is unknown or empty. Default 3.
    pub max_sends_unknown: u32,
    /// A connection that ends within this time of an EVENT being sent, without a word in between, ended right after it:
    /// see [`Rejection::Suspect`](crate::Rejection::Suspect). Default 2 s.
    pub suspect_window: Duration,
    /// Without a verdict by then, a publish is `Indeterminate`. Default 30 s.
    pub publish_deadline: Duration,
    /// How long delivery goes on after the publish was called, verdict or not; until the deadline of the verdict at least.
    /// Default 600 s.
    pub publish_lifetime: Duration,

    /// Counts (NIP-45) under way at once. Default 100.
    pub max_counts: usize,
    /// The longest COUNT message, in bytes. Default 128 KiB.
    pub max_count_bytes: usize,
    /// A count is told after this, whoever has not answered by then. Default 10 s.
    pub count_deadline: Duration,

    /// Whether relays get to know who is asking (NIP-42), where the relay's own options say nothing. Default `Never`.
    pub auth: AuthPolicy,
    /// The key that relays get to know, where the relay's own options name none. Default none.
    pub identity: Option<PublicKey>,
    /// What needs an authentication waits this long for the relay's challenge; and requests to a relay that demanded one
    /// before are held for no longer than this after the connection opened. Default 5 s.
    pub auth_wait: Duration,
    /// The signer is given this long to sign the answer to a challenge. Default 60 s.
    pub auth_sign_deadline: Duration,
    /// Without an OK by then, an authentication is taken as good, for some relays send none. Default 5 s.
    pub auth_ok_deadline: Duration,
    /// Challenges of one relay that are signed within `auth_window`; further ones wait. At least 1 is. Default 4.
    pub max_auth_signings: usize,
    /// See `max_auth_signings`. Default 60 s.
    pub auth_window: Duration,
    /// A longer challenge is not answered. Default 1 KiB.
    pub max_challenge_bytes: usize,

    /// The rule that this core breaks, to see whether it is noticed. Default none.
    #[cfg(feature = "planted-bugs")]
    pub planted: Option<crate::PlantedBug>,
}

impl Default for Config {
    #[expect(clippy::too_many_lines, reason = "one line per bound")]
    fn default() -> Self {
        Self {
            max_connections: 10,
            max_relays: 1_000,
            max_subscriptions: 20_000,
            max_filters: 10,
            unknown_max_requests: 10,
            unknown_max_filters: 10,
            unknown_max_message: 64 << 10,
            request_turn: Duration::from_secs(10),
            group_max: Duration::from_secs(5),
            max_publishes: 1_000,
            max_publish_bytes: 16 << 20,
            max_event_bytes: nostr_proto::limits::MAX_EVENT_BYTES,
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            backoff_jitter: Duration::from_secs(1),
            stable_after: Duration::from_secs(60),
            dial_deadline: Duration::from_secs(15),
            close_deadline: Duration::from_secs(2),
            keepalive: Duration::from_secs(30),
            idle_close: Duration::from_secs(60),
            one_shot_turn: Duration::from_secs(10),
            quarantine_base: Duration::from_secs(600),
            quarantine_max: Duration::from_secs(21_600),
            quarantine_clean: Duration::from_secs(86_400),
            quarantine_min_forged: 10,
            quarantine_percent: 1,
            quarantine_window: Duration::from_secs(600),
            pace_base: Duration::from_secs(1),
            pace_max: Duration::from_secs(30),
            pace_memory: Duration::from_secs(600),
            send_credits: 64,
            send_bytes: 2 << 20,
            eose_deadline: Duration::from_secs(10),
            eose_deadline_max: Duration::from_secs(60),
            skew: Duration::from_secs(120),
            late_window: Duration::from_secs(900),
            min_page: 10,
            max_pages: 20,
            max_page_events: 5_000,
            max_pages_at_once: 2,
            max_refusals: 5,
            queue_items: 4_096,
            queue_bytes: 16 << 20,
            max_queued_bytes: 64 << 20,
            queue_pause: Duration::from_millis(500),
            max_seen: 100_000,
            max_delivered: 400_000,
            held_bytes: 4 << 20,
            max_latest: 50_000,
            max_future_versions: 4,
            future_window: Duration::from_secs(900),
            deliver_expired: false,
            max_repairs: 16,
            max_repairs_per_relay: 4,
            max_in_flight: 4_096,
            max_in_flight_per_relay: 1_024,
            max_parked: 8,
            ok_deadline: Duration::from_secs(10),
            retry_base: Duration::from_secs(1),
            max_sends: 5,
            max_sends_unknown: 3,
            suspect_window: Duration::from_secs(2),
            publish_deadline: Duration::from_secs(30),
            publish_lifetime: Duration::from_secs(600),
            max_counts: 100,
            max_count_bytes: 128 << 10,
            count_deadline: Duration::from_secs(10),
            auth: AuthPolicy::Never,
            identity: None,
            auth_wait: Duration::from_secs(5),
            auth_sign_deadline: Duration::from_secs(60),
            auth_ok_deadline: Duration::from_secs(5),
            max_auth_signings: 4,
            auth_window: Duration::from_secs(60),
            max_challenge_bytes: 1_024,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}
