//! The counting machine (NIP-45): one question, its relays, one report.
//!
//! A relay's part. The columns are its states: *lost* was asked on a connection that ended before an answer; *refused* was
//! put off by the relay; *last* was asked as often as such an answer allows. A dash: nothing changes.
//!
//! | input \ state | Waiting | Waiting refused | Waiting lost | Asked | Asked lost | Asked last | Noticed | Lacking | Retry | Done |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | asked | Asked | Asked | Asked | – | – | – | – | – | – | – |
//! | counted | – | – | – | Counted | Counted | Counted | Counted | – | – | – |
//! | nonsense | – | – | – | Nonsense | Nonsense | Nonsense | Nonsense | – | – | – |
//! | CLOSED, slow down¹ | – | – | – | Waiting | Waiting | Waiting | Waiting | – | – | – |
//! | CLOSED, try again later² | – | – | – | Retry | Retry | Refused | Retry | – | – | – |
//! | CLOSED, for good³ | – | – | – | Refused | Refused | Refused | Refused | – | – | – |
//! | CLOSED, `auth-required:`⁴ | – | – | – | Lacking | Lacking | Lacking | Lacking | – | – | – |
//! | NOTICE⁵ | – | – | – | Noticed | Noticed | Noticed | – | – | – | – |
//! | authenticated | – | – | – | – | – | – | – | Waiting | – | – |
//! | not authenticated | – | – | – | – | – | – | – | Refused | – | – |
//! | recalled | – | – | – | Waiting | Waiting | Waiting | Waiting | – | – | – |
//! | connection lost | – | – | – | Waiting | Lost | Waiting | Refused | Waiting | – | – |
//! | no connection⁶ | Unreachable | – | – | – | – | – | – | – | – | – |
//! | no connection to come | Unreachable | Refused | Lost | – | – | – | – | – | Refused | – |
//! | too large | TooLarge | TooLarge | TooLarge | – | – | – | – | – | – | – |
//! | due⁷ | – | – | – | – | – | – | Refused | – | Waiting | – |
//! | deadline | Unreachable | Refused | Lost | Silent | Silent | Silent | Refused | Refused | Refused | – |
//! | relay removed | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | – |
//! | cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | – |
//!
//! ¹ `rate-limited`: the relay's lanes wait, and then it is its turn again. ² `error`, and unknown or empty reasons, which
//! are tried fewer times. ³ Every other prefix; that is `auth-required`, too, where nobody authenticates. ⁴ Or
//! `restricted:`, while an authentication is under way (see [`auth`](crate::auth)). ⁵ One that seems to be in place of an
//! answer: an answer has `NOTICE_GRACE` more to come. One that names the question, or the verb, ends it at once: with a
//! prefix as CLOSED does, without one as a refusal.
//! ⁶ For now: a relay that was never asked is not waited for, as by a fetch. ⁷ The grace or the wait is over.
//!
//! The report comes exactly once: when no part is open, or at the deadline. What comes later changes nothing.
//!
//! Never asks a relay of which two connections ended over the question a third time, never merges registers of questions
//! for which NIP-45 leaves open what they mean, never reads a clock.

mod part;
mod report;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Filter, Reason, RelayUrl, encode};

use crate::auth::{self, Epoch};
use crate::config::Config;
use crate::event::CountAnswer;
use crate::ids::{CountId, RelayIx, WireId};
use crate::planted::planted;
use crate::time::{Instant, Now};

