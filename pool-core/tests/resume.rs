//! Gap-free resume, a script per rule: one relay or two with a store, a cap, and hints, and what goes wrong between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use core::time::Duration;

use common::*;
use nostr_pool_core::*;
use nostr_proto::{ClientMessage, Event, EventTemplate, Filter, Kind};

/// A note made so many seconds after the start.
fn at(second_: i64, text: &str) -> Event {
    sign(EventTemplate::text_note(text, second(second_)))
}

fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

/// One relay that answers newest first, up to a cap.
struct Stage {
    b: Bench,
    sub: SubId,
    store: Vec<Event>,
    cap: usize,
    /// Whether it says `finish` and `more` (NIP-67).
    hints: bool,
    /// Whether it leaves out the second `until`.
    exclusive: bool,
    /// The requests so far, in order.
    asked: Vec<(String, Vec<Filter>)>,
}

impl Stage {
    fn new(filters: Vec<Filter>, config: Config) -> Self {
        Self::with(Subscribe { filters, group: Group::Alone, ..Subscribe::default() }, Vec::new(), config)
    }

    fn with(request: Subscribe, store: Vec<Event>, config: Config) -> Self {
        let mut b = Bench::new(1, config);
        let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        Self { b, sub, store, cap: 20, hints: false, exclusive: false, asked: Vec::new() }
    }

    /// One that was live, was away for so many seconds and missed so many notes, and is asking again.
    fn behind(missed: i64, seconds: u64, config: Config) -> Self {
        let mut s = Self::new(vec![notes()], config);
        s.serve();
        s.store = many(1, missed);
        s.offline(seconds);
        s
    }

    /// The requests that came in since, in order.
    fn take(&mut self) -> Vec<(String, Vec<Filter>)> {
        let mut new = Vec::new();
        for (_, frame) in std::mem::take(&mut self.b.requests) {
            let Ok(ClientMessage::Req { subscription, filters }) = ClientMessage::from_json(&frame) else {
                panic!("it is a request: {frame}")
            };
            new.push((subscription, filters));
        }
        self.asked.extend(new.iter().cloned());
        new
    }

    fn found(&self, filters: &[Filter]) -> Vec<Event> {
        let mut all = Vec::new();
        for filter in filters {
            let mut plain = Filter { limit: None, search: None, ..filter.clone() };
            if self.exclusive {
                plain.until = plain.until.map(|until| until.saturating_sub(1));
            }
            let mut found: Vec<&Event> = self.store.iter().filter(|event| plain.matches(event)).collect();
            found.sort_by_key(|event| std::cmp::Reverse(event.created_at()));
            let most = self.cap.min(filter.limit.map_or(usize::MAX, |limit| limit as usize));
            all.extend(found.into_iter().take(most).cloned());
        }
        all
    }

    fn brings(&mut self, wire: &str, event: &Event) {
        self.b.text(0, &format!("[\"EVENT\",\"{wire}\",{}]", event.to_json()));
    }

    fn answer(&mut self, (wire, filters): &(String, Vec<Filter>)) {
        let found = self.found(filters);
        for event in &found {
            self.brings(wire, event);
        }
        self.b.decide_all();
        self.cap += 1;
        let whole = self.found(filters).len() == found.len();
        self.cap -= 1;
        let hint = match (self.hints, whole) {
            (false, _) => "",
            (true, true) => ",[\"finish\"]",
            (true, false) => ",[\"more\"]",
        };
        self.b.text(0, &format!("[\"EOSE\",\"{wire}\"{hint}]"));
    }

    /// Answers whatever is asked, until nothing is. Returns how many requests that were.
    fn serve(&mut self) -> usize {
        let mut served = 0;
        loop {
            let asked = self.take();
            if asked.is_empty() {
                return served;
            }
            for request in &asked {
                self.answer(request);
                served += 1;
            }
            assert!(served < 500, "it ends");
        }
    }

    fn socket(&self) -> SocketId {
        *self.b.sockets.last().unwrap()
    }

    /// The connection is lost, and there is another after so many seconds.
    fn offline(&mut self, seconds: u64) {
        let socket = self.socket();
        let reason = CloseReason::Error("gone".into());
        self.b.unix += seconds;
        self.b.core.handle_input(Input::Closed { socket, reason }, self.b.now());
        self.b.drain();
        self.b.sockets.clear();
        for _ in 0..70 {
            if !self.b.sockets.is_empty() {
                return;
            }
            self.b.pass(1);
        }
        panic!("it is dialled again");
    }

