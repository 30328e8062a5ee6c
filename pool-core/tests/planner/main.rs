//! A script per rule of the request planner, by the frames that go out; and whatever happens, everybody is answered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

#[path = "../common/mod.rs"]
mod common;

mod again;
mod bench;
mod limits;
mod sharing;
mod slow;
mod storm;
