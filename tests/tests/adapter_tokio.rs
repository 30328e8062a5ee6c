//! The scenarios on tokio.
//!
//! The futures that an application awaits are driven by another executor than tokio's here: nothing of the pool may
//! depend on being inside of its runtime.

use std::sync::LazyLock;

use futures::executor::block_on;
use nostr_pool_tests::scenarios;
use nostr_pool_tokio::{CallError, EndReason, Item, SubscribeOptions, Tokio};
use tokio::runtime::Runtime;

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
