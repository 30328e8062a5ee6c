//! The counting machine (NIP-45): one question, its relays, one report.
//!
//! A relay's part. The columns are its states: *lost* was asked on a connection that ended before an answer, *cut* on one
//! that we closed; *refused* was put off by the relay; *last* was asked as often as such an answer allows. A dash: nothing
//! changes.
//!
//! | input \ state | Waiting | Waiting refused | Waiting lost | Waiting cut | Asked | Asked lost | Asked last | Noticed | Presumed | Lacking | Retry | Done |
//! |---|---|---|---|---|---|---|---|---|---|---|---|---|
//! | asked | Asked | Asked | Asked | Asked | – | – | – | – | – | – | – | – |
//! | counted | – | – | – | – | Counted | Counted | Counted | Counted | Counted | – | – | – |
//! | nonsense | – | – | – | – | Nonsense | Nonsense | Nonsense | Nonsense | Nonsense | – | – | – |
//! | CLOSED, slow down¹ | – | – | – | – | Waiting | Waiting | Waiting | Waiting | Refused | – | – | – |
//! | CLOSED, try again later² | – | – | – | – | Retry | Retry | Refused | Retry | Refused | – | – | – |
//! | CLOSED, for good³ | – | – | – | – | Refused | Refused | Refused | Refused | Refused | – | – | – |
//! | CLOSED, `auth-required:`⁴ | – | – | – | – | Lacking | Lacking | Lacking | Lacking | Refused | – | – | – |
//! | NOTICE⁵ | – | – | – | – | Noticed | Noticed | Noticed | – | – | – | – | – |
//! | authenticated | – | – | – | – | – | – | – | – | – | Waiting | – | – |
//! | not authenticated | – | – | – | – | – | – | – | – | – | Refused | – | – |
//! | recalled | – | – | – | – | Waiting | Waiting | Waiting | Waiting | – | – | – | – |
//! | connection lost | – | – | – | – | Waiting | Lost | Waiting | Refused | Refused | Waiting | – | – |
//! | connection closed by us | – | – | – | – | Waiting | Waiting | Waiting | Waiting | Refused | Waiting | – | – |
//! | no connection⁶ | Unreachable | – | – | – | – | – | – | – | – | – | – | – |
//! | no connection to come | Unreachable | Refused | Lost | Lost | – | – | – | – | – | – | Refused | – |
//! | too large | TooLarge | TooLarge | TooLarge | TooLarge | – | – | – | – | – | – | – | – |
//! | due⁷ | – | – | – | – | – | – | – | Presumed | – | – | Waiting | – |
//! | deadline | Unreachable | Refused | Lost | Silent | Silent | Silent | Silent | Refused | Refused | Refused | Refused | – |
//! | cancelled, or relay removed | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | Cancelled | – |
//!
//! ¹ `rate-limited`: the relay's lanes wait, and then it is its turn again. ² `error`, and unknown or empty reasons, which
//! are tried fewer times. ³ Every other prefix; that is `auth-required`, too, where nobody authenticates. ⁴ Or
//! `restricted:`, while an authentication is under way (see [`auth`](crate::auth)). ⁵ One that seems to be in place of an
//! answer: nobody waits for one beyond `NOTICE_GRACE` then, but one that comes before the report counts. One that names the
//! question has no such grace; with a prefix, and that goes for the verb, too, it is taken as CLOSED.
//! ⁶ For now: a relay that was never asked is not waited for, as by a fetch. ⁷ The grace or the wait is over.
//!
//! The report comes exactly once: when every part is settled or presumed to be, or at the deadline. What comes later changes nothing.
//!
//! Never asks a relay of which two connections ended over the question a third time, never merges registers of questions
//! for which NIP-45 leaves open what they mean, never reads a clock.

mod part;
mod report;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use alloc::collections::{BTreeMap, BTreeSet};
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
    /// Parts that are not settled, so that no step goes over all of them.
    open: usize,
    /// When parts have waits of their own.
    dues: BTreeSet<(Instant, RelayIx)>,
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
        let parts: BTreeMap<RelayIx, Part> = relays.into_iter().map(|(ix, url)| (ix, Part::new(url))).collect();
        Self {
            id,
            filters,
            private,
            open: parts.len(),
            parts,
            dues: BTreeSet::new(),
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
        self.parts.get(&relay).is_some_and(|part| !part.is_settled())
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
        self.open == 0
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

    /// We closed the connection.
    pub(crate) fn cut(&mut self, relay: RelayIx) {
        self.part(relay, Part::cut);
    }

    /// There is no connection, nor one on its way. `later`: one is dialled after a while.
    pub(crate) fn unavailable(&mut self, relay: RelayIx, later: bool) {
        self.part(relay, |part| part.unavailable(later));
    }

    pub(crate) fn too_large(&mut self, relay: RelayIx, bytes: usize, max: u64) {
        self.part(relay, |part| part.too_large(bytes, max));
    }

    pub(crate) fn cancel(&mut self, relay: RelayIx) {
        self.part(relay, Part::cancelled);
    }

    /// Settles what is due of this relay.
    pub(crate) fn timeout(&mut self, relay: RelayIx, now: Now) {
        let over = self.is_over(now);
        self.part(relay, |part| if over { part.over() } else { part.due(now.mono) });
    }

    /// The relays for which [`Counting::timeout`] is due.
    pub(crate) fn overdue(&self, now: Now) -> Vec<RelayIx> {
        if self.is_over(now) {
            return self.relays();
        }
        self.dues.iter().take_while(|(at, _)| *at <= now.mono).map(|(_, ix)| *ix).collect()
    }

    /// Its names at relays that may still answer.
    pub(crate) fn running(&self) -> Vec<(RelayIx, WireId)> {
        self.parts.iter().filter_map(|(ix, part)| Some((*ix, part.wire()?))).collect()
    }

    fn is_over(&self, now: Now) -> bool {
        self.deadline <= now.mono && !planted!(self, CountNeverDue)
    }

    /// When [`Counting::timeout`] wants to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        let over = Some(self.deadline).filter(|_| !planted!(self, CountNeverDue));
        self.dues.first().map(|(at, _)| *at).into_iter().chain(over).min()
    }

    fn part(&mut self, relay: RelayIx, step: impl FnOnce(Part) -> Part) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        let (due, settled) = (part.due_at(), part.is_settled());
        part.step(step);
        if due != part.due_at() {
            due.map(|at| self.dues.remove(&(at, relay)));
            part.due_at().map(|at| self.dues.insert((at, relay)));
        }
        match (settled, part.is_settled()) {
            (false, true) => self.open -= 1,
            (true, false) => self.open += 1,
            _ => {}
        }
    }
}
