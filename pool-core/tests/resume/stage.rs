//! The stage of these tests, and the notes that they share.

use nostr_pool_core::*;
use nostr_proto::{ClientMessage, Event, EventTemplate, Filter, Kind};

use crate::common::*;

/// A note made so many seconds after the start.
pub(crate) fn at(second_: i64, text: &str) -> Event {
    sign(EventTemplate::text_note(text, second(second_)))
}

pub(crate) fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

/// One relay that answers newest first, up to a cap.
pub(crate) struct Stage {
    pub(crate) b: Bench,
    pub(crate) sub: SubId,
    pub(crate) store: Vec<Event>,
    pub(crate) cap: usize,
    /// Whether it says `finish` and `more` (NIP-67).
    pub(crate) hints: bool,
    /// Whether it leaves out the second `until`.
    pub(crate) exclusive: bool,
    /// The requests so far, in order.
    pub(crate) asked: Vec<(String, Vec<Filter>)>,
}

impl Stage {
    pub(crate) fn new(filters: Vec<Filter>, config: Config) -> Self {
        Self::with(Subscribe { filters, group: Group::Alone, ..Subscribe::default() }, Vec::new(), config)
    }

    pub(crate) fn with(request: Subscribe, store: Vec<Event>, config: Config) -> Self {
        let mut b = Bench::new(1, config);
        let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        Self { b, sub, store, cap: 20, hints: false, exclusive: false, asked: Vec::new() }
    }

    /// One that was live, was away for so many seconds and missed so many notes, and is asking again.
    pub(crate) fn behind(missed: i64, seconds: u64, config: Config) -> Self {
        let mut s = Self::new(vec![notes()], config);
        s.serve();
        s.store = many(1, missed);
        s.offline(seconds);
        s
    }

    /// The requests that came in since, in order.
    pub(crate) fn take(&mut self) -> Vec<(String, Vec<Filter>)> {
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

    pub(crate) fn found(&self, filters: &[Filter]) -> Vec<Event> {
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

    pub(crate) fn brings(&mut self, wire: &str, event: &Event) {
        self.b.text(0, &format!("[\"EVENT\",\"{wire}\",{}]", event.to_json()));
    }

    pub(crate) fn answer(&mut self, (wire, filters): &(String, Vec<Filter>)) {
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
    pub(crate) fn serve(&mut self) -> usize {
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

    pub(crate) fn socket(&self) -> SocketId {
        *self.b.sockets.last().unwrap()
    }

    /// The connection is lost, and there is another after so many seconds.
    pub(crate) fn offline(&mut self, seconds: u64) {
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

    pub(crate) fn got(&self) -> usize {
        self.b.events(self.sub).len()
    }

    pub(crate) fn has(&self, event: &Event) -> bool {
        self.b.events(self.sub).iter().any(|item| item.event.id() == event.id())
    }

    pub(crate) fn has_all(&self) -> bool {
        self.store.iter().all(|event| self.has(event))
    }

    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let items = self.b.items.get(&self.sub).into_iter().flatten();
        items.filter_map(|item| if let Item::Gap(gap) = item { Some(gap.clone()) } else { None }).collect()
    }

    pub(crate) fn causes(&self) -> Vec<GapCause> {
        self.gaps().into_iter().map(|gap| gap.cause).collect()
    }

    pub(crate) fn is_caught_up(&self) -> bool {
        matches!(self.causes().last(), Some(GapCause::CaughtUp { .. }))
    }
}

/// So many notes in a row, the first one so many seconds after the start.
pub(crate) fn many(from: i64, count: i64) -> Vec<Event> {
    (0..count).map(|n| at(from + n, &format!("{from}+{n}"))).collect()
}
