//! What both adapters must do alike: each scenario is one function over a runtime, with its assertions inside, so
//! that the same script has the same outcome on every adapter or fails there.
//!
//! [`adapter_tests!`](crate::adapter_tests) makes a test of each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests: panicking is how they fail")]

pub mod auth;
pub mod connections;
pub mod counting;
pub mod dialling;
pub mod info;
pub mod lifetime;
pub mod proxy;
pub mod publishing;
pub mod reading;
pub mod recording;
pub mod resuming;
pub mod tls;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use nostr_model_relay::{Config as RelayConfig, Server};
use nostr_pool_driver::{
    Config, Connect, ConnectError, ConnectOutcome, EventItem, Item, Pool, PoolBuilder, Runtime, Subscription,
};
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp};

/// What no scenario takes when it works.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A test per scenario. `$block_on` runs a future to its end, `$runtime` makes a runtime.
#[macro_export]
macro_rules! adapter_tests {
    ($block_on:expr, $runtime:expr) => {
        $crate::adapter_tests! { @each $block_on, $runtime;
            publishing: reaches_its_quorum fails_when_refused dropping_cancels_nothing cancels retries
                takes_in_a_named_relay hands_a_full_queue_back publishes_unsigned tells_of_an_unwilling_signer
                needs_a_signer stays_pinned reports_in_full_after_a_clean_start mines_for_who_asks
                sends_nothing_too_large hears_of_a_message_too_big;
            reading: delivers_stored_then_live delivers_once closes_when_dropped updates_filters
                fetches_newest_first_and_trimmed fetches_despite_silence bounds_a_fetch skips_what_does_not_fit
                survives_garbage_and_forgery ends_when_unsubscribed makes_room_with_every_item_taken
                fetches_all_from_a_relay_that_hangs_up_after_eose;
            resuming: reads_on_through_a_cap_after_a_crash fetches_again_what_a_slow_reader_missed
                goes_on_from_a_checkpoint_in_another_pool moves_to_other_relays_while_live
                tells_what_was_rejected_and_noticed fetches_all_history_through_a_cap refills_what_was_given_up
                reads_events_alone;
            recording: replays_bit_for_bit holds_no_secret ends_at_its_size_cap outlives_a_full_disk waits_for_no_disk
                ends_with_its_pool;
            counting: merges_what_relays_count tells_why_a_relay_does_not_count ends_when_dropped
                counts_after_authenticating;
            connections: connects_strictly connects_leniently tells_why_it_cannot_connect gives_up_on_a_mute_server
                disconnects_and_reconnects adds_and_removes_relays starts_clean tells_status_and_notices
                taps_the_wire catches_up_after_a_crash refuses_a_giant;
            lifetime: ends_its_tasks_when_dropped ends_while_dialling shuts_down_and_returns_the_unfinished
                flushes_before_it_shuts_down answers_after_shutdown names_bad_arguments
                lets_go_of_a_silent_signer;
            auth: authenticates_on_demand publishes_after_it tells_nobody_by_default does_without_an_ok asks_first
                comes_first_the_next_time asks_a_signer_outside is_another_to_each_relay signs_only_what_is_needed;
            dialling: dials_hints_at_public_addresses_only is_not_rebound checks_addresses_in_urls knows_who_named_a_relay
                asks_the_resolver_that_it_was_given gives_up_on_each_step_in_its_time sends_its_headers
                refuses_every_odd_answer reads_an_answer_however_it_comes takes_the_first_address_that_connects;
            info: fetches_a_document_when_a_connection_opens fetches_none_that_nobody_wants
                fetches_it_again_for_a_relay_that_comes_again leaves_a_relay_in_peace_that_has_none
                asks_again_when_the_time_has_come returns_a_document_and_keeps_to_it asks_for_it_as_it_dials
                goes_where_a_dial_would_go_for_it follows_no_redirect_for_it survives_hostile_answers waits_for_it_so_long
                fetches_eight_at_once ends_a_fetch_that_nobody_waits_for ends_fetches_with_the_pool records_what_it_fetched;
            proxy: goes_through_a_proxy speaks_tls_through_a_proxy sends_onions_alone_through_a_proxy
                never_looks_an_onion_up logs_in says_why_a_proxy_refuses is_not_fooled_by_half_a_proxy
                waits_for_a_proxy_so_long hands_a_proxy_no_hint_unchecked looks_a_proxy_up;
            tls: speaks_tls_with_a_trusted_server takes_roots_as_they_are_given says_what_is_wrong_with_a_certificate
                fails_where_there_is_no_tls;
        }
    };
    (@each $block_on:expr, $runtime:expr; $($module:ident: $($scenario:ident)+;)+) => {
        $(mod $module {
            $(#[test]
            fn $scenario() {
                let runtime = $runtime;
                let scenario = $crate::scenarios::$module::$scenario(runtime.clone());
                $block_on($crate::scenarios::within(&runtime, $crate::scenarios::PATIENCE, scenario));
            })+
        })+
    };
}