    fn got(&self) -> usize {
        self.b.events(self.sub).len()
    }

    fn has(&self, event: &Event) -> bool {
        self.b.events(self.sub).iter().any(|item| item.event.id() == event.id())
    }

    fn has_all(&self) -> bool {
        self.store.iter().all(|event| self.has(event))
    }

    fn gaps(&self) -> Vec<Gap> {
        let items = self.b.items.get(&self.sub).into_iter().flatten();
        items.filter_map(|item| if let Item::Gap(gap) = item { Some(gap.clone()) } else { None }).collect()
    }

    fn causes(&self) -> Vec<GapCause> {
        self.gaps().into_iter().map(|gap| gap.cause).collect()
    }

    fn is_caught_up(&self) -> bool {
        matches!(self.causes().last(), Some(GapCause::CaughtUp { .. }))
    }
}

/// So many notes in a row, the first one so many seconds after the start.
fn many(from: i64, count: i64) -> Vec<Event> {
    (0..count).map(|n| at(from + n, &format!("{from}+{n}"))).collect()
}

#[test]
fn a_capped_relay_is_paged_until_everything_is_there() {
    let mut s = Stage::new(vec![notes().limit(3)], Config::default());
    s.serve();
    s.store = many(1, 150);
    s.offline(200);
    let first = s.take();
    assert_eq!(first[0].1[0].limit, None, "a limit is for the first load");
    assert_eq!(first[0].1[0].since, Some(second(-900 - 120)));
    s.answer(&first[0]);
    assert!(!s.is_caught_up(), "20 came, which is what it gives");
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    assert!(s.asked.iter().skip(2).all(|(_, filters)| filters.len() == 1), "one filter per page");
    assert_eq!(s.asked[2].1[0].until, None, "the first page is open at the end");
    assert!(s.b.events(s.sub).iter().all(|item| item.mark == Mark::Stored));
    assert!(s.asked.iter().skip(3).all(|(_, filters)| filters[0].until.is_some()));
}

/// NIP-11: it gives so many events unasked, and more to who asks for more; what it says may be less than it gave before.
#[test]
fn a_page_asks_for_as_much_as_the_relay_gives_and_is_full_with_that() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    (s.store, s.cap) = (many(1, 200), 40);
    s.offline(300);
    for _ in 0..2 {
        let asked = s.take();
        assert_eq!((asked.len(), asked[0].1[0].limit), (1, None), "it said nothing");
        s.answer(&asked[0]);
    }
    let document = r#"{"limitation":{"default_limit":20,"max_limit":30}}"#;
    let info = Box::new(nostr_proto::RelayInfo::from_json(document).unwrap());
    // The page that was asked for before that is without a limit.
    let before = s.take();
    s.b.call(Call::RelayInfo { url: url(0), info });
    before.iter().for_each(|request| s.answer(request));
    let sent = s.asked.len();
    s.serve();
    assert!(s.asked.len() > sent + 3 && s.asked[sent..].iter().all(|(_, filters)| filters[0].limit == Some(30)));
    assert!(s.has_all() && s.is_caught_up(), "30 are fewer than it gave before, and not all");
}

#[test]
fn several_filters_are_paged_each_for_itself() {
    let other = |n: i64| sign(EventTemplate::new(Kind::REACTION, format!("r{n}"), second(n)));
    let mut s = Stage::new(vec![notes(), Filter::new().kind(Kind::REACTION)], Config::default());
    s.serve();
    // One filter's are all older than the other's.
    s.store = many(1, 60).into_iter().chain((100..160).map(other)).collect();
    s.offline(300);
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
}

#[test]
fn what_the_relay_says_of_its_own_answer_counts() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    (s.store, s.hints, s.cap) = (many(1, 40), true, 100);
    s.offline(100);
    assert_eq!(s.serve(), 1, "finish: no page");
    assert!(s.has_all() && s.is_caught_up());
    s.store.extend(many(200, 5));
    s.cap = 3;
    s.offline(200);
    s.serve();
    assert!(s.has_all() && s.is_caught_up(), "more: paged, however few came");
}

