//! What has to hold of requests: what they ask for, how many pages run at once, and how far back a catch-up looks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nostr_pool_core::{Config, Instant, LegState, SocketId, SubId, Why};
use nostr_proto::RelayUrl;
use serde_json::Value;

use super::answers::covers;
use super::given::{give, has_twin, number};
use super::parts::pages as pages_of;
use super::site::Site;
use super::sub::Sub;

/// A request as it was sent.
#[derive(Debug)]
pub(super) struct Request {
    relay: RelayUrl,
    pub(super) filters: Vec<Value>,
    /// When, by the device's wall clock.
    sent: u64,
    /// Whether its EOSE came, and how many events before it.
    eose: bool,
    events: usize,
    /// It was closed.
    pub(super) closed: bool,
    /// The subscriptions that live on it; every other one is a page, or fetches what forgers crowded out.
    legs: Vec<SubId>,
    /// How many names were used up until the next request of the pool, if there was one.
    pub(super) names: Option<u64>,
}

/// A page that was asked for: its request, the filter in it, and the relay.
type Page = ((SocketId, String), String, RelayUrl);

/// A leg that was said to be asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    sub: SubId,
    relay: RelayUrl,
    /// What it wants; and every pair of that, which may lie in different requests.
    pub(super) filters: Vec<Value>,
    wanted: Vec<Value>,
    /// It never came to an EOSE that took effect; and whether one came.
    first_load: bool,
    heard: bool,
    /// The relay was told who is asking: it may have to be asked for everything once more.
    known: bool,
    /// What a relay has that it does not give at once is made up for in pages: it may be, and it is from the first answer on.
    pages: bool,
    all: bool,
    /// It was not to be asked after all when it had been: its request may go on for others, or be closed.
    pub(super) withdrawn: bool,
}

impl Asked {
    /// Whether this filter of a request may be for that one of its own: it asks for all of it.
    fn is_for(&self, f: &Value, wanted: &Value) -> bool {
        self.is_dated_for(f, wanted) && covers(f, wanted)
    }

    /// Whether its dates and its limit are right for that.
    fn is_dated_for(&self, f: &Value, wanted: &Value) -> bool {
        let first = || ["since", "until", "limit"].iter().all(|field| f[field] == wanted[field]);
        let later = || f["until"] == wanted["until"] && f.get("limit").is_none();
        self.known || (self.first_load && first()) || ((!self.first_load || self.heard) && later())
    }

    fn is_asked_by(&self, request: &Request, wanted: &Value) -> bool {
        request.filters.iter().any(|f| self.is_for(f, wanted))
    }

    /// Whether a request asks for something that this leg wants; and for all of it.
    pub(super) fn is_served_by(&self, request: &Request) -> (bool, bool) {
        let served = self.wanted.iter().filter(|wanted| self.is_asked_by(request, wanted)).count();
        (served > 0 && request.relay == self.relay, served == self.wanted.len())
    }

    /// Whether a request is what this leg would be asked by alone.
    pub(super) fn is_own(&self, request: &Request) -> bool {
        let same = |(f, wanted): (&Value, &Value)| self.is_for(f, wanted) && covers(wanted, f);
        request.filters.len() == self.filters.len() && request.filters.iter().zip(&self.filters).all(same)
    }
}

