//! What has to hold of events that no relay keeps: whoever is live when one comes has it, or is told of a loss.

use nostr_pool_core::{SocketId, SubId};
use serde_json::Value;

use super::oracle::Oracle;

impl Oracle {
    /// An event that no relay keeps reaches the pool, for a request that runs: one of the filters of now.
    pub(super) fn fleeting(&mut self, socket: SocketId, name: &str, event: &Value, unix: u64) {
        if !self.answers.is_genuine(event) {
            return;
        }
        for (id, relay) in self.reqs.legs_of(socket, name) {
            let excused = self.watch.dates.excuses(id, event, unix);
            if let Some(sub) = self.sub_mut(id)
                && !excused
                && !sub.ended
                && sub.asked_at.contains_key(&relay)
                && sub.wants(event)
                && let Some(event) = event["id"].as_str().and_then(|id| id.parse().ok())
            {
                sub.fleeting.insert(event);
            }
        }
    }

    /// Live subscriptions that lack more of what no relay keeps than they were told.
    pub(super) fn lost_silently(&self) -> Vec<SubId> {
        let lacks = |id: &SubId| {
            self.sub(*id).is_some_and(|sub| {
                let lacking = sub.fleeting.iter().filter(|id| !sub.delivered.contains_key(id)).count() as u64;
                lacking > sub.may_lack(false).saturating_add(sub.dropped)
            })
        };
        self.live_subscriptions().into_iter().filter(lacks).collect()
    }
}
