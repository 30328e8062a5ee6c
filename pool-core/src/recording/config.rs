//! [`Config`], whole.

use alloc::vec::Vec;

use crate::auth::AuthPolicy;
use crate::config::Config;

use super::code::{Decode, Encode, Source, coded_enum};
use super::read::Fault;

coded_enum! { AuthPolicy { 0 Never, 1 Ask, 2 Always } }

/// The bug that is planted, in builds that can have one: its place in the list and one, or 0 for none.
#[cfg(feature = "planted-bugs")]
mod planted {
    use super::{Config, Fault};
    use crate::PlantedBug;

    pub(super) fn number(config: &Config) -> usize {
        let at = config.planted.and_then(|bug| PlantedBug::ALL.iter().position(|it| *it == bug));
        at.map_or(0, |at| at + 1)
    }

    pub(super) fn plant(config: Config, number: usize) -> Result<Config, Fault> {
        let Some(at) = number.checked_sub(1) else { return Ok(config) };
        let bug = PlantedBug::ALL.get(at).ok_or(Fault::Bad("no such planted bug"))?;
        Ok(Config { planted: Some(*bug), ..config })
    }
}

#[cfg(not(feature = "planted-bugs"))]
mod planted {
    use super::{Config, Fault};

    pub(super) fn number(_: &Config) -> usize {
        0
    }

    pub(super) fn plant(config: Config, number: usize) -> Result<Config, Fault> {
        if number == 0 { Ok(config) } else { Err(Fault::Bad("a bug was planted, which this build has not")) }
    }
}

/// By the names of all fields but `planted`, which comes last.
macro_rules! config {
    ($($field:ident),* $(,)?) => {
        impl Encode for Config {
            fn encode(&self, out: &mut Vec<u8>) {
                let Self {
                    $($field,)*
                    #[cfg(feature = "planted-bugs")]
                    planted: _,
                } = self;
                $($field.encode(out);)*
                planted::number(self).encode(out);
            }
        }

        impl<'a> Decode<'a> for Config {
            fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
                $(let $field = Decode::decode(from)?;)*
                let config = Self {
                    $($field,)*
                    #[cfg(feature = "planted-bugs")]
                    planted: None,
                };
                planted::plant(config, Decode::decode(from)?)
            }
        }
    };
}

config! {
    max_connections,
    max_relays,
    max_subscriptions,
    max_filters,
    max_publishes,
    max_publish_bytes,
    max_event_bytes,
    backoff_base,
    backoff_max,
    backoff_jitter,
    stable_after,
    dial_deadline,
    close_deadline,
    keepalive,
    idle_close,
    one_shot_turn,
    quarantine_base,
    quarantine_max,
    quarantine_clean,
    quarantine_min_forged,
    quarantine_percent,
    quarantine_window,
    pace_base,
    pace_max,
    pace_memory,
    send_credits,
    send_bytes,
    eose_deadline,
    eose_deadline_max,
    skew,
    late_window,
    min_page,
    max_pages,
    max_page_events,
    max_pages_at_once,
    max_refusals,
    queue_items,
    queue_bytes,
    max_queued_bytes,
    queue_pause,
    max_seen,
    max_delivered,
    held_bytes,
    max_latest,
    max_future_versions,
    future_window,
    deliver_expired,
    max_repairs,
    max_repairs_per_relay,
    max_in_flight,
    max_in_flight_per_relay,
    max_parked,
    ok_deadline,
    retry_base,
    max_sends,
    max_sends_unknown,
    suspect_window,
    publish_deadline,
    publish_lifetime,
    auth,
    identity,
    auth_wait,
    auth_sign_deadline,
    auth_ok_deadline,
    max_auth_signings,
    auth_window,
    max_challenge_bytes,
    max_counts,
    max_count_bytes,
    count_deadline,
    unknown_max_requests,
    unknown_max_filters,
    unknown_max_message,
    request_turn,
    group_max,
}
