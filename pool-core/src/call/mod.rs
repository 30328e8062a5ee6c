//! What the application asks of the core. Every call is a value, so that it can be recorded and generated.

mod count;
mod error;
mod subscribe;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Event, EventId, Filter, PublicKey, RelayInfo, RelayUrl, UnsignedEvent};

use crate::auth::AuthPolicy;
use crate::event::Gap;
use crate::ids::{CountId, PublishId, SubId};
use crate::subscription::Checkpoint;

pub use count::Count;
pub use error::CallError;
pub use subscribe::{Acknowledge, Group, History, Mode, Subscribe, Versions};

/// A call of the application.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Take a relay into the pool, or change the options of one that is in it. Dials nothing by itself.
    AddRelay {
        /// Which.
        url: RelayUrl,
        /// How it is used.
        options: RelayOptions,
    },
    /// Take a relay out: its requests end, its publishes there are `Unknown`, its counts there are `Cancelled`, its socket is
    /// closed.
    RemoveRelay {
        /// Which.
        url: RelayUrl,
    },
    /// Dial relays now and keep them connected, needed or not. Lifts a quarantine.
    Connect {
        /// Which.
        which: Which,
    },
    /// Close connections and leave them closed until `Connect` or `Reconnect`. Fails with [`CallError::CloseCode`] if the
    /// code is not one that may be sent.
    Disconnect {
        /// Which.
        which: Which,
        /// The close code to send: 1000, or 3000 to 4999 (RFC 6455, section 7.4).
        code: u16,
        /// The reason to send; cut to 123 bytes.
        reason: String,
    },
    /// Drop connections, if any, and dial at once. Lifts a quarantine.
    Reconnect {
        /// Which.
        which: Which,
        /// How.
        options: ReconnectOptions,
    },
    /// The device has a new network: waiting dials are made now, spread over the jitter. A quarantine goes on.
    NetworkChanged,
    /// Start a subscription. Replies with [`Reply::Subscribed`].
    Subscribe(Subscribe),
    /// Replace a subscription's filters: a new generation of the same subscription.
    Update {
        /// Which.
        sub: SubId,
        /// The new filters.
        filters: Vec<Filter>,
    },
    /// Send a live subscription to other relays: those that it had and keeps notice nothing. One that is new is asked as
    /// at the beginning; one that leaves is told as [`LegState::Removed`](crate::LegState::Removed). The aggregate EOSE
    /// comes once per generation all the same: if it was told, a new relay brings no other. A call that fails (no such
    /// subscription, no relays, too many of them) changes nothing.
    Retarget {
        /// Which.
        sub: SubId,
        /// Where to.
        target: Target,
    },
    /// Ask again for what a [`Gap`](crate::Gap) said was given up, with a new budget. A relay that is not asked any more
    /// (taken out, refused for good, or done where the subscription ends with its EOSE) is not asked again for this, either;
    /// a gap of which nothing was given up there changes nothing. Fails only if there is no such subscription.
    Refill {
        /// Which.
        sub: SubId,
        /// The gap, as it was told; of no relay: of all of them.
        gap: Gap,
    },
    /// The application is done with the events of a subscription up to this one: a [`Checkpoint`] may count on that. With
    /// [`Acknowledge::ByNext`], it is so earlier than it would be by itself. Once more, or of an earlier one, it changes
    /// nothing. Fails with [`CallError::NotDelivered`] if there was no such event yet.
    Acknowledge {
        /// Which.
        sub: SubId,
        /// The `seq` of the last one.
        seq: u64,
    },
    /// What a subscription has and its application is done with. Replies with [`Reply::Checkpoint`]: what is proven now if
    /// everything that was delivered is acknowledged; otherwise what was proven at the latest earlier call of which that
    /// can be said by now, or when the subscription began. Of calls that come too early, the first is remembered until it
    /// is good, so whoever asks from time to time gets ahead.
    ///
    /// One that has ended as [`EndReason::Complete`](crate::EndReason::Complete) can be asked until `Unsubscribe`, and told of
    /// what was taken and acknowledged; the last 256 of them are remembered.
    Checkpoint {
        /// Which.
        sub: SubId,
    },
    /// End a subscription: CLOSE goes to its relays.
    Unsubscribe {
        /// Which.
        sub: SubId,
    },
    /// The application took items out of its queue: the room is free again. With [`Acknowledge::ByNext`], all of them are
    /// acknowledged but the last; that one is by the next such call.
    Taken {
        /// Whose.
        sub: SubId,
        /// How many items. 0: the application asks for the next one, and there is none, so it is done with the last.
        items: usize,
        /// Their bytes, as [`Item::bytes`](crate::Item::bytes) says.
        bytes: usize,
    },
    /// Publish a signed event. Replies with [`Reply::Publishing`].
    Publish(Publish),
    /// Echo an unsigned event to local subscriptions, have it signed, publish it. Replies with [`Reply::Publishing`].
    PublishUnsigned(PublishUnsigned),
    /// Publish an event once more that the core still remembers, where it was not accepted. Replies with [`Reply::Publishing`].
    Retry {
        /// The event.
        event: EventId,
        /// Time for the new verdict; `None`: the configured default.
        deadline: Option<Duration>,
    },
    /// Stop trying to deliver a publish. Without a verdict yet, it is `Indeterminate`.
    Cancel {
        /// Which.
        publish: PublishId,
    },
    /// Have relays count events (NIP-45). Replies with [`Reply::Counting`]; the report is
    /// [`PoolEvent::Counted`](crate::PoolEvent::Counted), exactly once.
    Count(Count),
    /// Do not wait for the rest of a count: its report is what is known by now. Fails if it has been told.
    CancelCount {
        /// Which.
        count: CountId,
    },
    /// Tell a relay who is asking (NIP-42), whatever the policy: on this connection, or on the next one if there is none.
    /// Also the answer "yes" to [`AuthState::Requested`](crate::AuthState::Requested). It holds for one connection.
    Authenticate {
        /// Which.
        url: RelayUrl,
        /// As whom; `None`: as the relay's options or the configuration say.
        identity: Option<PublicKey>,
    },
    /// Do not tell it, on this connection: the answer "no". What was sent already can't be taken back.
    DenyAuth {
        /// Which.
        url: RelayUrl,
    },
    /// What a relay's information document (NIP-11) says, in place of what an earlier one said. It is a hint, that nothing
    /// waits for. Requests keep to its `max_subscriptions`, `max_filters`, `max_message_length` and `max_subid_length` (the
    /// last from the next connection on); an answer to several requests with fewer events than `default_limit` and
    /// `max_limit` is taken for whole; what waits to be published to a relay that takes no message as long is
    /// [`Rejection::TooLarge`](crate::Rejection::TooLarge), and
    /// [`Core::publish_warnings`](crate::Core::publish_warnings) tells what else speaks against an event. A
    /// `max_message_length` below 1,024 bytes and counts above 100,000 are ignored: no relay means them. Of a
    /// `max_subid_length` of `n` characters, names outgrow it after 36 to the power of `n - 1` requests of the pool. What
    /// was too much for the relay, as far as was known, is asked for again.
    RelayInfo {
        /// Whose.
        url: RelayUrl,
        /// The document.
        info: Box<RelayInfo>,
    },
    /// Forget all that was learned, for another account say: subscriptions, publishes and counts end, seen and held events are
    /// dropped, quarantines end, connections are closed (and dialled again when needed). Relays and their options stay, and
    /// so do the pace that a relay asked for, what its document says, and the past of its connection in its record.
    StartClean,
    /// End everything: subscriptions, publishes and counts end, sockets are closed, and later calls fail with [`CallError::Closed`].
    Shutdown,
}

