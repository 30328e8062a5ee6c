//! The filters that go over the wire.

use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp};

use crate::config::Config;
use crate::planted::planted;

/// How far into the past the timestamps of gift wraps are moved on purpose (NIP-59): two days, and an hour of slack.
const GIFT_WRAP_WINDOW: u64 = 2 * 86_400 + 3_600;
const GIFT_WRAP: u16 = 1059;

/// What to ask a relay for that was live until `alive_until`: everything since, without the user's `limit`, which was
/// for the first load only. Reaches back by the clocks' skew and by how late an event may arrive. Of a filter whose window is
/// over by then, its last second is asked for: no filter may end before it begins.
pub(crate) fn catch_up(filters: &[Filter], alive_until: Timestamp, config: &Config, now: Timestamp) -> Vec<Filter> {
    filters
        .iter()
        .map(|filter| {
            let mut filter = filter.clone();
            let from = if planted!(config, SinceNow) { now } else { alive_until };
            let since = from.saturating_sub(window(&filter, config));
            if !planted!(config, LimitReplayed) {
                filter.limit = None;
            }
            let since = filter.since.map_or(since, |own| own.max(since));
            filter.since = Some(filter.until.map_or(since, |until| until.min(since)));
            filter
        })
        .collect()
}

/// What an honest relay may bring before its EOSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// So many EVENT messages.
    pub(crate) frames: u64,
    /// Beyond that, events older than this are dropped; later ones may be new.
    pub(crate) before: Timestamp,
}

/// What a request for these filters may bring: twice their limits, and a hundred. `None`: not all of them have one.
pub(crate) fn allowance(filters: &[Filter], sent: Timestamp, config: &Config) -> Option<Allowance> {
    let limits = filters.iter().map(|filter| filter.limit.map(u64::from)).sum::<Option<u64>>()?;
    Some(Allowance { frames: 2 * limits + 100, before: live_from(filters, sent, config) })
}

/// What is as young as this when it comes may be new, by the clocks' skew and by how late an event may arrive.
pub(crate) fn live_from(filters: &[Filter], now: Timestamp, config: &Config) -> Timestamp {
    now.saturating_sub(reaches(filters, config).into_iter().max().unwrap_or(0))
}

/// How many seconds before the last moment that it was live a relay may lack something, by filter.
pub(crate) fn reaches(filters: &[Filter], config: &Config) -> Vec<u64> {
    filters.iter().map(|filter| window(filter, config)).collect()
}

/// The earliest that may be missing of a relay that was live until then.
pub(crate) fn missed_from(filters: &[Filter], reaches: &[u64], alive_until: Timestamp) -> Timestamp {
    let from = |(filter, reach): (&Filter, &u64)| {
        let from = alive_until.saturating_sub(*reach);
        filter.since.map_or(from, |own| own.max(from))
    };
    filters.iter().zip(reaches).map(from).min().unwrap_or(alive_until)
}

fn window(filter: &Filter, config: &Config) -> u64 {
    let wraps = filter.kinds.as_ref().is_some_and(|kinds| kinds.iter().any(|k| k.as_u16() == GIFT_WRAP));
    let late = config.late_window.as_secs();
    let late = if wraps { late.max(GIFT_WRAP_WINDOW) } else { late };
    late.saturating_add(config.skew.as_secs())
}

#[cfg(test)]
mod tests {
    use nostr_proto::Kind;

    use super::*;

    #[test]
    fn since_reaches_back_and_limit_is_dropped() {
        let config = Config::default();
        let at = Timestamp::new(1_000_000);
        let plain = Filter::new().kind(Kind::TEXT_NOTE).limit(5);
        let wraps = Filter::new().kind(Kind::new(1059));
        let recent = Filter::new().since(Timestamp::new(999_990));
        let over = Filter::new().since(Timestamp::new(5)).until(Timestamp::new(9));
        let asked = catch_up(&[plain, wraps, recent, over], at, &config, at);
        assert_eq!(asked[0].limit, None);
        assert_eq!(asked[0].since, Some(Timestamp::new(1_000_000 - 1_020)));
        assert_eq!(asked[1].since, Some(Timestamp::new(1_000_000 - 176_400 - 120)));
        assert_eq!(asked[2].since, Some(Timestamp::new(999_990)), "the user's own bound is the later one");
        assert_eq!(asked[3].since, Some(Timestamp::new(9)), "never after its end");
    }
}
