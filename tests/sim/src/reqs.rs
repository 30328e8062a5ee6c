//! What has to hold of requests: what they ask for, how many pages run at once, and how far back a catch-up looks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nostr_pool_core::{Config, LegState, SocketId, SubId};
use nostr_proto::RelayUrl;
use serde_json::Value;

use super::answers::is_like;
use super::sub::Sub;

/// A request as it was sent.
#[derive(Debug)]
struct Request {
    relay: RelayUrl,
    filters: Vec<Value>,
    /// When, by the device's wall clock.
    sent: u64,
    /// Whether its EOSE came.
    eose: bool,
    /// The one that a subscription lives on; every other one is a page, or fetches what forgers crowded out.
    main: bool,
}

/// A page that was asked for: its request, the filter in it, and the relay.
type Page = ((SocketId, String), String, RelayUrl);

/// See the module.
#[derive(Debug)]
pub(super) struct Reqs {
    known: BTreeMap<(SocketId, String), Request>,
    /// Those that were sent and not looked at, in order.
    fresh: VecDeque<(SocketId, String)>,
    /// Pages that run.
    pages: BTreeMap<SocketId, BTreeSet<String>>,
    max_pages_at_once: usize,
    /// The newest moment, by the device's wall clock, at which something went out that was answered.
    proven: BTreeMap<RelayUrl, u64>,
    /// Pings that are not answered: when each went out.
    pings: BTreeMap<(SocketId, RelayUrl), VecDeque<u64>>,
    /// The running request of each leg.
    mains: BTreeMap<(SubId, RelayUrl), (SocketId, String)>,
    /// Relays that were told who is asking: they may have to be asked for everything once more.
    told: BTreeSet<RelayUrl>,
    /// How far back a catch-up has to look, in seconds.
    reach: u64,
}

impl Reqs {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            known: BTreeMap::new(),
            fresh: VecDeque::new(),
            pages: BTreeMap::new(),
            max_pages_at_once: config.max_pages_at_once,
            proven: BTreeMap::new(),
            pings: BTreeMap::new(),
            mains: BTreeMap::new(),
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
        match message.first().and_then(Value::as_str) {
            Some("REQ") => {
                let filters: Vec<Value> = message.into_iter().skip(2).collect();
                let over = |f: &Value| f["since"].as_u64().zip(f["until"].as_u64()).is_some_and(|(s, u)| s > u);
                if filters.is_empty() || filters.iter().any(over) {
                    return Err("a request asks for something");
                }
                self.fresh.push_back((socket, name.clone()));
                let request = Request { relay: relay.clone(), filters, sent: unix, eose: false, main: false };
                self.known.insert((socket, name), request);
            }
            Some("CLOSE") => self.ended(socket, &name),
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
    pub(super) fn leg(&mut self, id: SubId, sub: &Sub, relay: &RelayUrl, state: &LegState) -> Result<(), &'static str> {
        match state {
            LegState::Requested => self.requested(id, sub, relay),
            LegState::Live => {
                let main = self.mains.get(&(id, relay.clone())).and_then(|name| self.known.get(name));
                let nothing_stored = sub.wanted.iter().all(|filter| filter["limit"] == 0);
                match main {
                    Some(main) if !main.eose && !nothing_stored => Err("a leg is live after its own EOSE"),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn requested(&mut self, id: SubId, sub: &Sub, relay: &RelayUrl) -> Result<(), &'static str> {
        let is_its = |key: &(SocketId, String)| {
            self.known.get(key).is_some_and(|request| {
                request.relay == *relay
                    && request.filters.iter().all(|f| sub.wanted.iter().any(|wanted| is_like(f, wanted)))
            })
        };
        // What another subscription was sent may look like it. A first load asks for what is wanted to the letter; only a
        // page ends where the filter does not.
        let first_load = !sub.live_since.contains_key(relay);
        let same = |f: &Value, wanted: &Value| if first_load { f == wanted } else { f["until"] == wanted["until"] };
        let is_closest = |key: &(SocketId, String)| {
            let is_same = |f: &Value| sub.wanted.iter().any(|wanted| is_like(f, wanted) && same(f, wanted));
            is_its(key) && self.known.get(key).is_some_and(|request| request.filters.iter().all(is_same))
        };
        let found = self.fresh.iter().position(is_closest).or_else(|| self.fresh.iter().position(is_its));
        let Some(at) = found else { return Err("a leg is asked by a request") };
        let Some(key) = self.fresh.remove(at) else { return Ok(()) };
        self.mains.insert((id, relay.clone()), key.clone());
        let Some(request) = self.known.get_mut(&key) else { return Ok(()) };
        request.main = true;
        if !sub.live_since.contains_key(relay) || self.told.contains(relay) {
            return Ok(());
        }
        let proven = self.proven.get(relay).copied().unwrap_or_default();
        for filter in &request.filters {
            let wanted = sub.wanted.iter().find(|wanted| is_like(filter, wanted));
            if filter.get("limit").is_some() {
                return Err("a limit is for the first load alone");
            }
            let own = wanted.and_then(|wanted| wanted["since"].as_u64()).unwrap_or_default();
            let since = filter["since"].as_u64().unwrap_or_default();
            if since > own.max(proven.saturating_sub(self.reach)) {
                return Err("a catch-up looks back from what was proven");
            }
        }
        Ok(())
    }

    /// Everything was told that is to be told: what no subscription lives on is a page, or fetches by id.
    /// Returns the pages, what they ask for, and whom.
    pub(super) fn settled(&mut self, unix: u64) -> Result<Vec<Page>, &'static str> {
        let mut pages = Vec::new();
        while let Some(key) = self.fresh.pop_front() {
            let Some(request) = self.known.get(&key) else { continue };
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
            if running.len() > self.max_pages_at_once {
                return Err("no more pages run at a relay than may");
            }
        }
        Ok(pages)
    }
}

/// Events may be dated ahead, and a page goes on from the oldest of another.
const AHEAD: u64 = 200_000;
