//! What is known at a moment, for the screen to show and for the final check to judge.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nostr_pool_tokio::{ConnectionState, Coverage, EventItem, RelayCounters, RelayRecord, Verdict};
use nostr_proto::{EventId, RelayUrl};

use super::cast::Cast;

/// A relay's part in the subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// There is no subscription yet.
    #[default]
    None,
    /// It is being asked for what it has.
    Asked,
    /// It has sent all it had, and pushes what is new.
    Live,
    /// Events may be missing: its connection was lost.
    Gap,
    /// It is being asked for what was missed.
    CatchingUp,
}

/// What is known of a relay.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) url: RelayUrl,
    pub(crate) state: ConnectionState,
    pub(crate) part: Part,
    /// Gaps that were opened, and closed again.
    pub(crate) gaps: (u32, u32),
    pub(crate) dials: u64,
    pub(crate) counters: RelayCounters,
}

/// A publish on show.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) id: EventId,
    pub(crate) title: String,
    /// Relays that accepted, that must, and that were asked.
    pub(crate) accepted: usize,
    pub(crate) needed: usize,
    pub(crate) relays: usize,
    pub(crate) verdict: Option<Verdict>,
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) rows: Vec<Row>,
    pub(crate) publish: Option<Publish>,
    /// How often each event was delivered.
    pub(crate) delivered: BTreeMap<EventId, u32>,
    /// The deliveries in their order.
    pub(crate) items: Vec<EventItem>,
    pub(crate) coverage: Option<Coverage>,
    /// Publishes that ended, by verdict: reached, and not.
    pub(crate) verdicts: (u32, u32),
}

impl Board {
    pub(crate) fn new(cast: &Cast) -> Self {
        let row = |relay: &super::cast::Relay| Row {
            name: relay.name,
            url: relay.url.clone(),
            state: ConnectionState::Idle,
            part: Part::None,
            gaps: (0, 0),
            dials: 0,
            counters: RelayCounters::default(),
        };
        Self { rows: cast.relays.iter().map(row).collect(), ..Self::default() }
    }

    /// The row of a relay of the demo; the pool has no others.
    pub(crate) fn row(&mut self, url: &RelayUrl) -> &mut Row {
        self.rows.iter_mut().find(|row| row.url == *url).expect("the pool has only the relays of the cast")
    }

    pub(crate) fn note_records(&mut self, records: Vec<RelayRecord>) {
        for record in records {
            let row = self.row(&record.url);
            row.state = record.state;
            row.dials = record.dials;
            row.counters = record.counters;
        }
    }

    pub(crate) fn deliver(&mut self, item: EventItem) {
        *self.delivered.entry(item.event.id()).or_default() += 1;
        self.items.push(item);
    }

    /// Copies dropped, and forgeries.
    pub(crate) fn dropped(&self) -> (u64, u64) {
        let sum = |count: fn(&RelayCounters) -> u64| self.rows.iter().map(|row| count(&row.counters)).sum();
        (sum(|c| c.duplicates), sum(|c| c.forged))
    }
}

/// The board as several tasks share it.
#[derive(Clone, Debug)]
pub(crate) struct SharedBoard(Arc<Mutex<Board>>);

impl SharedBoard {
    pub(crate) fn new(board: Board) -> Self {
        Self(Arc::new(Mutex::new(board)))
    }

    /// Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
