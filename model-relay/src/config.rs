//! What a relay allows.

/// What a relay allows and how it answers. Every bound is enforced by the machine unless it says otherwise.
///
/// The defaults are those of a generous public relay, so that a client under test meets
/// limits only where a test asks for them:
///
/// ```
/// use nostr_model_relay::Config;
///
/// let strict = Config { max_limit: 20, max_subscriptions_per_connection: 2, ..Config::default() };
/// assert!(strict.verify);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Open subscriptions per connection; one more is refused with `CLOSED` and `error:`. Default 50.
    pub max_subscriptions_per_connection: usize,
    /// Bytes of the `REQ` messages whose subscriptions are open, per connection; more is refused with
    /// `CLOSED` and `error:`. Default 16 MiB.
    pub max_subscription_bytes_per_connection: usize,
    /// Filters in one `REQ` or `COUNT`; more is refused with `CLOSED` and `invalid:`. Default 20.
    pub max_filters: usize,
    /// Stored events that one filter returns at most, the newest; a filter's own smaller `limit` wins. Default 500.
    pub max_limit: usize,
    /// Whether `max_limit` is for all filters of a `REQ` together: the newest of what any of them matches. Default false.
    pub max_limit_is_per_req: bool,
    /// Events held; beyond it the oldest are forgotten. Default 100,000.
    pub max_events_stored: usize,
    /// Bytes of the held events' JSON; beyond it the oldest are forgotten. Default 256 MiB.
    pub max_stored_bytes: usize,
    /// A longer message closes its connection with code 1009. Default 4 MiB.
    pub max_message_bytes: usize,
    /// Messages waiting for one connection; one more closes it as a slow consumer, with code 1008. Default 50,000.
    pub max_queued_messages: usize,
    /// Bytes of the messages waiting for one connection; more closes it as a slow consumer, with
    /// code 1008. Events are queued by reference, so the memory behind it is smaller. Default 64 MiB.
    pub max_queued_bytes: usize,
    /// Connections that the server serves at once; further ones wait in the listener's backlog.
    /// The machine itself counts on its caller here. Default 1,024.
    pub max_connections: usize,
    /// Whether `EOSE` says by NIP-67 if more stored events match. Default false: most relays don't.
    pub eose_hints: bool,
    /// Whether ids and signatures of published events are checked. Off, any well-shaped event is taken. Default true.
    pub verify: bool,
    /// Refuse events created this many seconds after `now` or later; `None` takes any date. Default `None`.
    pub max_future_secs: Option<u64>,
    /// The relay's URL, which an AUTH event has to name (NIP-42); `None` takes any. The server sets its own. Default `None`.
    pub url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_subscriptions_per_connection: 50,
            max_subscription_bytes_per_connection: 16 << 20,
            max_filters: 20,
            max_limit: 500,
            max_limit_is_per_req: false,
            max_events_stored: 100_000,
            max_stored_bytes: 256 << 20,
            max_message_bytes: 4 << 20,
            max_queued_messages: 50_000,
            max_queued_bytes: 64 << 20,
            max_connections: 1024,
            eose_hints: false,
            verify: true,
            max_future_secs: None,
            url: None,
        }
    }
}