use part::Part;

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) id: CountId,
    filters: Vec<Filter>,
    private: bool,
    parts: BTreeMap<RelayIx, Part>,
    deadline: Instant,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl Counting {
    pub(crate) fn new(
        id: CountId,
        filters: Vec<Filter>,
        relays: impl IntoIterator<Item = (RelayIx, RelayUrl)>,
        patience: Option<Duration>,
        config: &Config,
        now: Now,
    ) -> Self {
        let private = auth::asks_for_private(&filters);
        let parts = relays.into_iter().map(|(ix, url)| (ix, Part::new(url))).collect();
        Self {
            id,
            filters,
            private,
            parts,
            deadline: now.mono + patience.unwrap_or(config.count_deadline),
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    /// The longest that its message can be, in bytes, whatever its name on the wire.
    pub(crate) fn message_bytes(filters: &[Filter]) -> usize {
        encode::count(&alloc::format!("{}", WireId(u64::MAX)), filters).len()
    }

    /// Whether relays hide from strangers what it asks about.
    pub(crate) fn is_private(&self) -> bool {
        self.private
    }

    /// Its relays.
    pub(crate) fn relays(&self) -> Vec<RelayIx> {
        self.parts.keys().copied().collect()
    }

    /// Whether it still wants something of this relay.
    pub(crate) fn is_open(&self, relay: RelayIx) -> bool {
        self.parts.get(&relay).is_some_and(|part| !part.is_done())
    }

    /// Whether it is to be asked of this relay now.
    pub(crate) fn is_sendable(&self, relay: RelayIx) -> bool {
        self.parts.get(&relay).is_some_and(Part::waits)
    }

    /// Its name at this relay, while it runs there.
    pub(crate) fn wire(&self, relay: RelayIx) -> Option<WireId> {
        self.parts.get(&relay)?.wire()
    }

    /// What a relay knew of us when it was asked.
    pub(crate) fn under(&self, relay: RelayIx) -> Option<Epoch> {
        self.parts.get(&relay).map(|part| part.under)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.parts.values().all(Part::is_done)
    }

    /// The COUNT message. It is for the caller to send it, and to say so by `asked`.
    pub(crate) fn message(&self, wire: WireId) -> alloc::string::String {
        encode::count(&alloc::format!("{wire}"), &self.filters)
    }

    pub(crate) fn asked(&mut self, relay: RelayIx, wire: WireId, under: Epoch) {
        self.part(relay, |part| part.asked(wire, under));
    }

    pub(crate) fn counted(&mut self, relay: RelayIx, answer: CountAnswer) {
        self.part(relay, |part| part.counted(answer));
    }

    pub(crate) fn nonsense(&mut self, relay: RelayIx) {
        self.part(relay, Part::nonsense);
    }

    /// The relay refused, for whatever but an authentication.
    pub(crate) fn refused(&mut self, relay: RelayIx, reason: Reason, config: &Config, now: Now) {
        self.part(relay, |part| part.refused(reason, config, now.mono));
    }

    /// The relay refused, and an authentication is under way.
    pub(crate) fn lacks_auth(&mut self, relay: RelayIx, reason: Reason) {
        self.part(relay, |part| part.lacks_auth(reason));
    }

    /// The relay said something that may be in place of an answer. Should none come until then, it was.
    pub(crate) fn noticed(&mut self, relay: RelayIx, reason: Reason, until: Instant) {
        self.part(relay, |part| part.noticed(reason, until));
    }

    pub(crate) fn authenticated(&mut self, relay: RelayIx) {
        self.part(relay, Part::authenticated);
    }

    pub(crate) fn not_authenticated(&mut self, relay: RelayIx) {
        self.part(relay, Part::not_authenticated);
    }

    /// What it would answer now does not count: it is about to know us better.
    pub(crate) fn recalled(&mut self, relay: RelayIx) {
        self.part(relay, Part::recalled);
    }

    pub(crate) fn lost(&mut self, relay: RelayIx) {
        self.part(relay, Part::lost);
    }

    /// There is no connection, nor one on its way. `later`: one is dialled after a while.
    pub(crate) fn unavailable(&mut self, relay: RelayIx, later: bool) {
        self.part(relay, |part| part.unavailable(later));
    }

    pub(crate) fn too_large(&mut self, relay: RelayIx, bytes: usize, max: u64) {
        self.part(relay, |part| part.too_large(bytes, max));
    }

    pub(crate) fn relay_removed(&mut self, relay: RelayIx) {
        self.part(relay, Part::cancelled);
    }

    pub(crate) fn cancel(&mut self) {
        self.parts.values_mut().for_each(|part| part.step(Part::cancelled));
    }

    /// Settles what is due. Returns the relays whose turn it is again.
    pub(crate) fn timeout(&mut self, now: Now) -> Vec<RelayIx> {
        let over = self.deadline <= now.mono && !planted!(self, CountNeverDue);
        for part in self.parts.values_mut() {
            part.step(|part| if over { part.over() } else { part.due(now.mono) });
        }
        self.parts.iter().filter(|(_, part)| part.waits()).map(|(&ix, _)| ix).collect()
    }

    /// When [`Counting::timeout`] wants to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        let over = Some(self.deadline).filter(|_| !planted!(self, CountNeverDue));
        self.parts.values().filter_map(Part::due_at).chain(over).min()
    }

    fn part(&mut self, relay: RelayIx, step: impl FnOnce(Part) -> Part) {
        if let Some(part) = self.parts.get_mut(&relay) {
            part.step(step);
        }
    }
}