#[test]
fn a_dense_second_is_split_and_told_if_that_does_not_help() {
    for (kinds, whole) in [(vec![1, 7], true), (vec![1], false)] {
        let filter = Filter::new().kinds(kinds.into_iter().map(Kind::new));
        let mut s = Stage::new(vec![filter], Config::default());
        s.serve();
        s.cap = 15;
        let dense = |n: u16, kind| sign(EventTemplate::new(Kind::new(kind), format!("{kind} {n}"), second(50)));
        s.store = (0..12).map(|n| dense(n, 1)).collect();
        s.store.extend((0..12).map(|n| dense(n, if whole { 7 } else { 1 })));
        if !whole {
            s.store.extend((12..40).map(|n| dense(n, 1)));
        }
        s.store.extend(many(10, 5).into_iter().chain(many(60, 5)));
        s.offline(100);
        s.serve();
        let told = s.gaps().into_iter().find(|gap| gap.cause == GapCause::DenseSecond);
        if whole {
            assert!(s.has_all() && told.is_none());
        } else {
            let gap = told.unwrap();
            assert_eq!((gap.since, gap.until), (Some(second(50)), Some(second(50))));
            let missing = s.store.iter().filter(|event| !s.has(event));
            assert!(missing.clone().count() > 0 && missing.clone().all(|event| event.created_at() == second(50)));
        }
        assert!(s.is_caught_up());
    }
}

#[test]
fn beyond_the_budget_the_rest_is_a_gap_that_can_be_refilled() {
    let mut s = Stage::behind(200, 300, Config { max_pages: 3, ..Config::default() });
    s.serve();
    assert!(!s.has_all());
    let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::Budget).unwrap();
    let missing = s.store.iter().filter(|event| !s.has(event)).map(Event::created_at);
    assert!(missing.clone().all(|at| gap.since.unwrap() <= at && at <= gap.until.unwrap()), "{gap:?}");
    assert!(s.is_caught_up(), "the rest is told");
    assert!(s.has(s.store.last().unwrap()), "the newest first");
    let before = s.got();
    for _ in 0..10 {
        let gap = s.gaps().into_iter().rfind(|gap| gap.cause == GapCause::Budget).unwrap();
        s.b.call(Call::Refill { sub: s.sub, gap });
        s.serve();
    }
    assert!(s.has_all() && s.got() > before);
    s.b.call(Call::Refill { sub: s.sub, gap });
    assert_eq!(s.serve(), 0, "nothing is given up any more");
    let unknown = Call::Refill { sub: SubId::from_u64(99), gap: s.gaps()[0].clone() };
    let now = s.b.now();
    assert!(matches!(s.b.core.handle_call(unknown, now), Err(CallError::UnknownSubscription(_))));
}

#[test]
fn a_page_with_too_many_events_is_cut() {
    let mut s = Stage::new(vec![notes()], Config { max_page_events: 30, ..Config::default() });
    s.serve();
    s.store = many(1, 200);
    s.cap = 100;
    s.offline(300);
    s.serve();
    let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::Budget).unwrap();
    for event in s.store.iter().filter(|event| !s.has(event)) {
        assert!(gap.since.unwrap() <= event.created_at() && event.created_at() <= gap.until.unwrap());
    }
}

#[test]
fn what_is_lost_in_the_middle_of_a_page_is_asked_for_again() {
    for how in ["disconnect", "timeout", "error: busy", "rate-limited: slow", "auth-required: who?"] {
        let mut s = Stage::behind(50, 100, Config::default());
        let main = s.take();
        s.answer(&main[0]);
        let page = s.take();
        assert_eq!(page.len(), 1);
        let found = s.found(&page[0].1);
        for event in found.iter().take(7) {
            s.brings(&page[0].0.clone(), event);
        }
        s.b.decide_all();
        match how {
            "disconnect" => s.offline(5),
            "timeout" => s.b.pass(10),
            reason => s.b.text(0, &format!("[\"CLOSED\",\"{}\",\"{reason}\"]", page[0].0)),
        }
        assert!(!s.is_caught_up(), "{how}");
        assert!(how == "disconnect" || s.take().is_empty(), "{how}: not at once");
        for _ in 0..10 {
            s.b.pass(2);
            s.serve();
        }
        assert!(s.has_all() && s.is_caught_up(), "{how}: {:?}", s.gaps());
    }
}

#[test]
fn a_page_that_is_refused_for_good_is_a_gap() {
    let mut s = Stage::behind(50, 100, Config::default());
    let main = s.take();
    s.answer(&main[0]);
    let page = s.take();
    s.b.text(0, &format!("[\"CLOSED\",\"{}\",\"blocked: no\"]", page[0].0));
    let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::NotAnswered).unwrap();
    assert_eq!(gap.since, Some(second(-1_020)));
    assert!(s.is_caught_up());
    s.b.pass(300);
    assert!(s.take().is_empty());
    s.b.call(Call::Refill { sub: s.sub, gap });
    s.serve();
    assert!(s.has_all());
}

