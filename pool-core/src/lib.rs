//! The state machines of a Nostr relay pool, without I/O: inputs and calls go in, commands and events come out.
//!
//! [`Core`] is the machine; it is made of several, each in a folder of its own with its transition table in its
//! documentation: a *connection* per relay, a *subscription* with a leg per relay, *dedup* with verification in flight,
//! *publish* with its quorum, and *count*. Time, seed and signatures come in as arguments, so that the same inputs give the same
//! outputs in a test, a replay, a fuzzer, or on any runtime.
//!
//! [`recording`] writes down what a core is fed, and plays it again.
//!
//! Applications use an adapter (`nostr-pool-tokio`, `nostr-pool-async-std`); this crate is for those who write one, or
//! who want to test a pool deterministically.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod auth;
mod backlog;
mod call;
mod command;
mod config;
mod connection;
mod count;
mod dedup;
mod effects;
mod event;
mod health;
mod ids;
mod index;
mod input;
mod machine;
mod map;
mod plan;
mod planted;
mod publish;
mod record;
pub mod recording;
mod resume;
mod rng;
mod subscription;
mod text;
mod time;
mod timers;
#[cfg(test)]
mod walked;

pub use auth::{AuthFailure, AuthPolicy, AuthState};
pub use call::{
    Acknowledge, Call, CallError, Count, Group, History, Mode, Origin, Publish, PublishUnsigned, Quorum,
    ReconnectOptions, RelayOptions, Reply, Subscribe, Target, Versions, Which,
};
pub use command::Command;
pub use config::Config;
pub use event::{
    CountAnswer, CountOutcome, CountReport, Coverage, EndReason, EventItem, Gap, GapCause, Item, LegOutcome, LegReport,
    LegState, Mark, Merged, PendingItem, PendingOutcome, PoolEvent, PublishReport, PublishStatus, PublishUpdate,
    RejectedEvent, Rejection, RelayUpdate, UnknownCause, Verdict, Why,
};
pub use health::{Health, Latency};
pub use ids::{CountId, PublishId, SocketId, SubId, Ticket};
pub use input::{CloseReason, Input};
pub use machine::{Core, Unfinished};
#[cfg(feature = "planted-bugs")]
pub use planted::PlantedBug;
pub use publish::warning::PublishWarning;
pub use record::{ConnectionState, RelayCounters, RelayRecord, Stats};
pub use subscription::{Checkpoint, CheckpointError};
pub use time::{Instant, Now};
pub use timers::{Deadline, DeadlineKind};
