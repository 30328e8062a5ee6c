//! What has to arrive: what relays took that may be relied on, and still have, and what a subscription was promised of it.
//! Nothing excuses a loss but a gap that names its ground: the relay, and the dates.

use std::collections::BTreeSet;

use nostr_pool_core::SubId;
use nostr_proto::{EventId, RelayUrl};

use super::accepted::Taken;
use super::oracle::Oracle;
use super::site::Site;
use super::sub::Sub;

const SECOND: u64 = 1_000_000;

/// What a relay took so long before its connection was lost, in microseconds, is proven by then: pings are answered.
const PROVEN: u64 = 150 * SECOND;

/// A relay that starts anew has everything asked for again that is dated so many seconds before that, or later.
const AGAIN: u64 = 800;

/// What is missing, and what helps to find out why.
#[derive(Debug)]
#[expect(dead_code, reason = "for whoever reads the message")]
pub(super) struct Missing {
    sub: SubId,
    relay: RelayUrl,
    event: EventId,
    /// When the relay took it, and when the leg was live, in true microseconds.
    taken: u64,
    live_since: Option<u64>,
    created_at: u64,
    /// Whether no page can be asked for: the relay has no room for any, or never ends one.
    unpaged: bool,
    /// What sort of subscription it is.
    of: String,
}

impl Oracle {
    /// What is due at these relays, and was neither delivered nor told to be missing.
    pub(super) fn missing(&self, sites: &[&Site], unix: u64) -> Vec<Missing> {
        let live: Vec<SubId> = self.live_subscriptions();
        let of = |id: &SubId| {
            let missing: Vec<Missing> =
                sites.iter().flat_map(|site| self.missing_in(*id, site, u64::MAX, unix)).collect();
            self.beyond_what_was_lost(*id, missing)
        };
        live.iter().flat_map(of).collect()
    }

    /// The same, of one subscription and what one relay had taken by then.
    pub(super) fn missing_of(&self, id: SubId, site: &Site, by: u64, unix: u64) -> Vec<Missing> {
        self.beyond_what_was_lost(id, self.missing_in(id, site, by, unix))
    }

    /// As many as were told to be lost for want of room may lack, and no more; of relays that no page can be asked of, as many as
    /// were told to be skipped.
    fn beyond_what_was_lost(&self, id: SubId, missing: Vec<Missing>) -> Vec<Missing> {
        let lacks = missing.iter().map(|missing| missing.event).collect::<BTreeSet<_>>().len();
        let unpaged = missing.iter().all(|missing| missing.unpaged);
        let may = self.sub(id).map_or(0, |sub| sub.may_lack(unpaged));
        if u64::try_from(lacks).is_ok_and(|lacks| lacks <= may) { Vec::new() } else { missing }
    }

    fn missing_in(&self, id: SubId, site: &Site, by: u64, unix: u64) -> Vec<Missing> {
        let Some(sub) = self.sub(id).filter(|sub| site.honest && sub.asks(&site.url)) else { return Vec::new() };
        // A relay without room for a page beside its live requests never makes up for anything: what it took since lies in the
        // gap that was told when its connection was lost, which stays open. Nobody else's open gap excuses anything.
        let crowded = self.is_full(site);
        // Where it gives way to others again and again, its gap is open, too, and told anew each time.
        let rotates = self.reqs.gave_way(id, &site.url, self.now());
        // What one that is hasty sends after its EOSE is lost with the connection.
        let asked_at = sub.asked_at.get(&site.url).copied().unwrap_or_default();
        let by = |taken: &Taken| taken.at < by && !(site.is_hasty && taken.at < asked_at);
        let open = sub.gaps.get(&site.url).filter(|_| crowded);
        let held = site.accepted.held(&site.relay).filter(|(_, taken)| by(taken));
        let missing = held.filter(|(event, taken)| {
            !sub.delivered.contains_key(event)
                && !sub.before.contains(event)
                && sub.wants(&taken.event)
                && self.is_due(sub, site, taken, crowded)
                && !(crowded && sub.is_refilling(&site.url, taken.created_at()))
                && open.is_none_or(|open| taken.created_at() < open.since || taken.at + PROVEN < open.told)
                && !(rotates && sub.gaps.get(&site.url).is_some_and(|open| open.since <= taken.created_at()))
                && !sub.is_told(&site.url, taken.created_at())
                && !self.watch.dates.excuses(id, &taken.event, unix)
        });
        let tell = |(event, taken): (&EventId, &Taken)| Missing {
            sub: id,
            relay: site.url.clone(),
            event: *event,
            taken: taken.at,
            created_at: taken.created_at(),
            live_since: sub.live_since.get(&site.url).copied(),
            unpaged: crowded || site.is_endless,
            of: sub.sort(),
        };
        missing.map(tell).collect()
    }

    /// Lost connections to these relays that nobody was told to have been made up for.
    pub(super) fn open_gaps(&self, sites: &[&Site]) -> Vec<(SubId, RelayUrl)> {
        let of = |id: SubId| {
            let sub = self.sub(id);
            let open = sites.iter().filter(move |site| {
                sub.is_some_and(|sub| {
                    site.honest
                        && !site.misleads
                        && !self.is_full(site)
                        && !self.reqs.gave_way(id, &site.url, self.now())
                        && sub.asks(&site.url)
                        && sub.gaps.contains_key(&site.url)
                })
            });
            open.map(move |site| (id, site.url.clone())).collect::<Vec<_>>()
        };
        self.live_subscriptions().into_iter().flat_map(of).collect()
    }

    /// Whether a relay's live requests are as many as it takes.
    fn is_full(&self, site: &Site) -> bool {
        let live = self.live_subscriptions();
        let legs = live.iter().filter(|id| self.sub(**id).is_some_and(|sub| sub.asks(&site.url))).count();
        site.most_requests.is_some_and(|most| legs >= most)
    }

    /// Whether a subscription was promised this event of this relay. `crowded`: it has no room for pages.
    fn is_due(&self, sub: &Sub, site: &Site, taken: &Taken, crowded: bool) -> bool {
        let live_since = sub.live_since.get(&site.url);
        // The later the device thinks it is, the less far it looks back; once it is right for good, that is over but for what was
        // written down before.
        let right = taken.at >= self.right_since && !sub.resumed;
        let ahead = if right { 0 } else { self.ahead.saturating_sub(self.skew) };
        let in_time = taken.created_at().saturating_add(self.late_window) >= taken.date.saturating_add(ahead);
        let limited = sub.wanted.iter().any(|filter| filter.get("limit").is_some());
        let gives_all = !site.capped && !limited;
        if site.restarts {
            // Until it started anew, nothing that it said was to be relied on.
            let Some(healed) = site.healed else { return false };
            let again = healed / SECOND + self.epoch - AGAIN + ahead;
            let late = taken.at >= healed && in_time && live_since.is_some_and(|at| *at <= taken.at);
            let asked_again = gives_all || live_since.is_some_and(|at| *at < healed);
            return late || asked_again && (taken.at >= healed && in_time || taken.created_at() >= again);
        }
        if sub.history && !crowded {
            return live_since.is_some() && (in_time || live_since.is_some_and(|at| taken.at < *at));
        }
        if live_since.is_some_and(|since| *since <= taken.at) && in_time {
            return true;
        }
        // The first answer has all that the relay had by then.
        let first_asked = sub.first_asked.get(&site.url).copied().unwrap_or(u64::MAX);
        gives_all && (taken.at < first_asked || in_time)
    }
}
