//! Everything that the acts share.

use std::sync::Arc;
use std::time::Duration;

use nostr_pool_tokio::{Config, ConnectionState, Pool, PublishOptions, Quorum, RelayRecord, SubscribeOptions, Verdict};
use nostr_proto::{Event, Filter, Kind};
use tokio::time::{Instant, sleep};

use crate::exit::Stop;
use crate::network::NetworkArgs;
use crate::relays;

use super::board::{Board, Publish, SharedBoard};
use super::cast::Cast;
use super::screen::Screen;
use super::watch;

/// How often the board is drawn and looked at.
const TICK: Duration = Duration::from_millis(50);

/// Relays that must accept a note.
pub(crate) const QUORUM: usize = 3;

/// How long a publish may take to reach every relay, the one that was away included.
const DELIVERY: Duration = Duration::from_secs(6);

/// The stage: cast, pool, board and screen.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cast: Cast,
    pub(crate) pool: Pool,
    pub(crate) board: SharedBoard,
    pub(crate) screen: Arc<Screen>,
    /// How many notes were published.
    published: u32,
}

impl Stage {
    /// Starts the relays, and a pool that knows them. Nothing is dialled yet.
    pub(crate) fn set(plain: bool) -> Result<Self, Stop> {
        let cast = Cast::assemble()?;
        let urls: Vec<_> = cast.relays.iter().map(|relay| relay.url.clone()).collect();
        let pool = relays::open(&urls, &config(), None, &NetworkArgs::default())?;
        let board = SharedBoard::new(Board::new(&cast));
        let screen = Arc::new(Screen::new(plain));
        tokio::spawn(watch::connections(pool.status(), board.clone(), Arc::clone(&screen)));
        if screen.is_watched() {
            tokio::spawn(watch::draw(pool.clone(), board.clone(), Arc::clone(&screen), TICK));
        }
        Ok(Self { cast, pool, board, screen, published: 0 })
    }

    /// Subscribes to all notes of all relays.
    pub(crate) fn subscribe(&self) -> Result<(), Stop> {
        let filter = Filter::new().kind(Kind::TEXT_NOTE);
        let subscription = self
            .pool
            .subscribe([filter], SubscribeOptions::default())
            .map_err(|e| Stop::failed(format!("cannot subscribe: {e}")))?;
        tokio::spawn(watch::items(subscription, self.board.clone(), Arc::clone(&self.screen)));
        Ok(())
    }

    /// Publishes a note to every relay and puts it on show. Whether each answer is told is for the caller to say.
    pub(crate) fn publish(&mut self, event: Event, title: &str, tell: bool) -> Result<(), Stop> {
        let options = PublishOptions::default().with_quorum(Quorum::AtLeast(QUORUM)).with_deadline(DELIVERY);
        let publishing = self.pool.publish(event, options).map_err(|e| Stop::failed(format!("cannot publish: {e}")))?;
        self.board.lock().publish = Some(Publish {
            id: publishing.event_id(),
            title: title.to_owned(),
            accepted: 0,
            needed: QUORUM,
            relays: self.cast.relays.len(),
            verdict: None,
        });
        let screen = tell.then(|| Arc::clone(&self.screen));
        tokio::spawn(watch::publish(publishing, self.board.clone(), screen));
        self.published += 1;
        Ok(())
    }

    /// Waits until every publish has its verdict and has ended at every relay that is not left alone, for a bounded time.
    /// What takes too long shows in the final check.
    pub(crate) async fn all_delivered(&self) {
        let deadline = Instant::now() + DELIVERY;
        let settled = |record: &RelayRecord| {
            record.pending_publishes == 0 || matches!(record.state, ConnectionState::Quarantined { .. })
        };
        let is_done = || {
            let (reached, not) = self.board.lock().verdicts;
            reached + not >= self.published && self.pool.relays().iter().all(settled)
        };
        while !is_done() && Instant::now() < deadline {
            sleep(TICK / 5).await;
        }
    }

    /// Waits until the board shows something, for a bounded time. Whether it did is for the final check to say.
    pub(crate) async fn until(&self, longest: Duration, shown: impl Fn(&Board) -> bool) -> Result<(), Stop> {
        let deadline = Instant::now() + longest;
        loop {
            self.screen.check()?;
            self.refresh();
            if shown(&self.board.lock()) || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(TICK / 5).await;
        }
    }

    /// Brings the board's counters up to date.
    pub(crate) fn refresh(&self) {
        let records = self.pool.relays();
        self.board.lock().note_records(records);
    }

    /// A time as it is on a watched stage; otherwise things happen as fast as they are still told apart.
    pub(crate) fn pace(&self, watched: Duration) -> Duration {
        if self.screen.is_watched() { watched } else { watched / 5 }
    }

    /// Time for the reader's eye.
    pub(crate) async fn pause(&self, millis: u64) -> Result<(), Stop> {
        self.screen.check()?;
        sleep(self.pace(Duration::from_millis(millis))).await;
        Ok(())
    }
}

/// The pool's defaults suit a long life among strangers; here everything is near and the evening is short.
fn config() -> Config {
    Config {
        backoff_base: Duration::from_millis(300),
        backoff_max: Duration::from_millis(800),
        backoff_jitter: Duration::from_millis(200),
        retry_base: Duration::from_millis(200),
        ..Config::default()
    }
}

/// Whether a publish did what it was to do.
pub(crate) fn is_reached(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Reached)
}
