//! Rules of the whole core, each once broken: small scripts of inputs and calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod copies;
mod harness;
mod publishes;
mod requests;
mod sockets;
