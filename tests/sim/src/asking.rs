//! Having relays count, step by step.

use nostr_pool_core::{Call, Count, Reply};
use nostr_proto::{Filter, Kind};

use super::app::seconds;
use super::counts::Question;
use super::step::{What, Where};
use super::sub::json;
use super::world::World;

impl World {
    pub(super) fn count(&mut self, what: What, tagged: bool, target: Where, patience: u8) {
        let filters = match tagged {
            true => vec![Filter::new().kind(Kind::new(30_000)).tag('d', "1")],
            false => self.filters(what),
        };
        let (target, relays) = self.target(target, |options| options.read);
        let deadline = seconds(patience);
        let texts = filters.iter().map(|filter| json(&filter.to_json())).collect();
        let reply = self.try_call(Call::Count(Count { filters, target, deadline }));
        let Some(Reply::Counting(count)) = reply else { return };
        let due = self.now().mono + deadline.unwrap_or(self.core.config().count_deadline);
        let question = Question { filters: texts, relays: relays.into_iter().collect(), due, deadline: due };
        if let Err(rule) = self.oracle.counts.begun(count, question) {
            self.check(false, rule);
        }
    }

    pub(super) fn cancel_count(&mut self) {
        if let Some(count) = self.oracle.counts.oldest() {
            self.oracle.counts.may_end();
            self.try_call(Call::CancelCount { count });
        }
    }
}
