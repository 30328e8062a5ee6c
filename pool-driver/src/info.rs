//! Relays' information documents (NIP-11): fetching them, and telling the core, by a call, so that a recording has them.
//!
//! The core never asks for one and waits for none. A document is fetched in a task of its own, over a connection of its own,
//! dialled as the relay's WebSocket is.

mod answer;
mod book;
mod error;
mod places;

use std::future::{Future, pending};
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, select};
use nostr_pool_core::{CallError, Origin};
use nostr_proto::{RelayInfo, RelayUrl};

use crate::dial::{Dial, DialSettings, Limit, reach};
use crate::runtime::Runtime;
use crate::shared::Shared;

pub use error::{AnswerFault, RelayInfoError};

pub(crate) use book::Book;
pub(crate) use places::Places;

/// A document as it came, and what it says.
pub(crate) type Document = (String, RelayInfo);

type Outcome = Result<Document, RelayInfoError>;

/// What a pool does about documents.
pub(crate) struct Infos {
    /// Whether one is fetched when a connection opens.
    on_open: bool,
    places: Places,
}

impl Infos {
    pub(crate) fn new(on_open: bool) -> Self {
        Self { on_open, places: Places::default() }
    }
}

/// A connection to a relay has opened: its document is fetched, if the pool is to do so and the time has come.
pub(crate) fn on_open(shared: &Arc<Shared>, order: &Dial) {
    if shared.infos.on_open && shared.enter(|state, now| state.begin_info(&order.url, now)) {
        spawn(shared, order.clone(), None);
    }
}

/// Fetches the document of a relay now. Begun by this call; dropping what it returns ends it.
pub(crate) fn now(shared: &Arc<Shared>, url: &RelayUrl) -> impl Future<Output = Outcome> + Send + use<> {
    let begun = origin(shared, url).map(|origin| {
        let (tell, told) = oneshot::channel();
        spawn(shared, Dial { url: url.clone(), origin }, Some(tell));
        told
    });
    async move {
        // Nobody tells only if the task is dropped: with its runtime, or with the pool.
        begun?.await.unwrap_or(Err(CallError::Closed.into()))
    }
}

/// Who named a relay of the pool.
fn origin(shared: &Arc<Shared>, url: &RelayUrl) -> Result<Origin, CallError> {
    shared.look(|state| {
        if state.has_ended() {
            return Err(CallError::Closed);
        }
        let record = state.core.relay(url).ok_or_else(|| CallError::UnknownRelay(url.clone()))?;
        Ok(record.options.origin)
    })
}

/// Fetches a document in a task that ends with the pool, and when nobody waits for it any more.
fn spawn(shared: &Arc<Shared>, dial: Dial, mut tell: Option<oneshot::Sender<Outcome>>) {
    let ended = shared.ended.clone();
    let report = tell.is_none().then(|| Report { shared: shared.clone(), url: dial.url.clone() });
    let owner = shared.clone();
    let task = async move {
        let given_up = match &mut tell {
            Some(tell) => tell.cancellation().left_future(),
            None => pending().right_future(),
        };
        let work = fetch_and_tell_core(&owner, dial);
        let outcome = match select(Box::pin(work), select(ended, given_up)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(CallError::Closed.into()),
        };
        drop(report);
        if let Some(tell) = tell {
            // Whoever waited may have gone.
            let _ = tell.send(outcome);
        }
    };
    shared.engine.spawn(task.boxed());
}

async fn fetch_and_tell_core(shared: &Arc<Shared>, dial: Dial) -> Outcome {
    let _place = shared.infos.places.take()?.await.ok_or(CallError::Closed)?;
    let url = dial.url.clone();
    let text = shared.engine.fetch_info(shared.clone(), dial).await?;
    let info = RelayInfo::from_json(&text).map_err(RelayInfoError::NotDocument)?;
    shared.enter(|state, now| state.note_info(&url, &info, now))?;
    Ok((text, info))
}

/// Says that a fetch which a connection brought about is over; also when its task is dropped or panics.
struct Report {
    shared: Arc<Shared>,
    url: RelayUrl,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.shared.enter_dropping(|state, now| state.end_info(&self.url, now));
    }
}

/// Dials a relay and asks for its document. Its text has not been looked at.
pub(crate) async fn fetch<R: Runtime>(
    runtime: &R,
    order: &Dial,
    settings: &DialSettings,
) -> Result<String, RelayInfoError> {
    let after = settings.steps.info;
    let mut limit = Limit::new(runtime, settings.steps, after);
    let (_, io) = reach(&mut limit, runtime, order, settings).await.map_err(RelayInfoError::Unreachable)?;
    let own = settings.relay_headers().get(&order.url).cloned().unwrap_or_default();
    let request = answer::request(&order.url, settings.headers_with(&own));
    limit.rest(answer::ask(io, &request)).await.unwrap_or(Err(RelayInfoError::TimedOut { after }))
}
