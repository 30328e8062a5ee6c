//! What stands for a filter in the index, and what for an event: keys, of which those of an event that matches are among
//! those of the filter.
//!
//! A filter's [`Shape`] says which of its constraints its keys are made of. That of the ids says it all; or else it begins
//! with one of the others (see [`Base`]): the authors, the values of a tag, or the kinds. The others join it, so that a
//! thousand subscriptions to one author that differ in a tag or a kind are told apart, as long as that multiplies the keys
//! to no more than [`MOST_JOINED`], or does not multiply them at all. Of several tags, only one counts.

use alloc::vec::Vec;
use core::hash::Hasher;

use nostr_proto::{Event, Filter};
use siphasher::sip::SipHasher13;

/// Up to so many keys, a filter's are made of more than one constraint.
const MOST_JOINED: usize = 64;

/// The constraints that keys are made of; none: everything has this key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    id: bool,
    author: bool,
    tag: Option<char>,
    kind: bool,
}

/// Which constraint a filter's keys begin with, if it has that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Base {
    /// The authors, and then the tag with the fewest values, and the kinds.
    #[default]
    Author,
    Tag(char),
    Kind,
}

impl Base {
    /// All that a filter leaves a choice of; the default is the first.
    pub(super) fn all(filter: &Filter) -> impl Iterator<Item = Self> + '_ {
        let tags = filter.tags.keys().map(|name| Self::Tag(*name));
        core::iter::once(Self::Author).chain(tags).chain([Self::Kind])
    }
}

/// A tag's name and value, hashed with a secret key.
pub(super) type TagHash = u64;

/// Values and their shape, hashed with a secret key. Where two share one, an event is looked at once too often.
pub(super) type Key = u32;

/// Makes keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashing(pub(super) [u8; 16]);

impl Hashing {
    fn begin(&self, shape: Shape) -> SipHasher13 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        let flags = u32::from(shape.id) | u32::from(shape.author) << 1 | u32::from(shape.kind) << 2;
        hasher.write_u32(flags | shape.tag.map_or(0, u32::from) << 3);
        hasher
    }

    fn tag(&self, name: char, value: &str) -> TagHash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u32(name.into());
        hasher.write(value.as_bytes());
        hasher.finish()
    }

    /// The tag values that a filter's keys of this shape are made of.
    pub(super) fn tags_of_filter(&self, filter: &Filter, shape: Shape) -> impl Iterator<Item = TagHash> {
        let values = shape.tag.and_then(|name| Some((name, filter.tags.get(&name)?)));
        values.into_iter().flat_map(move |(name, values)| values.iter().map(move |value| self.tag(name, value)))
    }

    /// A filter's keys that begin so, each once, in order; and their shape. None at all: nothing matches it.
    pub(super) fn of_filter(&self, filter: &Filter, base: Base) -> (Shape, Vec<Key>) {
        let shape = shape(filter, base);
        let mut hashers = alloc::vec![self.begin(shape)];
        if let Some(ids) = filter.ids.as_ref().filter(|_| shape.id) {
            hashers = joined(&hashers, ids, |hasher, id| hasher.write(id.as_bytes()));
        }
        if let Some(authors) = filter.authors.as_ref().filter(|_| shape.author) {
            hashers = joined(&hashers, authors, |hasher, author| hasher.write(author.as_bytes()));
        }
        if let Some((name, values)) = shape.tag.and_then(|name| Some((name, filter.tags.get(&name)?))) {
            hashers = joined(&hashers, values, |hasher, value| hasher.write_u64(self.tag(name, value)));
        }
        if let Some(kinds) = filter.kinds.as_ref().filter(|_| shape.kind) {
            hashers = joined(&hashers, kinds, |hasher, kind| hasher.write_u16(kind.as_u16()));
        }
        (shape, sorted(hashers.iter().map(key).collect()))
    }

    /// An event's keys of these shapes, each once, in order. Tag values that no filter has are passed over.
    pub(super) fn of_event(
        &self,
        event: &Event,
        shapes: impl Iterator<Item = Shape> + Clone,
        is_known: impl Fn(TagHash) -> bool,
    ) -> Vec<Key> {
        let names: Vec<char> = sorted(shapes.clone().filter_map(|shape| shape.tag).collect());
        let tags = self.tags(event, &names, is_known);
        let mut keys = Vec::new();
        for shape in shapes {
            let mut hasher = self.begin(shape);
            if shape.id {
                hasher.write(event.id().as_bytes());
            }
            if shape.author {
                hasher.write(event.pubkey().as_bytes());
            }
            let with_kind = |mut hasher: SipHasher13| {
                if shape.kind {
                    hasher.write_u16(event.kind().as_u16());
                }
                key(&hasher)
            };
            let Some(name) = shape.tag else {
                keys.push(with_kind(hasher));
                continue;
            };
            let from = tags.partition_point(|(other, _)| *other < name);
            keys.extend(tags[from..].iter().take_while(|(other, _)| *other == name).map(|(_, value)| {
                let mut hasher = hasher;
                hasher.write_u64(*value);
                with_kind(hasher)
            }));
        }
        sorted(keys)
    }

    /// The known values of an event's tags of these names, each once, in order of names.
    fn tags(&self, event: &Event, names: &[char], is_known: impl Fn(TagHash) -> bool) -> Vec<(char, TagHash)> {
        let mut tags = Vec::new();
        if names.is_empty() {
            return tags;
        }
        for tag in event.tags() {
            let mut strings = tag.iter();
            let (Some(name), Some(value)) = (strings.next(), strings.next()) else { continue };
            let mut letters = name.chars();
            if let (Some(name), None) = (letters.next(), letters.next())
                && names.binary_search(&name).is_ok()
            {
                tags.extend(Some((name, self.tag(name, value))).filter(|(_, hash)| is_known(*hash)));
            }
        }
        sorted(tags)
    }
}

