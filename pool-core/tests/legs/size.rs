//! Messages beyond the size limit.

use nostr_pool_core::*;

use super::told::*;
use crate::common::*;

fn too_large(b: &mut Bench) {
    let socket = *b.sockets.last().unwrap();
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::TooLarge }, b.now());
    b.drain();
    let before = b.sockets.len();
    while b.sockets.len() == before {
        b.pass(1);
    }
}

fn gaps(b: &Bench, sub: SubId) -> usize {
    let large = |item: &&Item| matches!(item, Item::Gap(Gap { cause: GapCause::TooLarge, .. }));
    items(b, sub).iter().filter(large).count()
}

#[test]
fn the_request_whose_answer_is_too_large_is_found_among_three_and_ends() {
    let mut b = Bench::new(1, Config::default());
    let live = b.all();
    eose(&mut b, 0);
    let subs = [b.all(), b.all(), b.all()];
    too_large(&mut b);
    // The one that had its EOSE is no suspect, and is asked first.
    let socket = b.sockets[1];
    assert_eq!(asked(&b, socket), 1);
    assert_eq!(leg(&b, live, 0), Some(LegState::Requested));
    assert_eq!(leg(&b, subs[0], 0), Some(LegState::Waiting(Why::Turn)));
    eose(&mut b, 1);
    assert_eq!((asked(&b, socket), leg(&b, subs[0], 0)), (2, Some(LegState::Requested)));
    eose(&mut b, 1);
    assert_eq!((asked(&b, socket), leg(&b, subs[1], 0)), (3, Some(LegState::Requested)));
    too_large(&mut b);
    assert_eq!((gaps(&b, subs[0]), gaps(&b, subs[1]), gaps(&b, subs[2]), gaps(&b, live)), (0, 1, 0, 0));
    let Some(LegState::Closed(reason)) = leg(&b, subs[1], 0) else { panic!("it has ended") };
    assert_eq!(reason.to_string(), "unsupported: its answer has a message beyond the size limit");
    // The others go on, and it is not asked again, on no connection.
    for n in 0..3 {
        let socket = b.sockets[2];
        let name = b.running[&socket][n].clone();
        b.text(2, &format!("[\"EOSE\",\"{name}\"]"));
    }
    assert_eq!(asked(&b, b.sockets[2]), 3);
    assert!([live, subs[0], subs[2]].iter().all(|sub| leg(&b, *sub, 0) == Some(LegState::Live)));
    let reason = CloseReason::Error("reset".into());
    b.core.handle_input(Input::Closed { socket: b.sockets[2], reason }, b.now());
    b.drain();
    b.pass(100);
    assert_eq!(asked(&b, b.sockets[3]), 3);
    assert!(matches!(leg(&b, subs[1], 0), Some(LegState::Closed(_))));
    // New filters are another request.
    b.call(Call::Update { sub: subs[1], filters: notes() });
    assert_eq!(leg(&b, subs[1], 0), Some(LegState::Requested));
}

#[test]
fn a_close_without_an_open_request_speaks_against_none() {
    let mut b = Bench::new(1, Config::default());
    let sub = b.all();
    for n in 0..5 {
        eose(&mut b, n);
        too_large(&mut b);
    }
    eose(&mut b, 5);
    assert_eq!((gaps(&b, sub), leg(&b, sub, 0)), (0, Some(LegState::Live)));
}

#[test]
fn whoever_asks_meanwhile_waits_for_the_eose_but_not_for_ever() {
    let mut b = Bench::new(1, Config::default());
    let suspect = b.all();
    too_large(&mut b);
    let socket = b.sockets[1];
    assert_eq!((asked(&b, socket), leg(&b, suspect, 0)), (1, Some(LegState::Requested)));
    let other = b.all();
    assert_eq!((asked(&b, socket), leg(&b, other, 0)), (1, Some(LegState::Waiting(Why::Turn))));
    b.pass(9);
    assert_eq!(asked(&b, socket), 1);
    b.pass(1);
    assert_eq!((asked(&b, socket), leg(&b, other, 0)), (2, Some(LegState::Requested)));
    // No longer alone: it is not known whose it was.
    too_large(&mut b);
    assert_eq!((gaps(&b, suspect), gaps(&b, other)), (0, 0));
    too_large(&mut b);
    assert_eq!((gaps(&b, suspect), gaps(&b, other)), (1, 0));
    eose(&mut b, 3);
    assert_eq!(leg(&b, other, 0), Some(LegState::Live));
}

#[test]
fn a_fetch_ends_with_the_gap() {
    let mut b = Bench::new(2, Config::default());
    let request = Subscribe {
        filters: notes(),
        mode: Mode::UntilEose,
        eose_deadline: Some(core::time::Duration::from_secs(60)),
        ..Subscribe::default()
    };
    let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    // The other relay is still awaited.
    let large = |b: &mut Bench, nth: usize| {
        let socket = b.sockets[nth];
        b.core.handle_input(Input::Closed { socket, reason: CloseReason::TooLarge }, b.now());
        b.drain();
    };
    large(&mut b, 0);
    b.pass(5);
    large(&mut b, 2);
    assert_eq!(gaps(&b, sub), 1);
    eose(&mut b, 1);
    assert!(matches!(items(&b, sub).last(), Some(Item::End(EndReason::Complete))));
}
