//! What the core's lock guards.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::Waker;

use futures::channel::oneshot;
use nostr_pool_core::{Call, CallError, CountId, Instant, Item, Now, PublishId, Reply, SocketId, SubId};

use nostr_proto::{RelayInfo, RelayUrl};

use crate::counting::CountCell;
use crate::info::Book;
use crate::mailbox::{Flag, Mailbox, Ring};
use crate::outbox::Outbox;
use crate::publishing::PublishCell;
use crate::status::StatusUpdate;

use super::RecordedCore;

/// The items of one subscription. Bounded by the core, which counts them until they are taken.
pub(crate) type ItemQueue = Mailbox<VecDeque<Item>>;

/// The news of relays that one listener has not taken yet.
pub(crate) type StatusRing = Mailbox<Ring<StatusUpdate>>;

/// One who waits for the records to change.
pub(crate) type Watcher = Mailbox<Flag>;

/// The core, and where its output goes.
pub(crate) struct State {
    pub(crate) core: RecordedCore,
    pub(super) sockets: HashMap<SocketId, Arc<Outbox>>,
    pub(super) subscriptions: HashMap<SubId, Arc<ItemQueue>>,
    pub(super) publishes: HashMap<PublishId, Arc<PublishCell>>,
    pub(super) counts: HashMap<CountId, Arc<CountCell>>,
    pub(super) listeners: Vec<Arc<StatusRing>>,
    pub(super) watchers: Vec<Arc<Watcher>>,
    pub(super) timer: TimerSlot,
    pub(super) infos: Book,
    /// What the end of the pool is told with; dropped unlocked, for it wakes tasks.
    pub(super) ending: Option<oneshot::Sender<Infallible>>,
    pub(super) ended: bool,
    pub(super) wound_down: bool,
}

/// How the timer task is reached.
#[derive(Default)]
pub(super) struct TimerSlot {
    /// When it will look by itself; `None`: only when woken.
    pub(super) armed: Option<Instant>,
    pub(super) waker: Option<Waker>,
}

/// What the timer task does next.
pub(crate) enum TimerStep {
    /// Sleep until then, or until woken; `None`: until woken.
    Wait(Option<Instant>),
    /// End.
    Stop,
}

impl State {
    pub(crate) fn new(core: RecordedCore) -> Self {
        Self {
            core,
            sockets: HashMap::new(),
            subscriptions: HashMap::new(),
            publishes: HashMap::new(),
            counts: HashMap::new(),
            listeners: Vec::new(),
            watchers: Vec::new(),
            timer: TimerSlot::default(),
            infos: Book::default(),
            ending: None,
            ended: false,
            wound_down: false,
        }
    }

    /// Starts a subscription. Its queue is there before its first item can be.
    pub(crate) fn subscribe(&mut self, call: Call, now: Now) -> Result<(SubId, Arc<ItemQueue>), CallError> {
        match self.core.handle_call(call, now)? {
            Reply::Subscribed(id) => {
                let queue = Arc::new(Mailbox::new(VecDeque::new()));
                self.subscriptions.insert(id, queue.clone());
                Ok((id, queue))
            }
            other => unreachable!("Call::Subscribe replies with Subscribed, not {other:?}"),
        }
    }

    /// Starts a publish. Its cell is there before its first update can be.
    pub(crate) fn publish(&mut self, call: Call, now: Now) -> Result<Arc<PublishCell>, CallError> {
        match self.core.handle_call(call, now)? {
            Reply::Publishing(id, event) => {
                let cell = Arc::new(PublishCell::new(id, event));
                self.publishes.insert(id, cell.clone());
                Ok(cell)
            }
            other => unreachable!("the publishing calls reply with Publishing, not {other:?}"),
        }
    }

    /// Starts a count. Its cell is there before its report can be.
    pub(crate) fn count(&mut self, call: Call, now: Now) -> Result<Arc<CountCell>, CallError> {
        match self.core.handle_call(call, now)? {
            Reply::Counting(id) => {
                let cell = Arc::new(CountCell::new(id));
                self.counts.insert(id, cell.clone());
                Ok(cell)
            }
            other => unreachable!("Call::Count replies with Counting, not {other:?}"),
        }
    }

