//! What a subscription has and its application is done with, as a value that outlives it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use nostr_proto::{Filter, PublicKey, RelayUrl, Timestamp};
use serde::{Deserialize, Serialize};

/// The form that is written, and the only one that is read.
const VERSION: u64 = 1;

/// What a subscription has and its application is done with, by relay: the ground that is proven *and* acknowledged.
///
/// [`Call::Checkpoint`](crate::Call::Checkpoint) makes one, and [`Subscribe::resume`](crate::Subscribe::resume) takes it,
/// in this process or a later one: it has a form in JSON, which the application may store. Never in it: what is still owed
/// or was given up, what a full queue skipped, what was delivered and not acknowledged.
///
/// It is about the filters that it was made for. What is in it of other filters, of a relay that is not asked, or of one
/// that knows us by other keys than then, is ignored, and asked for again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    pub(crate) filters: Vec<Filter>,
    /// In order of the relays' URLs, one at most of each.
    pub(crate) relays: Vec<RelayGround>,
}

/// What is proven of one relay, and acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelayGround {
    pub(crate) relay: RelayUrl,
    /// The keys that the relay knew us by, in order.
    pub(crate) keys: Vec<PublicKey>,
    /// Up to when it has shown us everything, by our wall clock.
    pub(crate) alive_until: Timestamp,
    /// From where on each filter was asked for; what is not proven there is owed. `None`: it was not answered.
    pub(crate) floors: Vec<Option<Timestamp>>,
    /// Of each filter, the stretches of `created_at` that are proven: both ends included, in order, apart from each other.
    pub(crate) proven: Vec<Vec<(u64, u64)>>,
}

/// The text form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u64,
    filters: Vec<Filter>,
    relays: Vec<RelayGround>,
}

/// What every version says of itself.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Checkpoint {
    /// The longest text that is written or read, in bytes.
    pub const MAX_BYTES: usize = 1 << 20;

    /// One of nothing, about these filters.
    pub(crate) fn of(filters: &[Filter]) -> Self {
        Self { filters: filters.to_vec(), relays: Vec::new() }
    }

    /// Its JSON, at most [`Checkpoint::MAX_BYTES`]: relays that do not fit are left out, the last ones by URL first, and are
    /// asked for everything when it is resumed. If the filters alone are longer, what is written is a checkpoint of nothing.
    pub fn to_json(&self) -> String {
        let form = |filters: &[Filter], relays: &[RelayGround]| {
            let form = Form { version: VERSION, filters: filters.to_vec(), relays: relays.to_vec() };
            serde_json::to_string(&form).unwrap_or_default()
        };
        let empty = form(&self.filters, &[]);
        if empty.len() > Self::MAX_BYTES {
            return form(&[], &[]);
        }
        let mut room = Self::MAX_BYTES - empty.len();
        let mut fit = 0;
        for ground in &self.relays {
            // And a comma.
            let bytes = serde_json::to_string(ground).map_or(usize::MAX, |text| text.len().saturating_add(1));
            let Some(left) = room.checked_sub(bytes) else { break };
            (room, fit) = (left, fit + 1);
        }
        form(&self.filters, self.relays.get(..fit).unwrap_or_default())
    }

    /// Reads what [`Checkpoint::to_json`] wrote.
    ///
    /// # Errors
    /// Any other text, by the first thing that is wrong with it. No text panics, or takes more memory than a fixed multiple
    /// of that length.
    pub fn from_json(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > Self::MAX_BYTES {
            return Err(CheckpointError::TooLong { bytes: text.len() });
        }
        let malformed = |error: serde_json::Error| CheckpointError::Malformed(error.to_string());
        let Versioned { version } = serde_json::from_str(text).map_err(malformed)?;
        if version != VERSION {
            return Err(CheckpointError::Version(version));
        }
        let Form { filters, relays, .. } = serde_json::from_str(text).map_err(malformed)?;
        Self { filters, relays }.if_sound().ok_or(CheckpointError::Contradiction)
    }

    /// It, if its parts go together.
    pub(crate) fn if_sound(self) -> Option<Self> {
        let in_order = self.relays.is_sorted_by(|a, b| a.relay < b.relay);
        (in_order && self.relays.iter().all(|ground| ground.is_sound(&self.filters))).then_some(self)
    }

    /// Whether nothing is proven in it.
    pub fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }
}