/// What a successful call returns.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Nothing to tell.
    Done,
    /// The new subscription.
    Subscribed(SubId),
    /// The new publish, and the id of its event.
    Publishing(PublishId, EventId),
    /// The new count.
    Counting(CountId),
    /// What the subscription has.
    Checkpoint(Box<Checkpoint>),
}

/// Relays that a call speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every relay in the pool.
    All,
    /// One of them.
    One(RelayUrl),
}

/// Relays that a subscription or publish goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Every relay added for reading (or for writing). A subscription takes in one that is added later, too; the relays
    /// of a publish are those of the moment of the call, or its quorum would move.
    #[default]
    All,
    /// These, which the user named. One that is not in the pool is taken in for as long as it is used.
    Relays(Vec<RelayUrl>),
    /// These, whose URLs came out of events. One that is not in the pool is taken in as [`Origin::Hinted`] for as long as it
    /// is used, and must be `wss`; one that is in it stays what it is, so that what the user added is used as the user
    /// wants.
    Hinted(Vec<RelayUrl>),
}

/// Who named a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The user, or whoever else may send us anywhere: `ws` is as good as `wss`, and a private address as a public one.
    #[default]
    Typed,
    /// An event: a hint, a relay list. Its author may mean the user's own network, so the URL must be `wss`, and only
    /// public addresses are dialled.
    Hinted,
}

