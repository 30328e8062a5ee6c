//! How a relay misbehaves: a script, as data.

mod garbage;
mod name;
mod plan;
mod state;

pub use plan::FaultPlan;
pub(crate) use state::FaultState;

/// One way to misbehave. Counting is per relay unless it says otherwise, starts with
/// [`Relay::set_faults`](crate::Relay::set_faults) and is deterministic. An `every` of 0 means never,
/// of 1 always.
///
/// Faults are for the whole relay and combine: each changes one thing about what an honest relay does.
///
/// ```
/// use nostr_model_relay::{Config, Fault, FaultPlan, Output, Relay, Unsolicited};
/// use nostr_proto::Timestamp;
///
/// let mut relay = Relay::new(Config::default());
/// let flood = Fault::Unsolicited { what: Unsolicited::Challenge, per_message: 1 };
/// relay.set_faults(FaultPlan::new().with(Fault::EoseLate { secs: 3 }).with(flood));
/// let conn = relay.connect();
/// let now = Timestamp::new(1_700_000_000);
/// relay.handle(conn, r#"["REQ","notes",{"kinds":[1]}]"#, now);
/// assert!(matches!(relay.poll_output(), Some(Output::Send { text, .. }) if text.starts_with("[\"AUTH\"")));
/// assert_eq!(relay.poll_output(), None);
///
/// assert_eq!(relay.next_wake(), Some(now.saturating_add(3)));
/// relay.wake(now.saturating_add(3));
/// let text = r#"["EOSE","notes"]"#.to_owned();
/// assert_eq!(relay.poll_output(), Some(Output::Send { conn, text }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Never says that the stored events are through.
    NeverEose,
    /// Says so twice.
    EoseTwice,
    /// Sends no `EOSE` where every filter has `limit: 0`, as some deployed relays do.
    NoEoseForLimitZero,
    /// Says it after so many of the stored events; the others follow it.
    EoseEarly {
        /// Events ahead of it; 0 says it at once.
        after: usize,
    },
    /// Says it so many seconds late, at the next [`Relay::wake`](crate::Relay::wake) or message after that; what is
    /// new meanwhile comes ahead of it.
    EoseLate {
        /// Seconds.
        secs: u64,
    },
    /// Says by `NOTICE`, which names no subscription, that the stored events are through.
    NoticeInsteadOfEose {
        /// The second element of `NOTICE`.
        text: String,
    },
    /// Answers every `REQ`, `COUNT` and `EVENT` by this `NOTICE` and does nothing else about it.
    NoticeOnly {
        /// The second element of `NOTICE`.
        text: String,
    },
    /// Never answers every nth `REQ`.
    IgnoreReq {
        /// The n.
        every: u64,
    },
    /// Takes events and never says so.
    NeverOk,
    /// Takes every nth event and never says so.
    SkipOk {
        /// The n.
        every: u64,
    },
    /// Takes ephemeral events and never says so.
    NeverOkEphemeral,
    /// Says so that many seconds late, at the next [`Relay::wake`](crate::Relay::wake) or message after that.
    OkLate {
        /// Seconds.
        secs: u64,
    },
    /// Says by `NOTICE`, which names no event, what belongs into an `OK`.
    NoticeInsteadOfOk,
    /// Refuses every event with this reason, prefix included: any of NIP-01's, `duplicate:` too, in any case, or none.
    OkFalse {
        /// The fourth element of `OK`.
        reason: String,
    },
    /// Answers every event and every AUTH twice.
    DuplicateOk,
    /// Leaves the event id in `OK` empty.
    EmptyOkId,
    /// Leaves the event id empty in each `OK` that refuses, as some deployed relays do.
    EmptyRefusedOkId,
    /// Refuses with `duplicate:` what it has, where an honest relay accepts it with the same words.
    DuplicateFalse,
    /// Says `OK` to an id that belongs to no event instead.
    OkUnknownId,
    /// Refuses each event that it takes with this reason, and accepts it right after that.
    OkFalseThenTrue {
        /// The fourth element of the first `OK`.
        reason: String,
    },
    /// Ends the connection right after an `EVENT` of so many bytes, which it does not take.
    CloseOnEvent {
        /// The shortest message that ends it; 0 for every one.
        min_bytes: usize,
        /// The WebSocket close code; 1006 ends the connection without a close frame, 1009 says that it was too big.
        code: u16,
        /// The close reason.
        reason: String,
    },
    /// Says `OK` to every nth event and loses it.
    LoseEvents {
        /// The n.
        every: u64,
    },
    /// Refuses every `REQ` and `COUNT` outright with this reason, prefix included: any of NIP-01's, in any case, an
    /// unknown one, or none.
    RefuseReq {
        /// The third element of `CLOSED`.
        reason: String,
    },
    /// Sends the stored events and then `CLOSED` instead of `EOSE`.
    ClosedInsteadOfEose {
        /// The third element of `CLOSED`.
        reason: String,
    },
    /// Says by `NOTICE`, which names no subscription, what belongs into a `CLOSED`.
    NoticeInsteadOfClosed,
    /// Says by `NOTICE`, with the subscription's id in its text, what belongs into a `CLOSED`.
    NoticeNamesClosed,
    /// Leaves out the prefix of every reason in `OK` and `CLOSED`: what comes before the first `": "`, and that.
    NoPrefix,
    /// Answers a client's `CLOSE` with `CLOSED`, as some deployed relays do.
    AnswerClose,
    /// Goes on sending events after a client's `CLOSE`.
    IgnoreClose,
    /// Handles a client's `CLOSE` that many seconds late, at the next [`Relay::wake`](crate::Relay::wake) or message after
    /// that, and goes on sending events meanwhile: what a relay does that handles messages concurrently. A `REQ` under the
    /// same id that comes in between stays.
    CloseLate {
        /// Seconds.
        secs: u64,
    },
    /// Ends the connection on what it does not know: a message that can't be read, any verb but `EVENT`, `REQ`, `CLOSE`,
    /// and `AUTH`, of which it knows the answer to a challenge of its own.
    CloseOnUnknown {
        /// The WebSocket close code; 1006 ends the connection without a close frame.
        code: u16,
        /// The close reason.
        reason: String,
    },
    /// Forgets the oldest subscription of a connection beyond so many, without a word.
    EvictSubscriptions {
        /// How many stay.
        keep: usize,
    },
    /// Answers `COUNT` with a bare number instead of an object.
    BareCount,
    /// Says of every `COUNT` that it is an approximation.
    ApproximateCount,
    /// Sends registers (NIP-45) with each `COUNT` for one filter that has a tag. No fault, but not what every relay does.
    CountRegisters,
    /// The same, but one register short.
    ShortRegisters,
    /// Answers each `COUNT` with what is no number of events: another sort each time.
    NonsenseCount,
    /// Never answers a `COUNT`.
    IgnoreCount,
    /// Refuses every `COUNT` with this reason, prefix included.
    RefuseCount {
        /// The third element of `CLOSED`.
        reason: String,
    },
    /// Answers every `COUNT` by this `NOTICE`, as relays do that do not know the verb.
    NoticeOnCount {
        /// The second element of `NOTICE`.
        text: String,
    },
    /// Ends the connection on a `COUNT`.
    CloseOnCount {
        /// The WebSocket close code; 1006 ends the connection without a close frame.
        code: u16,
        /// The close reason.
        reason: String,
    },
    /// Refuses with `rate-limited:` what a connection sends beyond so many `EVENT`, `REQ` and `COUNT` messages.
    RateLimit {
        /// Messages taken per connection and window.
        messages: u64,
        /// How long a window lasts from its first message; 0 means until the connection ends.
        window_secs: u64,
    },
    /// Refuses with `rate-limited:` what a connection publishes beyond so many events; reads as much as it likes.
    PublishLimit {
        /// `EVENT` messages taken per connection and window.
        events: u64,
        /// How long a window lasts from its first event; 0 means until the connection ends.
        window_secs: u64,
    },
    /// Stops serving a connection that sends more than so many `EVENT`, `REQ` and `COUNT` messages: nothing of it is
    /// read and nothing sent until the window is over, which [`Relay::wake`](crate::Relay::wake) finds out.
    StallOverRate {
        /// Messages taken per connection and window.
        messages: u64,
        /// How long a window lasts from its first message, 1 at least.
        window_secs: u64,
    },
    /// Wants NIP-42 authentication; refuses with `auth-required:` before it.
    AuthRequired {
        /// For `REQ` and `COUNT`.
        reads: bool,
        /// For `EVENT`.
        writes: bool,
        /// Sends the challenge on connecting; otherwise right before the first refusal.
        challenge_on_connect: bool,
    },
    /// Where [`AuthRequired`](Self::AuthRequired) does not send the challenge on connecting, sends it right behind the
    /// answer to the first message that may need it instead of ahead.
    ChallengeBehind,
    /// Never answers an AUTH, though it counts.
    NeverOkAuth,
    /// Refuses every AUTH with this reason, prefix included.
    RefuseAuth {
        /// The fourth element of `OK`.
        reason: String,
    },
    /// Keeps kinds 4, 44 and 1059 from connections that are not authenticated, without a word.
    HidePrivate {
        /// Sends the challenge on connecting; otherwise with the answer to the first `REQ`.
        challenge_on_connect: bool,
    },
    /// Sends every nth event with one byte of its signature flipped.
    ForgeSignature {
        /// The n.
        every: u64,
    },
    /// Sends every nth event with other content under the same id and signature.
    ForgeContent {
        /// The n.
        every: u64,
    },
    /// Sends the first so many events with one byte of their signature flipped, and none after that.
    ForgeFirst {
        /// How many.
        events: u64,
    },
    /// Sends, ahead of each event, copies with as many distinct bad signatures; the right one comes last.
    ForgeAhead {
        /// Forged copies, 100 at most.
        copies: usize,
        /// What tells this relay's forgeries from those of others: the same gives the same.
        salt: u8,
    },
    /// Makes up events that the first filter matches, ahead of the answer to each `REQ`: no two alike, every other one
    /// under an id that is not its hash, none with a right signature.
    ForgedFlood {
        /// How many, 1,000 at most.
        per_req: usize,
    },
    /// Sends, ahead of the answer to each `REQ`, events of an author of its own, rightly signed and of the kind that
    /// the first filter asks for, created that far ahead of now.
    FutureEvents {
        /// How many, 100 at most.
        per_req: usize,
        /// Seconds.
        ahead_secs: u64,
    },
    /// Sends, ahead of the answer to each `REQ`, events of an author of its own, rightly signed and of the kind that
    /// the first filter asks for, that have expired (NIP-40).
    ExpiredEvents {
        /// How many, 100 at most.
        per_req: usize,
        /// Seconds since.
        ago_secs: u64,
    },
    /// Sends, ahead of the answer to each `REQ`, an event of an author of its own, rightly signed and of the kind that
    /// the first filter asks for, with a tag of so many bytes.
    LongTag {
        /// Length of the tag's value, [`MAX_OVERSIZE_BYTES`] at most.
        bytes: usize,
    },
    /// Keeps and sends every version of replaceable and addressable events. Those that it kept stay when it heals.
    KeepVersions,
    /// Sends each event so many times more than it should.
    DuplicateEvents {
        /// Additional copies, 100 at most.
        copies: usize,
    },
    /// Sends events that no filter of the subscription asked for.
    UnmatchedEvents {
        /// How many stored ones, the newest, ahead of the answer to each `REQ`.
        per_req: usize,
        /// Whether new events go to every subscription of every connection.
        live: bool,
    },
    /// Sends, ahead of every nth event, a copy under a subscription id that nobody used.
    WrongSubscription {
        /// The n.
        every: u64,
    },
    /// Says, after each message that it handled, what nobody asked for.
    Unsolicited {
        /// What.
        what: Unsolicited,
        /// How many frames, 1,000 at most.
        per_message: usize,
    },
    /// Returns all that matches, whatever the limits say.
    IgnoreLimit,
    /// Takes a filter's `until` for the first second that is not wanted any more, where NIP-01 has it for the last one that is.
    ExclusiveUntil,
    /// Returns stored events oldest first, and of more than fit the oldest.
    OldestFirst,
    /// Returns of the stored events that fit fewer each time, and all of them again after that: the newest, but how many
    /// says nothing about what there is.
    UnstableCap {
        /// The fewest; 0 counts as 1.
        fewest: usize,
    },
    /// Answers the filters of a `REQ` with what it answered to the same ones less than so many seconds ago, as a relay
    /// with a cache does. What is new is pushed all the same.
    StaleAnswers {
        /// Seconds.
        secs: u64,
    },
    /// Follows every nth frame with one that is no message of the protocol.
    Garbage {
        /// The n.
        every: u64,
    },
    /// Sends, ahead of every nth frame, the first half of it.
    Truncate {
        /// The n.
        every: u64,
    },
    /// Ahead of the answer to each `REQ`, sends a `NOTICE` of so many bytes.
    OversizeNotice {
        /// Length of its text, [`MAX_OVERSIZE_BYTES`] at most.
        bytes: usize,
    },
    /// Ahead of the answer to each `REQ`, sends an event with so much content, a right id and no signature of anyone.
    OversizeEvent {
        /// Length of the content, [`MAX_OVERSIZE_BYTES`] at most.
        bytes: usize,
    },
    /// Closes a connection after it was sent so many frames.
    DisconnectAfter {
        /// Frames per connection, the one that goes out last included.
        frames: u64,
        /// The WebSocket close code; 1006 ends the connection without a close frame.
        code: u16,
        /// The close reason.
        reason: String,
    },
}

/// What [`Fault::Unsolicited`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsolicited {
    /// `CLOSED` for subscriptions that nobody opened.
    Closed,
    /// `EOSE` for subscriptions that nobody opened.
    Eose,
    /// `OK` for events that nobody published.
    Ok,
    /// `AUTH` with another challenge each time; the last one counts.
    Challenge,
    /// `NOTICE`.
    Notice,
    /// `COUNT` for questions that nobody put.
    Count,
}

/// The longest content that [`Fault::OversizeEvent`], [`Fault::OversizeNotice`] and [`Fault::LongTag`] make: 16 MiB.
pub const MAX_OVERSIZE_BYTES: usize = 16 << 20;
