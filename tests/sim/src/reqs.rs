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

/// A leg that was said to be asked.
#[derive(Debug)]
struct Asked {
    sub: SubId,
    relay: RelayUrl,
    wanted: Vec<Value>,
    /// It never came to an EOSE.
    first_load: bool,
    /// The relay was told who is asking: it may have to be asked for everything once more.
    known: bool,
}

impl Asked {
    /// Whether this may be its request: a filter for each of its own, about the same.
    fn is_like(&self, request: &Request) -> bool {
        request.relay == self.relay
            && request.filters.len() == self.wanted.len()
            && request.filters.iter().zip(&self.wanted).all(|(f, wanted)| is_like(f, wanted))
    }

    /// Whether it well is: a first load asks for what is wanted to the letter, and only a page ends where the filter does not.
    fn is_closest(&self, request: &Request) -> bool {
        let same = |(f, wanted): (&Value, &Value)| match (self.first_load, self.known) {
            (true, _) => f == wanted,
            (false, known) => f["until"] == wanted["until"] && (known || f.get("limit").is_none()),
        };
        self.is_like(request) && request.filters.iter().zip(&self.wanted).all(same)
    }
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
            asked: Vec::new(),
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

    /// Whose live request it is.
    pub(super) fn leg_of(&self, socket: SocketId, name: &str) -> Option<(SubId, &RelayUrl)> {
        let is_it = |(_, (of, own)): &(&(SubId, RelayUrl), &(SocketId, String))| *of == socket && own == name;
        self.mains.iter().find(is_it).map(|((sub, relay), _)| (*sub, relay))
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
            LegState::Requested => {
                let (wanted, relay) = (sub.wanted.clone(), relay.clone());
                let (first_load, known) = (!sub.live_since.contains_key(&relay), self.told.contains(&relay));
                self.asked.push(Asked { sub: id, relay, wanted, first_load, known });
                Ok(())
            }
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

    /// The requests of the legs that were said to be asked, in the order in which that was said: pages lie between them, and
    /// what one subscription is sent may look like what another is.
    fn give_requests(&mut self) -> Result<(), &'static str> {
        let asked = std::mem::take(&mut self.asked);
        let score = |one: &Asked, key: &(SocketId, String)| {
            let request = self.known.get(key).filter(|request| one.is_like(request))?;
            Some(1 + usize::from(one.is_closest(request)))
        };
        // best[n][at]: how well those from the nth on can be found from that place on.
        let mut best = vec![vec![None; self.fresh.len() + 1]; asked.len()];
        best.push(vec![Some(0); self.fresh.len() + 1]);
        for n in (0..asked.len()).rev() {
            for at in (0..self.fresh.len()).rev() {
                let here = score(&asked[n], &self.fresh[at]).zip(best[n + 1][at + 1]).map(|(one, rest)| one + rest);
                best[n][at] = here.max(best[n][at + 1]);
            }
        }
        let mut at = 0;
        for (n, one) in asked.iter().enumerate() {
            let Some(whole) = best[n][at] else { return Err("a leg is asked by a request") };
            while best[n][at + 1] == Some(whole) {
                at += 1;
            }
            let Some(key) = self.fresh.get(at).cloned() else { return Err("a leg is asked by a request") };
            self.check(one, &key)?;
            at += 1;
        }
        self.fresh.retain(|key| self.known.get(key).is_none_or(|request| !request.main));
        Ok(())
    }

    fn check(&mut self, asked: &Asked, key: &(SocketId, String)) -> Result<(), &'static str> {
        self.mains.insert((asked.sub, asked.relay.clone()), key.clone());
        let Some(request) = self.known.get_mut(key) else { return Ok(()) };
        request.main = true;
        if asked.first_load || asked.known {
            return Ok(());
        }
        let proven = self.proven.get(&asked.relay).copied().unwrap_or_default();
        for (filter, wanted) in request.filters.iter().zip(&asked.wanted) {
            if filter.get("limit").is_some() {
                return Err("a limit is for the first load alone");
            }
            let own = wanted["since"].as_u64().unwrap_or_default();
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
        self.give_requests()?;
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