/// Which constraints a filter's keys are made of that begin so.
fn shape(filter: &Filter, base: Base) -> Shape {
    let (mut shape, mut keys) = (Shape::default(), None);
    let mut joins = |values: Option<usize>| {
        let Some(values) = values else { return false };
        let joins = keys.is_none_or(|keys: usize| keys.saturating_mul(values) <= MOST_JOINED.max(keys));
        if joins {
            keys = Some(keys.unwrap_or(1) * values);
        }
        joins
    };
    let ids = filter.ids.as_ref().map(|ids| ids.len());
    let authors = filter.authors.as_ref().map(|authors| authors.len());
    let kinds = filter.kinds.as_ref().map(|kinds| kinds.len());
    let fewest =
        || filter.tags.iter().min_by_key(|(_, values)| values.len()).map(|(&name, values)| (name, values.len()));
    if joins(ids) {
        return Shape { id: true, ..shape };
    }
    match base {
        Base::Author => {}
        Base::Tag(name) => shape.tag = filter.tags.get(&name).filter(|values| joins(Some(values.len()))).map(|_| name),
        Base::Kind => shape.kind = joins(kinds),
    }
    shape.author = joins(authors);
    if shape.tag.is_none() {
        shape.tag = fewest().filter(|(_, values)| joins(Some(*values))).map(|(name, _)| name);
    }
    shape.kind = shape.kind || joins(kinds);
    shape
}

/// Each of the hashers, fed each of the values.
fn joined<T>(hashers: &[SipHasher13], values: &[T], feed: impl Fn(&mut SipHasher13, &T)) -> Vec<SipHasher13> {
    let mut all = Vec::with_capacity(hashers.len() * values.len());
    for hasher in hashers {
        all.extend(values.iter().map(|value| {
            let mut hasher = *hasher;
            feed(&mut hasher, value);
            hasher
        }));
    }
    all
}

/// Half of the hash: it is no more than a hint.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is as good as any")]
fn key(hasher: &SipHasher13) -> Key {
    hasher.finish() as Key
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}
