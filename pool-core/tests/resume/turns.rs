//! When pages run, how many at once, and when they end.

use core::time::Duration;

use nostr_pool_core::*;

use super::stage::*;

/// Whoever wants to be told early what is there has no less of it later.
#[test]
fn a_page_is_waited_for_however_little_patience_there_is_for_the_first_answer() {
    let request =
        Subscribe { filters: vec![notes()], eose_deadline: Some(Duration::from_secs(1)), ..Subscribe::default() };
    let mut s = Stage::with(request, Vec::new(), Config::default());
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    while !s.is_caught_up() {
        let asked = s.take();
        assert!(!asked.is_empty(), "it goes on");
        for request in &asked {
            s.b.pass(3);
            s.answer(request);
        }
    }
    assert!(s.has_all());
    assert!(s.asked.len() < 10, "{} requests", s.asked.len());
}

#[test]
fn only_so_many_pages_run_at_once_and_others_come_first() {
    let mut s = Stage::new(vec![notes()], Config::default());
    let filters = vec![notes()];
    for _ in 0..3 {
        let group = Group::Alone;
        s.b.call(Call::Subscribe(Subscribe { filters: filters.clone(), group, ..Subscribe::default() }));
    }
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take();
    assert_eq!(main.len(), 4);
    for request in &main {
        s.answer(request);
    }
    let pages = s.take();
    assert_eq!(pages.len(), 2, "two at once");
    s.answer(&pages[0]);
    assert_eq!(s.take().len(), 1, "one ended, another began");
    assert_eq!(s.b.core.relays()[0].counters.unsolicited, 0);
}

#[test]
fn new_filters_and_an_end_close_the_page() {
    for ends in [false, true] {
        let mut s = Stage::behind(60, 100, Config::default());
        let main = s.take();
        s.answer(&main[0]);
        let page = s.take().remove(0);
        if ends {
            s.b.call(Call::Unsubscribe { sub: s.sub });
        } else {
            s.b.call(Call::Update { sub: s.sub, filters: vec![notes().limit(1)] });
        }
        s.b.text(0, &format!("[\"EOSE\",\"{}\"]", page.0));
        assert_eq!(s.b.core.relays()[0].counters.unsolicited, 1, "it runs no more");
        assert_eq!(s.take().len(), usize::from(!ends));
    }
}

#[test]
fn a_page_goes_with_the_request_that_it_belongs_to() {
    for reason in ["blocked: no more", "error: busy"] {
        let mut s = Stage::behind(50, 100, Config::default());
        let main = s.take();
        s.answer(&main[0]);
        let page = s.take().remove(0);
        s.b.text(0, &format!("[\"CLOSED\",\"{}\",\"{reason}\"]", main[0].0));
        assert!(s.b.closes.iter().any(|(_, wire)| *wire == page.0), "{reason}: {:?}", s.b.closes);
        s.brings(&page.0, &s.store[0].clone());
        assert_eq!(s.b.core.relays()[0].counters.unsolicited, 1, "{reason}: it runs no more");
    }
}

#[test]
fn the_pages_of_subscriptions_take_turns() {
    let config = Config { max_pages_at_once: 1, ..Config::default() };
    let mut s = Stage::new(vec![notes()], config);
    s.b.call(Call::Subscribe(Subscribe { filters: vec![notes()], ..Subscribe::default() }));
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take();
    main.iter().for_each(|request| s.answer(request));
    let mut last = Vec::new();
    for _ in 0..6 {
        let page = s.take().remove(0);
        last.push(page.1[0].until);
        s.answer(&page);
    }
    assert_eq!((last[0], last[1]), (None, None), "each has its first page before one has its second");
    assert_eq!((last[2].is_some(), last[3].is_some()), (true, true));
}

#[test]
fn a_subscription_that_ends_gives_back_all_its_requests_before_the_page_of_another_begins() {
    let config = Config { max_pages_at_once: 1, ..Config::default() };
    let mut s = Stage::new(vec![notes()], config);
    s.b.call(Call::Subscribe(Subscribe { filters: vec![notes()], ..Subscribe::default() }));
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take();
    main.iter().for_each(|request| s.answer(request));
    let page = s.take();
    assert_eq!(page.len(), 1, "the other waits");
    s.b.core.handle_call(Call::Unsubscribe { sub: s.sub }, s.b.now()).unwrap();
    let verb = |command| match command {
        Command::Send { frame, .. } => frame.split('"').nth(1).map(ToOwned::to_owned),
        _ => None,
    };
    let sent: Vec<String> = std::iter::from_fn(|| s.b.core.poll_command()).filter_map(verb).collect();
    assert_eq!(sent, ["CLOSE", "CLOSE", "REQ"]);
}
