//! A script per rule of a subscription's legs: what relays say by NOTICE, what they send that is no event, messages
//! beyond the size limit, and relays that come and go while a subscription runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

#[path = "../common/mod.rs"]
mod common;

mod notice;
mod rejected;
mod retarget;
mod size;
mod size_of_pages;
mod told;
mod words;
