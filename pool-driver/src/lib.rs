//! The async shell of nostr-pool that every runtime shares.
//!
//! The decisions are made by [`nostr_pool_core`]: state machines without I/O. This crate gives them sockets, clocks and
//! threads, and the application its handles: [`Pool`], [`Subscription`], [`Publishing`], [`Counting`]. It is written on `futures` and
//! `std::thread` and knows no runtime; an adapter (`nostr-pool-tokio`, `nostr-pool-async-std`) brings one by
//! implementing [`Runtime`], and re-exports everything here.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use nostr_pool_driver::*;
//! # use nostr_proto::Filter;
//! # async fn example(runtime: impl Runtime) -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder().relay("wss://relay.example.com").relay("wss://other.example.com").build(runtime)?;
//! let mut notes = pool.subscribe([Filter::new().kind(nostr_proto::Kind::TEXT_NOTE)], SubscribeOptions::default())?;
//! while let Some(item) = notes.next().await {
//!     match item {
//!         Item::Event(e) => println!("{} from {:?}", e.event.content(), e.relays),
//!         Item::Eose(coverage) => println!("everything stored is here, complete: {}", coverage.is_complete()),
//!         Item::Gap(gap) => println!("something may be missing: {gap:?}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Whose turn it is
//!
//! No task waits for a signature but one that is alone, and nothing is verified, read, written or woken under the core's
//! lock. So much of one relay goes before another's:
//!
//! - *A poll* of a socket's task reads 2 × 64 messages, or 2 × 256 KiB and two messages, at most; then it lets the runtime's
//!   other tasks run, however much is left and however fast more comes. Before that it does so after each millisecond of
//!   core work, which is looked at whenever the lock is given back.
//! - *The lock* is given back after 50 µs, which is looked at after every 8 frames, and after every answer of a verifier
//!   thread. What one frame or one answer costs depends on the subscriptions that it may be for, which an index finds: one
//!   that is for 2,000 is handed to each of them.
//! - *A lone signature*, one where a lock's worth of frames brought no second, is checked by the task that brought it.
//! - *The verifier threads* take 32 signatures at a time, 8 of each relay in turn. With `T` threads and a signature in `s`, the
//!   last of `n` events that a relay sends while `L` others flood is checked within
//!   `(n + 8·⌈n/8⌉·L + 32·T)·s/T`: for a hundred events beside one flood, on two threads and at 45 µs, 6 ms. An event that a
//!   flooding relay has brought before has its place in that relay's lane, and waits for no more than what is in flight:
//!   `max_in_flight·s/T`, 92 ms. Floods of six relays or more fill three quarters of [`Config::max_in_flight`]; then whoever
//!   brings more is not read from until it has fallen to a half, which takes `(max_in_flight/4)·s/T`, 23 ms, each time.
//!
//! So an OK, which needs no signature, waits for the lock and for a poll of each flooding relay's task; EOSE waits for that
//! and for the signatures before it. A task that lets others go first does so by [`Runtime::yield_now`], so that those whose
//! socket or timer is ready are among them, also where one thread does everything. `bench/NOTES.md` has both as measured.

mod builder;
mod clock;
mod connect;
mod counting;
mod dial;
mod engine;
mod error;
mod events;
mod fetch;
mod frame;
mod info;
mod mailbox;
mod metrics;
mod mining;
mod outbox;
mod pool;
mod publishing;
mod record;
mod runtime;
mod shared;
mod shutdown;
mod signer;
mod socket;
mod status;
mod subscription;
mod tap;
mod timer;
mod transport;
mod verifier;

pub use builder::{Given, PoolBuilder};
pub use connect::{Connect, ConnectOutcome, ConnectReport, Connecting};
pub use counting::{CountOptions, Counting};
pub use dial::{
    BadCertificate, HeaderError, Headers, Proxy, ProxyFailure, ProxyUrlError, Refusal, Resolver, Roots, RootsError,
    Step, StepDeadlines, UpgradeFault,
};
pub use error::{AddRelayError, BuildError, ConnectError, FetchError, MineError, PublishUnsignedError};
pub use events::Events;
pub use fetch::{Fetch, FetchOptions, Fetched};
pub use frame::{Incoming, Outgoing, SocketError};
pub use info::{AnswerFault, RelayInfoError};
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use mining::Mining;
pub use pool::{Pool, UnfinishedPublish};
pub use publishing::{Progress, PublishOptions, Publishing, VerdictFuture};
pub use record::{RecordOptions, RecordTo, RecordingState, RecordingStatus};
pub use runtime::{FrameLimits, Runtime};
pub use signer::{KeySigner, SignError, Signer};
pub use status::{StatusStream, StatusUpdate};
pub use subscription::{SubscribeOptions, Subscription};
pub use tap::{Direction, TapFrame, TapStream};
pub use transport::Transport;

pub use nostr_pool_core::recording;
pub use nostr_pool_core::{
    Acknowledge, AuthFailure, AuthPolicy, AuthState, CallError, Checkpoint, CheckpointError, CloseReason, Config,
    ConnectionState, CountAnswer, CountId, CountOutcome, CountReport, Coverage, EndReason, EventItem, Gap, GapCause,
    Group, Health, History, Item, Latency, LegOutcome, LegReport, LegState, Mark, Merged, Mode, Origin, PendingItem,
    PendingOutcome, PoolEvent, PublishId, PublishReport, PublishStatus, PublishUpdate, PublishWarning, Quorum,
    ReconnectOptions, RejectedEvent, Rejection, RelayCounters, RelayOptions, RelayRecord, RelayUpdate, Stats, SubId,
    Target, Unfinished, UnknownCause, Verdict, Versions, Which, Why,
};
pub use nostr_proto::{
    self, Event, EventId, EventTemplate, Filter, HllOffset, HyperLogLog, Keys, Kind, Prefix, PublicKey, Reason,
    RelayInfo, RelayUrl, SecretKey, Timestamp, UnsignedEvent, VerifiedEvent,
};
pub use rustls;
