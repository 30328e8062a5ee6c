//! A subscription's legs, by relay, and when the first of them is due.
//!
//! Nothing looks at all legs because something happened to one: whoever may change a leg does so through here, and only
//! those are asked again when they are due. Never knows what a leg is due for.

use alloc::boxed::Box;
use alloc::collections::btree_map::{IntoIter, IterMut};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Deref;
use core::time::Duration;

use nostr_proto::RelayUrl;

use crate::ids::RelayIx;
use crate::time::Instant;

use super::leg::Leg;

/// A leg is on the heap by itself: most subscriptions have a few, and a tree has room for more.
pub(super) type Entry = (RelayUrl, Box<Leg>);

/// What the due times of all legs go by, besides the legs.
pub(super) type Basis = (Instant, Duration, bool);

/// What is noted of a leg here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted {
    /// It may have changed, and is to be asked when it is due.
    touched: bool,
    /// When it was due as it was before.
    due: Option<Instant>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    all: BTreeMap<RelayIx, Entry>,
    /// Those that may have changed, each once.
    touched: Vec<RelayIx>,
    by_time: BTreeSet<(Instant, RelayIx)>,
    basis: Option<Basis>,
    /// One that had not settled when that was last asked.
    open: Option<RelayIx>,
}

impl Legs {
    pub(super) fn insert(&mut self, relay: RelayIx, url: RelayUrl, leg: Leg) {
        self.remove(relay);
        self.all.insert(relay, (url, Box::new(leg)));
        let _ = self.get_mut(&relay);
    }

    pub(super) fn remove(&mut self, relay: RelayIx) {
        if let Some((_, leg)) = self.all.remove(&relay)
            && let Some(at) = leg.noted.due
        {
            self.by_time.remove(&(at, relay));
        }
    }

    pub(crate) fn get_mut(&mut self, relay: &RelayIx) -> Option<&mut Entry> {
        let entry = self.all.get_mut(relay)?;
        if !core::mem::replace(&mut entry.1.noted.touched, true) {
            self.touched.push(*relay);
        }
        Some(entry)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.into_iter().map(|(_, entry)| entry)
    }

    /// When the first leg is due. `due`: when one is, as it stands, by this basis.
    pub(super) fn first_due(&mut self, basis: Basis, due: impl Fn(&Leg) -> Option<Instant>) -> Option<Instant> {
        if self.basis.replace(basis) != Some(basis) {
            let _ = self.into_iter();
        }
        for relay in core::mem::take(&mut self.touched) {
            let Some((_, leg)) = self.all.get_mut(&relay) else { continue };
            let (before, now) = (leg.noted.due, due(leg));
            leg.noted = Noted { touched: false, due: now };
            if before != now {
                if let Some(at) = before {
                    self.by_time.remove(&(at, relay));
                }
                self.by_time.extend(now.map(|at| (at, relay)));
            }
        }
        let first = self.by_time.first().map(|(at, _)| *at);
        #[cfg(any(test, feature = "planted-bugs"))]
        assert_eq!(first, self.all.values().filter_map(|(_, leg)| due(leg)).min(), "every change of a leg is noted");
        first
    }

    /// Whether every leg has settled. The one that had not when this was last asked is looked at first, and then those
    /// after it.
    pub(super) fn are_settled(&mut self) -> bool {
        let from = self.open.unwrap_or(RelayIx(0));
        let all = self.all.range(from..).chain(self.all.range(..from));
        self.open = all.into_iter().find(|(_, (_, leg))| leg.settled.is_none()).map(|(&relay, _)| relay);
        self.open.is_none()
    }
}

impl Deref for Legs {
    type Target = BTreeMap<RelayIx, Entry>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

/// Each may be changed.
impl<'a> IntoIterator for &'a mut Legs {
    type Item = (&'a RelayIx, &'a mut Entry);
    type IntoIter = IterMut<'a, RelayIx, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.touched.clear();
        self.touched.extend(self.all.keys());
        self.all.values_mut().for_each(|(_, leg)| leg.noted.touched = true);
        self.all.iter_mut()
    }
}

impl IntoIterator for Legs {
    type Item = (RelayIx, Entry);
    type IntoIter = IntoIter<RelayIx, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}
