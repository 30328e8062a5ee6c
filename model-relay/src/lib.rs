//! A NIP-01 relay for tests and demos: a machine without I/O, and a loopback server around it.
//!
//! [`Relay`] is the machine. Text messages go in, text messages come out, and nothing else happens: no socket, no clock,
//! no randomness. It suits simulations, where a thousand relays live in one thread and every run can be repeated.
//!
//! ```
//! use nostr_model_relay::{Config, Output, Relay};
//! use nostr_proto::Timestamp;
//!
//! let mut relay = Relay::new(Config::default());
//! let conn = relay.connect();
//! relay.handle(conn, r#"["REQ","notes",{"kinds":[1]}]"#, Timestamp::new(1_700_000_000));
//! let text = r#"["EOSE","notes"]"#.to_owned();
//! assert_eq!(relay.poll_output(), Some(Output::Send { conn, text }));
//! assert_eq!(relay.poll_output(), None);
//! ```
//!
//! `Server`, behind the feature `server`, serves the machine at a `ws://127.0.0.1:PORT` from a thread of its own, for
//! clients with real sockets. It can be killed and revived in the middle of things:
//!
#![cfg_attr(feature = "server", doc = "```")]
#![cfg_attr(not(feature = "server"), doc = "```ignore")]
//! use nostr_model_relay::{Config, Fault, FaultPlan, Server};
//! use nostr_proto::{EventTemplate, Keys, Kind, Timestamp};
//!
//! let server = Server::start(Config::default())?;
//!
//! // What the relay holds before your client comes…
//! let keys = Keys::from_entropy([7; 32])?;
//! let note = EventTemplate::new(Kind::TEXT_NOTE, "hello", Timestamp::new(1_700_000_000))
//!     .unsigned(keys.public_key())
//!     .sign(&keys, [0; 32]);
//! server.with(|relay| relay.store(note.clone()));
//!
//! // … and how it behaves: every third event that it sends is forged, and a `REQ` never gets its `EOSE`.
//! server.set_faults(FaultPlan::new().with(Fault::ForgeSignature { every: 3 }).with(Fault::NeverEose));
//!
//! // Here your client connects to `server.url()`, and loses the relay for a while.
//! server.kill();
//! server.revive()?;
//! server.set_faults(FaultPlan::new());
//!
//! assert!(server.with(|relay| relay.contains(&note.id())));
//! assert_eq!(server.with(|relay| relay.stats().reqs), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The relay reads, matches, orders and hashes by plain code of its own over JSON values; only signatures and the
//! [`nostr_proto::Event`]s that it hands out are `nostr-proto`'s. A client that is built on
//! `nostr-proto` and agrees with this relay has been confirmed by a second implementation.
//!
//! Everything a client could make grow has a bound in [`Config`], with what happens at it.

mod auth;
mod config;
mod connection;
mod count;
mod deliver;
mod dispatch;
mod event;
mod fault;
mod filter;
mod id;
mod later;
mod made;
mod message;
mod outbox;
mod relay;
#[cfg(feature = "server")]
mod server;
mod stats;
mod store;

pub use config::Config;
pub use connection::ConnId;
pub use event::has_right_id;
pub use fault::{Fault, FaultPlan, MAX_OVERSIZE_BYTES, Unsolicited};
pub use relay::{Output, Relay};
#[cfg(feature = "server")]
pub use server::Server;
pub use stats::Stats;
