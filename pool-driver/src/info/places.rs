//! How many documents are fetched at once.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, ready};

use super::RelayInfoError;

/// Fetches of one pool at once.
const MAX_AT_ONCE: usize = 8;
/// Fetches that wait for their turn.
const MAX_WAITING: usize = 1_024;

/// The places of those that are under way, given out in order.
pub(crate) struct Places(Arc<Mutex<Queue>>);

struct Queue {
    free: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place. Dropping it gives it to the next.
pub(super) struct Place(Arc<Mutex<Queue>>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Queue { free: MAX_AT_ONCE, waiting: VecDeque::new() })))
    }
}

impl Places {
    /// A place, once there is one; none ever if the pool is gone. Who drops the future waits no more.
    pub(super) fn take(&self) -> Result<impl Future<Output = Option<Place>> + Send + use<>, RelayInfoError> {
        let mut queue = lock(&self.0);
        if queue.free > 0 {
            queue.free -= 1;
            return Ok(Either::Left(ready(Some(Place(self.0.clone())))));
        }
        if queue.waiting.len() >= MAX_WAITING {
            queue.waiting.retain(|waiting| !waiting.is_canceled());
        }
        if queue.waiting.len() >= MAX_WAITING {
            return Err(RelayInfoError::TooMany);
        }
        let (give, given) = oneshot::channel();
        queue.waiting.push_back(give);
        Ok(Either::Right(given.map(Result::ok)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut queue = lock(&self.0);
            let next = std::iter::from_fn(|| queue.waiting.pop_front()).find(|waiting| !waiting.is_canceled());
            if next.is_none() {
                queue.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // Unlocked: should the next one have gone just now, the place comes back here.
            let _ = next.send(Place(self.0.clone()));
        }
    }
}

/// Nothing panics while it is held; and if something did, the counts would hold all the same.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;

    /// What becomes of places in the hands of those who come, wait, leave and finish in any order.
    #[test]
    fn no_more_than_so_many_have_a_place_and_none_is_lost() {
        let places = Places::default();
        let (mut have, mut wait): (Vec<Place>, VecDeque<BoxFuture<'static, Option<Place>>>) = Default::default();
        let mut random = 1_u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let n = (random >> 8) as usize;
            match n % 5 {
                0 | 1 => wait.push_back(places.take().unwrap_or_else(|e| panic!("{e}")).boxed()),
                2 if !wait.is_empty() => drop(wait.remove(n % wait.len())),
                _ if !have.is_empty() => drop(have.swap_remove(n % have.len())),
                _ => {}
            }
            for mut waiting in std::mem::take(&mut wait) {
                match waiting.as_mut().now_or_never() {
                    Some(place) => {
                        assert!(have.len() < MAX_AT_ONCE);
                        have.push(place.unwrap());
                    }
                    None => wait.push_back(waiting),
                }
            }
            assert!(have.len() == MAX_AT_ONCE || wait.is_empty(), "a place is free, and somebody waits");
        }
        wait.clear();
        have.clear();
        assert_eq!(lock(&places.0).free, MAX_AT_ONCE);
    }

    #[test]
    fn a_place_that_is_given_to_one_who_has_gone_goes_to_the_next() {
        let places = Places::default();
        let mut have: Vec<_> =
            (0..MAX_AT_ONCE).map(|_| places.take().unwrap().now_or_never().flatten().unwrap()).collect();
        let (gone, next) = (places.take().unwrap(), places.take().unwrap());
        have.pop();
        drop(gone);
        assert!(next.now_or_never().is_some());
    }

    #[test]
    fn so_many_wait_and_those_who_left_do_not_count() {
        let places = Places::default();
        let _have: Vec<_> =
            (0..MAX_AT_ONCE).map(|_| places.take().unwrap().now_or_never().flatten().unwrap()).collect();
        let mut wait: Vec<_> = (0..MAX_WAITING).map(|_| places.take().unwrap()).collect();
        assert!(matches!(places.take(), Err(RelayInfoError::TooMany)));
        drop(wait.swap_remove(7));
        wait.push(places.take().unwrap());
        assert!(places.take().is_err());
    }
}
