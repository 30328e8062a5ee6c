//! What can happen in a run, as values. Numbers are taken modulo what is there; what makes no sense at the time, the
//! harness leaves out, or the core refuses.

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time passes.
    Pass {
        /// Microseconds.
        micros: u64,
    },
    /// Another client publishes.
    Note {
        /// To these relays, a bit each.
        relays: u8,
    },
    /// Other clients publish a lot at once.
    Burst(Burst),
    /// The application does something.
    App(App),
    /// Something goes wrong.
    Nemesis(Nemesis),
    /// The driver does what no driver should.
    Odd(Odd),
}

/// Many events, and when they say that they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// To these relays, a bit each.
    pub relays: u8,
    /// How many.
    pub count: u8,
    /// Dated by so many seconds before now; negative: ahead.
    pub ago: i16,
    /// Seconds over which the dates are spread; 0: all of one second.
    pub over: u8,
    /// Whether one author wrote them all, and of one kind.
    pub alike: bool,
}

/// Relays that a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// All of the pool.
    All,
    /// This one.
    One(u8),
    /// This one, twice, and the first one: an alias of a URL has the same canonical form.
    Twice(u8),
}

/// What a subscription asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Everything.
    All,
    /// Text notes.
    Notes,
    /// What this author wrote.
    By(u8),
    /// Reactions, and the articles of this author: two filters.
    Two(u8),
    /// Text notes and reactions, each by a filter of its own.
    Apart,
    /// The newest so many of everything.
    Newest(u8),
    /// What these kinds and authors have in common, all of them named.
    Named,
    /// One kind by one author.
    Of(u8),
    /// Text notes of so many minutes around now.
    Around(u8),
}

/// On which terms a subscription reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Everything that relays have, whatever they give at once.
    pub all: bool,
    /// The application says by hand what it is done with.
    pub by_hand: bool,
    /// Whether it waits for others to be grouped with, and how long: see [`Reading::group`].
    pub group: u8,
}

/// How the application reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// At once.
    Prompt,
    /// When it catches up, with so much room in its queue.
    Slow(u8),
    /// It drops the subscription right after it began.
    Drops,
}

/// A quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Votes {
    /// One relay.
    First,
    /// More than half.
    Majority,
    /// All.
    All,
    /// Three tenths.
    Third,
}

/// What is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Anything.
    Plain,
    /// It expires in so many seconds, by the device's clock.
    Expiring(u8),
    /// It is longer than others, by so many bytes.
    Long(u16),
    /// A version of what is replaced: one of four.
    Version(u8),
}

/// On which terms something is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds until the verdict; 0 leaves the default.
    pub patience: u8,
    /// It takes the place of this publish; 0 is the newest.
    pub follows: Option<u8>,
}

/// What the application does. Subscriptions and publishes are numbered from the oldest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// Publishes a signed event.
    Publish {
        /// Where to.
        target: Where,
        /// How many must take it.
        votes: Votes,
        /// What.
        note: Note,
        /// How.
        terms: Terms,
    },
    /// Publishes one that is to be signed.
    PublishUnsigned {
        /// Where to.
        target: Where,
        /// What.
        note: Note,
        /// How.
        terms: Terms,
    },
    /// Publishes an event, and wants a new connection again and again, right after it was sent.
    Impatient {
        /// Where to.
        relay: u8,
        /// How often.
        times: u8,
        /// How long it waits each time, in milliseconds.
        millis: u16,
    },
    /// Says what a relay says of itself (NIP-11).
    RelayInfo {
        /// Which.
        relay: u8,
        /// The longest message that it takes.
        max: u16,
    },
    /// Tries a publish again.
    Retry {
        /// Which; 0 is the newest.
        publish: u8,
        /// Seconds until the verdict; 0 leaves the default.
        patience: u8,
    },
    /// Gives a publish up.
    Cancel {
        /// Which; 0 is the newest.
        publish: u8,
    },
    /// Subscribes until it ends the subscription.
    Subscribe {
        /// What for.
        what: What,
        /// Where.
        target: Where,
        /// How it reads.
        reader: Reader,
        /// And what.
        reading: Reading,
        /// Seconds until it goes without a relay's EOSE; 0 leaves the default.
        patience: u8,
    },
    /// Has relays count.
    Count {
        /// What.
        what: What,
        /// Instead: what has this tag, of which registers can be merged.
        tagged: bool,
        /// Where.
        target: Where,
        /// Seconds until the report; 0 leaves the default.
        patience: u8,
    },
    /// Does not wait for the oldest count any longer.
    CancelCount,
    /// Fetches what relays have.
    Fetch {
        /// What.
        what: What,
        /// Where.
        target: Where,
        /// Everything that relays have, whatever they give at once.
        all: bool,
        /// Seconds until it goes without a relay's EOSE; 0 leaves the default.
        patience: u8,
    },
    /// Sends a live subscription to other relays.
    Retarget {
        /// Which.
        sub: u8,
        /// Where to.
        target: Where,
    },
    /// Asks again for what was given up.
    Refill {
        /// For which subscription.
        sub: u8,
        /// Which of the gaps that it told.
        gap: u8,
    },
    /// Is done with what came, but for the last so many events.
    Acknowledge {
        /// Of which subscription.
        sub: u8,
        /// Events.
        but: u8,
    },
    /// Writes down what it has and is done with.
    Checkpoint {
        /// Of which subscription.
        sub: u8,
    },
    /// Ends a live subscription that it has a checkpoint of, and goes on from there by another.
    Resume {
        /// Which.
        sub: u8,
    },
    /// Loses everything but its checkpoints, and goes on from them.
    Crash,
    /// The slow application takes so many items of each subscription.
    TakeSome {
        /// Items.
        items: u8,
    },
    /// Replaces a live subscription's filters.
    Update {
        /// Which.
        sub: u8,
        /// By what.
        what: What,
    },
    /// Ends a live subscription, if it is not the only one.
    Unsubscribe {
        /// Which.
        sub: u8,
    },
    /// The slow application takes what is there.
    CatchUp,
    /// Takes a relay into the pool, or changes its options.
    AddRelay {
        /// Which.
        relay: u8,
        /// Options, a bit each: not read, not written, pinned, not dialled again after a close, nor after an
        /// error; dialled again after a NOTICE, never left alone for forging.
        options: u8,
    },
    /// Takes a relay out.
    RemoveRelay {
        /// Which.
        relay: u8,
    },
    /// Wants a connection.
    Connect {
        /// To which; `None`: to all.
        relay: Option<u8>,
    },
    /// Wants none.
    Disconnect {
        /// To which; `None`: to all.
        relay: Option<u8>,
        /// The close code.
        code: u16,
    },
    /// Wants a new one.
    Reconnect {
        /// To which.
        relay: u8,
        /// Whether one that is open may stay.
        keep_open: bool,
        /// Whether failures stay counted.
        keep_backoff: bool,
    },
    /// The device has another network.
    NetworkChanged,
    /// Forgets everything.
    StartClean,
    /// Ends everything.
    Shutdown,
    /// Speaks of a relay, subscription, publish or event that never was: one call of each kind, by number.
    Unknown {
        /// Which call.
        call: u8,
    },
}

