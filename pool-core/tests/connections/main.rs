//! Connections in the whole core: quarantine, sockets that are short, pace, health, and drivers that misbehave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod bench;
mod drivers;
mod ends;
mod health;
mod pace;
mod quarantine;
mod sockets;