#[test]
fn what_is_pushed_while_a_page_runs_moves_nothing() {
    let mut s = Stage::behind(60, 100, Config::default());
    let main = s.take();
    s.answer(&main[0]);
    let page = s.take().remove(0);
    // Accepted now, dated long ago: the relay pushes it for both requests before it ends the page.
    let old = at(-500, "old");
    for event in s.found(&page.1) {
        s.brings(&page.0, &event);
    }
    let wire = main[0].0.clone();
    s.brings(&page.0, &old);
    s.brings(&wire, &old);
    s.b.decide_all();
    s.b.text(0, &format!("[\"EOSE\",\"{}\"]", page.0));
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
}

#[test]
fn events_dated_ahead_are_paged_as_well() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.store = many(10_000, 30).into_iter().chain(many(1, 30)).collect();
    s.offline(100);
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    // They move nothing that is asked for.
    s.store = vec![at(150, "later")];
    s.offline(100);
    s.serve();
    assert!(s.has_all());
}

#[test]
fn all_of_history_comes_whatever_the_limit() {
    for mode in [Mode::Live, Mode::UntilEose] {
        let filters = vec![notes().limit(2).since(second(-500))];
        let request = Subscribe { filters, mode, history: History::All, ..Subscribe::default() };
        let mut s = Stage::with(request, many(-400, 100), Config::default());
        s.store.push(at(-501, "before"));
        s.serve();
        s.store.pop();
        assert!(s.has_all() && s.is_caught_up(), "{mode:?}");
        assert_eq!(s.got(), 100, "not beyond its since");
        let items = &s.b.items[&s.sub];
        let ended = items.last() == Some(&Item::End(EndReason::Complete));
        assert_eq!(ended, mode == Mode::UntilEose);
        let eose = items.iter().position(|item| matches!(item, Item::Eose(_))).unwrap();
        assert!(items[..eose].iter().filter(|item| matches!(item, Item::Event(_))).count() == 2, "EOSE does not wait");
    }
}

#[test]
fn a_fetch_of_all_history_ends_though_its_relay_does_not_answer() {
    let request =
        Subscribe { filters: vec![notes()], mode: Mode::UntilEose, history: History::All, ..Subscribe::default() };
    for stays_away in [false, true] {
        let mut s = Stage::with(request.clone(), many(-400, 100), Config::default());
        let main = s.take();
        s.answer(&main[0]);
        if stays_away {
            let socket = s.socket();
            let now = s.b.now();
            s.b.core.handle_input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) }, now);
            s.b.sockets.clear();
        }
        s.b.pass(300);
        assert!(s.causes().contains(&GapCause::NotAnswered), "{:?}", s.gaps());
        assert_eq!(s.b.items[&s.sub].last(), Some(&Item::End(EndReason::Complete)));
    }
}

#[test]
fn a_filter_whose_window_is_over_is_never_asked_for_backwards() {
    let mut s = Stage::new(vec![notes().until(second(-2_000)), notes().since(second(-10))], Config::default());
    s.serve();
    s.store = many(1, 40);
    s.offline(5_000);
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    let backwards = |filter: &Filter| filter.since > filter.until && filter.until.is_some();
    assert!(!s.asked.iter().any(|(_, filters)| filters.iter().any(backwards)), "{:?}", s.asked);
}

#[test]
fn gift_wraps_are_asked_for_two_days_back() {
    let mut s = Stage::new(vec![Filter::new().kind(Kind::new(1059))], Config::default());
    s.serve();
    s.store =
        (0..40).map(|n| sign(EventTemplate::new(Kind::new(1059), format!("{n}"), second(-172_000 + n)))).collect();
    s.offline(100);
    let main = s.take();
    assert_eq!(main[0].1[0].since, Some(second(-176_400 - 120)));
    s.answer(&main[0]);
    s.serve();
    assert!(s.has_all());
}

#[test]
fn a_search_proves_nothing_and_is_not_paged() {
    let mut search = notes();
    search.search = Some("x".into());
    let mut s = Stage::new(vec![search], Config::default());
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    assert_eq!(s.serve(), 1);
    assert_eq!(s.causes().iter().filter(|cause| **cause == GapCause::Unprovable).count(), 1);
    assert!(s.is_caught_up());
}