/// How a relay of the pool is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayOptions {
    /// Subscriptions to [`Target::All`] include it. Default `true`.
    pub read: bool,
    /// Publishes to [`Target::All`] include it. Default `true`.
    pub write: bool,
    /// Every publish goes here too, whatever its target. Default `false`.
    pub pinned: bool,
    /// Dial again after the relay closed the connection. Default `true`.
    pub reconnect_on_close: bool,
    /// Dial again after a transport error or a failed dial. Default `true`.
    pub reconnect_on_error: bool,
    /// Whether it gets to know who is asking (NIP-42). Default `None`: as [`Config::auth`](crate::Config::auth) says.
    pub auth: Option<AuthPolicy>,
    /// The key that it gets to know. Default `None`: that of [`Config::identity`](crate::Config::identity).
    pub identity: Option<PublicKey>,
    /// Where the policy allows it, answer the first challenge of each connection at once, needed or not: for relays that
    /// hide from strangers what they do not refuse. What was asked as a stranger is asked again. Default `false`.
    pub auth_at_once: bool,
    /// It may know one connection by several keys, at most 8, and so link the accounts behind them. Default `false`: a
    /// second key needs a new connection.
    pub link_identities: bool,
    /// Take a NOTICE for a failure: the connection is closed (1000, `notice`) and dialled again after the back-off.
    /// Default `false`: a NOTICE is told to the application and changes nothing.
    pub reconnect_on_notice: bool,
    /// Leave the relay alone for a while when it sends forged events (see `quarantine_min_forged` and its neighbours in
    /// [`Config`](crate::Config)). Default `true`; `false` is for relays that the user vouches for. Turned off, it does
    /// not end a quarantine that has begun: [`Call::Reconnect`] does.
    pub quarantine: bool,
    /// Who named it. Default [`Origin::Typed`], and that wins: a relay that was typed once stays so until it is taken out
    /// of the pool, whoever else names it.
    pub origin: Origin,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            read: true,
            write: true,
            pinned: false,
            reconnect_on_close: true,
            reconnect_on_error: true,
            auth: None,
            identity: None,
            auth_at_once: false,
            link_identities: false,
            reconnect_on_notice: false,
            quarantine: true,
            origin: Origin::Typed,
        }
    }
}

/// How to reconnect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconnectOptions {
    /// Leave connections alone that are open or being dialled. Default `false`: they are dropped first.
    pub keep_open: bool,
    /// Leave the count of failures in a row as it is. Default `false`: it starts over.
    pub keep_backoff: bool,
}

/// A publish of a signed event.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// The event.
    pub event: Event,
    /// Where to, the pinned relays apart.
    pub target: Target,
    /// When it counts as published.
    pub quorum: Quorum,
    /// Time for the verdict; `None`: the configured default.
    pub deadline: Option<Duration>,
    /// The earlier publish that this one takes the place of, as the same event with proof of work does. Both reports name
    /// each other, and the subscriptions that saw the earlier one pending learn that it is superseded. What relays make of
    /// the earlier one goes on. Each publish has one successor at most.
    pub link: Option<PublishId>,
}

/// A publish of an event that the user's signer has yet to sign.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishUnsigned {
    /// The event, its author and id already known.
    pub event: UnsignedEvent,
    /// Where to, the pinned relays apart.
    pub target: Target,
    /// When it counts as published.
    pub quorum: Quorum,
    /// Time for the verdict, signing included; `None`: the configured default.
    pub deadline: Option<Duration>,
    /// See [`Publish::link`].
    pub link: Option<PublishId>,
}

/// When a publish counts as published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// One relay accepted it.
    #[default]
    First,
    /// At least this many relays accepted it; 0 counts as 1.
    AtLeast(usize),
    /// At least this share of the relays accepted it, in percent, rounded up.
    Percent(u8),
    /// More than half of the relays accepted it.
    Majority,
    /// Every relay accepted it.
    All,
    /// Each of these accepted it; none counts as [`Quorum::First`].
    Named(Vec<RelayUrl>),
}
