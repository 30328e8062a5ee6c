//! What has to hold of authentication (NIP-42): nobody learns who we are unless that is allowed, everybody only for
//! himself; and nothing is sent again because of it that was accepted before.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{AuthPolicy, Config, SocketId};
use nostr_proto::{Event, RelayUrl};
use serde_json::Value;

/// A longer challenge is not answered.
const LONGEST: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub(super) struct Auths {
    /// Who we may be known as.
    identity: Option<String>,
    /// The latest challenge of each socket.
    latest: BTreeMap<SocketId, String>,
    /// EVENTs that were sent to a relay, and those of them that it said it had.
    sent: BTreeSet<(RelayUrl, String)>,
    accepted: BTreeSet<(RelayUrl, String)>,
    /// Answers to challenges.
    answers: u64,
}

impl Auths {
    pub(super) fn new(config: &Config) -> Self {
        let identity = config.identity.filter(|_| config.auth == AuthPolicy::Always);
        Self {
            identity: identity.map(|key| key.to_string()),
            latest: BTreeMap::new(),
            sent: BTreeSet::new(),
            accepted: BTreeSet::new(),
            answers: 0,
        }
    }

    /// Answers that were sent.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }

    /// A relay's message reaches the pool.
    pub(super) fn heard(&mut self, socket: SocketId, relay: &RelayUrl, text: &str) {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        match (message[0].as_str(), message[1].as_str()) {
            (Some("AUTH"), Some(challenge)) if challenge.len() <= LONGEST => {
                self.latest.insert(socket, challenge.to_owned());
            }
            (Some("AUTH"), Some(_)) => drop(self.latest.remove(&socket)),
            (Some("OK"), Some(id)) => {
                let prefix = message[3].as_str().unwrap_or_default().split(':').next().unwrap_or_default();
                let known = message[2] == true || prefix.trim().eq_ignore_ascii_case("duplicate");
                let key = (relay.clone(), id.to_owned());
                if known && self.sent.contains(&key) {
                    self.accepted.insert(key);
                }
            }
            _ => {}
        }
    }

    /// The pool sends a frame. `again`: the application asked for this event more than once.
    pub(super) fn sent(
        &mut self,
        socket: SocketId,
        relay: &RelayUrl,
        frame: &str,
        again: impl FnOnce(&str) -> bool,
    ) -> Result<(), &'static str> {
        let Ok(message) = serde_json::from_str::<Value>(frame) else { return Ok(()) };
        let event = &message[1];
        match message[0].as_str() {
            Some("EVENT") => {
                let key = (relay.clone(), event["id"].as_str().unwrap_or_default().to_owned());
                if self.accepted.contains(&key) && !again(&key.1) {
                    return Err("what a relay has accepted is not sent to it again");
                }
                self.sent.insert(key);
                Ok(())
            }
            Some("AUTH") => self.answered(socket, relay, event),
            _ => Ok(()),
        }
    }

    fn answered(&mut self, socket: SocketId, relay: &RelayUrl, event: &Value) -> Result<(), &'static str> {
        self.answers += 1;
        let value = |name: &str| {
            let tags = event["tags"].as_array().into_iter().flatten();
            tags.filter(|tag| tag[0] == name).filter_map(|tag| tag[1].as_str()).collect::<Vec<_>>()
        };
        let signed = Event::from_json(&event.to_string()).ok().is_some_and(|e| nostr_proto::verify_event(e).is_ok());
        let challenge = self.latest.get(&socket).map(String::as_str);
        let rules = [
            (
                self.identity.as_deref() == event["pubkey"].as_str(),
                "a relay learns who we are if it may, and as whom it may",
            ),
            (event["kind"] == 22_242, "a challenge is answered by kind 22242"),
            (value("relay") == [relay.as_str()], "a challenge is answered for the relay that sent it"),
            (value("challenge").first().copied() == challenge, "the latest challenge is answered"),
            (signed, "an answer is signed"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(*rule))
    }
}
