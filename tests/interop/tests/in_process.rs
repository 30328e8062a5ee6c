//! The suite against the relay that needs no installing. The others: `cargo run -p nostr-pool-interop`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use futures::executor::block_on;
use nostr_pool_interop::make::{Make, Profile};
use nostr_pool_interop::suite::{Notes, Plan, Transport, authenticate, run};
use nostr_pool_tokio::Runtime;

fn everything_on<R: Runtime>(runtime: R, transport: Transport) {
    let home = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{transport:?}"));
    let (notes, plan) = (Notes::default(), Plan { seed: 7, events: 200, shared: false });
    let tell = |step: &str| println!("{step}");
    let mut roomy = Make::Builder.start(&home, Profile::Roomy).unwrap();
    block_on(run(runtime.clone(), &mut roomy, transport, plan, &notes, &tell));
    let mut wary = Make::Builder.start(&home, Profile::Auth).unwrap();
    block_on(authenticate(runtime, &mut wary, transport, &notes, &tell));
}

#[test]
fn plain_on_tokio() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    everything_on(nostr_pool_tokio::Tokio::new(tokio.handle().clone()), Transport::Plain);
}

#[test]
fn tls_on_async_std() {
    everything_on(nostr_pool_async_std::AsyncStd, Transport::Tls);
}
