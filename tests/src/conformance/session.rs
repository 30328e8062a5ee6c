//! A pool with a subscription that is live at a relay made by hand.

use std::time::Duration;

use nostr_pool_driver::{Config, FrameLimits, Item, Pool, RelayRecord, Runtime, SubscribeOptions, Subscription};

use super::cx::{self, Cx};
use super::peer::{Got, Listener, Peer};
use crate::scenarios::{PATIENCE, build, builder, note, notes, quick};

/// The largest message that a relay may send here.
pub(super) const LIMIT: usize = 4_096;

/// A connection that is open, with one live request.
pub(super) struct Session {
    pub(super) pool: Pool,
    pub(super) subscription: Subscription,
    pub(super) listener: Listener,
    pub(super) peer: Peer,
    /// The request's.
    pub(super) id: String,
}

/// Bounds fit for scripts: what is lost stays lost for as long as a script looks.
pub(super) fn config() -> Config {
    Config { backoff_base: PATIENCE, backoff_max: PATIENCE, dial_deadline: Duration::from_secs(2), ..quick() }
}

/// A pool of one relay with these bounds.
pub(super) fn pool<R: Runtime>(cx: &Cx<R>, config: Config, url: &str) -> Pool {
    let limits = FrameLimits { max_message: LIMIT, ..FrameLimits::default() };
    build(&cx.runtime, builder().config(config).frame_limits(limits).relay(url))
}

impl Session {
    /// Dialled, upgraded, asked, and past its EOSE.
    pub(super) fn live<R: Runtime>(cx: &Cx<R>) -> Self {
        Self::live_with(cx, config())
    }

    pub(super) fn live_with<R: Runtime>(cx: &Cx<R>, config: Config) -> Self {
        let mut session = Self::asked(cx, config, Listener::start());
        session.eose();
        while !matches!(session.next(cx), Item::Eose(_)) {}
        session
    }

    /// Dialled, upgraded, and asked.
    pub(super) fn asked<R: Runtime>(cx: &Cx<R>, config: Config, listener: Listener) -> Self {
        let pool = pool(cx, config, &listener.url());
        let subscription = pool.subscribe([notes()], SubscribeOptions::default()).expect("the arguments are right");
        let mut peer = listener.accept_upgraded();
        let id = peer.request();
        Self { pool, subscription, listener, peer, id }
    }

    pub(super) fn next<R: Runtime>(&mut self, cx: &Cx<R>) -> Item {
        cx.wait(self.subscription.next()).expect("the subscription goes on")
    }

    /// An event as the relay sends it.
    pub(super) fn event(&self, n: u64) -> String {
        format!("[\"EVENT\",\"{}\",{}]", self.id, note(n).to_json())
    }

    pub(super) fn eose(&mut self) {
        let eose = format!("[\"EOSE\",\"{}\"]", self.id);
        self.peer.text(&eose);
    }

    pub(super) fn record(&self) -> RelayRecord {
        record(&self.pool)
    }

    /// Says whether the connection still does what it is for.
    pub(super) fn say_alive<R: Runtime>(&mut self, cx: &Cx<R>) {
        let event = self.event(9_999);
        self.peer.text(&event);
        loop {
            match self.next(cx) {
                Item::Event(e) if e.event.id() == note(9_999).id() => return cx.say("alive"),
                Item::Gap(_) => return cx.say("not alive"),
                _ => {}
            }
        }
    }

    /// Says what the relay is sent until the end of the connection, and what the pool says of it.
    pub(super) fn say_end<R: Runtime>(&mut self, cx: &Cx<R>) {
        cx.until("the pool knows", || cx::state(&self.record()) != "open");
        let got = self.peer.receive_all();
        cx.until("the socket is gone", || cx::state(&self.record()) != "closing");
        let record = self.record();
        cx.say(format!("{}: {}", cx::state(&record), cx::end_of(&record)));
        cx.say(format!("the relay got: {}", list(&got)));
    }
}

/// The one relay of a pool.
pub(super) fn record(pool: &Pool) -> RelayRecord {
    pool.relays().remove(0)
}

/// Frames in a row.
pub(super) fn list(got: &[Got]) -> String {
    got.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
