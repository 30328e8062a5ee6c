//! What an application does not take: full queues, the bound on all of them together, acknowledgement, and relays that
//! bring more than they were asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod acknowledging;
mod excess;
mod overflow;
mod pausing;
mod storm;
mod world;
