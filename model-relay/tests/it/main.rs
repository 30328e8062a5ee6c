//! The relay as its users see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod corpus;
mod deployed;
mod faults;
mod more_faults;
mod oracle;
mod protocol;
#[cfg(feature = "server")]
mod server;
mod support;
