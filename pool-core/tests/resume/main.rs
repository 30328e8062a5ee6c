//! Gap-free resume, a script per rule: one relay or two with a store, a cap, and hints, and what goes wrong between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod ground;
mod history;
mod paging;
#[cfg(feature = "planted-bugs")]
mod planted;
mod stage;
mod trouble;
mod turns;
