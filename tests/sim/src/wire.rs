//! What has to hold of the frames: the same bytes at every try, a name of its own for every request, an end to each.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::SocketId;
use serde_json::Value;

/// What the pool sent, read naively.
#[derive(Debug)]
pub(super) struct Wire {
    /// Requests that run, by socket.
    running: BTreeMap<SocketId, BTreeSet<String>>,
    /// Every request's name that was used.
    used: BTreeSet<String>,
    /// The first EVENT message of each event.
    events: BTreeMap<String, String>,
    /// Frames that each socket's sink has not taken.
    untaken: BTreeMap<SocketId, usize>,
    credits: usize,
}

impl Wire {
    pub(super) fn new(credits: usize) -> Self {
        Self {
            running: BTreeMap::new(),
            used: BTreeSet::new(),
            events: BTreeMap::new(),
            untaken: BTreeMap::new(),
            credits,
        }
    }

    /// The pool sends a ping, which may go beyond the credits.
    pub(super) fn pinged(&mut self, socket: SocketId) {
        *self.untaken.entry(socket).or_default() += 1;
    }

    /// The sink took a frame.
    pub(super) fn taken(&mut self, socket: SocketId) {
        if let Some(untaken) = self.untaken.get_mut(&socket) {
            *untaken = untaken.saturating_sub(1);
        }
    }

    /// The pool sends a frame.
    pub(super) fn sent(&mut self, socket: SocketId, frame: &str) -> Result<(), &'static str> {
        let untaken = self.untaken.entry(socket).or_default();
        *untaken += 1;
        if *untaken > self.credits {
            return Err("no more frames are sent than there are credits");
        }
        let Ok(message) = serde_json::from_str::<Value>(frame) else { return Err("what is sent is JSON") };
        let name = message[1].as_str().unwrap_or_default().to_owned();
        match message[0].as_str() {
            Some("EVENT") => {
                let id = message[1]["id"].as_str().unwrap_or_default().to_owned();
                if self.events.entry(id).or_insert_with(|| frame.to_owned()) != frame {
                    return Err("the same bytes go out at every try");
                }
            }
            Some("REQ") => {
                if !self.used.insert(name.clone()) {
                    return Err("a request has a name of its own");
                }
                self.running.entry(socket).or_default().insert(name);
            }
            Some("COUNT") => {
                if !self.used.insert(name) {
                    return Err("a request has a name of its own");
                }
            }
            Some("CLOSE") => self.ended(socket, &name),
            Some("AUTH") => {}
            _ => return Err("what is sent is EVENT, REQ, COUNT, CLOSE or AUTH"),
        }
        Ok(())
    }

    /// The relay's CLOSED reached the pool, or CLOSE went out.
    pub(super) fn ended(&mut self, socket: SocketId, name: &str) {
        if let Some(running) = self.running.get_mut(&socket) {
            running.remove(name);
        }
    }

    /// Whether a request of that name runs on a socket. Where the sink takes nothing, a CLOSE may be waiting, and nobody
    /// knows.
    pub(super) fn runs(&self, socket: SocketId, name: &str) -> bool {
        self.untaken.get(&socket).is_none_or(|untaken| *untaken < self.credits) && self.is_running(socket, name)
    }

    /// Whether a request of that name went out on a socket, and neither end has ended it.
    pub(super) fn is_running(&self, socket: SocketId, name: &str) -> bool {
        self.running.get(&socket).is_some_and(|running| running.contains(name))
    }

    /// Whether a request ever had that name.
    pub(super) fn was_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    /// How many requests run on a socket.
    pub(super) fn running(&self, socket: SocketId) -> usize {
        self.running.get(&socket).map_or(0, BTreeSet::len)
    }
}
