//! The messages that clients and relays exchange (NIP-01, 42, 45, 67, 77).

mod client;
mod elements;
pub mod encode;
mod reason;
mod relay;
mod serde_impls;

pub use client::ClientMessage;
pub use reason::{Prefix, Reason};
pub use relay::{EoseHints, RelayMessage};
