//! Authentication (NIP-42) in the whole core: who asks the signer, what is repeated, and what is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod answers;
mod bench;
mod challenges;
mod connections;
mod policies;
mod refusals;
mod signers;
mod storm;
mod strangers;