impl RelayGround {
    fn is_sound(&self, filters: &[Filter]) -> bool {
        let in_order = |ranges: &Vec<(u64, u64)>| {
            ranges.iter().all(|(since, until)| since <= until)
                && ranges.is_sorted_by(|(_, end), (since, _)| end < since)
        };
        self.floors.len() == filters.len()
            && self.proven.len() == filters.len()
            && self.proven.iter().all(in_order)
            && self.keys.is_sorted_by(|a, b| a < b)
    }
}

/// A text that is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// It is longer than [`Checkpoint::MAX_BYTES`].
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It has not the form of a checkpoint: what is wrong, and where.
    Malformed(String),
    /// It is of a version that this library does not read.
    Version(u64),
    /// Its parts do not go together: ranges or relays out of order, or not one list of ranges for each filter.
    Contradiction,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "a checkpoint has {} bytes at most, not {bytes}", Checkpoint::MAX_BYTES)
            }
            Self::Malformed(what) => write!(f, "this is no checkpoint: {what}"),
            Self::Version(version) => write!(f, "checkpoint version {version} is unknown: {VERSION} is read"),
            Self::Contradiction => f.write_str("the parts of the checkpoint do not go together"),
        }
    }
}

impl core::error::Error for CheckpointError {}

#[cfg(test)]
mod tests {
    use std::format;

    use nostr_proto::{EventId, Kind};
    use proptest::prelude::*;

    use super::*;

    fn filter() -> impl Strategy<Value = Filter> {
        let number = || prop::option::of(any::<u64>());
        let ids = prop::option::of(prop::collection::vec(any::<[u8; 32]>(), 0..3));
        let kinds = prop::option::of(prop::collection::vec(any::<u16>(), 0..4));
        (ids, kinds, number(), number(), prop::option::of(any::<u32>()), prop::option::of(any::<String>())).prop_map(
            |(ids, kinds, since, until, limit, search)| Filter {
                ids: ids.map(|ids| ids.into_iter().map(EventId::from_bytes).collect::<Vec<_>>().into()),
                kinds: kinds.map(|kinds| kinds.into_iter().map(Kind::new).collect::<Vec<_>>().into()),
                since: since.map(Timestamp::new),
                until: until.map(Timestamp::new),
                limit,
                search,
                ..Filter::new()
            },
        )
    }

    fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::btree_set(any::<u64>(), 0..20).prop_map(|ends| {
            let ends: Vec<u64> = ends.into_iter().collect();
            ends.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
        })
    }

    prop_compose! {
        fn checkpoint()(filters in prop::collection::vec(filter(), 1..4), relays in 0..4_u32)(
            relays in (0..relays).map(|n| (
                Just(n),
                prop::collection::btree_set(any::<[u8; 32]>(), 0..3),
                any::<u64>(),
                prop::collection::vec((any::<Option<u64>>(), ranges()), filters.len()),
            )).collect::<Vec<_>>(),
            filters in Just(filters),
        ) -> Checkpoint {
            let relays = relays.into_iter().map(|(n, keys, alive_until, proven)| RelayGround {
                relay: RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap(),
                keys: keys.into_iter().map(PublicKey::from_bytes).collect(),
                alive_until: Timestamp::new(alive_until),
                floors: proven.iter().map(|(floor, _)| floor.map(Timestamp::new)).collect(),
                proven: proven.into_iter().map(|(_, proven)| proven).collect(),
            });
            Checkpoint { relays: relays.collect(), filters }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(checkpoint in checkpoint()) {
            prop_assert_eq!(Checkpoint::from_json(&checkpoint.to_json()), Ok(checkpoint));
        }

        /// A byte changed, a part cut off or repeated: an error, or something sound.
        #[test]
        fn nothing_panics(
            checkpoint in checkpoint(),
            at in any::<prop::sample::Index>(),
            to in any::<char>(),
            cut in any::<bool>(),
        ) {
            let mut text: Vec<char> = checkpoint.to_json().chars().collect();
            let at = at.index(text.len());
            text[at] = to;
            if cut {
                text.truncate(at);
            }
            let text: String = text.into_iter().collect();
            if let Ok(read) = Checkpoint::from_json(&text) {
                prop_assert_eq!(Checkpoint::from_json(&read.to_json()), Ok(read));
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Checkpoint::from_json(&text);
        }
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let ground = |url: &str, proven: &str| {
            format!(r#"{{"relay":"{url}","keys":[],"alive_until":5,"floors":[null],"proven":{proven}}}"#)
        };
        let text =
            |version: u64, relays: &str| format!(r#"{{"version":{version},"filters":[{{}}],"relays":[{relays}]}}"#);
        let read = |relays: &str| Checkpoint::from_json(&text(1, relays));
        let (a, b) = ("wss://a.example.com", "wss://b.example.com");
        assert!(read(&format!("{},{}", ground(a, "[[]]"), ground(b, "[[[1,2],[3,3]]]"))).is_ok());
        for bad in [
            format!("{},{}", ground(b, "[[]]"), ground(a, "[[]]")),
            format!("{},{}", ground(a, "[[]]"), ground(a, "[[]]")),
            ground(a, "[]"),
            ground(a, "[[],[]]"),
            ground(a, "[[[2,1]]]"),
            ground(a, "[[[1,2],[2,3]]]"),
        ] {
            assert_eq!(read(&bad), Err(CheckpointError::Contradiction), "{bad}");
        }
        for bad in [ground(a, "[[[1]]]"), ground(a, "[[[1,-2]]]"), ground("https://a.example.com", "[[]]"), "1".into()]
        {
            assert!(matches!(read(&bad), Err(CheckpointError::Malformed(_))), "{bad}");
        }
        assert_eq!(Checkpoint::from_json(&text(2, "")), Err(CheckpointError::Version(2)));
        assert!(matches!(Checkpoint::from_json(r#"{"version":1}"#), Err(CheckpointError::Malformed(_))));
        assert!(matches!(
            Checkpoint::from_json(r#"{"version":1,"filters":[],"relays":[],"more":1}"#),
            Err(CheckpointError::Malformed(_))
        ));
        let long = " ".repeat(Checkpoint::MAX_BYTES + 1);
        assert_eq!(Checkpoint::from_json(&long), Err(CheckpointError::TooLong { bytes: long.len() }));
    }

    #[test]
    fn what_is_written_can_always_be_read() {
        let ground = |n: usize| RelayGround {
            relay: RelayUrl::parse(&format!("wss://r{n:05}.example.com")).unwrap(),
            keys: Vec::new(),
            alive_until: Timestamp::new(u64::MAX),
            floors: alloc::vec![None],
            proven: alloc::vec![(0..60).map(|at| (u64::MAX - 1_000 + at * 4, u64::MAX - 998 + at * 4)).collect()],
        };
        let many = Checkpoint { filters: alloc::vec![Filter::new()], relays: (0..1_000).map(ground).collect() };
        let text = many.to_json();
        assert!(text.len() <= Checkpoint::MAX_BYTES && text.len() > Checkpoint::MAX_BYTES - 4_096);
        let read = Checkpoint::from_json(&text).unwrap();
        assert_eq!(read.relays[..], many.relays[..read.relays.len()]);
        let filters = alloc::vec![Filter::new().search("x".repeat(Checkpoint::MAX_BYTES))];
        let read = Checkpoint::from_json(&Checkpoint { filters, ..many }.to_json()).unwrap();
        assert_eq!(read, Checkpoint::default());
    }
}