#[test]
fn a_wall_clock_that_steps_loses_nothing() {
    for step in [-50_000_i64, 50_000] {
        let mut s = Stage::new(vec![notes()], Config::default());
        s.serve();
        s.store = many(1, 60);
        s.b.unix = s.b.unix.saturating_add_signed(step);
        s.offline(100);
        s.serve();
        assert!(s.has_all(), "by {step}");
        s.b.unix = s.b.unix.saturating_add_signed(-step);
        s.store.extend(many(150, 60));
        s.offline(100);
        s.serve();
        assert!(s.has_all(), "and back by {step}");
    }
}

/// The connection is lost while the clock is right again, and for longer than clocks differ.
#[test]
fn a_wall_clock_that_was_ahead_for_a_while_loses_nothing() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.b.unix += 50_000;
    s.offline(1);
    s.serve();
    s.b.pass(40);
    s.b.unix -= 50_000;
    s.b.pass(20);
    let reason = CloseReason::Error("gone".into());
    s.b.core.handle_input(Input::Closed { socket: s.socket(), reason }, s.b.now());
    s.b.drain();
    s.store = many(100, 60);
    s.offline(3_000);
    s.serve();
    assert!(s.has_all());
}

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
fn one_relay_owes_nothing_for_another() {
    let mut b = Bench::new(2, Config::default());
    let sub = b.all();
    let eose = |b: &mut Bench, relay: usize| {
        let wire = b.wires[&(b.sockets[relay], 0)].clone();
        b.text(relay, &format!("[\"EOSE\",\"{wire}\"]"));
    };
    (0..2).for_each(|relay| eose(&mut b, relay));
    b.requests.clear();
    let socket = b.sockets[0];
    let now = b.now();
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) }, now);
    b.drain();
    b.send(1, sub, &at(1, "meanwhile"));
    b.sockets.swap_remove(0);
    b.pass(5);
    assert_eq!(b.requests.len(), 1, "only that one is asked again");
    assert_eq!(b.requests[0].0, b.sockets[1]);
    eose(&mut b, 1);
    let gaps = b.items[&sub].iter().filter_map(|item| if let Item::Gap(gap) = item { gap.relay.clone() } else { None });
    assert_eq!(gaps.collect::<Vec<_>>(), [url(0), url(0)]);
}

#[test]
fn a_checkpoint_brings_what_was_not_proven_and_no_more() {
    let mut s = Stage::behind(60, 100, Config { max_pages: 1, ..Config::default() });
    s.serve();
    assert!(!s.has_all());
    s.b.call(Call::Taken { sub: s.sub, items: 0, bytes: 0 });
    let Reply::Checkpoint(kept) = s.b.call(Call::Checkpoint { sub: s.sub }) else { panic!("it is one") };
    let kept = Checkpoint::from_json(&kept.to_json()).unwrap();
    for (filters, resumed) in [(vec![notes()], true), (vec![notes().limit(1)], false)] {
        let request = Subscribe { filters, resume: Some(kept.clone()), ..Subscribe::default() };
        let mut later = Stage::with(request, s.store.clone(), Config::default());
        let main = later.take();
        assert_eq!(main[0].1[0].since.is_some(), resumed, "other filters begin anew");
        later.answer(&main[0]);
        later.serve();
        assert!(!resumed || later.store.iter().all(|event| s.has(event) || later.has(event)));
    }
}

#[cfg(feature = "planted-bugs")]
mod planted {
    use super::*;

    fn shows(bug: PlantedBug, rule: impl Fn(Config) -> bool) {
        assert!(rule(Config::default()), "without {bug:?}");
        assert!(!rule(Config { planted: Some(bug), ..Config::default() }), "with {bug:?}");
    }

    /// Away for so long, while so much came; `before`: what came just before that.
    fn misses(filters: Vec<Filter>, before: Option<Event>, missed: Vec<Event>, away: u64, config: Config) -> bool {
        let mut s = Stage::new(filters, config);
        s.serve();
        if let Some(event) = before {
            let wire = s.asked[0].0.clone();
            s.brings(&wire, &event);
            s.b.decide_all();
        }
        s.store = missed;
        s.offline(away);
        s.serve();
        s.has_all()
    }

    #[test]
    fn where_it_goes_on() {
        let ahead = Some(at(90_000, "ahead"));
        shows(PlantedBug::SinceFromEvents, |config| misses(vec![notes()], ahead.clone(), many(1, 5), 5_000, config));
        shows(PlantedBug::SinceNow, |config| misses(vec![notes()], None, many(1, 5), 5_000, config));
        shows(PlantedBug::LimitReplayed, |config| misses(vec![notes().limit(2)], None, many(1, 5), 100, config));
    }

