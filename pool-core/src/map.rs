//! The house map: keyed from the seed, and without a way to iterate.
//!
//! A peer cannot aim collisions at it, because the key is secret, and no output can depend on its order,
//! because there is none to see. What must be walked in order lives in a `BTreeMap`.

use core::borrow::Borrow;
use core::hash::{BuildHasher, Hash};

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

#[derive(Clone, Debug)]
struct Keyed([u8; 16]);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

/// A hash map with look-ups only.
#[derive(Clone, Debug)]
pub(crate) struct Map<K, V> {
    inner: HashMap<K, V, Keyed>,
}

impl<K: Eq + Hash, V> Map<K, V> {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { inner: HashMap::with_hasher(Keyed(key)) }
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.len()
    }

    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.inner.get(key)
    }

    pub(crate) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.inner.get_mut(key)
    }

    pub(crate) fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.inner.contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.inner.insert(key, value)
    }

    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.inner.remove(key)
    }
}