    /// Nobody waits for this count any more.
    pub(crate) fn cancel_count(&mut self, count: CountId, now: Now) {
        self.counts.remove(&count);
        // The only error is that it was told before.
        let _ = self.core.handle_call(Call::CancelCount { count }, now);
    }

    /// Nobody reads this subscription any more.
    pub(crate) fn unsubscribe(&mut self, sub: SubId, now: Now) {
        self.subscriptions.remove(&sub);
        // The only error is that it ended by itself before.
        let _ = self.core.handle_call(Call::Unsubscribe { sub }, now);
    }

    /// A socket is gone: nothing can be ordered of it any more.
    pub(crate) fn forget_socket(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    /// Whether a relay's document is to be fetched, now that a connection is open.
    pub(crate) fn begin_info(&mut self, url: &RelayUrl, now: Now) -> bool {
        // One that has just been taken out of the pool would be remembered for good.
        !self.ended && self.core.relay(url).is_some() && self.infos.begin(url, now.mono)
    }

    /// Tells the core what a relay's document says that has just come.
    pub(crate) fn note_info(&mut self, url: &RelayUrl, info: &RelayInfo, now: Now) -> Result<(), CallError> {
        self.core.handle_call(Call::RelayInfo { url: url.clone(), info: Box::new(info.clone()) }, now)?;
        self.infos.fetched(url, now.mono);
        Ok(())
    }

    /// A fetch that a connection brought about is over.
    pub(crate) fn end_info(&mut self, url: &RelayUrl, now: Now) {
        self.infos.end(url, now.mono);
    }

    /// Has `listener` told of every news of a relay, from now on until [`unlisten`](Self::unlisten).
    ///
    /// The listener's own handle keeps it alive beyond that: what waits in it may not be dropped under the lock.
    pub(crate) fn listen(&mut self, listener: &Arc<StatusRing>) {
        if self.wound_down {
            listener.close(&mut Vec::new());
        }
        self.listeners.push(listener.clone());
    }

    /// Undoes [`listen`](Self::listen).
    pub(crate) fn unlisten(&mut self, listener: &Arc<StatusRing>) {
        self.listeners.retain(|l| !Arc::ptr_eq(l, listener));
    }

    /// Has `watcher` told that a connection changed, a publish or a socket ended: whatever someone waits for who
    /// looks at the records anyway. Until [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&mut self, watcher: &Arc<Watcher>) {
        self.watchers.push(watcher.clone());
    }

    /// Undoes [`watch`](Self::watch).
    pub(crate) fn unwatch(&mut self, watcher: &Arc<Watcher>) {
        self.watchers.retain(|w| !Arc::ptr_eq(w, watcher));
    }

    pub(crate) fn has_unfinished_publishes(&self) -> bool {
        !self.publishes.is_empty()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it has ended, and its last socket is gone.
    pub(crate) fn has_wound_down(&self) -> bool {
        self.wound_down
    }

    /// Ends everything that the core does.
    pub(crate) fn end(&mut self, now: Now) {
        if !self.ended {
            self.ended = true;
            // The only error is that it was shut down before.
            let _ = self.core.handle_call(Call::Shutdown, now);
        }
    }

    /// Lets the core act on what is due, and says when to come back. `waker` is woken when that becomes earlier.
    pub(crate) fn timer_step(&mut self, now: Now, waker: &Waker) -> TimerStep {
        if self.ended {
            return TimerStep::Stop;
        }
        if self.core.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono) {
            self.core.handle_timeout(now);
        }
        // Read again only after the pump: it draws no new deadlines, so this is what holds then, too.
        self.timer.armed = self.core.poll_timeout().map(|deadline| deadline.at);
        self.timer.waker = Some(waker.clone());
        TimerStep::Wait(self.timer.armed)
    }
}