    #[test]
    fn what_proves() {
        let other = |n: i64| sign(EventTemplate::new(Kind::REACTION, format!("r{n}"), second(n)));
        let both = vec![notes(), Filter::new().kind(Kind::REACTION)];
        let missed: Vec<Event> = (1..6).map(other).chain(many(1, 60)).collect();
        shows(PlantedBug::MultiFilterOldest, |config| misses(both.clone(), None, missed.clone(), 100, config));
        shows(PlantedBug::CoverageOnTimeout, |config| {
            let mut s = Stage::behind(50, 100, config);
            let main = s.take();
            s.answer(&main[0]);
            drop(s.take());
            s.b.pass(13);
            s.serve();
            s.has_all()
        });
        shows(PlantedBug::LargestPageLive, |config| {
            let mut s = Stage::behind(80, 100, config);
            let main = s.take();
            s.answer(&main[0]);
            let page = s.take().remove(0);
            // Ten are pushed while it runs.
            let pushed = many(500, 10);
            let wire = main[0].0.clone();
            for event in s.found(&page.1).iter().chain(&pushed) {
                s.brings(&page.0, event);
            }
            pushed.iter().for_each(|event| s.brings(&wire, event));
            s.b.decide_all();
            s.b.text(0, &format!("[\"EOSE\",\"{}\"]", page.0));
            s.serve();
            s.has_all()
        });
    }

    #[test]
    fn whose_answer_it_is() {
        shows(PlantedBug::WireIdReused, |config| {
            let mut s = Stage::new(vec![notes()], config);
            let old = s.take().remove(0);
            s.b.call(Call::Update { sub: s.sub, filters: vec![notes().limit(3)] });
            // The old request's EOSE, sent before its CLOSE was read.
            s.b.text(0, &format!("[\"EOSE\",\"{}\"]", old.0));
            !s.b.items[&s.sub].iter().any(|item| matches!(item, Item::Eose(_)))
        });
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
fn what_a_relay_owes_that_is_taken_out_is_a_gap() {
    for removed in [true, false] {
        let mut s = Stage::behind(50, 100, Config::default());
        let main = s.take();
        s.answer(&main[0]);
        assert_eq!(s.take().len(), 1, "a page runs");
        s.b.call(match removed {
            true => Call::RemoveRelay { url: url(0) },
            false => Call::Retarget { sub: s.sub, target: Target::Relays(vec![url(1)]) },
        });
        let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::NotAnswered).expect("a gap");
        assert_eq!((gap.relay, gap.since, gap.until), (Some(url(0)), Some(second(-1_020)), None));
        let items = &s.b.items[&s.sub];
        let told = items.iter().position(|it| matches!(it, Item::Gap(Gap { cause: GapCause::NotAnswered, .. })));
        let gone = items.iter().position(|it| matches!(it, Item::Leg { state: LegState::Removed, .. }));
        assert!(told < gone, "its last words");
    }
}

#[test]
fn a_relay_that_owes_nothing_is_taken_out_without_a_gap() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.b.call(Call::RemoveRelay { url: url(0) });
    assert_eq!(s.gaps(), []);
}

#[test]
fn what_can_not_be_read_is_one_of_so_many_all_the_same() {
    let mut s = Stage::behind(60, 100, Config::default());
    s.cap = 12;
    let main = s.take().remove(0);
    // The newest two are no events as we know them.
    for _ in 0..2 {
        s.b.text(0, &format!("[ \"EVENT\" , \"{}\",{{\"id\":\"0\",\"kind\":1}}]", main.0));
    }
    for event in s.found(&main.1).into_iter().take(9) {
        s.brings(&main.0, &event);
    }
    s.b.decide_all();
    s.b.text(0, &format!("[\"EOSE\",\"{}\"]", main.0));
    s.serve();
    assert!(s.has_all(), "{:?}", s.gaps());
}

#[test]
fn a_wall_clock_that_was_ahead_and_is_set_right_loses_nothing() {
    for (while_up, pongs) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut s, ahead) = (Stage::new(vec![notes()], Config::default()), 50_000);
        s.b.unix += ahead;
        s.offline(1);
        s.serve();
        s.b.pass(1);
        if pongs {
            s.b.pass(40);
            s.b.core.handle_input(Input::Pong { socket: s.socket() }, s.b.now());
        }
        if while_up {
            s.b.unix -= ahead;
            s.b.pass(1);
        }
        let lost = i64::try_from(s.b.unix - START).unwrap() - if while_up { 0 } else { 50_000 };
        s.store = many(lost + 1, 60);
        let (socket, now) = (s.socket(), s.b.now());
        s.b.core.handle_input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) }, now);
        if !while_up {
            s.b.unix -= ahead;
        }
        s.b.core.handle_timeout(s.b.now());
        s.b.both(20_000);
        s.b.sockets.clear();
        s.b.pass(70);
        s.serve();
        assert!(s.has_all(), "set right while it was connected: {while_up}, {pongs}: {:?}", s.asked.last());
    }
}

