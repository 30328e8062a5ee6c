//! A core, and what came out of it; its sockets, its relays and its verifier do what a test says.

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp};

pub(crate) const S: u64 = 1_000_000;

pub(crate) struct H {
    pub(crate) core: Core,
    pub(crate) t: u64,
    pub(crate) skew: i64,
    pub(crate) cmds: Vec<Command>,
    pub(crate) evs: Vec<PoolEvent>,
    pub(crate) take: bool,
}

impl H {
    pub(crate) fn new(c: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(1_700_000_000) };
        H { core: Core::new(c, [7; 32], now), t: 0, skew: 0, cmds: vec![], evs: vec![], take: true }
    }
    pub(crate) fn now(&self) -> Now {
        Now {
            mono: Instant::from_micros(self.t),
            unix: Timestamp::new((1_700_000_000 + (self.t / S) as i64 + self.skew) as u64),
        }
    }
    fn drain(&mut self) {
        loop {
            let mut any = false;
            while let Some(c) = self.core.poll_command() {
                self.cmds.push(c);
                any = true;
            }
            while let Some(e) = self.core.poll_event() {
                any = true;
                if self.take
                    && let PoolEvent::Item { sub, item } = &e
                {
                    let _ = self.core.handle_call(Call::Taken { sub: *sub, items: 1, bytes: item.bytes() }, self.now());
                }
                self.evs.push(e);
            }
            if !any {
                return;
            }
        }
    }
    pub(crate) fn call(&mut self, c: Call) -> Result<Reply, CallError> {
        let r = self.core.handle_call(c, self.now());
        self.drain();
        r
    }
    pub(crate) fn input(&mut self, i: Input<'_>) {
        self.core.handle_input(i, self.now());
        self.drain();
    }
    pub(crate) fn pass(&mut self, micros: u64) {
        let end = self.t + micros;
        while let Some(d) = self.core.poll_timeout() {
            let at = d.at.as_micros();
            if at > end {
                break;
            }
            self.t = self.t.max(at);
            self.core.handle_timeout(self.now());
            self.drain();
        }
        self.t = end;
    }
    pub(crate) fn cmds(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.cmds)
    }
    pub(crate) fn socket(&mut self, n: usize) -> SocketId {
        // last Open for relay n
        let u = url(n);
        self.cmds
            .iter()
            .rev()
            .find_map(|c| match c {
                Command::Open { socket, url, .. } if *url == u => Some(*socket),
                _ => None,
            })
            .expect("an open")
    }
    pub(crate) fn open(&mut self, n: usize) -> SocketId {
        let s = self.socket(n);
        self.input(Input::Opened { socket: s });
        s
    }
    pub(crate) fn wires(&self) -> Vec<(SocketId, String)> {
        self.cmds
            .iter()
            .filter_map(|c| match c {
                Command::Send { socket, frame } if frame.starts_with("[\"REQ\"") => {
                    Some((*socket, frame.split('"').nth(3).unwrap().to_string()))
                }
                _ => None,
            })
            .collect()
    }
    pub(crate) fn text(&mut self, s: SocketId, f: &str) {
        self.input(Input::Text { socket: s, frame: f });
    }
    pub(crate) fn sent_all(&mut self, s: SocketId) {
        for _ in 0..20 {
            self.input(Input::Sent { socket: s });
        }
    }
    pub(crate) fn verify_all(&mut self) {
        loop {
            let jobs: Vec<_> = self
                .cmds
                .iter()
                .filter_map(|c| match c {
                    Command::Verify { ticket, event } => Some((*ticket, event.clone())),
                    _ => None,
                })
                .collect();
            if jobs.is_empty() {
                return;
            }
            self.cmds.retain(|c| !matches!(c, Command::Verify { .. }));
            for (ticket, event) in jobs {
                let outcome = nostr_proto::verify(&event);
                self.input(Input::Verified { ticket, outcome });
            }
        }
    }
    pub(crate) fn sub(&mut self, t: Target, mode: Mode) -> SubId {
        let Ok(Reply::Subscribed(id)) = self.call(Call::Subscribe(Subscribe {
            filters: vec![Filter::new()],
            target: t,
            mode,
            versions: Versions::Latest,
            ..Subscribe::default()
        })) else {
            panic!()
        };
        id
    }
    pub(crate) fn items(&self, id: SubId) -> Vec<Item> {
        self.evs
            .iter()
            .filter_map(|e| match e {
                PoolEvent::Item { sub, item } if *sub == id => Some(item.clone()),
                _ => None,
            })
            .collect()
    }
    pub(crate) fn state(&self, n: usize) -> Option<ConnectionState> {
        self.core.relay(&url(n)).map(|r| r.state)
    }
    pub(crate) fn add(&mut self, n: usize) {
        self.call(Call::AddRelay { url: url(n), options: RelayOptions::default() }).unwrap();
    }
    pub(crate) fn closed(&mut self, s: SocketId) {
        self.input(Input::Closed { socket: s, reason: CloseReason::Error("reset".into()) });
    }
    pub(crate) fn publish(&mut self, e: &Event, t: Target, q: Quorum) -> PublishId {
        let Ok(Reply::Publishing(id, _)) =
            self.call(Call::Publish(Publish { event: e.clone(), target: t, quorum: q, deadline: None, link: None }))
        else {
            panic!()
        };
        id
    }
    pub(crate) fn ok(&mut self, s: SocketId, e: &Event) {
        let f = format!("[\"OK\",\"{}\",true,\"\"]", e.id());
        self.text(s, &f);
    }
}

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

pub(crate) fn keys() -> Keys {
    Keys::from_entropy([1; 32]).unwrap()
}

pub(crate) fn note(n: u64) -> Event {
    EventTemplate::new(Kind::TEXT_NOTE, format!("note {n}"), Timestamp::new(1_700_000_000 + n))
        .unsigned(keys().public_key())
        .sign(&keys(), [0; 32])
}

pub(crate) fn ev(w: &str, e: &Event) -> String {
    format!("[\"EVENT\",\"{w}\",{}]", e.to_json())
}

pub(crate) fn one(n: usize) -> Target {
    Target::Relays(vec![url(n)])
}
