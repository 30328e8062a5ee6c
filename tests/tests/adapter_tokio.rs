//! The scenarios on tokio.
//!
//! The futures that an application awaits are driven by another executor than tokio's here: nothing of the pool may
//! depend on being inside of its runtime.

use std::sync::LazyLock;
use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;
use nostr_pool_tests::scenarios;
use nostr_pool_tokio::{CallError, EndReason, Item, PublishOptions, SubscribeOptions, Tokio, Verdict};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("tokio starts"));

fn tokio() -> Tokio {
    Tokio::new(RUNTIME.handle().clone())
}

nostr_pool_tests::adapter_tests!(futures::executor::block_on, crate::tokio());

#[test]
fn current_is_the_runtime_around() {
    assert!(Tokio::try_current().is_err());
    RUNTIME.block_on(async { assert!(Tokio::try_current().is_ok()) });
}

#[test]
fn a_pool_ends_with_its_runtime() {
    let server = scenarios::relay();
    let runtime = Runtime::new().expect("tokio starts");
    let pool = scenarios::pool(&Tokio::new(runtime.handle().clone()), [&server]);
    let mut subscription = pool.subscribe([scenarios::notes()], SubscribeOptions::default()).unwrap();
    let end = |item| match item {
        Item::Eose(_) => Some(None),
        Item::End(reason) => Some(Some(reason)),
        _ => None,
    };
    assert_eq!(block_on(scenarios::next(&mut subscription, end)), None);
    drop(runtime);
    assert_eq!(block_on(scenarios::next(&mut subscription, end)), Some(EndReason::Shutdown));
    assert_eq!(block_on(subscription.next()), None);
    assert!(matches!(pool.start_clean(), Err(CallError::Closed)));
}

/// A runtime that does nothing unless its `block_on` is called.
fn idle_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("tokio starts")
}

#[test]
fn a_pool_ends_with_a_runtime_that_never_ran() {
    let server = scenarios::relay();
    let runtime = idle_runtime();
    let pool = scenarios::pool(&Tokio::new(runtime.handle().clone()), [&server]);
    let mut status = pool.status();
    let mut subscription = pool.subscribe([scenarios::notes()], SubscribeOptions::default()).unwrap();
    let publishing = pool.publish(scenarios::note(1), PublishOptions::default()).unwrap();
    drop(runtime);
    let all_is_told = async {
        let end = |item| match item {
            Item::End(reason) => Some(reason),
            _ => None,
        };
        assert_eq!(scenarios::next(&mut subscription, end).await, EndReason::Shutdown);
        assert_eq!(subscription.next().await, None);
        assert_eq!(publishing.await.verdict, Some(Verdict::Indeterminate));
        while status.next().await.is_some() {}
    };
    block_on(scenarios::within(&tokio(), scenarios::PATIENCE, all_is_told));
    assert!(matches!(pool.start_clean(), Err(CallError::Closed)));
}

#[test]
fn a_pool_ends_with_a_runtime_that_never_ran_its_sockets() {
    let server = scenarios::relay();
    let runtime = idle_runtime();
    let pool = scenarios::pool(&Tokio::new(runtime.handle().clone()), [&server]);
    // Long enough for the timer task, which is all there is.
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    let mut status = pool.status();
    let _subscription = pool.subscribe([scenarios::notes()], SubscribeOptions::default()).unwrap();
    drop(runtime);
    let wound_down = async { while status.next().await.is_some() {} };
    block_on(scenarios::within(&tokio(), scenarios::PATIENCE, wound_down));
}
