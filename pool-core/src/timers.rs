//! The one timer queue.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::ids::{CountId, PublishId, RelayIx, SubId};
use crate::time::Instant;

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    Connection(RelayIx),
    Auth(RelayIx),
    Lanes(RelayIx),
    /// A connection has had its turn, and others wait for its slot.
    Slots,
    Trial(RelayIx),
    /// The wall clock was set back.
    Clock,
    Subscription(SubId),
    Publish(PublishId),
    Count(CountId),
    /// Relays are not read from, or were not until just now, because of what the applications have not taken.
    Backlog,
}

/// Why the core wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineKind {
    /// A dial, a keepalive, a back-off, a quarantine, a closing handshake, an idle connection or one that makes room.
    Connection,
    /// A challenge, a signature or an OK is due (NIP-42).
    Auth,
    /// A relay's pause is over, or the next message is due at its pace.
    Pause,
    /// A relay's EOSE is due, or requests are to be made again because the wall clock was set back.
    Subscription,
    /// A relay that put a COUNT off is to be asked again, or its report is due.
    Count,
    /// An OK, another try, the turn of an EVENT or a verdict is due.
    Publish,
    /// Relays are to be read from again, or may be paused again: see
    /// [`Config::max_queued_bytes`](crate::Config::max_queued_bytes).
    Backlog,
}

/// When [`Core::handle_timeout`](crate::Core::handle_timeout) is to be called next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Not before this.
    pub at: Instant,
    /// For what, for logs.
    pub why: DeadlineKind,
}

/// At most one timer per key; both directions are kept so that arming and the next deadline are cheap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Instant, TimerKey)>,
    by_key: BTreeMap<TimerKey, Instant>,
}

impl Timers {
    /// Arms, moves or (with `None`) cancels the timer of a key.
    pub(crate) fn set(&mut self, key: TimerKey, at: Option<Instant>) {
        let old = self.by_key.get(&key).copied();
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, key));
        }
        match at {
            Some(at) => {
                self.by_key.insert(key, at);
                self.by_time.insert((at, key));
            }
            None => {
                self.by_key.remove(&key);
            }
        }
    }

    /// Whether the timer of a key is due.
    pub(crate) fn is_due(&self, key: TimerKey, now: Instant) -> bool {
        self.by_key.get(&key).is_some_and(|at| *at <= now)
    }

    /// Whether any timer is due.
    pub(crate) fn is_any_due(&self, now: Instant) -> bool {
        self.by_time.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Takes a timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TimerKey> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    pub(crate) fn next(&self) -> Option<Deadline> {
        let &(at, key) = self.by_time.first()?;
        let why = match key {
            TimerKey::Auth(_) => DeadlineKind::Auth,
            TimerKey::Connection(_) | TimerKey::Slots => DeadlineKind::Connection,
            TimerKey::Lanes(_) => DeadlineKind::Pause,
            TimerKey::Subscription(_) | TimerKey::Clock => DeadlineKind::Subscription,
            TimerKey::Publish(_) | TimerKey::Trial(_) => DeadlineKind::Publish,
            TimerKey::Count(_) => DeadlineKind::Count,
            TimerKey::Backlog => DeadlineKind::Backlog,
        };
        Some(Deadline { at, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_timer_per_key_and_earliest_first() {
        let mut t = Timers::default();
        let (a, b) = (TimerKey::Connection(RelayIx(1)), TimerKey::Publish(PublishId(1)));
        t.set(a, Some(Instant::from_micros(10)));
        t.set(b, Some(Instant::from_micros(5)));
        t.set(a, Some(Instant::from_micros(3)));
        assert_eq!(t.next().unwrap().at, Instant::from_micros(3));
        assert_eq!(t.pop_due(Instant::from_micros(4)), Some(a));
        assert_eq!(t.pop_due(Instant::from_micros(4)), None);
        t.set(b, None);
        assert_eq!(t.next(), None);
    }
}
