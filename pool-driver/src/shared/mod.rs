//! What a pool's handles, tasks and threads share: the core behind one lock, and the way in and out of it.

mod pump;
mod recorded;
mod state;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{self, BoxFuture};
use nostr_pool_core::{Call, CallError, Input, Now, Reply, SocketId};

use crate::clock::Clock;
use crate::dial::{Dial, DialSettings};
use crate::engine::{Engine, OpenOrder};
use crate::info::Infos;
use crate::metrics::{Count, Meter};
use crate::outbox::Outbox;
use crate::record::Recording;
use crate::signer::{self, Signer};
use crate::tap::Taps;
use crate::verifier::{Job, Jobs};

pub(crate) use recorded::RecordedCore;
pub(crate) use state::{ItemQueue, State, StatusRing, TimerStep, Watcher};

/// Why no lock of ours is ever poisoned.
pub(crate) const UNPOISONED: &str = "no code panics while it holds a lock of the pool";

/// Core work in one go, where there is a choice; then others get the lock.
pub(crate) const LOCK_TIME: Duration = Duration::from_micros(50);

/// One pool.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) engine: Box<dyn Engine>,
    clock: Clock,
    pub(crate) dial: DialSettings,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) taps: Taps,
    pub(crate) meter: Meter,
    /// The first one is the author of what is published unsigned.
    pub(crate) signers: Vec<Arc<dyn Signer>>,
    /// Set before anybody has the pool, if it is to be recorded.
    pub(crate) recording: OnceLock<Recording>,
    pub(crate) infos: Infos,
    /// Done when the pool ends, for whoever goes on only as long.
    pub(crate) ended: future::Shared<BoxFuture<'static, ()>>,
}

/// What is to be done once the core is unlocked again.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) wakers: Vec<Waker>,
    opens: Vec<(SocketId, Dial, Arc<Outbox>)>,
    verify: Vec<Job>,
    /// Which relay brought those, if one did: its slot.
    relay: Option<u32>,
    sign: Vec<signer::Order>,
    wound_down: bool,
    /// Dropping it tells the end of the pool.
    ending: Option<oneshot::Sender<Infallible>>,
}

impl Shared {
    pub(crate) fn new(
        mut state: State,
        engine: Box<dyn Engine>,
        clock: Clock,
        dial: DialSettings,
        signers: Vec<Arc<dyn Signer>>,
        infos: Infos,
    ) -> Self {
        let (ending, ended) = oneshot::channel();
        state.ending = Some(ending);
        let ended = ended.map(drop).boxed().shared();
        Self {
            state: Mutex::new(state),
            engine,
            clock,
            dial,
            jobs: Arc::default(),
            taps: Taps::default(),
            meter: Meter::default(),
            signers,
            recording: OnceLock::new(),
            infos,
            ended,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }

    /// Both clocks as they are. To be read under the core's lock: two threads that read it before would feed the
    /// core with time running backwards.
    fn now(&self) -> Now {
        self.clock.now(self.engine.now())
    }

    /// Runs `step` under the core's lock, and then, unlocked, whatever the core wants done because of it.
    #[cfg_attr(feature = "metrics", track_caller)]
    pub(crate) fn enter<T>(self: &Arc<Self>, step: impl FnOnce(&mut State, Now) -> T) -> T {
        let mut work = Work::default();
        let result = self.step(&mut work, step);
        self.act(work);
        result
    }

    /// Like [`enter`](Self::enter), for what came of this socket. A single signature to check is left to the caller:
    /// checking it right here is faster than waking a thread for it.
    #[cfg_attr(feature = "metrics", track_caller)]
    #[must_use = "the signature must be checked, and the core told"]
    pub(crate) fn enter_lone(self: &Arc<Self>, socket: SocketId, step: impl FnOnce(&mut State, Now)) -> Option<Job> {
        let mut work = Work { relay: Some(socket.slot()), ..Work::default() };
        self.step(&mut work, step);
        let lone = if work.verify.len() == 1 { work.verify.pop() } else { None };
        self.meter.add(Count::Inline, lone.iter().len());
        self.act(work);
        lone
    }

    #[cfg_attr(feature = "metrics", track_caller)]
    fn step<T>(&self, work: &mut Work, step: impl FnOnce(&mut State, Now) -> T) -> T {
        let mut hold = self.meter.asked();
        let mut state = self.lock();
        hold.taken();
        let now = self.now();
        let result = step(&mut state, now);
        state.pump(work);
        hold.released(|| drop(state));
        result
    }

    /// Whether whoever began then has had this much time, and others are to go first although there is more.
    pub(crate) fn is_over(&self, time: Duration, begun: Instant) -> bool {
        self.instant().saturating_duration_since(begun) >= time
    }

    /// For destructors: does nothing if a panic elsewhere left the lock poisoned, for they must not panic themselves.
    #[cfg_attr(feature = "metrics", track_caller)]
    pub(crate) fn enter_dropping(self: &Arc<Self>, step: impl FnOnce(&mut State, Now)) {
        if !self.state.is_poisoned() {
            self.enter(step);
        }
    }

    /// Looks at the state without changing the core.
    #[cfg_attr(feature = "metrics", track_caller)]
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut hold = self.meter.asked();
        let mut state = self.lock();
        hold.taken();
        let result = look(&mut state);
        hold.released(|| drop(state));
        result
    }

    #[cfg_attr(feature = "metrics", track_caller)]
    pub(crate) fn feed(self: &Arc<Self>, input: Input<'_>) {
        self.enter(|state, now| state.core.handle_input(input, now));
    }

    #[cfg_attr(feature = "metrics", track_caller)]
    pub(crate) fn call(self: &Arc<Self>, call: Call) -> Result<Reply, CallError> {
        self.enter(|state, now| state.core.handle_call(call, now))
    }

    /// Ends the pool: sockets are closed, and the tasks and threads end by themselves.
    pub(crate) fn end(self: &Arc<Self>) {
        self.enter_dropping(State::end);
    }

    fn act(self: &Arc<Self>, work: Work) {
        let Work { wakers, opens, verify, relay, sign, wound_down, ending } = work;
        drop(ending);
        if !verify.is_empty() {
            self.meter.add(Count::Notify, self.jobs.push(relay, verify));
        }
        self.meter.add(Count::Wake, wakers.len());
        wakers.into_iter().for_each(Waker::wake);
        for (socket, dial, outbox) in opens {
            self.engine.open(OpenOrder { shared: self.clone(), socket, dial, outbox });
        }
        for order in sign {
            signer::spawn(self, order);
        }
        if wound_down {
            self.jobs.stop();
            self.taps.close();
        }
    }

    /// A point in the runtime's time, for measuring.
    pub(crate) fn instant(&self) -> Instant {
        self.engine.now()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Only matters where the runtime went first, and nothing could wind down.
        self.jobs.stop();
    }
}
