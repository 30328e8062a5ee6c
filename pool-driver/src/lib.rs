//! The async shell of nostr-pool that every runtime shares.
//!
//! The decisions are made by [`nostr_pool_core`]: state machines without I/O. This crate gives them sockets, clocks and
//! threads, and the application its handles: [`Pool`], [`Subscription`], [`Publishing`]. It is written on `futures` and
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

mod builder;
mod clock;
mod connect;
mod dial;
mod engine;
mod error;
mod events;
mod fetch;
mod frame;
mod mailbox;
mod mining;
mod outbox;
mod pool;
mod publishing;
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
pub use dial::{
    BadCertificate, HeaderError, Headers, Proxy, ProxyFailure, ProxyUrlError, Refusal, Resolver, Roots, RootsError,
    Step, StepDeadlines, UpgradeFault,
};
pub use error::{AddRelayError, BuildError, ConnectError, FetchError, MineError, PublishUnsignedError};
pub use events::Events;
pub use fetch::{Fetch, FetchOptions, Fetched};
pub use frame::{Incoming, Outgoing, SocketError};
pub use mining::Mining;
pub use pool::{Pool, UnfinishedPublish};
pub use publishing::{Progress, PublishOptions, Publishing, VerdictFuture};
pub use runtime::{FrameLimits, Runtime};
pub use signer::{KeySigner, SignError, Signer};
pub use status::{StatusStream, StatusUpdate};
pub use subscription::{SubscribeOptions, Subscription};
pub use tap::{Direction, TapFrame, TapStream};
pub use transport::Transport;

pub use nostr_pool_core::{
    Acknowledge, AuthFailure, AuthPolicy, AuthState, CallError, Checkpoint, CheckpointError, CloseReason, Config,
    ConnectionState, Coverage, EndReason, EventItem, Gap, GapCause, Health, History, Item, Latency, LegOutcome,
    LegReport, LegState, Mark, Mode, Origin, PendingItem, PendingOutcome, PublishId, PublishReport, PublishStatus,
    PublishUpdate, Quorum, ReconnectOptions, RejectedEvent, Rejection, RelayCounters, RelayOptions, RelayRecord,
    RelayUpdate, Stats, SubId, Target, Unfinished, UnknownCause, Verdict, Versions, Which, Why,
};
pub use nostr_proto::{
    self, Event, EventId, EventTemplate, Filter, Keys, Kind, Prefix, PublicKey, Reason, RelayInfo, RelayUrl, SecretKey,
    Timestamp, UnsignedEvent, VerifiedEvent,
};
pub use rustls;