/// Runs something that must be over in this time.
pub async fn within<R: Runtime, T>(runtime: &R, time: Duration, work: impl Future<Output = T>) -> T {
    match select(pin!(work), runtime.sleep(time)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => panic!("not done within {time:?}"),
    }
}

/// Waits until something is so.
pub async fn until<R: Runtime>(runtime: &R, what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = runtime.now() + PATIENCE / 2;
    while !is_so() {
        assert!(runtime.now() < patience, "waited in vain until {what}");
        runtime.sleep(Duration::from_millis(5)).await;
    }
}

/// An honest relay on a loopback port.
pub fn relay() -> Server {
    Server::start(RelayConfig::default()).expect("a loopback port is free")
}

/// A relay's URL.
pub fn url_of(server: &Server) -> RelayUrl {
    RelayUrl::parse(&server.url()).expect("the server's URL is one")
}

/// A pool of these relays, with delays fit for tests.
pub fn pool<'a, R: Runtime>(runtime: &R, relays: impl IntoIterator<Item = &'a Server>) -> Pool {
    build(runtime, relays.into_iter().fold(builder(), |builder, server| builder.relay(server.url())))
}

/// A pool without relays, with delays fit for tests.
pub fn builder() -> PoolBuilder {
    Pool::builder().config(quick())
}

/// Builds a pool.
pub fn build<R: Runtime>(runtime: &R, builder: PoolBuilder) -> Pool {
    builder.build(runtime.clone()).expect("the arguments are right")
}

/// Delays fit for tests.
pub fn quick() -> Config {
    Config {
        backoff_base: Duration::from_millis(50),
        backoff_jitter: Duration::from_millis(10),
        retry_base: Duration::from_millis(50),
        ..Config::default()
    }
}

/// Connects to every relay of a pool.
pub async fn connect(pool: &Pool) {
    pool.connect(PATIENCE / 2, Connect::Strict).await.expect("every relay connects");
}

/// Why the only relay of a pool can't be connected to.
pub async fn refusal(pool: &Pool) -> String {
    match pool.connect(PATIENCE / 2, Connect::Strict).await {
        Err(ConnectError::Incomplete(report)) => match &report.relays[..] {
            [(url, ConnectOutcome::Failed(why))] => {
                let failure = pool.dial_error(url).expect("what failed is remembered");
                assert_eq!(failure.to_string(), *why);
                why.clone()
            }
            other => panic!("one relay that fails: {other:?}"),
        },
        other => panic!("it does not connect: {other:?}"),
    }
}

/// Someone who signs.
pub fn keys(n: u8) -> Keys {
    Keys::from_entropy([n; 32]).expect("small numbers are secret keys")
}

/// A signed note. The number is in its content, and makes it later than those with smaller ones.
pub fn note(n: u64) -> Event {
    keys(1).sign(&template(n), [0; 32])
}

/// The same, yet to be signed.
pub fn template(n: u64) -> EventTemplate {
    EventTemplate::text_note(format!("note {n}"), Timestamp::new(1_700_000_000 + n))
}

/// What all notes match.
pub fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

/// Puts events into a relay as if they had always been there.
pub fn store(server: &Server, events: impl IntoIterator<Item = Event>) {
    for event in events {
        assert!(server.with(|relay| relay.store(event)), "the relay takes it");
    }
}

/// The next item of a subscription that `pick` wants; what it does not want is skipped.
pub async fn next<T>(subscription: &mut Subscription, mut pick: impl FnMut(Item) -> Option<T>) -> T {
    loop {
        let item = subscription.next().await.expect("the subscription goes on");
        if let Some(picked) = pick(item) {
            return picked;
        }
    }
}

/// The next event of a subscription.
pub async fn next_event(subscription: &mut Subscription) -> EventItem {
    next(subscription, event).await
}

/// Picks events.
pub fn event(item: Item) -> Option<EventItem> {
    match item {
        Item::Event(event) => Some(event),
        _ => None,
    }
}
