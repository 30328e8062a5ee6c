//! Proof of work for the relays that ask for it, done by the verifier threads while they have nothing to check.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::channel::oneshot;
use nostr_pool_core::{Call, CallError, PublishId, PublishUnsigned, Target, Unfinished};
use nostr_proto::{EventTemplate, Kind, Miner, PublicKey, RelayUrl, Tags, Timestamp, UnsignedEvent};

use crate::error::MineError;
use crate::publishing::{PublishOptions, Publishing};
use crate::shared::Shared;

/// Attempts between two looks at what else there is to do: a few milliseconds, with a long event some more.
const SLICE: u64 = 10_000;

/// An event that is being mined, for relays that asked for it. Gives its [`Publishing`]; see
/// [`Pool::mine`](crate::Pool::mine). Dropping it ends the mining.
#[must_use = "nothing is mined once it is dropped"]
pub struct Mining {
    shared: Arc<Shared>,
    mined: oneshot::Receiver<UnsignedEvent>,
    difficulty: u8,
    relays: Vec<RelayUrl>,
    earlier: PublishId,
    options: PublishOptions,
}

impl Mining {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        earlier: PublishId,
        max_difficulty: u8,
        options: PublishOptions,
    ) -> Result<Self, MineError> {
        let author = shared.signers.first().ok_or(MineError::NoSigner)?.public_key();
        let found = shared.look(|state| {
            if state.has_ended() {
                return Err(CallError::Closed);
            }
            let remembered = state.core.publish_report(earlier).zip(state.core.publish_event(earlier));
            remembered.ok_or(CallError::UnknownPublish(earlier))
        });
        let (report, event) = found?;
        let template = template(&event, author).ok_or(MineError::NotOurs)?;
        let asked = report.relays.iter().filter_map(|(url, status)| Some((url, status.pow_asked()?)));
        let (feasible, too_hard): (Vec<_>, Vec<_>) = asked.partition(|(_, bits)| *bits <= max_difficulty);
        let Some(difficulty) = feasible.iter().map(|(_, bits)| *bits).max() else {
            let least = too_hard.into_iter().map(|(_, bits)| bits).min();
            return Err(least.map_or(MineError::NotAsked, |asked| MineError::TooHard { asked }));
        };
        let relays = feasible.into_iter().map(|(url, _)| url.clone()).collect();
        let (sender, mined) = oneshot::channel();
        shared.jobs.mine(Mine { miner: Miner::new(template, author, difficulty), mined: sender });
        Ok(Self { shared: shared.clone(), mined, difficulty, relays, earlier, options })
    }

    /// The difficulty that it is mined for, in leading zero bits of the id.
    pub fn difficulty(&self) -> u8 {
        self.difficulty
    }

    /// The relays that it is mined for.
    pub fn relays(&self) -> &[RelayUrl] {
        &self.relays
    }

    fn publish(&mut self, event: UnsignedEvent) -> Result<Publishing, MineError> {
        let PublishOptions { quorum, deadline, .. } = self.options.clone();
        let (target, link) = (Target::Relays(self.relays.clone()), Some(self.earlier));
        let call = PublishUnsigned { event, target, quorum, deadline, link };
        Ok(Publishing::start(&self.shared, Call::PublishUnsigned(call))?)
    }
}

impl Future for Mining {
    type Output = Result<Publishing, MineError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.mined.poll_unpin(cx).map(|mined| match mined {
            Ok(event) => self.publish(event),
            Err(oneshot::Canceled) if self.shared.look(|state| state.has_ended()) => Err(CallError::Closed.into()),
            Err(oneshot::Canceled) => Err(MineError::Exhausted),
        })
    }
}

impl fmt::Debug for Mining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mining")
            .field("difficulty", &self.difficulty)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}

/// An event to mine. Dropping it tells the one who waits for it.
#[derive(Debug)]
pub(crate) struct Mine {
    miner: Miner,
    mined: oneshot::Sender<UnsignedEvent>,
}

impl Mine {
    /// Mines for a moment. `None`: it is over, or nobody waits for it any more.
    pub(crate) fn slice(mut self) -> Option<Self> {
        if self.mined.is_canceled() {
            return None;
        }
        match self.miner.mine(SLICE) {
            nostr_proto::Mining::Found(event) => {
                // Nobody may wait for it any more; then it is for nobody.
                let _ = self.mined.send(event);
                None
            }
            nostr_proto::Mining::NotYet => Some(self),
            nostr_proto::Mining::Exhausted => None,
        }
    }
}

/// The event without its id and signature; `None` if it is another author's.
fn template(event: &Unfinished, author: PublicKey) -> Option<EventTemplate> {
    match event {
        Unfinished::Signed(e) if e.pubkey() == author => Some(parts(e.kind(), e.content(), e.created_at(), e.tags())),
        Unfinished::Unsigned(e) if e.pubkey() == author => Some(parts(e.kind(), e.content(), e.created_at(), e.tags())),
        Unfinished::Signed(_) | Unfinished::Unsigned(_) => None,
    }
}

fn parts(kind: Kind, content: &str, created_at: Timestamp, tags: Tags<'_>) -> EventTemplate {
    let tags = tags.into_iter().map(|tag| tag.iter().map(str::to_owned).collect()).collect();
    EventTemplate { tags, ..EventTemplate::new(kind, content, created_at) }
}

#[cfg(test)]
mod tests {
    use nostr_proto::Keys;

    use super::*;

    fn mine(bits: u8) -> (Mine, oneshot::Receiver<UnsignedEvent>) {
        let author = Keys::from_entropy([1; 32]).unwrap().public_key();
        let (sender, mined) = oneshot::channel();
        let template = EventTemplate::text_note("hello", Timestamp::new(1));
        (Mine { miner: Miner::new(template, author, bits), mined: sender }, mined)
    }

    #[test]
    fn what_is_found_is_told() {
        let (mut job, mut mined) = mine(12);
        while let Some(next) = job.slice() {
            job = next;
        }
        assert_eq!(mined.try_recv().unwrap().unwrap().check_pow(12), Ok(()));
    }

    #[test]
    fn nothing_is_mined_for_nobody() {
        let (job, mined) = mine(255);
        let job = job.slice().unwrap();
        drop(mined);
        assert!(job.slice().is_none());
    }
}
