//! The soak on each adapter, one after the other: each wants the machine for itself.

use std::sync::{Mutex, PoisonError};

use nostr_pool_tests::soak::{Plan, soak};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn nothing_is_lost_or_doubled_on_tokio() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tokio = tokio::runtime::Runtime::new().expect("tokio starts");
    let runtime = nostr_pool_tokio::Tokio::new(tokio.handle().clone());
    println!("tokio: {}", futures::executor::block_on(soak(runtime, &Plan::from_env())));
}

#[test]
fn nothing_is_lost_or_doubled_on_async_std() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    println!("async-std: {}", async_std::task::block_on(soak(nostr_pool_async_std::AsyncStd, &Plan::from_env())));
}
