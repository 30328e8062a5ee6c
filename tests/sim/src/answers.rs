//! What has to hold of answers: when a relay's EOSE counts, all that it sent before, for that request, was delivered.

use std::collections::BTreeMap;

use nostr_pool_core::{Instant, SocketId};
use nostr_proto::{Event, EventId, RelayUrl};
use serde_json::Value;

use super::reqs::pairs;
use super::sub::matches;

/// A request and what reached the pool of its answer.
#[derive(Debug)]
struct Answer {
    relay: RelayUrl,
    filters: Vec<Value>,
    asked: Instant,
    events: BTreeMap<EventId, Value>,
    eose: bool,
}

/// Every request of a run.
#[derive(Debug, Default)]
pub(super) struct Answers {
    known: BTreeMap<(SocketId, String), Answer>,
    /// Signature and content of every event that is no forgery.
    genuine: BTreeMap<String, (String, String)>,
    /// The whole of each.
    made: BTreeMap<EventId, String>,
}

impl Answers {
    /// What was made, and nothing of who asked for it.
    pub(super) fn without_requests(self) -> Self {
        Self { known: BTreeMap::new(), ..self }
    }

    /// An author made this event.
    pub(super) fn made(&mut self, event: &Event) {
        let made = (event.signature().to_string(), event.content().to_owned());
        self.genuine.insert(event.id().to_string(), made);
        self.made.insert(event.id(), event.to_json());
    }

    /// Whether an author made this very event.
    pub(super) fn is_made(&self, id: &EventId, text: &str) -> bool {
        self.made.get(id).is_some_and(|made| made == text)
    }

    /// Whether an author made what this claims to be.
    pub(super) fn is_genuine(&self, event: &Value) -> bool {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        self.genuine.get(text("id")).is_some_and(|(sig, content)| sig == text("sig") && content == text("content"))
    }

    /// The pool sends a frame.
    pub(super) fn sent(&mut self, socket: SocketId, relay: &RelayUrl, frame: &str, now: Instant) {
        let Ok(Value::Array(message)) = serde_json::from_str(frame) else { return };
        if message.first().is_some_and(|verb| verb == "REQ") {
            let name = message.get(1).and_then(Value::as_str).unwrap_or_default().to_owned();
            let filters = message.into_iter().skip(2).collect();
            let answer = Answer { relay: relay.clone(), filters, asked: now, events: BTreeMap::new(), eose: false };
            self.known.insert((socket, name), answer);
        }
    }

    /// A relay's message reaches the pool.
    pub(super) fn heard(&mut self, socket: SocketId, message: &Value) {
        let name = message[1].as_str().unwrap_or_default().to_owned();
        let Some(answer) = self.known.get_mut(&(socket, name)).filter(|answer| !answer.eose) else { return };
        match message[0].as_str() {
            Some("EOSE") => answer.eose = true,
            Some("EVENT") => {
                let event = &message[2];
                let text = |field: &str| event[field].as_str().unwrap_or_default();
                let made = self.genuine.get(text("id"));
                let forged = made.is_none_or(|(sig, content)| sig != text("sig") || content != text("content"));
                if let Ok(id) = text("id").parse()
                    && !forged
                {
                    answer.events.insert(id, event.clone());
                }
            }
            _ => {}
        }
    }

    /// Whether each of these filters was asked for by a request, made since then and answered to its EOSE, and all that came
    /// before that and was asked for is among what was delivered, but for so many at most.
    pub(super) fn is_delivered<T>(
        &self,
        relay: &RelayUrl,
        wanted: &[Value],
        since: Instant,
        delivered: &BTreeMap<EventId, T>,
        (excused, most): (impl Fn(&Value) -> bool, u64),
    ) -> bool {
        let whole = |a: &Answer, f: &Value| {
            let lost =
                |&(id, event): &(&EventId, &Value)| !excused(event) && matches(f, event) && !delivered.contains_key(id);
            a.events.iter().filter(lost).count() as u64 <= most
        };
        let answers = || self.known.values().filter(|a| a.eose && a.relay == *relay && a.asked >= since);
        wanted
            .iter()
            .flat_map(pairs)
            .all(|f| answers().any(|a| a.filters.iter().any(|asked| covers(asked, &f)) && whole(a, &f)))
    }
}

/// Whether one filter asks for all that another asks for, whenever it was made and however much of it.
pub(super) fn covers(all: &Value, some: &Value) -> bool {
    ["kinds", "authors"].iter().all(|field| match (all[*field].as_array(), some[*field].as_array()) {
        (None, None) => true,
        (Some(all), Some(some)) => some.iter().all(|one| all.contains(one)),
        _ => false,
    }) && all.get("ids").is_none()
}
