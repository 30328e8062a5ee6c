//! Pages that find a message beyond the size limit.

use nostr_pool_core::*;

use super::told::*;
use crate::common::*;

/// The socket is closed for size; the next connection is there.
fn too_large(b: &mut Bench) {
    let socket = *b.sockets.last().unwrap();
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::TooLarge }, b.now());
    b.drain();
    let before = b.sockets.len();
    while b.sockets.len() == before {
        b.pass(1);
    }
}

#[test]
fn what_a_leg_owes_is_given_up_when_a_page_was_alone_the_second_time() {
    let mut b = Bench::new(1, Config { min_page: 1, ..Config::default() });
    let request = Subscribe { filters: notes(), history: History::All, ..Subscribe::default() };
    let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    let gaps = |b: &Bench| {
        let large = |item: &&Item| matches!(item, Item::Gap(Gap { cause: GapCause::TooLarge, .. }));
        items(b, sub).iter().filter(large).count()
    };
    // As many as it gives, for all we know.
    b.send(0, sub, &note("one"));
    eose(&mut b, 0);
    assert_eq!(asked(&b, b.sockets[0]), 2, "a page");
    too_large(&mut b);
    assert_eq!((gaps(&b), asked(&b, b.sockets[1])), (0, 1));
    eose(&mut b, 1);
    b.pass(5);
    assert_eq!(asked(&b, b.sockets[1]), 2, "a page");
    too_large(&mut b);
    assert_eq!(gaps(&b), 1);
    eose(&mut b, 2);
    assert_eq!((asked(&b, b.sockets[2]), leg(&b, sub, 0)), (1, Some(LegState::Live)));
}

#[test]
fn a_page_that_is_answered_clears_the_leg() {
    let mut b = Bench::new(1, Config { min_page: 1, ..Config::default() });
    let request = Subscribe { filters: notes(), history: History::All, ..Subscribe::default() };
    let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    // As many as it gives, for all we know.
    b.send(0, sub, &note("one"));
    eose(&mut b, 0);
    too_large(&mut b);
    eose(&mut b, 1);
    b.pass(5);
    // The page.
    eose(&mut b, 1);
    assert_eq!(leg(&b, sub, 0), Some(LegState::Live));
    assert!(!items(&b, sub).iter().any(|item| matches!(item, Item::Gap(Gap { cause: GapCause::TooLarge, .. }))));
}