/// What is pushed is what the request asks for: one that began at a date ahead would miss what comes from now on.
#[test]
fn a_request_that_begins_too_late_is_made_again_when_the_clock_is_set_right() {
    let (mut s, ahead) = (Stage::new(vec![notes()], Config::default()), 50_000);
    s.serve();
    s.b.unix += ahead;
    s.offline(1);
    s.serve();
    s.b.pass(40);
    s.b.core.handle_input(Input::Pong { socket: s.socket() }, s.b.now());
    s.offline(1);
    s.serve();
    let late = s.asked.last().and_then(|(_, filters)| filters[0].since).unwrap();
    assert!(late.as_secs() > s.b.unix - ahead, "a test of nothing");
    s.b.unix -= ahead;
    s.b.pass(1);
    s.b.pass(1);
    let again = s.take();
    let since = again.first().and_then(|(_, filters)| filters[0].since).expect("it is asked again");
    assert!(since.as_secs() < s.b.unix - 900, "{since:?}");
    again.iter().for_each(|request| s.answer(request));
    s.serve();
    assert!(s.is_caught_up());
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

/// What nobody signed says nothing of how many stored events the relay gives at once.
#[test]
fn forged_events_do_not_make_an_answer_look_short() {
    let mut s = Stage::new(vec![notes()], Config { quarantine_min_forged: 1_000, ..Config::default() });
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take().remove(0);
    s.answer(&main);
    // The second page ends in the past.
    let first = s.take().remove(0);
    s.answer(&first);
    let second = s.take().remove(0);
    for event in many(1, 30) {
        s.b.text(0, &format!("[\"EVENT\",\"{}\",{}]", second.0, forged(&event, 1)));
    }
    s.b.decide_all();
    s.answer(&second);
    s.serve();
    assert!(s.has_all(), "{}", s.got());
    s.store.extend(many(2_000, 60));
    s.offline(2_100);
    s.serve();
    assert!(s.has_all(), "{}", s.got());
}

/// Nor does what was dropped before anybody checked it.
#[test]
fn dropped_events_do_not_make_an_answer_look_short() {
    let config = Config { quarantine_min_forged: 1_000, max_in_flight_per_relay: 25, ..Config::default() };
    let mut s = Stage::new(vec![notes()], config);
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take().remove(0);
    s.answer(&main);
    let first = s.take().remove(0);
    s.answer(&first);
    let second = s.take().remove(0);
    for event in many(-60, 90) {
        s.b.text(0, &format!("[\"EVENT\",\"{}\",{}]", second.0, forged(&event, 1)));
    }
    s.b.decide_all();
    s.answer(&second);
    for _ in 0..10 {
        s.b.pass(10);
        s.serve();
    }
    assert!(s.has_all() && s.is_caught_up(), "{}", s.got());
    s.store.extend(many(2_000, 60));
    s.offline(2_100);
    s.serve();
    assert!(s.has_all(), "{}", s.got());
}

/// What was written down by a clock that was ahead is not taken for what was shown since.
#[test]
fn a_checkpoint_of_a_clock_that_was_ahead_hides_nothing_that_comes_later() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.offline(86_400);
    s.serve();
    s.b.call(Call::Taken { sub: s.sub, items: 0, bytes: 0 });
    let Reply::Checkpoint(kept) = s.b.call(Call::Checkpoint { sub: s.sub }) else { panic!("it is one") };
    let request = Subscribe { filters: vec![notes()], resume: Some(*kept), ..Subscribe::default() };
    let mut later = Stage::with(request, Vec::new(), Config::default());
    later.serve();
    later.store = many(3_000, 3);
    later.offline(10_000);
    later.serve();
    assert!(later.has_all(), "{:?} {:?}", later.asked, later.gaps());
}