/// What becomes of dials to a relay until it is said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialling {
    /// They come through.
    Works,
    /// They are refused.
    Refused,
    /// They come through late, by so many milliseconds.
    Slow(u16),
    /// They never end.
    Hangs,
}

/// How a socket's sink takes frames until it is said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// At once.
    Prompt,
    /// Late, by so many milliseconds.
    Late(u16),
    /// All at once, every so many milliseconds.
    Bursts(u16),
    /// Not at all.
    Stuck,
}

/// What the user's signer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Signs.
    Signs,
    /// Refuses.
    Refuses,
    /// Never answers.
    Silent,
    /// Signs something else.
    Wrong,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nemesis {
    /// Connections of a relay are reset: what was under way is lost.
    Cut {
        /// Whose.
        relay: u8,
    },
    /// The same, once so many more frames have reached the pool: amid an answer, often amid a frame.
    CutAfter {
        /// Whose.
        relay: u8,
        /// Frames.
        frames: u8,
    },
    /// Connections of a relay go half-open: nothing gets through, and neither end knows.
    HalfOpen {
        /// Whose.
        relay: u8,
    },
    /// A relay dies, or comes back.
    Toggle {
        /// Which.
        relay: u8,
    },
    /// Dials to a relay change.
    Dialling {
        /// Which.
        relay: u8,
        /// To what.
        to: Dialling,
    },
    /// The sinks of a relay's sockets change.
    Sink {
        /// Whose.
        relay: u8,
        /// To what.
        to: Sink,
    },
    /// The verifier takes up to so many milliseconds, in any order.
    Verifier {
        /// Milliseconds.
        millis: u16,
    },
    /// The signer changes.
    Signer(Signer),
    /// The device sleeps: time passes, and nothing happens in it.
    Sleep {
        /// How long.
        seconds: u16,
    },
    /// The wall clock steps.
    WallStep {
        /// By so much.
        seconds: i32,
    },
    /// The monotonic clock stands still, or is read as an earlier one, and then is right again.
    MonoStands {
        /// For so long.
        millis: u16,
        /// Read as so much earlier.
        back: u16,
    },
}

/// Whose socket an odd input names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// The relay's socket of now.
    Current,
    /// One that is gone.
    Earlier(u8),
    /// One that was not dialled yet.
    Later(u8),
    /// None of any relay.
    Never,
}

/// What an odd input says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The dial came through.
    Opened,
    /// It did not.
    OpenFailed,
    /// Words: see `odd.rs`.
    Text(u8),
    /// Bytes.
    Binary,
    /// A ping.
    Ping,
    /// A pong that nobody asked for.
    Pong,
    /// A credit that nobody spent.
    Sent,
    /// The socket is gone.
    Closed(u8),
}

/// What no driver should do, and what must do no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// Says something of a socket.
    Socket {
        /// Whose.
        relay: u8,
        /// Which of its sockets.
        age: Age,
        /// What.
        said: Said,
    },
    /// Answers a ticket that was answered before.
    VerifiedAgain {
        /// Which; 0 is the last.
        nth: u8,
    },
    /// Answers tickets that never were.
    UnknownTicket {
        /// How far off.
        ticket: u8,
        /// For a signature to make, not one to check.
        sign: bool,
    },
    /// Calls for timeouts when nothing is due.
    EarlyTimeout,
}
