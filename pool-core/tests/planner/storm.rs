//! Whatever is asked for, refused, lost and taken back at a relay of few places: its limits are kept, nobody gets what it did not
//! ask for or anything twice, what is new reaches all who are live, and in the end everybody is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{ClientMessage, Event, EventTemplate, Filter, Kind};
use proptest::prelude::*;
use proptest::sample::Index;

use super::bench::*;
use super::common::*;

#[derive(Clone, Debug)]
enum Op {
    Subscribe(Asks),
    Update(Index, Vec<Filter>),
    Unsubscribe(Index),
    /// A REQ that runs is answered.
    Answer(Index),
    Refuse(Index, &'static str),
    /// Something new, by one of four authors and of one of four kinds.
    Push(u8, u8),
    /// A REQ that runs brings an event that can't be read, or that nobody signed.
    Spoil(Index, bool),
    Lose,
    Pass,
    /// The sink takes so many frames, where it is slow.
    Take(u8),
    /// The relay says that it takes so many REQs, and filters in each.
    Says(usize, usize),
}

#[derive(Clone, Debug)]
struct Asks {
    filters: Vec<Filter>,
    fetches: bool,
    all: bool,
    group: Group,
}

const REFUSALS: [&str; 6] = [
    "error: x",
    "rate-limited: x",
    "blocked: x",
    "auth-required: x",
    "error: too many filters",
    "error: too many concurrent REQs",
];

/// Regular ones, that no relay hides.
const KINDS: [u16; 4] = [1, 6, 7, 8];

fn filter() -> impl Strategy<Value = Filter> {
    let some = || proptest::collection::btree_set(0..4_u8, 0..3);
    (some(), some(), prop::option::weighted(0.2, 1..20_u32)).prop_map(|(authors, kinds, limit)| {
        let filter = authors.into_iter().fold(Filter::new(), |filter, n| filter.author(keys(1 + n).public_key()));
        let kind = |n: u8| Kind::new(KINDS[usize::from(n)]);
        let filter = kinds.into_iter().fold(filter, |filter, n| filter.kind(kind(n)));
        Filter { limit, ..filter }
    })
}

fn filters() -> impl Strategy<Value = Vec<Filter>> {
    proptest::collection::vec(filter(), 1..6)
}

fn asking() -> impl Strategy<Value = Asks> {
    let group = prop_oneof![
        Just(Group::Tick),
        Just(Group::Alone),
        Just(Group::AtLeast(Duration::from_millis(500))),
        Just(Group::AtMost(Duration::from_millis(500)))
    ];
    let weighted = prop::bool::weighted;
    (filters(), weighted(0.25), weighted(0.25), group).prop_map(|(filters, fetches, all, group)| Asks {
        filters,
        fetches,
        all,
        group,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let nth = any::<Index>;
    prop_oneof![
        2 => asking().prop_map(Op::Subscribe),
        1 => (nth(), filters()).prop_map(|(n, filters)| Op::Update(n, filters)),
        1 => nth().prop_map(Op::Unsubscribe),
        8 => nth().prop_map(Op::Answer),
        2 => (nth(), 0..REFUSALS.len()).prop_map(|(n, why)| Op::Refuse(n, REFUSALS[why])),
        4 => (0..4_u8, 0..4_u8).prop_map(|(author, kind)| Op::Push(author, kind)),
        1 => (nth(), any::<bool>()).prop_map(|(n, unsigned)| Op::Spoil(n, unsigned)),
        1 => Just(Op::Lose),
        6 => Just(Op::Pass),
        8 => (1..4_u8).prop_map(Op::Take),
        1 => (1..6_usize, 1..5_usize).prop_map(|(reqs, filters)| Op::Says(reqs, filters)),
    ]
}

fn event(author: u8, kind: u8, text: &str, at: i64) -> Event {
    let template = EventTemplate::new(Kind::new(KINDS[usize::from(kind)]), text, second(at));
    template.unsigned(keys(1 + author).public_key()).sign(&keys(1 + author), [0; 32])
}

/// What a relay of these limits has, and what it was asked for.
struct Scene {
    b: Bench,
    /// What runs already may be as many as once were.
    most_reqs: usize,
    filters: usize,
    cap: usize,
    stored: Vec<Event>,
    running: BTreeMap<String, Vec<Filter>>,
    unanswered: Vec<String>,
    seen: usize,
    closed: usize,
    /// All that a subscription ever asked for, and what it asks for now.
    subs: BTreeMap<SubId, (Vec<Filter>, Vec<Filter>)>,
    fetches: BTreeSet<SubId>,
    pushed: usize,
}

impl Scene {
    fn new(reqs: usize, filters: usize, cap: usize) -> Self {
        let of = |n: u8| event(n % 4, n / 4 % 4, &format!("{n}"), i64::from(n) - 10_000);
        let mut scene = Self {
            b: away_with(Config { send_credits: 2, ..Config::default() }),
            most_reqs: reqs,
            filters,
            cap,
            stored: (0..32).map(of).collect(),
            running: BTreeMap::new(),
            unanswered: Vec::new(),
            seen: 0,
            closed: 0,
            subs: BTreeMap::new(),
            fetches: BTreeSet::new(),
            pushed: 0,
        };
        scene.says(reqs);
        back(&mut scene.b);
        scene
    }

    fn says(&mut self, reqs: usize) {
        let filters = self.filters;
        let limits = format!("\"max_subscriptions\":{reqs},\"max_filters\":{filters},\"max_message_length\":1024");
        says(&mut self.b, &format!("{{{limits}}}"));
    }

    fn hears(&mut self, frame: &str) {
        let socket = *self.b.sockets.last().unwrap();
        self.b.core.handle_input(Input::Text { socket, frame }, self.b.now());
        self.b.drain();
    }

    /// What went out.
    fn look(&mut self) -> Result<(), TestCaseError> {
        for (_, frame) in self.b.requests.get(self.seen..).unwrap_or_default() {
            prop_assert!(frame.len() <= 1_024, "{} bytes", frame.len());
            let message = ClientMessage::from_json(frame).unwrap();
            let ClientMessage::Req { subscription, filters } = message else { panic!("it is a REQ") };
            prop_assert!(filters.len() <= self.filters, "{} filters", filters.len());
            self.running.insert(subscription.to_string(), filters);
            self.unanswered.push(subscription.to_string());
        }
        for (_, name) in self.b.closes.get(self.closed..).unwrap_or_default() {
            self.running.remove(name);
        }
        (self.seen, self.closed) = (self.b.requests.len(), self.b.closes.len());
        self.unanswered.retain(|name| self.running.contains_key(name));
        let socket = self.b.sockets.last().unwrap();
        let at_once = self.b.running.get(socket).map_or(0, Vec::len);
        prop_assert!(at_once <= self.most_reqs, "{at_once} REQs at once");
        Ok(())
    }

    fn answer(&mut self, name: &str) {
        let mut found: Vec<&Event> = Vec::new();
        for filter in self.running.get(name).into_iter().flatten() {
            let most = filter.limit.map_or(self.cap, |limit| self.cap.min(limit as usize));
            // The last ones are the newest.
            found.extend(self.stored.iter().rev().filter(|event| filter.matches(event)).take(most));
        }
        let frames: Vec<String> =
            found.into_iter().map(|event| format!("[\"EVENT\",\"{name}\",{}]", event.to_json())).collect();
        frames.iter().for_each(|frame| self.hears(frame));
        self.b.decide_all();
        self.hears(&format!("[\"EOSE\",\"{name}\"]"));
    }

    fn nth_running(&self, n: Index) -> Option<String> {
        (!self.running.is_empty()).then(|| self.running.keys().nth(n.index(self.running.len())).unwrap().clone())
    }

    fn step(&mut self, op: Op) -> Result<(), TestCaseError> {
        let nth = |n: Index| self.subs.keys().nth(n.index(self.subs.len().max(1))).copied();
        match op {
            Op::Subscribe(asks) => self.subscribe(asks),
            Op::Update(n, filters) => {
                let Some(sub) = nth(n).filter(|sub| !self.fetches.contains(sub)) else { return Ok(()) };
                self.b.call(Call::Update { sub, filters: filters.clone() });
                let (ever, now) = self.subs.get_mut(&sub).unwrap();
                ever.extend(filters.clone());
                *now = filters;
            }
            Op::Unsubscribe(n) => {
                let Some(sub) = nth(n).filter(|sub| !self.fetches.contains(sub)) else { return Ok(()) };
                self.b.call(Call::Unsubscribe { sub });
                self.subs.remove(&sub);
            }
            Op::Answer(n) if !self.unanswered.is_empty() => {
                let name = self.unanswered.remove(n.index(self.unanswered.len()));
                self.answer(&name);
            }
            Op::Refuse(n, why) => {
                let Some(name) = self.nth_running(n) else { return Ok(()) };
                self.running.remove(&name);
                let socket = *self.b.sockets.last().unwrap();
                self.b.running.get_mut(&socket).unwrap().retain(|other| *other != name);
                self.hears(&format!("[\"CLOSED\",\"{name}\",\"{why}\"]"));
            }
            Op::Push(author, kind) => self.push(author, kind)?,
            Op::Spoil(n, unsigned) => {
                let Some(name) = self.nth_running(n) else { return Ok(()) };
                let json = event(0, 0, "spoilt", 0).to_json();
                let json = if unsigned { json.replace("spoilt", "spoiled") } else { json.replace(":1,", ":1.5,") };
                self.hears(&format!("[\"EVENT\",\"{name}\",{json}]"));
            }
            Op::Lose => self.reconnect(),
            Op::Take(frames) => {
                for _ in 0..frames {
                    self.b.take_one();
                    self.look()?;
                }
            }
            Op::Says(reqs, filters) => {
                self.most_reqs = self.most_reqs.max(reqs);
                self.filters = filters;
                self.says(reqs);
            }
            Op::Answer(_) | Op::Pass => self.b.pass(1),
        }
        self.look()
    }

    fn subscribe(&mut self, Asks { filters, fetches, all, group }: Asks) {
        let mode = if fetches { Mode::UntilEose } else { Mode::Live };
        let history = if all { History::All } else { History::FirstLoad };
        let request = Subscribe { filters: filters.clone(), mode, history, group, ..Subscribe::default() };
        let Reply::Subscribed(id) = self.b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        self.subs.insert(id, (filters.clone(), filters));
        self.fetches.extend(fetches.then_some(id));
    }

    /// Whoever is live gets it.
    fn push(&mut self, author: u8, kind: u8) -> Result<(), TestCaseError> {
        self.pushed += 1;
        let event = event(author, kind, &format!("pushed {}", self.pushed), (self.b.unix - START) as i64);
        let wants = |filters: &[Filter]| filters.iter().any(|filter| filter.matches(&event));
        let live = |sub: &SubId| !self.fetches.contains(sub) && state(&self.b, *sub) == LegState::Live;
        let takers = self.subs.iter().filter(|(sub, (_, now))| live(sub) && wants(now)).map(|(sub, _)| *sub);
        let takers: Vec<SubId> = takers.collect();
        let reqs: Vec<String> =
            self.running.iter().filter(|(_, filters)| wants(filters)).map(|(name, _)| name.clone()).collect();
        reqs.iter().for_each(|name| self.hears(&format!("[\"EVENT\",\"{name}\",{}]", event.to_json())));
        self.b.decide_all();
        for sub in takers {
            let has = self.b.events(sub).iter().any(|item| item.event.id() == event.id());
            prop_assert!(has, "{sub} is live, and lacks {}", event.to_json());
        }
        Ok(())
    }

    fn reconnect(&mut self) {
        let socket = *self.b.sockets.last().unwrap();
        let reason = CloseReason::Remote { code: 1000, reason: String::new() };
        self.b.core.handle_input(Input::Closed { socket, reason }, self.b.now());
        (self.seen, self.closed) = (self.b.requests.len(), self.b.closes.len());
        self.running.clear();
        self.unanswered.clear();
        self.b.untaken.clear();
        self.b.drain();
        self.b.call(Call::Connect { which: Which::All });
        while *self.b.sockets.last().unwrap() == socket {
            self.b.pass(1);
        }
    }

    /// Nobody has what it never asked for, or anything twice.
    fn check(&self) -> Result<(), TestCaseError> {
        for (sub, (ever, _)) in &self.subs {
            let events = self.b.events(*sub);
            let ids: BTreeSet<_> = events.iter().map(|item| item.event.id()).collect();
            prop_assert_eq!(ids.len(), events.len(), "{} has something twice", sub);
            let asked_for = |item: &EventItem| ever.iter().any(|filter| filter.matches(&item.event));
            prop_assert!(events.iter().all(asked_for), "{} has what it did not ask for", sub);
        }
        Ok(())
    }

    /// Every event that came had one fate.
    fn check_books(&self) -> Result<(), TestCaseError> {
        let (c, verified) = (self.b.core.relay(&url(0)).unwrap().counters, self.b.core.stats().verified);
        let fates = verified + c.duplicates + c.forged + c.unmatched + c.dropped + c.expired + c.excess;
        // What could not be read is garbage, and came for a REQ perhaps.
        prop_assert!(fates <= c.events && c.events <= fates + c.garbage, "{c:?}, {verified} verified");
        Ok(())
    }

    /// Whether it was answered since then, or refused for good, or is over.
    fn is_answered(&self, sub: SubId, since: usize) -> bool {
        let items = self.b.items.get(&sub).map(Vec::as_slice).unwrap_or_default();
        let ends =
            |item: &Item| matches!(item, Item::Leg { state: LegState::Live | LegState::Closed(_), .. } | Item::End(_));
        let now = items.iter().rev().any(|item| ends(item) && matches!(item, Item::End(_)));
        let last = items.iter().rev().find_map(|item| match item {
            Item::Leg { state, .. } => Some(state),
            _ => None,
        });
        now || items.get(since..).unwrap_or_default().iter().any(ends)
            || matches!(last, Some(LegState::Live | LegState::Closed(_)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_limits_are_kept_and_everybody_is_answered(
        (reqs, filters, cap) in (1..6_usize, 2..5_usize, 1..40_usize),
        slow in any::<bool>(),
        first in proptest::collection::vec(asking(), 1..8),
        ops in proptest::collection::vec(op(), 0..120),
    ) {
        let mut scene = Scene::new(reqs, filters, cap);
        scene.b.slow = slow;
        first.into_iter().for_each(|asks| scene.subscribe(asks));
        scene.look()?;
        for op in ops {
            scene.step(op)?;
        }
        scene.check()?;
        // From now on the relay does what it is asked.
        scene.b.slow = false;
        while scene.b.take_one() {}
        scene.look()?;
        let since: BTreeMap<SubId, usize> =
            scene.subs.keys().map(|sub| (*sub, scene.b.items.get(sub).map_or(0, Vec::len))).collect();
        for _ in 0..400 {
            while let Some(name) = scene.unanswered.pop() {
                scene.answer(&name);
                scene.look()?;
            }
            if scene.subs.keys().all(|sub| scene.is_answered(*sub, since[sub])) {
                break;
            }
            scene.b.pass(1);
            scene.look()?;
        }
        for sub in scene.subs.keys() {
            prop_assert!(scene.is_answered(*sub, since[sub]), "{} was never answered", sub);
        }
        scene.check()?;
        scene.check_books()?;
        // And nothing is left of them.
        for sub in scene.subs.keys().copied().collect::<Vec<_>>() {
            let _ = scene.b.core.handle_call(Call::Unsubscribe { sub }, scene.b.now());
            scene.b.drain();
        }
        scene.b.pass(2);
        let socket = *scene.b.sockets.last().unwrap();
        let left = scene.b.running.get(&socket).cloned().unwrap_or_default();
        prop_assert!(left.is_empty() || !scene.b.opened.values().any(|open| *open == socket), "{left:?} goes on");
    }
}