/// Nor is a gap shorter than what is asked for again after a restart.
#[test]
fn a_gap_names_what_a_checkpoint_left_open() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.b.call(Call::Taken { sub: s.sub, items: 0, bytes: 0 });
    let Reply::Checkpoint(kept) = s.b.call(Call::Checkpoint { sub: s.sub }) else { panic!("it is one") };
    let (then, before) = (second(0).as_secs().to_string(), second(-5_000).as_secs().to_string());
    let kept = Checkpoint::from_json(&kept.to_json().replace(&then, &before)).unwrap();
    let request = Subscribe { filters: vec![notes()], resume: Some(kept), ..Subscribe::default() };
    let mut later = Stage::with(request, many(-5_500, 60), Config::default());
    let main = later.take().remove(0);
    assert_eq!(main.1[0].since, Some(second(-5_000 - 900 - 120)));
    later.answer(&main);
    later.offline(10);
    let gap = later.gaps().pop().unwrap();
    assert_eq!((gap.cause, gap.since), (GapCause::Disconnected, Some(second(-5_000 - 900 - 120))));
}

/// A gap names all the ground that it is about, and one that is still open does not shrink when the next one opens.
#[test]
fn a_gap_begins_where_events_may_be_late_and_does_not_shrink_while_it_is_open() {
    let filters = vec![notes().since(second(-500)), Filter::new().kind(Kind::new(7)).since(second(-700))];
    let mut s = Stage::new(filters, Config::default());
    s.serve();
    let since = |s: &Stage| s.gaps().last().and_then(|gap| gap.since);
    s.offline(2_000);
    // Longer ago than is asked for again was not asked for at all.
    assert_eq!(since(&s), Some(second(-700)));
    s.store = many(1, 60);
    let main = s.take().remove(0);
    s.answer(&main);
    assert!(!s.is_caught_up(), "pages are to come");
    s.b.pass(1_000);
    s.offline(2_000);
    assert_eq!((s.causes().last(), since(&s)), (Some(&GapCause::Disconnected), Some(second(-700))));
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    assert_eq!(since(&s), Some(second(-700)));
    let alive = s.b.unix;
    s.offline(100);
    assert_eq!(since(&s), Some(nostr_proto::Timestamp::new(alive - 900 - 120)), "that one is over");
}

/// A page that begins at the second at which the one before ended has to bring what is known of that second.
#[test]
fn a_relay_that_leaves_out_the_second_of_until_is_asked_for_one_more() {
    for hints in [true, false] {
        let mut s = Stage::new(vec![notes()], Config::default());
        s.serve();
        (s.exclusive, s.hints) = (true, hints);
        // Seven of each second: a page of twenty ends amid one.
        s.store = (0..140).map(|n| at(1 + n / 7, &format!("{n}"))).collect();
        s.offline(100);
        s.serve();
        assert!(s.has_all() && s.is_caught_up(), "{} {:?}", s.got(), s.gaps());
        assert!(s.gaps().iter().all(|gap| !matches!(gap.cause, GapCause::DenseSecond)), "none is too dense");
    }
}

#[test]
fn a_clean_start_forgets_how_much_the_relay_gives() {
    let mut s = Stage::behind(80, 200, Config::default());
    s.serve();
    s.b.call(Call::StartClean);
    s.b.requests.clear();
    s.b.sockets.clear();
    s.cap = 12;
    let request = Subscribe { filters: vec![notes()], history: History::All, ..Subscribe::default() };
    let Reply::Subscribed(sub) = s.b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    s.sub = sub;
    for _ in 0..70 {
        s.b.pass(1);
        s.serve();
    }
    assert!(s.has_all(), "{}", s.got());
}

#[test]
fn a_fetch_ends_though_its_relay_comes_and_goes_without_an_answer() {
    let request =
        Subscribe { filters: vec![notes()], mode: Mode::UntilEose, history: History::All, ..Subscribe::default() };
    for dribbles in [false, true] {
        let mut s = Stage::with(request.clone(), many(-400, 100), Config::default());
        let main = s.take();
        s.answer(&main[0]);
        s.offline(1);
        for n in 0..60 {
            let asked = s.take();
            for (wire, _) in asked.iter().filter(|_| dribbles) {
                s.brings(wire, &s.store[n].clone());
            }
            s.b.pass(20);
            if !dribbles && !s.b.sockets.is_empty() {
                s.offline(1);
            } else if let Some((wire, _)) = s.asked.last().cloned() {
                s.brings(&wire, &s.store[n].clone());
            }
        }
        assert_eq!(s.b.items[&s.sub].last(), Some(&Item::End(EndReason::Complete)), "dribbles: {dribbles}");
        assert!(s.causes().contains(&GapCause::NotAnswered), "{:?}", s.gaps());
    }
}