/// Every pair of a kind and an author that a filter asks for; `None` is any.
pub(super) fn pairs(filter: &Value) -> Vec<Value> {
    let each = |field: &str| match filter.get(field).and_then(Value::as_array) {
        None => vec![None],
        Some(list) => list.iter().map(|one| Some(Value::Array(vec![one.clone()]))).collect(),
    };
    let mut pairs = Vec::new();
    for kind in each("kinds") {
        for author in each("authors") {
            let mut pair = filter.clone();
            for (field, one) in [("kinds", &kind), ("authors", &author)] {
                if let Some(one) = one {
                    pair[field] = one.clone();
                }
            }
            pairs.push(pair);
        }
    }
    pairs
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reqs {
    known: BTreeMap<(SocketId, String), Request>,
    /// Those that were sent and not looked at, in order.
    fresh: VecDeque<(SocketId, String)>,
    /// Legs that were said to be asked, of which it is not known by which request.
    asked: Vec<Asked>,
    /// Pages that run.
    pages: BTreeMap<SocketId, BTreeSet<String>>,
    max_pages_at_once: usize,
    /// The newest moment, by the device's wall clock, at which something went out that was answered.
    proven: BTreeMap<RelayUrl, u64>,
    /// Pings that are not answered: when each went out.
    pings: BTreeMap<(SocketId, RelayUrl), VecDeque<u64>>,
    /// The running requests of each leg.
    mains: BTreeMap<(SubId, RelayUrl), Vec<(SocketId, String)>>,
    /// Legs that were said to be asked and not to be past their EOSE.
    open: BTreeMap<(SubId, RelayUrl), Asked>,
    /// Legs to whose request an EOSE came, whether or not it took effect.
    heard: BTreeSet<(SubId, RelayUrl)>,
    /// Legs that run, past their EOSE or not.
    running: BTreeSet<(SubId, RelayUrl)>,
    /// Legs that have no place among the requests of their relay, and since when.
    placeless: BTreeMap<(SubId, RelayUrl), Instant>,
    /// When each leg last gave way to others: where there are more than their relay takes, they take turns.
    turns: BTreeMap<(SubId, RelayUrl), Instant>,
    /// Requests that were closed and not looked at.
    closed: Vec<(SocketId, String)>,
    /// What the last request was called, COUNT or REQ.
    last: Option<((SocketId, String), u64)>,
    /// So many stored events an answer has at least if the relay has them, as far as is known.
    caps: BTreeMap<RelayUrl, usize>,
    /// Relays that were told who is asking: they may have to be asked for everything once more.
    told: BTreeSet<RelayUrl>,
    /// How far back a catch-up has to look, in seconds.
    reach: u64,
}

impl Reqs {
    pub(super) fn new(config: &Config, sites: &[Site]) -> Self {
        let caps = sites.iter().filter(|site| site.honest).filter_map(|site| Some((site.url.clone(), site.cap?)));
        Self {
            known: BTreeMap::new(),
            fresh: VecDeque::new(),
            asked: Vec::new(),
            pages: BTreeMap::new(),
            max_pages_at_once: config.max_pages_at_once,
            proven: BTreeMap::new(),
            pings: BTreeMap::new(),
            mains: BTreeMap::new(),
            open: BTreeMap::new(),
            running: BTreeSet::new(),
            heard: BTreeSet::new(),
            placeless: BTreeMap::new(),
            turns: BTreeMap::new(),
            closed: Vec::new(),
            last: None,
            caps: caps.collect(),
            told: BTreeSet::new(),
            reach: config.late_window.as_secs() + config.skew.as_secs(),
        }
    }

    /// Another pool takes the place of the one that died: what was proven to that one is, if it was written down.
    pub(super) fn goes_on(&mut self, before: Self) {
        (self.proven, self.told) = (before.proven, before.told);
    }

    /// The pool sends a frame.
    pub(super) fn sent(
        &mut self,
        socket: SocketId,
        relay: &RelayUrl,
        frame: &str,
        unix: u64,
    ) -> Result<(), &'static str> {
        let Ok(Value::Array(message)) = serde_json::from_str(frame) else { return Ok(()) };
        let name = message.get(1).and_then(Value::as_str).unwrap_or_default().to_owned();
        let verb = message.first().and_then(Value::as_str);
        if let (Some("REQ" | "COUNT"), Some(number)) = (verb, number(&name))
            && let Some((before, its)) = self.last.replace(((socket, name.clone()), number))
            && let Some(before) = self.known.get_mut(&before)
        {
            before.names = number.checked_sub(its);
        }
        match verb {
            Some("REQ") => {
                let filters: Vec<Value> = message.into_iter().skip(2).collect();
                let over = |f: &Value| f["since"].as_u64().zip(f["until"].as_u64()).is_some_and(|(s, u)| s > u);
                if filters.is_empty() || filters.iter().any(over) {
                    return Err("a request asks for something");
                }
                self.fresh.push_back((socket, name.clone()));
                let (relay, legs) = (relay.clone(), Vec::new());
                let (eose, closed) = (false, false);
                let request = Request { relay, filters, sent: unix, eose, events: 0, closed, legs, names: None };
                self.known.insert((socket, name), request);
            }
            Some("CLOSE") => {
                self.ended(socket, &name);
                let key = (socket, name);
                self.known.get_mut(&key).into_iter().for_each(|request| request.closed = true);
                self.closed.push(key);
            }
            Some("AUTH") => drop(self.told.insert(relay.clone())),
            _ => {}
        }
        Ok(())
    }

    /// Whether a relay was told who is asking.
    pub(super) fn knows_us(&self, relay: &RelayUrl) -> bool {
        self.told.contains(relay)
    }

    fn ended(&mut self, socket: SocketId, name: &str) {
        if let Some(pages) = self.pages.get_mut(&socket) {
            pages.remove(name);
        }
    }

    /// Whose request it is.
    pub(super) fn legs_of(&self, socket: SocketId, name: &str) -> Vec<(SubId, RelayUrl)> {
        let is_it = |names: &Vec<(SocketId, String)>| names.iter().any(|(of, own)| *of == socket && own == name);
        self.mains.iter().filter(|(_, names)| is_it(names)).map(|(leg, _)| leg.clone()).collect()
    }

    /// A subscription has other filters, ends, or has no room for news of its legs.
    pub(super) fn forgets(&mut self, sub: SubId) {
        self.mains.retain(|(of, _), _| *of != sub);
        self.open.retain(|(of, _), _| *of != sub);
        self.running.retain(|(of, _)| *of != sub);
        self.heard.retain(|(of, _)| *of != sub);
        self.placeless.retain(|(of, _), _| *of != sub);
        self.turns.retain(|(of, _), _| *of != sub);
        self.withdrawn(|asked| asked.sub == sub);
    }

    /// These are not to be asked after all.
    fn withdrawn(&mut self, these: impl Fn(&Asked) -> bool) {
        self.asked.iter_mut().filter(|asked| these(asked)).for_each(|asked| asked.withdrawn = true);
    }

    /// Nobody waits for a place for ever: others make room in turn. `lag`: for how long nothing was read lately.
    pub(super) fn timed(&self, now: Instant, lag: Duration) -> Result<(), String> {
        let late = self.placeless.iter().find(|(_, since)| **since + PLACE + lag < now);
        late.map_or(Ok(()), |((sub, relay), _)| Err(format!("whoever has no place gets one in time: {sub} at {relay}")))
    }

    /// Whether a leg gave way to others lately: it may not have its place again before all of them had their turn, and what
    /// it missed meanwhile is not made up for before that.
    pub(super) fn gave_way(&self, sub: SubId, relay: &RelayUrl, now: Instant) -> bool {
        self.turns.get(&(sub, relay.clone())).is_some_and(|at| *at + PLACE > now)
    }

    /// A ping goes out.
    pub(super) fn pinged(&mut self, socket: SocketId, relay: &RelayUrl, unix: u64) {
        self.pings.entry((socket, relay.clone())).or_default().push_back(unix);
    }

    /// A pong comes in: the oldest ping is answered.
    pub(super) fn ponged(&mut self, socket: SocketId) {
        let Some(((_, relay), pings)) = self.pings.iter_mut().find(|((of, _), _)| *of == socket) else { return };
        if let Some(sent) = pings.pop_front() {
            let proven = self.proven.entry(relay.clone()).or_default();
            *proven = sent.max(*proven);
        }
    }

    /// A socket is gone.
    pub(super) fn gone(&mut self, socket: SocketId) {
        self.pages.remove(&socket);
        self.pings.retain(|(of, _), _| *of != socket);
    }

    /// A relay's message reaches the pool.
    pub(super) fn heard(&mut self, socket: SocketId, message: &Value) {
        let name = message[1].as_str().unwrap_or_default();
        let verb = message[0].as_str();
        if verb == Some("EVENT")
            && let Some(request) = self.known.get_mut(&(socket, name.to_owned())).filter(|request| !request.eose)
        {
            request.events += 1;
        }
        if !matches!(verb, Some("EOSE" | "CLOSED")) {
            return;
        }
        self.ended(socket, name);
        if let Some(request) = self.known.get_mut(&(socket, name.to_owned())) {
            request.eose |= verb == Some("EOSE");
            let proven = self.proven.entry(request.relay.clone()).or_default();
            *proven = request.sent.max(*proven);
        }
    }

    /// A relay's part in a subscription changed: what was just sent to it is its request.
    pub(super) fn leg(
        &mut self,
        id: SubId,
        sub: &Sub,
        relay: &RelayUrl,
        state: &LegState,
        now: Instant,
    ) -> Result<(), &'static str> {
        let leg = (id, relay.clone());
        match state {
            LegState::Waiting(Why::Slot) => {
                self.open.remove(&leg);
                self.running.remove(&leg);
                self.withdrawn(|asked| asked.sub == id && asked.relay == *relay);
                self.turns.insert(leg.clone(), now);
                self.placeless.entry(leg).or_insert(now);
                Ok(())
            }
            LegState::Requested => {
                self.placeless.remove(&leg);
                let (filters, relay) = (sub.wanted.clone(), relay.clone());
                let wanted = filters.iter().flat_map(pairs).collect();
                let first_load = !sub.live_since.contains_key(&relay);
                let known = self.told.contains(&relay) || sub.deaf;
                let (pages, all) = (sub.history || sub.resumed, sub.history);
                let before = self.mains.remove(&leg).unwrap_or_default();
                if before.iter().filter_map(|name| self.known.get(name)).any(|request| request.eose) {
                    self.heard.insert(leg.clone());
                }
                // One may have come before the process began anew.
                let heard = sub.resumed || self.heard.contains(&leg);
                let asked =
                    Asked { sub: id, relay, filters, wanted, first_load, heard, known, pages, all, withdrawn: false };
                if sub.live {
                    self.running.insert(leg.clone());
                }
                self.open.insert(leg, asked.clone());
                self.asked.push(asked);
                Ok(())
            }
            LegState::Live => {
                let Some(asked) = self.open.remove(&leg) else { return Ok(()) };
                let nothing_stored = sub.wanted.iter().all(|filter| filter["limit"] == 0);
                if nothing_stored { Ok(()) } else { self.is_answered(&leg, &asked) }
            }
            _ => {
                self.placeless.remove(&leg);
                self.open.remove(&leg);
                self.running.remove(&leg);
                self.withdrawn(|asked| asked.sub == id && asked.relay == *relay);
                Ok(())
            }
        }
    }

    /// A leg is past its EOSE: so are its requests, and what they had together with others was not cut short for those.
    fn is_answered(&self, leg: &(SubId, RelayUrl), asked: &Asked) -> Result<(), &'static str> {
        let names = self.mains.get(leg).map(Vec::as_slice).unwrap_or_default();
        let mains: Vec<&Request> = names.iter().filter_map(|name| self.known.get(name)).collect();
        let cap = self.caps.get(&leg.1).copied().unwrap_or(usize::MAX);
        // Those that want the same have the same answer between them.
        let wants_the_same =
            |sub: &SubId| self.open.get(&(*sub, leg.1.clone())).is_none_or(|other| other.wanted == asked.wanted);
        let whole = |one: &&&Request| {
            one.eose && (one.filters == asked.filters || one.events < cap || one.legs.iter().all(wants_the_same))
        };
        for wanted in &asked.wanted {
            // Of legs that want the same and were asked at once, it can't be told which request is whose.
            let at_once = |other: &Request| mains.iter().any(|one| one.relay == other.relay && one.sent == other.sent);
            let all = self.known.values().filter(|one| asked.is_asked_by(one, wanted));
            let own: Vec<&Request> = all.filter(|one| at_once(one)).collect();
            if !own.iter().any(|one| one.eose) {
                return Err("a leg is live after its own EOSE");
            }
            if asked.first_load && !asked.heard && !asked.known && !asked.pages && own.iter().filter(whole).count() == 0
            {
                return Err("what several are answered may be cut short for one, and is asked for again");
            }
        }
        Ok(())
    }

    /// The requests of the legs that were said to be asked, in the order in which that was said, which is that of the requests:
    /// pages lie between them, and what one subscription is sent may look like what another is.
    fn give_requests(&mut self) -> Result<(), &'static str> {
        let asked = std::mem::take(&mut self.asked);
        let fresh: Vec<&Request> = self.fresh.iter().filter_map(|key| self.known.get(key)).collect();
        let Some(found) = give(&asked, &fresh) else { return Err("a leg is asked by a request that is theirs alone") };
        let found: Vec<_> = found.into_iter().map(|at| Some(self.fresh[at?].clone())).collect();
        asked.iter().zip(found).try_for_each(|(one, key)| key.map_or(Ok(()), |key| self.check(one, &key)))
    }

    /// What is left may be for legs that were asked before: parts of what was too much for one request, and what several were
    /// answered together.
    fn give_more(&mut self) {
        for key in self.fresh.clone() {
            let Some(request) = self.known.get(&key).filter(|request| request.legs.is_empty()) else { continue };
            let of_this = |(sub, relay): &(SubId, RelayUrl)| {
                let names = self.mains.get(&(*sub, relay.clone()));
                names.is_some_and(|names| names.iter().any(|(socket, _)| *socket == key.0))
            };
            // No page has a limit.
            let limited = request.filters.iter().any(|filter| filter.get("limit").is_some());
            let again = |asked: &Asked| asked.known || !asked.all || asked.wanted.len() > 1 || limited;
            let asks = |(leg, asked): &(&(SubId, RelayUrl), &Asked)| {
                of_this(leg) && asked.is_served_by(request).0 && again(asked)
            };
            let legs: Vec<Asked> = self.open.iter().filter(asks).map(|(_, asked)| asked.clone()).collect();
            if !legs.is_empty() && asks_for_nothing_else(request, &legs) {
                for asked in &legs {
                    self.mains.entry((asked.sub, asked.relay.clone())).or_default().push(key.clone());
                }
                if let Some(request) = self.known.get_mut(&key) {
                    // Who else it is for is not known, where they ask for the same.
                    request.legs = legs.iter().map(|asked| asked.sub).collect();
                }
            }
        }
    }

    fn check(&mut self, asked: &Asked, key: &(SocketId, String)) -> Result<(), &'static str> {
        let Some(request) = self.known.get_mut(key) else { return Ok(()) };
        request.legs.push(asked.sub);
        if asked.withdrawn {
            return Ok(());
        }
        self.mains.entry((asked.sub, asked.relay.clone())).or_default().push(key.clone());
        if asked.first_load || asked.known {
            return Ok(());
        }
        let proven = self.proven.get(&asked.relay).copied().unwrap_or_default();
        for wanted in &asked.wanted {
            let own: Vec<&Value> = request.filters.iter().filter(|f| asked.is_for(f, wanted)).collect();
            let limit = wanted["since"].as_u64().unwrap_or_default().max(proven.saturating_sub(self.reach));
            if !own.is_empty() && own.iter().all(|f| f["since"].as_u64().unwrap_or_default() > limit) {
                return Err("a catch-up looks back from what was proven");
            }
        }
        Ok(())
    }

    /// What was closed is needed by nobody.
    fn check_closed(&mut self) -> Result<(), &'static str> {
        for key in std::mem::take(&mut self.closed) {
            let needs = |(leg, names): (&(SubId, RelayUrl), &Vec<(SocketId, String)>)| {
                self.running.contains(leg) && names.first() == Some(&key)
            };
            if self.mains.iter().any(needs) && !has_twin(&key, &self.known) {
                return Err("a request is closed when nobody needs it any more");
            }
        }
        Ok(())
    }

    /// Everything was told that is to be told: what no subscription lives on is a page, or fetches by id.
    /// Returns the pages, what they ask for, and whom. `bytes`: the longest message that a relay takes.
    pub(super) fn settled(&mut self, unix: u64, bytes: impl Fn(&RelayUrl) -> usize) -> Result<Vec<Page>, &'static str> {
        // What was sent and closed again at once is nobody's.
        let closed = &self.closed;
        self.fresh.retain(|key| !closed.contains(key));
        let asked = self.asked.clone();
        self.give_requests()?;
        self.give_more();
        self.check_closed()?;
        let mut pages = Vec::new();
        while let Some(key) = self.fresh.pop_front() {
            let Some(request) = self.known.get(&key) else { continue };
            if !request.legs.is_empty() {
                let own = asked.iter().chain(self.open.values()).filter(|one| one.relay == request.relay);
                if !asks_for_nothing_else(request, &own.cloned().collect::<Vec<_>>()) {
                    return Err("no request asks for what nobody asked for");
                }
                continue;
            }
            if request.filters.iter().any(|filter| filter.get("ids").is_some()) {
                continue;
            }
            let [filter] = &request.filters[..] else { return Err("a page has one filter") };
            if filter.get("limit").is_some() {
                return Err("a page has no limit");
            }
            if filter["until"].as_u64().is_some_and(|until| until > unix.saturating_add(AHEAD)) {
                return Err("a page ends in the past, or not at all");
            }
            let running = self.pages.entry(key.0).or_default();
            running.insert(key.1.clone());
            pages.push((key.clone(), filter.to_string(), request.relay.clone()));
            let known = running.iter().filter_map(|name| self.known.get(&(key.0, name.clone())));
            if pages_of(known.flat_map(|page| &page.filters), bytes(&request.relay)) > self.max_pages_at_once {
                return Err("no more pages run at a relay than may");
            }
        }
        Ok(pages)
    }
}

/// Whether each pair that a request asks for is wanted by one of these, to the same date, and every limit is some subscription's own.
/// By id the pool fetches what forgers crowded out, for nobody whom one could name.
pub(super) fn asks_for_nothing_else(request: &Request, legs: &[Asked]) -> bool {
    let of = |leg: &Asked, pair: &Value| leg.wanted.iter().any(|own| leg.is_dated_for(pair, own) && covers(own, pair));
    let wanted = |pair: &Value| legs.iter().any(|leg| of(leg, pair));
    let others = request.filters.iter().filter(|f| f.get("ids").is_none());
    others.flat_map(pairs).all(|pair| wanted(&pair))
}

/// Longer than all turns of the requests of a run together, pauses of slow relays included.
const PLACE: Duration = Duration::from_secs(400);

/// Events may be dated ahead, and a page goes on from the oldest of another.
const AHEAD: u64 = 200_000;
