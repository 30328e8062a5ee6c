//! What a driver would know of its sockets, and the promises about them.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{Command, Config, SocketId};
use nostr_proto::{ClientMessage, RelayUrl};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Dialing,
    Open,
    /// The core has asked for it to be closed.
    Closing,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) url: RelayUrl,
    pub(crate) state: State,
    /// Frames handed over and not yet answered with `Sent`.
    pub(crate) unsent: usize,
    /// Ids of the requests sent on it.
    pub(crate) requests: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) live: BTreeMap<SocketId, Socket>,
    named: BTreeSet<SocketId>,
    wire_ids: BTreeSet<String>,
}

impl Sockets {
    /// Takes a command about a socket and checks that it may be given.
    pub(crate) fn command(&mut self, command: &Command, config: &Config) {
        match command {
            Command::Open { socket, url, .. } => self.open(*socket, url, config.max_connections),
            Command::Send { socket, frame } => self.send(*socket, frame, config.send_credits),
            Command::Ping { socket } => self.in_use(*socket, "ping").unsent += 1,
            Command::PauseRead { socket } | Command::ResumeRead { socket } => {
                self.in_use(*socket, "pause or resume");
            }
            Command::Close { socket, reason, .. } => {
                assert!(reason.len() <= 123, "a close reason of {} bytes", reason.len());
                let live = self.live.get_mut(socket).unwrap_or_else(|| unknown("close", *socket));
                assert_ne!(live.state, State::Closing, "socket {socket} is closed twice");
                live.state = State::Closing;
            }
            Command::Verify { .. } | Command::Sign { .. } | Command::SignAuth { .. } => {}
        }
    }

    fn open(&mut self, socket: SocketId, url: &RelayUrl, max_connections: usize) {
        assert!(self.named.insert(socket), "socket {socket} was used before");
        let in_use = |s: &&Socket| s.state != State::Closing;
        let twice = self.live.values().filter(in_use).any(|s| s.url == *url);
        assert!(!twice, "{url} is dialled while a socket to it is in use");
        assert!(self.live.values().filter(in_use).count() < max_connections, "more sockets than allowed");
        self.live.insert(socket, Socket { url: url.clone(), state: State::Dialing, unsent: 0, requests: Vec::new() });
    }

    fn send(&mut self, socket: SocketId, frame: &str, credits: usize) {
        let message = ClientMessage::from_json(frame).expect("the core sends messages of the protocol");
        // Ends of requests are never held up; what starts something waits for room.
        let starts_something = !matches!(message, ClientMessage::Close { .. });
        let request = if let ClientMessage::Req { subscription, .. } = message { Some(subscription) } else { None };
        if let Some(id) = &request {
            assert!(self.wire_ids.insert(id.clone()), "request id {id} is used again");
        }
        let socket = self.in_use(socket, "send");
        assert!(!starts_something || socket.unsent < credits, "{} was sent more than it has credit for", socket.url);
        socket.requests.extend(request);
        socket.unsent += 1;
    }

    fn in_use(&mut self, socket: SocketId, what: &str) -> &mut Socket {
        let live = self.live.get_mut(&socket).unwrap_or_else(|| unknown(what, socket));
        assert_eq!(live.state, State::Open, "{what} on socket {socket}");
        live
    }

    pub(crate) fn ids(&self) -> Vec<SocketId> {
        self.live.keys().copied().collect()
    }
}

/// A command named a socket that is gone or never was.
fn unknown<T>(what: &str, socket: SocketId) -> T {
    assert!(what.is_empty(), "{what} on dead socket {socket}");
    unreachable!("the assertion above fails, as every command has a name")
}
