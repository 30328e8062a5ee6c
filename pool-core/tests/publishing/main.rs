//! Publishing through the whole core: what is not sent, what ends connections, what takes another's place, and what
//! becomes of pending events.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod again;
mod calls;
mod delivery;
mod pending;
#[cfg(feature = "planted-bugs")]
mod planted;
mod signing;
mod sizes;
mod suspects;
mod world;
